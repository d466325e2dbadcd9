use std::time::Duration;

use api::{
    names::{RETREAT_ANNOTATION, RETREAT_REASON_ANNOTATION},
    reason::Reason,
    rollout::Abort,
    status::{OptimizationRolloutStatus, Retreat},
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use rstest::rstest;
use serde_json::json;

use crate::{
    acknowledgement::{Touch, fingerprint},
    decide::{
        decide,
        fixture::{BASELINE, Fixture},
        pass::{Pass, Phase},
    },
    mark::{Cause, Mark},
    observation::{Measurements, Report, Service},
    plan::{Advance, Plan, Withdraw},
    settled::Owner,
};

mod giving_up;
mod on_again;
mod out_of_reach;

#[test]
fn settings_go_back_although_nobody_of_the_baseline_is_ready() {
    let mut fixture = Fixture::new("oobbh", 50);
    for member in fixture.seen.members.iter_mut().skip(2) {
        member.pod.ready = false;
    }
    fixture.rollout.spec.abort = Some(Abort { reason: "ticket 42".to_owned() });
    let plan = decide(&fixture.rollout, &fixture.seen);
    let restored = plan.withdraw.iter().any(|withdraw| matches!(withdraw, Withdraw::Restore(_)));
    assert!(restored, "a retreat waits for nobody's health: {:?}", plan.withdraw);
}

#[rstest]
#[case::one_still_leads_to_it(&["node-2"], &["node-0", "node-3"], false)]
#[case::none_leads_to_it(&["node-2"], &["node-3"], true)]
fn traffic_is_moved_when_no_service_leads_to_a_member_that_goes_back(
    #[case] first: &[&str],
    #[case] second: &[&str],
    #[case] expected: bool,
) {
    let mut fixture = Fixture::new("oobb", 50);
    fixture.rollout.spec.traffic =
        serde_json::from_value(json!({"services": [{"name": "first"}, {"name": "second"}]})).unwrap();
    for (name, endpoints) in [("first", first), ("second", second)] {
        fixture.seen.services.push(Service {
            name: name.to_owned(),
            endpoints: endpoints.iter().map(|pod| (*pod).to_owned()).collect(),
            ..Service::default()
        });
    }
    fixture.rollout.spec.abort = Some(Abort { reason: "ticket 42".to_owned() });
    let retreat = decide(&fixture.rollout, &fixture.seen).status.retreat.unwrap();
    assert_eq!(retreat.rerouted_at.is_some(), expected, "{retreat:?}");
}

/// A retreat whose files have been back in the API for so many seconds.
fn off(cohorts: &str, seconds: u64) -> Fixture {
    let mut fixture = Fixture::new(cohorts, 50);
    fixture.rollout.spec.fleet.acknowledgement.timer = Some(api::Duration::default());
    fixture.replan();
    fixture.rollout.spec.abort = Some(Abort { reason: "ticket 42".to_owned() });
    fixture.take_back(Time(fixture.seen.now), true);
    let run = fixture.seen.shards[0].record.run.clone();
    let cause = Cause::new(Reason::AbortRequested, "ticket 42", fixture.seen.now);
    fixture.seen.shards[0].mark = Some(Mark { run, cause });
    for member in &mut fixture.seen.members {
        member.pod.serving = Some((member.pod.cohort.as_deref() == Some("baseline")).to_string());
    }
    fixture.seen.now += Duration::from_secs(seconds);
    fixture
}

/// A member says that it runs its baseline.
fn acknowledge(fixture: &mut Fixture, member: usize) {
    let touch = Touch { at: fixture.seen.now, count: 1, file: fingerprint(Some(BASELINE)) };
    fixture.seen.members[member].pod.touched = Some(touch);
}

/// The first member says, of its baseline, which optimizations are on.
fn says(fixture: &mut Fixture, enabled: &[(&str, bool)]) {
    let acknowledgement = json!({"metric": "optimization_enabled"});
    fixture.rollout.spec.fleet.acknowledgement = serde_json::from_value(acknowledgement).unwrap();
    let enabled = enabled.iter().map(|(name, on)| ((*name).to_owned(), *on)).collect();
    let report = Report { pod: "node-0".to_owned(), at: fixture.seen.now, enabled, ..Report::default() };
    let reports = [("node-0".to_owned(), report)].into();
    fixture.seen.measurements = Some(Measurements { reports, ..Measurements::default() });
    acknowledge(fixture, 0);
}

fn plan(fixture: &Fixture) -> Plan {
    decide(&fixture.rollout, &fixture.seen)
}

/// Reason and message of the condition that says how the run is.
fn told(status: &OptimizationRolloutStatus) -> (String, String) {
    let reason = status.summary.as_ref().unwrap().reason.clone();
    let condition = status.conditions.iter().find(|condition| condition.reason == reason);
    (reason, condition.map(|condition| condition.message.clone()).unwrap_or_default())
}

#[rstest]
#[case::nobody_is_back(&[], 59, "Retreating", "ticket 42; 0 of 2 members are back, waiting for node-0, node-1")]
#[case::one_is(&[1], 59, "Retreating", "ticket 42; 1 of 2 members are back, waiting for node-0")]
#[case::one_has_been_silent_for_too_long(&[1], 60, "Unreachable", "settings are back, but node-0 did not acknowledge within 60s")]
#[case::all_are(&[0, 1], 60, "AbortRequested", "every member runs its baseline again; take spec.abort away")]
fn a_retreat_says_who_is_back(
    #[case] acknowledged: &[usize],
    #[case] seconds: u64,
    #[case] reason: &str,
    #[case] words: &str,
) {
    let mut fixture = off("rrbb", seconds);
    acknowledged.iter().for_each(|member| acknowledge(&mut fixture, *member));
    let status = plan(&fixture).status;
    let (found, message) = told(&status);
    assert_eq!(found, reason);
    assert!(message.contains(words), "{message}");
    assert_eq!(status.retreat.unwrap().acknowledged_at.is_some(), acknowledged.len() == 2);
}

#[rstest]
#[case::that_it_is_off(&["pool"], &[("pool", false)], true)]
#[case::that_it_is_on(&["pool"], &[("pool", true)], false)]
#[case::nothing_of_it_but_of_others(&["pool"], &[("cache", false)], false)]
#[case::nothing(&["pool"], &[], false)]
#[case::that_one_of_two_is_on(&["pool", "cache"], &[("pool", false), ("cache", true)], false)]
#[case::that_the_edited_one_is_off_where_no_record_says_what_was_switched(&[], &[("other", false)], true)]
fn a_member_is_back_when_it_says_of_what_its_run_has_switched_and_an_edit_has_dropped(
    #[case] switched: &[&str],
    #[case] enabled: &[(&str, bool)],
    #[case] back: bool,
) {
    let mut fixture = off("rbbb", 5);
    "other".clone_into(&mut fixture.rollout.spec.optimizations[0].name);
    fixture.seen.shards[0].record.optimizations = switched.iter().map(|name| (*name).to_owned()).collect();
    says(&mut fixture, enabled);
    let status = plan(&fixture).status;
    assert_eq!(status.retreat.unwrap().acknowledged_at.is_some(), back, "{:?}", status.summary);
}

#[rstest]
#[case::it_may_run_its_old_file_still(59, false)]
#[case::it_had_a_minute_to_read_the_new_one(60, true)]
fn who_does_not_know_what_an_edit_has_dropped_is_back_after_a_minute(#[case] seconds: u64, #[case] back: bool) {
    let mut fixture = off("rbbb", 5);
    "other".clone_into(&mut fixture.rollout.spec.optimizations[0].name);
    fixture.seen.shards[0].record.optimizations = vec!["pool".to_owned()];
    says(&mut fixture, &[("cache", true)]);
    fixture.seen.now += Duration::from_secs(seconds);
    let reports = &mut fixture.seen.measurements.as_mut().unwrap().reports;
    reports.get_mut("node-0").unwrap().at = fixture.seen.now;
    let status = plan(&fixture).status;
    assert_eq!(status.retreat.unwrap().acknowledged_at.is_some(), back, "{:?}", status.summary);
}

#[test]
fn what_somebody_has_settled_says_nothing_of_a_run_that_goes_back() {
    let mut fixture = off("rbbb", 5);
    let shard = &mut fixture.seen.shards[0];
    shard.record.optimizations = vec!["cache".to_owned()];
    let owner = Owner { rollout: "another".to_owned(), optimization: "cache".to_owned(), before: None };
    shard.owners = [("cache.enabled".to_owned(), owner)].into();
    says(&mut fixture, &[("cache", true)]);
    assert!(plan(&fixture).status.retreat.unwrap().acknowledged_at.is_some());
}

#[test]
fn a_retreat_says_what_a_silent_member_does_not_know() {
    let waits = |seconds: u64| {
        let mut fixture = off("rbbb", seconds);
        says(&mut fixture, &[("cache", false)]);
        let off = fixture.rollout.status.as_ref().unwrap().retreat.as_ref().unwrap().off_at.as_ref().unwrap().0;
        fixture.seen.members[0].pod.touched.as_mut().unwrap().at = off;
        let reports = &mut fixture.seen.measurements.as_mut().unwrap().reports;
        reports.get_mut("node-0").unwrap().at = off + Duration::from_secs(50);
        told(&plan(&fixture).status)
    };
    assert_eq!(waits(119).0, "Retreating", "it is believed to be back before");
    let (reason, message) = waits(120);
    assert_eq!(reason, "Unreachable");
    let expected =
        "node-0 did not acknowledge within 120s; node-0 exposes optimization_enabled for cache, not for pool; look";
    assert!(message.contains(expected), "{message}");
}

#[test]
fn a_retreat_is_told_once() {
    let mut fixture = Fixture::new("oobb", 50);
    fixture.rollout.spec.abort = Some(Abort { reason: "ticket 42".to_owned() });
    let first = plan(&fixture);
    let reasons = |plan: &Plan| plan.notices.iter().map(|notice| notice.reason).collect::<Vec<_>>();
    assert_eq!(reasons(&first), [Reason::AbortRequested]);
    fixture.rollout.status = Some(first.status);
    assert_eq!(reasons(&plan(&fixture)), []);
}

#[test]
fn a_retreat_that_finds_everybody_back_already_is_told_before_its_end() {
    let mut fixture = off("rrbb", 0);
    [0, 1].into_iter().for_each(|member| acknowledge(&mut fixture, member));
    let status = fixture.rollout.status.as_mut().unwrap();
    status.retreat = None;
    status.run.as_mut().unwrap().aborted_at = None;
    let mut told = Vec::new();
    for _ in 0..3 {
        let plan = plan(&fixture);
        told.extend(plan.notices.iter().map(|notice| notice.reason));
        fixture.rollout.status = Some(plan.status);
    }
    assert_eq!(told, [Reason::AbortRequested, Reason::Restored]);
}

#[test]
fn the_clocks_of_a_retreat_stand_where_they_were_set() {
    let mut fixture = off("rrbb", 5);
    fixture.rollout.spec.traffic = serde_json::from_value(json!({"services": []})).unwrap();
    let before = fixture.rollout.status.as_ref().unwrap().retreat.clone().unwrap();
    let now = Time(fixture.seen.now);
    [0, 1].into_iter().for_each(|member| acknowledge(&mut fixture, member));
    let retreat = plan(&fixture).status.retreat.unwrap();
    let expected = Retreat { rerouted_at: Some(now.clone()), acknowledged_at: Some(now), ..before };
    assert_eq!(retreat, expected);
}

#[rstest]
#[case::bears_the_label_that_the_service_leaves_out("optimized", true)]
#[case::was_replaced_and_bears_that_of_its_template("baseline", false)]
fn a_narrowed_service_still_leads_to_a_pod_that(#[case] cohort: &str, #[case] expected: bool) {
    let mut fixture = off("rrbb", 1);
    fixture.rollout.spec.traffic = serde_json::from_value(json!({"services": [{"name": "front"}]})).unwrap();
    fixture.seen.members[0].pod.cohort = Some(cohort.to_owned());
    narrow(&mut fixture, None, &["node-0", "node-2"]);
    fixture.seen.services[0].selector.insert("optimization.qudag.io/cohort".to_owned(), "baseline".to_owned());
    assert_eq!(plan(&fixture).status.retreat.unwrap().rerouted_at.is_some(), expected);
}

/// Names of pods that get their labels back, of Services that are widened, of ConfigMaps that are written.
fn finishing(plan: &Plan) -> Vec<String> {
    let what = |advance: &Advance| match advance {
        Advance::LabelPod { pod, .. } => Some(pod.name.clone()),
        Advance::WidenService { service, .. } => Some(service.clone()),
        Advance::WriteShard(write) => Some(write.name.clone()),
        Advance::ReleaseFinalizer => Some("released".to_owned()),
        _ => None,
    };
    plan.advance.iter().filter_map(what).collect()
}

/// A Service that the run, or another one, has narrowed.
fn narrow(fixture: &mut Fixture, run: Option<&str>, endpoints: &[&str]) {
    let own = fixture.rollout.status.as_ref().unwrap().run.as_ref().unwrap().id.clone();
    let cause = Cause::new(Reason::AbortRequested, "ticket 42", fixture.seen.now);
    fixture.seen.services.push(Service {
        name: "front".to_owned(),
        mark: Some(Mark { run: run.map_or(own, str::to_owned), cause }),
        endpoints: endpoints.iter().map(|pod| (*pod).to_owned()).collect(),
        ..Service::default()
    });
}

#[rstest]
#[case::all_who_are_away_are_out_of_traffic(|_: &mut Fixture| {}, None, &["node-2"], true)]
#[case::one_is_not(|f: &mut Fixture| f.seen.members[1].pod.serving = Some("true".to_owned()), None, &["node-2"], false)]
#[case::it_still_leads_to_one(|_: &mut Fixture| {}, None, &["node-1"], false)]
#[case::another_run_has_narrowed_it(|_: &mut Fixture| {}, Some("another-1"), &["node-2"], false)]
fn a_service_is_widened_when_nobody_comes_back_by_it_who_must_not(
    #[case] happens: fn(&mut Fixture),
    #[case] run: Option<&str>,
    #[case] endpoints: &[&str],
    #[case] expected: bool,
) {
    let mut fixture = off("rrbb", 1);
    happens(&mut fixture);
    narrow(&mut fixture, run, endpoints);
    assert_eq!(finishing(&plan(&fixture)).contains(&"front".to_owned()), expected);
}

#[test]
fn who_is_back_gets_its_labels_and_the_record_goes_last() {
    let mut fixture = off("rrbb", 1);
    acknowledge(&mut fixture, 0);
    assert_eq!(finishing(&plan(&fixture)), ["node-0"]);
    acknowledge(&mut fixture, 1);
    assert_eq!(finishing(&plan(&fixture)), ["node-0", "node-1"]);
    for member in &mut fixture.seen.members {
        (member.pod.cohort, member.pod.serving) = (Some("baseline".to_owned()), Some("true".to_owned()));
    }
    assert_eq!(finishing(&plan(&fixture)), ["settings"]);
}

#[rstest]
#[case::nothing(|_: &mut Fixture| {}, false)]
#[case::members_in_the_record(|f: &mut Fixture| f.seen.shards.push(off("rrbb", 0).seen.shards.remove(0)), true)]
#[case::a_service_that_is_narrowed(|f: &mut Fixture| narrow(f, None, &["node-2"]), true)]
#[case::a_service_of_another_run(|f: &mut Fixture| narrow(f, Some("another-1"), &["node-2"]), false)]
#[case::a_pod_that_bears_its_mark(|f: &mut Fixture| f.seen.members[1].pod.mark = f.seen.shards[0].mark.clone(), true)]
fn a_retreat_that_was_over_goes_on_where_something_of_it_is_left(
    #[case] left: fn(&mut Fixture),
    #[case] expected: bool,
) {
    let mut fixture = off("bbbb", 5);
    fixture.seen.shards[0].record.members.clear();
    let retreat = fixture.rollout.status.as_mut().unwrap().retreat.as_mut().unwrap();
    retreat.acknowledged_at.clone_from(&retreat.off_at);
    left(&mut fixture);
    let phase = Pass::new(&fixture.rollout, &fixture.seen).phase;
    assert_eq!(phase == Phase::Retreating, expected, "{phase:?}");
}

#[rstest]
#[case::the_same(Reason::LimitBreached, 0, true)]
#[case::of_another_time(Reason::LimitBreached, -100, false)]
#[case::of_another_cause(Reason::AbortRequested, 0, false)]
fn a_retreat_takes_over_no_clocks_but_its_own(#[case] reason: Reason, #[case] decided: i64, #[case] expected: bool) {
    let mut fixture = Fixture::new("oobb", 50);
    let cause = Cause::new(Reason::LimitBreached, "errors: 50%", fixture.seen.now);
    let run = fixture.rollout.status.as_ref().unwrap().run.as_ref().unwrap().id.clone();
    let mark = Mark { run, cause };
    let annotations = fixture.rollout.metadata.annotations.get_or_insert_default();
    annotations.insert(RETREAT_ANNOTATION.to_owned(), mark.run.clone());
    annotations.insert(RETREAT_REASON_ANNOTATION.to_owned(), mark.cause_text());
    let at = Time(fixture.seen.now);
    fixture.rollout.status.as_mut().unwrap().retreat = Some(Retreat {
        reason,
        message: "errors: 50%".to_owned(),
        decided_at: Time(fixture.seen.now + jiff::SignedDuration::from_secs(decided)),
        rerouted_at: None,
        off_at: Some(at.clone()),
        acknowledged_at: None,
    });
    let plan = plan(&fixture);
    let told: Vec<_> = plan.notices.iter().map(|notice| notice.reason).collect();
    assert_eq!(told, [Reason::LimitBreached], "a standby has marked it, and the leader tells it");
    let retreat = plan.status.retreat.unwrap();
    assert_eq!((retreat.off_at.is_some(), retreat.decided_at), (expected, at), "its files are not back yet");
}
