//! Deletions that go without what they have waited for.

use std::time::Duration;

use api::{names::MEMBERS_KEY, reason::Reason};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use rstest::rstest;

use super::{acknowledge, finishing, narrow, off, plan, told};
use crate::{decide::fixture::Fixture, observation::Problem, plan::Advance, record::Record};

/// Members that go back, and whose rollout was deleted at once.
fn deleted(seconds: u64) -> Fixture {
    let mut fixture = off("rrbb", seconds);
    fixture.rollout.metadata.deletion_timestamp = Some(Time(fixture.seen.now - Duration::from_secs(seconds)));
    narrow(&mut fixture, None, &["node-2"]);
    fixture
}

#[rstest]
#[case::for_a_minute(59, &["front"])]
#[case::and_then_leaves_the_fleet_as_if_they_had(60, &["node-0", "node-1", "front"])]
#[case::and_tries_no_longer_to_label_them(120, &["settings"])]
#[case::and_holds_up_the_deletion_no_longer_but_for_a_service(180, &["front", "released"])]
fn a_deletion_waits_for_those_who_do_not_acknowledge(#[case] seconds: u64, #[case] expected: &[&str]) {
    assert_eq!(finishing(&plan(&deleted(seconds))), expected);
}

/// The same, of members that are all back, and whose labels the API server refuses.
fn refused(seconds: u64) -> Fixture {
    let mut fixture = deleted(seconds);
    acknowledge(&mut fixture, 0);
    acknowledge(&mut fixture, 1);
    let retreat = fixture.rollout.status.as_mut().unwrap().retreat.as_mut().unwrap();
    retreat.acknowledged_at.clone_from(&retreat.off_at);
    let words = "the API server refuses to write pod node-0: denied by policy labels";
    fixture.seen.problems.push(Problem::new(Reason::WriteRefused, words));
    fixture
}

#[rstest]
#[case::for_two_minutes(119, &["node-0", "node-1", "front"])]
#[case::and_then_closes_the_records(120, &["settings"])]
#[case::or_not_even_that(180, &["front", "released"])]
fn a_deletion_waits_for_labels_that_are_refused(#[case] seconds: u64, #[case] expected: &[&str]) {
    let mut fixture = refused(seconds);
    assert_eq!(finishing(&plan(&fixture)), expected);
    fixture.seen.problems.clear();
    assert_eq!(finishing(&plan(&fixture)), ["node-0", "node-1", "front"], "what is not refused is done");
}

#[rstest]
#[case::while_members_are_waited_for_beyond_their_time(61)]
#[case::when_a_service_alone_is_left(300)]
fn a_deletion_that_something_holds_up_says_what(#[case] seconds: u64) {
    let mut fixture = deleted(seconds);
    let words = "the API server refuses to write Service front: denied by policy services";
    fixture.seen.problems.push(Problem::new(Reason::WriteRefused, words));
    let (reason, message) = told(&plan(&fixture).status);
    assert_eq!((reason.as_str(), message), ("WriteRefused", format!("the rollout is being deleted; {words}")));
}

#[test]
fn labels_that_are_refused_are_told() {
    let (reason, message) = told(&plan(&refused(5)).status);
    assert_eq!(reason, "WriteRefused");
    let refusal = "the API server refuses to write pod node-0: denied by policy labels";
    assert_eq!(message, format!("ticket 42; every member runs its baseline again, but {refusal}"));

    let mut fixture = refused(120);
    let plans = [(); 2].map(|()| {
        let plan = plan(&fixture);
        fixture.rollout.status = Some(plan.status.clone());
        plan
    });
    let events: Vec<&str> = plans.iter().flat_map(|plan| &plan.notices).map(|notice| notice.message.as_str()).collect();
    let remedy = "replace the pods of node-0, node-1, so that they bear the labels of their template again";
    let expected = format!("the rollout is deleted although {refusal}; {remedy}");
    assert_eq!(events, [expected], "once");
}

#[test]
fn a_deletion_of_what_has_waited_for_long_leaves_the_fleet_as_if_all_had_acknowledged() {
    let mut fixture = deleted(300);
    fixture.rollout.metadata.deletion_timestamp = Some(Time(fixture.seen.now));
    assert_eq!(finishing(&plan(&fixture)), ["node-0", "node-1", "front"]);
}

#[test]
fn a_deletion_waits_for_no_record_that_broke_after_everything_was_off() {
    let mut fixture = deleted(120);
    fixture.garble("settings");
    assert_eq!(finishing(&plan(&fixture)), ["front", "released"]);
}

#[test]
fn a_deletion_without_those_who_do_not_acknowledge_is_told_before_the_finalizer_goes() {
    let mut fixture = deleted(60);
    fixture.seen.services.clear();
    for member in &mut fixture.seen.members {
        (member.pod.cohort, member.pod.serving) = (Some("baseline".to_owned()), Some("true".to_owned()));
    }
    let first = plan(&fixture);
    let (reason, message) = told(&first.status);
    assert_eq!((finishing(&first), reason.as_str()), (vec!["settings".to_owned()], "Unreachable"));
    assert!(message.contains("deleted although node-0, node-1 did not acknowledge"), "{message}");
    let written =
        first.advance.iter().find_map(|it| if let Advance::WriteShard(write) = it { Some(write) } else { None });
    let record = Record::parse(written.unwrap().data[MEMBERS_KEY].as_deref()).unwrap();
    assert_eq!((record.stage, record.members.len()), (-1, 0), "it is of no stage any more");
    fixture.seen.shards[0].record.members.clear();
    fixture.rollout.status = Some(first.status);
    assert_eq!(finishing(&plan(&fixture)), ["released"]);
}
