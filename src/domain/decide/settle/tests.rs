use api::{
    fleet::Reload,
    names::SETTLED_ANNOTATION,
    reason::Reason,
    rollout::{Abort, DeletionPolicy},
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use rstest::rstest;

use crate::{
    acknowledgement::{Touch, fingerprint},
    decide::{
        decide, decide_standby,
        fixture::{BASELINE, Fixture, OPTIMIZED},
        needs_and_plan,
    },
    mark::{Cause, Mark},
    observation::{Breach, Measurements, Problem, Shard},
    plan::Advance,
    record::Cohort,
};

/// Everybody has followed, and bears no label of the run any more.
fn followed() -> Fixture {
    let mut fixture = Fixture::new("oooo", 100);
    let now = Time(fixture.seen.now);
    let run = fixture.run();
    (run.succeeded_at, run.settling_at) = (Some(now.clone()), Some(now));
    fixture.seen.shards[0].record.stage = 1;
    for member in &mut fixture.seen.members {
        member.pod.cohort = Some("baseline".to_owned());
        member.pod.touched = Some(Touch { at: fixture.seen.now, count: 1, file: fingerprint(Some(OPTIMIZED)) });
    }
    fixture.seen.now += jiff::SignedDuration::from_mins(10);
    fixture
}

fn id(fixture: &Fixture) -> String {
    fixture.rollout.status.as_ref().unwrap().run.as_ref().unwrap().id.clone()
}

fn breach(fixture: &mut Fixture) {
    let run = fixture.rollout.status.as_ref().unwrap().run.clone().unwrap();
    let breach = Breach {
        reason: Reason::LimitBreached,
        indicator: "errors".to_owned(),
        message: "errors: 5%".to_owned(),
        worst: Vec::new(),
    };
    fixture.seen.measurements = Some(Measurements {
        run: run.id,
        bake: run.succeeded_at.unwrap().0,
        breach: Some(breach),
        ..Measurements::default()
    });
}

fn abort(fixture: &mut Fixture) {
    fixture.rollout.spec.abort = Some(Abort { reason: "ticket 42".to_owned() });
}

fn delete(fixture: &mut Fixture) {
    fixture.rollout.metadata.deletion_timestamp = Some(Time(fixture.seen.now));
    fixture.rollout.spec.deletion_policy = DeletionPolicy::RestoreUnfinished;
}

fn mark(fixture: &mut Fixture) {
    let run = id(fixture);
    fixture.rollout.metadata.annotations = Some([(api::names::RETREAT_ANNOTATION.to_owned(), run)].into());
}

#[test]
fn that_there_is_no_way_back_is_said_before_the_first_value_is_settled() {
    let mut fixture = followed();
    let plan = decide(&fixture.rollout, &fixture.seen);
    assert!(matches!(plan.advance.as_slice(), [Advance::WriteShard(_)]), "{:?}", plan.advance);
    let since = plan.status.run.as_ref().unwrap().closing_at.clone();
    assert_eq!(since, Some(Time(fixture.seen.now)), "the status is committed before what goes on is written");
    fixture.rollout.status = Some(plan.status);
    fixture.seen.now += jiff::SignedDuration::from_secs(1);
    let again = decide(&fixture.rollout, &fixture.seen);
    assert_eq!(again.status.run.unwrap().closing_at, since, "a pass that was cut off is repeated as it was");
}

#[rstest]
#[case::a_breach(breach)]
#[case::an_abort(abort)]
#[case::a_deletion(delete)]
#[case::a_mark_that_came_too_late(mark)]
fn nothing_takes_back_what_has_begun_to_be_settled(#[case] happens: fn(&mut Fixture)) {
    let mut before = followed();
    happens(&mut before);
    let taken_back = decide(&before.rollout, &before.seen).status.run.unwrap().aborted_at;
    assert!(taken_back.is_some(), "it would have, a moment ago");

    let mut fixture = followed();
    assert!(fixture.pass().is_some());
    happens(&mut fixture);
    let (sampling, plan) = needs_and_plan(&fixture.rollout, &fixture.seen);
    assert!(sampling.is_none(), "nobody is asked any more");
    assert!(plan.withdraw.is_empty() && decide_standby(&fixture.rollout, &fixture.seen).is_none());
    let run = plan.status.run.unwrap();
    assert!(run.aborted_at.is_none() && run.settled_at.is_some(), "{run:?}");
}

#[test]
fn members_that_went_back_before_the_values_were_settled_stay_back() {
    let mut fixture = followed();
    fixture.rollout.status = Some(decide(&fixture.rollout, &fixture.seen).status);
    let cause = Cause::new(Reason::LimitBreached, "errors: 5%", fixture.seen.now);
    fixture.seen.shards[0].mark = Some(Mark { run: id(&fixture), cause });
    let run = decide(&fixture.rollout, &fixture.seen).status.run.unwrap();
    assert!(run.aborted_at.is_some() && run.settled_at.is_none(), "{run:?}");
}

#[test]
fn another_plan_takes_back_what_has_not_been_settled_yet() {
    let mut fixture = followed();
    fixture.rollout.status = Some(decide(&fixture.rollout, &fixture.seen).status);
    fixture.rollout.spec.attempt = 2;
    let status = decide(&fixture.rollout, &fixture.seen).status;
    assert_eq!(status.retreat.unwrap().reason, Reason::PlanChanged);
}

#[rstest]
#[case::that_follows("b", BASELINE, OPTIMIZED)]
#[case::that_was_switched("o", OPTIMIZED, OPTIMIZED)]
#[case::whose_values_somebody_took_back("o", BASELINE, BASELINE)]
fn a_member_without_a_pod_keeps_what_somebody_made_of_its_file(
    #[case] cohort: &str,
    #[case] file: &str,
    #[case] expected: &str,
) {
    let mut fixture = followed();
    let entry = serde_json::from_value(serde_json::json!({"c": cohort, "s": 0, "u": "gone"})).unwrap();
    let shard = &mut fixture.seen.shards[0];
    shard.record.members.insert("node-9".to_owned(), entry);
    shard.files.insert("node-9".to_owned(), file.to_owned());
    fixture.pass().unwrap();
    assert_eq!(fixture.seen.shards[0].files["node-9"], expected);
}

#[rstest]
#[case::says_what_its_baseline_is(BASELINE, OPTIMIZED)]
#[case::says_what_an_earlier_run_has_settled("dns.cache = true\n", "dns.cache = true\npool.enabled = true\n")]
#[case::says_both("dns.cache = true\npool.enabled = false\n", "dns.cache = true\npool.enabled = true\n")]
#[case::says_something_else("pool.enabled = 1\n", "pool.enabled = 1\n")]
fn the_values_are_settled_for_a_member_that_the_run_does_not_know_and_whose_file(
    #[case] file: &str,
    #[case] expected: &str,
) {
    let mut fixture = followed();
    if file.contains("dns") {
        earlier(&mut fixture);
    }
    fixture.seen.shards[0].files.insert("node-9".to_owned(), file.to_owned());
    let write = fixture.pass().unwrap();
    assert_eq!(fixture.seen.shards[0].files["node-9"], expected);
    assert!(write.annotations.contains_key(SETTLED_ANNOTATION));
}

#[rstest]
#[case::that_is_there_and_cannot_take_part(|f: &mut Fixture| {
    "node-9".clone_into(&mut f.seen.members[3].name);
    f.seen.members[3].unfit = Some(Problem::new(Reason::NodeNotSelected, "not here"));
    f.seen.shards[0].record.members.remove("node-3");
})]
#[case::that_may_come_back_where_it_cannot(|f: &mut Fixture| {
    f.rollout.spec.fleet.node_selector = Some(Default::default());
    f.replan();
})]
fn the_values_are_not_settled_for_a_member(#[case] happens: fn(&mut Fixture)) {
    let mut fixture = followed();
    happens(&mut fixture);
    fixture.seen.shards[0].files.insert("node-9".to_owned(), BASELINE.to_owned());
    fixture.pass().unwrap();
    assert_eq!(fixture.seen.shards[0].files["node-9"], BASELINE);
}

/// An earlier run has settled something that is in the files of all who have followed.
fn earlier(fixture: &mut Fixture) {
    let shard = &mut fixture.seen.shards[0];
    shard.settled = [("dns.cache".to_owned(), api::Scalar::Bool(true))].into();
    for file in shard.files.values_mut() {
        "dns.cache = true\npool.enabled = true\n".clone_into(file);
    }
    for member in &mut fixture.seen.members {
        member.pod.touched.as_mut().unwrap().file = fingerprint(Some("dns.cache = true\npool.enabled = true\n"));
    }
}

#[test]
fn the_values_are_settled_for_all_where_another_map_has_them_already() {
    let mut fixture = followed();
    fixture.seen.shards[0].files.insert("node-9".to_owned(), BASELINE.to_owned());
    let settled = [("pool.enabled".to_owned(), api::Scalar::Bool(true))].into();
    fixture.seen.shards.push(Shard { name: "settings-1".to_owned(), settled, ..Shard::default() });
    let now = Time(fixture.seen.now);
    fixture.run().closing_at = Some(now);
    fixture.pass().unwrap();
    assert_eq!(fixture.seen.shards[0].files["node-9"], OPTIMIZED);
}

/// The last member has joined while the others followed.
fn joined() -> Fixture {
    let mut fixture = followed();
    fixture.seen.shards[0].record.members.remove("node-3");
    fixture.seen.shards[0].files.insert("node-3".to_owned(), BASELINE.to_owned());
    fixture
}

#[test]
fn a_member_that_joins_while_the_others_follow_is_told_when_the_values_are_settled() {
    let fixture = joined();
    let plan = decide(&fixture.rollout, &fixture.seen);
    let touched: Vec<&str> = plan
        .advance
        .iter()
        .filter_map(|advance| if let Advance::Touch(touch) = advance { Some(touch.pod.name.as_str()) } else { None })
        .collect();
    assert_eq!(touched, ["node-3"], "{:?}", plan.advance);
}

#[rstest]
#[case::all_that_the_others_can_bear(4, 2)]
#[case::fewer_beside_one_that_is_not_ready(3, 1)]
fn of_members_that_joined_and_read_their_files_at_start_are_restarted(#[case] ready: usize, #[case] expected: usize) {
    let mut fixture = followed();
    fixture.rollout.spec.fleet.config.reload = Reload::RestartPod;
    fixture.rollout.spec.fleet.acknowledgement.timer = Some(api::Duration::default());
    fixture.replan();
    let shard = &mut fixture.seen.shards[0];
    for member in ["node-1", "node-2", "node-3"] {
        shard.record.members.remove(member);
        shard.files.insert(member.to_owned(), BASELINE.to_owned());
    }
    for member in fixture.seen.members.iter_mut().skip(ready) {
        member.pod.ready = false;
    }
    "another".clone_into(&mut fixture.seen.members[0].pod.uid);
    let plan = decide(&fixture.rollout, &fixture.seen);
    assert!(fixture.run().closing_at.is_none() && plan.status.run.unwrap().closing_at.is_some());
    let evicted = plan.advance.iter().filter(|advance| matches!(advance, Advance::Evict(_))).count();
    assert_eq!(evicted, expected, "{:?}", plan.advance);
}

/// The last member was away when the others were to follow, and is there again.
fn came_back() -> Fixture {
    let mut fixture = followed();
    let shard = &mut fixture.seen.shards[0];
    shard.record.members.get_mut("node-3").unwrap().cohort = Cohort::Holdout;
    shard.files.insert("node-3".to_owned(), BASELINE.to_owned());
    fixture
}

#[test]
fn a_member_that_comes_back_while_the_others_follow_follows_as_well() {
    let mut fixture = came_back();
    fixture.pass().unwrap();
    assert_eq!(fixture.cohorts(), "oooo");
    assert_eq!(fixture.seen.shards[0].files["node-3"], OPTIMIZED);
    assert_eq!(fixture.run().closing_at, None, "it has to acknowledge first");
}

#[test]
fn a_member_that_comes_back_when_the_values_begin_to_be_settled_does_not_keep_them_from_it() {
    let mut fixture = came_back();
    let now = Time(fixture.seen.now);
    fixture.run().closing_at = Some(now);
    let write = fixture.pass().unwrap();
    assert_eq!(fixture.seen.shards[0].files["node-3"], OPTIMIZED);
    assert!(write.annotations[SETTLED_ANNOTATION].is_some(), "{write:?}");
}

/// A run on members' own ConfigMaps that has settled without the last member, whose map was locked until now.
fn left_behind(seconds: i64, cohort: &str) -> Fixture {
    let mut fixture = Fixture::new(&format!("ooo{cohort}"), 100);
    fixture.patch();
    let now = Time(fixture.seen.now);
    let run = fixture.run();
    (run.succeeded_at, run.settling_at) = (Some(now.clone()), Some(now.clone()));
    (run.closing_at, run.settled_at) = (Some(now.clone()), Some(now));
    for shard in fixture.seen.shards.iter_mut().take(3) {
        shard.record.members.clear();
        shard.settled = [("pool.enabled".to_owned(), api::Scalar::Bool(true))].into();
    }
    for member in &mut fixture.seen.members {
        member.pod.cohort = Some("baseline".to_owned());
    }
    fixture.seen.now += jiff::SignedDuration::from_secs(seconds);
    fixture
}

#[rstest]
#[case::at_once("h", 5, &[])]
#[case::after_a_while("h", 15, &["node-3-config"])]
#[case::that_was_switched("o", 15, &["node-3-config"])]
fn a_run_ends_on_a_map_that_was_locked_when_it_ended_on_others(
    #[case] cohort: &str,
    #[case] seconds: i64,
    #[case] expected: &[&str],
) {
    let fixture = left_behind(seconds, cohort);
    let plan = decide(&fixture.rollout, &fixture.seen);
    let writes: Vec<_> = plan
        .advance
        .iter()
        .filter_map(|advance| match advance {
            Advance::WriteShard(write) if write.name == "node-3-config" => Some(write),
            _ => None,
        })
        .collect();
    assert_eq!(writes.iter().map(|write| write.name.as_str()).collect::<Vec<_>>(), expected);
    let settles = writes.iter().any(|write| write.annotations.contains_key("optimization.qudag.io/settled"));
    // Who was not switched follows as one that joins, once it has no entry.
    assert_eq!(settles, cohort == "o" && !expected.is_empty());
}
