use api::{names::RETREAT_ANNOTATION, rollout::Abort};
use rstest::rstest;

mod play;
mod stories;

use super::{
    decide,
    fixture::{BASELINE, Fixture},
};
use crate::plan::Withdraw;

#[rstest]
#[case::for_nothing(|_: &mut Fixture| {})]
#[case::for_a_person(|fixture: &mut Fixture| fixture.rollout.spec.paused = true)]
#[case::for_its_members(|fixture: &mut Fixture| fixture.seen.members.clear())]
#[case::for_an_owner(|fixture: &mut Fixture| {
    fixture.seen.shards[0].files.insert("node-0".to_owned(), BASELINE.to_owned());
})]
#[case::for_another_spec(|fixture: &mut Fixture| fixture.rollout.spec.stages[0].percent = 25)]
#[case::for_a_write(|fixture: &mut Fixture| {
    let refused = crate::observation::Problem::new(api::reason::Reason::WriteRefused, "not today");
    fixture.seen.problems.push(refused);
})]
fn an_abort_outranks_everything_that_a_run_waits_for(#[case] waits: fn(&mut Fixture)) {
    let mut fixture = Fixture::new("obbh", 50);
    waits(&mut fixture);
    fixture.rollout.spec.abort = Some(Abort { reason: "ticket 42".to_owned() });
    let plan = decide(&fixture.rollout, &fixture.seen);
    assert!(plan.status.run.unwrap().aborted_at.is_some(), "the abort waits: {:?}", plan.status.summary);
    let marks =
        |withdraw: &Withdraw| matches!(withdraw, Withdraw::MarkRollout(mark) if mark.cause.message == "ticket 42");
    assert!(plan.withdraw.iter().any(marks), "{:?}", plan.withdraw);
}

#[test]
fn a_mark_aborts_the_run_that_it_names_and_no_other() {
    let mut fixture = Fixture::new("obbh", 50);
    let run = fixture.rollout.status.as_ref().unwrap().run.as_ref().unwrap().id.clone();
    for (named, aborts) in [("another-1", false), (run.as_str(), true)] {
        let annotations = fixture.rollout.metadata.annotations.get_or_insert_default();
        annotations.insert(RETREAT_ANNOTATION.to_owned(), named.to_owned());
        let plan = decide(&fixture.rollout, &fixture.seen);
        assert_eq!(plan.status.run.unwrap().aborted_at.is_some(), aborts, "a mark of {named}");
    }
}

#[test]
fn without_a_stage_no_configmap_bears_its_stamp() {
    let mut fixture = Fixture::new("obbh", 50);
    fixture.rollout.status.as_mut().unwrap().stage = None;
    for stage in [-1, 0, 1] {
        fixture.seen.shards[0].record.stage = stage;
        let pass = super::pass::Pass::new(&fixture.rollout, &fixture.seen);
        assert_eq!(pass.has_stamp(&fixture.seen.shards[0]), stage == -1, "{stage}");
    }
}
