use api::{
    names::{RETREAT_ANNOTATION, RETREAT_REASON_ANNOTATION},
    reason::Reason,
    status::Run,
};
use jiff::Timestamp;
use rstest::rstest;

use crate::{
    decide::{decide, fixture::Fixture},
    mark::{Cause, Mark},
    run::{plan_id, run_id},
};

/// A fleet on which another plan has settled, or whose status is lost, with a mark of this run on the rollout.
fn marked(run: &str, lost: bool) -> Fixture {
    let mut fixture = Fixture::new("bbbb", 50);
    fixture.seen.shards[0].record.members.clear();
    let status = fixture.rollout.status.as_mut().unwrap();
    let settled = status.run.take().map(|run| Run {
        id: "another-1".to_owned(),
        plan: "another".to_owned(),
        settled_at: Some(run.started_at.clone()),
        ..run
    });
    status.run = settled;
    if lost {
        fixture.rollout.status = None;
    }
    let cause = Cause::new(Reason::PlanChanged, "another plan", Timestamp::UNIX_EPOCH);
    let mark = Mark { run: run.to_owned(), cause };
    let annotations = fixture.rollout.metadata.annotations.get_or_insert_default();
    annotations.insert(RETREAT_ANNOTATION.to_owned(), mark.run.clone());
    annotations.insert(RETREAT_REASON_ANNOTATION.to_owned(), mark.cause_text());
    fixture
}

fn wanted(fixture: &Fixture) -> String {
    run_id(&plan_id(&fixture.rollout), fixture.rollout.spec.attempt)
}

#[rstest]
#[case::was_never_taken_back(None, "")]
#[case::was_taken_back_before(Some(""), "-2")]
#[case::was_taken_back_for_the_second_time(Some("-2"), "")]
fn a_plan_that_comes_after_another_one_runs_although_it(#[case] marked_run: Option<&str>, #[case] suffix: &str) {
    let wanted = wanted(&marked("", false));
    let marked_run = marked_run.map_or_else(|| "other-1".to_owned(), |suffix| format!("{wanted}{suffix}"));
    let mut fixture = marked(&marked_run, false);
    for _ in 0..3 {
        let plan = decide(&fixture.rollout, &fixture.seen);
        let run = plan.status.run.clone().unwrap();
        assert_eq!(run.id, format!("{wanted}{suffix}"));
        assert_eq!((run.aborted_at, plan.status.retreat.clone()), (None, None));
        fixture.rollout.status = Some(plan.status);
    }
}

#[test]
fn a_run_whose_status_is_lost_stays_taken_back() {
    let wanted = wanted(&marked("", true));
    let mut fixture = marked(&wanted, true);
    for _ in 0..2 {
        let plan = decide(&fixture.rollout, &fixture.seen);
        fixture.rollout.status = Some(plan.status);
    }
    let run = fixture.rollout.status.as_ref().unwrap().run.clone().unwrap();
    assert_eq!(run.id, wanted);
    assert!(run.aborted_at.is_some());
}
