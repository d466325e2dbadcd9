use std::{collections::BTreeMap, time::Duration};

use api::{
    names::{COHORT_LABEL, SERVING_LABEL},
    reason::Reason,
    rollout::{Abort, Readiness},
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use rstest::rstest;
use serde_json::json;

use crate::{
    decide::{decide, fixture::Fixture},
    mark::{Cause, Mark},
    observation::{Measurements, Problem, Service},
};

fn condition(fixture: &Fixture, kind: &str) -> Condition {
    let conditions = decide(&fixture.rollout, &fixture.seen).status.conditions;
    conditions.into_iter().find(|condition| condition.type_ == kind).unwrap()
}

/// Two optimized members and two others, all in traffic by a Service that can be narrowed.
fn with_traffic() -> Fixture {
    let mut fixture = Fixture::new("oobb", 50);
    fixture.rollout.spec.traffic = serde_json::from_value(json!({"services": [{"name": "front"}]})).unwrap();
    let selector = BTreeMap::from([(SERVING_LABEL.to_owned(), "true".to_owned())]);
    fixture.seen.services = vec![Service { name: "front".to_owned(), selector, ..Service::default() }];
    for member in &mut fixture.seen.members {
        member.pod.serving = Some("true".to_owned());
    }
    fixture
}

#[test]
fn a_member_whose_pod_is_put_back_is_optimized_meanwhile_and_one_that_has_left_is_not() {
    let mut fixture = Fixture::new("oobb", 50);
    fixture.seen.members.remove(0);
    let optimized = |fixture: &Fixture| {
        let status = decide(&fixture.rollout, &fixture.seen).status;
        (status.members.unwrap().optimized, status.summary.unwrap().members)
    };
    fixture.seen.gone_for = [("node-0".to_owned(), Duration::from_secs(59))].into();
    assert_eq!(optimized(&fixture), (2, "2/3".to_owned()));
    fixture.seen.gone_for = [("node-0".to_owned(), Duration::from_secs(60))].into();
    assert_eq!(optimized(&fixture), (1, "1/3".to_owned()));
}

#[rstest]
#[case::labels_and_services_are_there(|_: &mut Fixture| {}, "True", "TrafficReady", "")]
#[case::there_is_no_traffic(|f: &mut Fixture| f.rollout.spec.traffic = None, "False", "NoTraffic", "traffic stays")]
#[case::a_service_cannot_be_narrowed(
    |f: &mut Fixture| f.seen.services[0].refused = Some("Service front is headless".to_owned()),
    "False",
    "ServiceRefused",
    "headless"
)]
#[case::a_service_does_not_select_who_serves(
    |f: &mut Fixture| f.seen.services[0].selector.clear(),
    "False",
    "LabelsMissing",
    "Service front does not select"
)]
#[case::a_pod_lacks_the_serving_label(
    |f: &mut Fixture| f.seen.members[1].pod.serving = None,
    "False",
    "LabelsMissing",
    "pod node-1 lacks"
)]
#[case::a_pod_lacks_the_cohort_label(
    |f: &mut Fixture| f.seen.members[2].pod.cohort = None,
    "False",
    "LabelsMissing",
    "pod node-2 lacks"
)]
#[case::a_retreat_needs_no_labels(
    |f: &mut Fixture| {
        let run = f.run();
        run.aborted_at = Some(run.started_at.clone());
        f.seen.members[1].pod.serving = None;
    },
    "True",
    "TrafficReady",
    ""
)]
fn a_retreat_could_take_traffic_away_where(
    #[case] happens: fn(&mut Fixture),
    #[case] status: &str,
    #[case] reason: &str,
    #[case] words: &str,
) {
    let mut fixture = with_traffic();
    happens(&mut fixture);
    let found = condition(&fixture, "TrafficRetreatReady");
    assert_eq!((found.status.as_str(), found.reason.as_str()), (status, reason), "{found:?}");
    assert!(found.message.contains(words), "{found:?}");
}

/// A retreat of the run, or of another one, has narrowed a Service that the spec does not name.
fn narrow_unnamed(fixture: &mut Fixture, own: bool) {
    let run = if own { fixture.run().id.clone() } else { "another-1".to_owned() };
    let selector = BTreeMap::from([(COHORT_LABEL.to_owned(), "baseline".to_owned())]);
    let mark = Mark { run, cause: Cause::new(Reason::AbortRequested, "no", fixture.seen.now) };
    let name = "back".to_owned();
    fixture.seen.unnamed_services = vec![Service { name, selector, mark: Some(mark), ..Service::default() }];
}

#[rstest]
#[case::all_serve(|_: &mut Fixture| {}, "Normal")]
#[case::one_is_out(|f: &mut Fixture| f.seen.members[0].pod.serving = Some("false".to_owned()), "Reduced")]
#[case::the_service_is_narrowed(
    |f: &mut Fixture| drop(f.seen.services[0].selector.insert(COHORT_LABEL.to_owned(), "baseline".to_owned())),
    "Rerouted"
)]
#[case::one_that_is_named_no_more_is(|f: &mut Fixture| narrow_unnamed(f, true), "Rerouted")]
#[case::that_of_another_run_is(|f: &mut Fixture| narrow_unnamed(f, false), "Normal")]
#[case::there_is_none(|f: &mut Fixture| f.rollout.spec.traffic = None, "-")]
fn the_summary_says_where_traffic_goes(#[case] happens: fn(&mut Fixture), #[case] expected: &str) {
    let mut fixture = with_traffic();
    happens(&mut fixture);
    assert_eq!(decide(&fixture.rollout, &fixture.seen).status.summary.unwrap().traffic, expected);
}

#[rstest]
#[case::in_a_stage(|_: &mut Fixture| {}, "1/1 half", "2/4")]
#[case::in_the_watch(|f: &mut Fixture| {
    let run = f.run();
    run.succeeded_at = Some(run.started_at.clone());
}, "watch", "2/4")]
#[case::as_the_holdout_follows(|f: &mut Fixture| {
    let run = f.run();
    run.succeeded_at = Some(run.started_at.clone());
    run.settling_at = Some(run.started_at.clone());
}, "settling", "2/4")]
#[case::settled(|f: &mut Fixture| {
    let run = f.run();
    run.settled_at = Some(run.started_at.clone());
    f.seen.shards[0].record.members.clear();
}, "settled", "4/4")]
#[case::aborted(|f: &mut Fixture| f.rollout.spec.abort = Some(Abort { reason: "ticket 42".to_owned() }), "aborted", "2/4")]
fn the_summary_says_how_far_a_run_is(#[case] happens: fn(&mut Fixture), #[case] stage: &str, #[case] members: &str) {
    let mut fixture = Fixture::new("oobb", 50);
    happens(&mut fixture);
    let summary = decide(&fixture.rollout, &fixture.seen).status.summary.unwrap();
    assert_eq!((summary.stage.as_str(), summary.members.as_str()), (stage, members));
}

#[test]
fn who_cannot_take_part_is_listed_with_the_reason_up_to_twenty() {
    let mut fixture = Fixture::new(&"b".repeat(24), 50);
    fixture.rollout.status = None;
    fixture.seen.shards.clear();
    for member in fixture.seen.members.iter_mut().skip(1) {
        member.unfit = Some(Problem::new(Reason::NotOptedIn, format!("annotate {}", member.name)));
    }
    let status = decide(&fixture.rollout, &fixture.seen).status;
    let told: Vec<_> = status.ineligible.iter().map(|one| (one.member.as_str(), one.reason)).collect();
    assert_eq!((told.len(), told[0]), (20, ("node-1", Reason::NotOptedIn)));
    assert_eq!(status.ineligible[0].message, "annotate node-1");
    let members = status.members.unwrap();
    assert_eq!((members.fleet, members.eligible), (24, 1));
}

#[rstest]
#[case::accepted(Readiness::Accepted, "True", "Accepted", "False")]
#[case::completed(Readiness::Completed, "False", "AwaitingAcknowledgement", "True")]
fn a_run_is_ready_as_its_owner_asks(
    #[case] readiness: Readiness,
    #[case] ready: &str,
    #[case] reason: &str,
    #[case] reconciling: &str,
) {
    let mut fixture = Fixture::new("oobb", 50);
    fixture.rollout.spec.readiness = readiness;
    let found = condition(&fixture, "Ready");
    assert_eq!((found.status.as_str(), found.reason.as_str()), (ready, reason), "{found:?}");
    assert_eq!(condition(&fixture, "Reconciling").status, reconciling);
    assert_eq!(condition(&fixture, "Progressing").status, "True");
    fixture.rollout.spec.abort = Some(Abort { reason: "ticket 42".to_owned() });
    for (kind, status) in [("Ready", "False"), ("Reconciling", "True"), ("Progressing", "False"), ("Aborted", "True")] {
        assert_eq!(condition(&fixture, kind).status, status, "{kind} of a run that is taken back");
    }
}

#[test]
fn measured_numbers_alone_are_written_at_their_own_pace() {
    let mut fixture = Fixture::new("oobb", 50);
    fixture.rollout.spec.fleet.acknowledgement.timer = Some(api::Duration::from_secs(3600));
    fixture.replan();
    fixture.rollout.status = Some(decide(&fixture.rollout, &fixture.seen).status);
    let before = fixture.rollout.status.clone().unwrap();
    let run = before.run.as_ref().unwrap().id.clone();
    let covered = std::time::Duration::from_secs(7);
    fixture.seen.measurements = Some(Measurements { run, bake: fixture.seen.now, covered, ..Measurements::default() });
    assert_eq!(decide(&fixture.rollout, &fixture.seen).status, before);
    fixture.seen.report_due = true;
    let after = decide(&fixture.rollout, &fixture.seen).status;
    assert_eq!(after.stage.unwrap().covered, api::Duration::from_secs(7));
}

#[rstest]
#[case::when_it_was_told_a_moment_ago(false, "first", 5)]
#[case::at_once_otherwise(true, "second", 300)]
fn another_sentence_of_a_run_that_waits_is_told(#[case] due: bool, #[case] expected: &str, #[case] again: u64) {
    let mut fixture = Fixture::new("bbbb", 50);
    fixture.rollout.status = None;
    fixture.seen.shards.clear();
    fixture.seen.report_due = true;
    let problem = |what: &str| Problem::new(Reason::ConfigUnreadable, what);
    fixture.seen.problems.push(problem("first"));
    fixture.rollout.status = Some(decide(&fixture.rollout, &fixture.seen).status);
    fixture.seen.problems = vec![problem("second")];
    fixture.seen.report_due = due;
    let plan = decide(&fixture.rollout, &fixture.seen);
    let stalled = plan.status.conditions.iter().find(|condition| condition.type_ == "Stalled").unwrap();
    assert_eq!(stalled.message, expected);
    assert_eq!(plan.requeue, std::time::Duration::from_secs(again), "or it is told late, or never");
}

#[test]
fn a_settled_rollout_that_is_deleted_is_ready_and_reconciles() {
    let mut fixture = Fixture::new("bbbb", 50);
    fixture.rollout.spec.readiness = Readiness::Completed;
    fixture.rollout.metadata.deletion_timestamp = Some(Time(fixture.seen.now));
    let run = fixture.run();
    run.settled_at = Some(run.started_at.clone());
    fixture.seen.shards[0].record.members.clear();
    for (kind, status) in [("Ready", "True"), ("Reconciling", "True"), ("Settled", "True"), ("Progressing", "False")] {
        assert_eq!(condition(&fixture, kind).status, status, "{kind}");
    }
}

#[rstest]
#[case::the_same(true, 1)]
#[case::a_new(false, 0)]
fn measured_numbers_stay_with_their_run_in(#[case] goes_on: bool, #[case] expected: usize) {
    let mut fixture = Fixture::new("oobb", 50);
    let numbers = json!([{"name": "errors", "verdict": "Pass", "message": "0.1%"}]);
    fixture.rollout.status.as_mut().unwrap().indicators = serde_json::from_value(numbers).unwrap();
    if !goes_on {
        fixture.rollout.status.as_mut().unwrap().run = None;
        fixture.seen.shards.clear();
    }
    let status = decide(&fixture.rollout, &fixture.seen).status;
    assert!(status.run.is_some());
    assert_eq!(status.indicators.len(), expected);
}

#[test]
fn only_a_run_that_was_aborted_says_why() {
    let mut fixture = Fixture::new("oobb", 50);
    assert_eq!(condition(&fixture, "Aborted").message, "");
    fixture.rollout.spec.abort = Some(Abort { reason: "ticket 42".to_owned() });
    assert!(condition(&fixture, "Aborted").message.contains("ticket 42"));
}
