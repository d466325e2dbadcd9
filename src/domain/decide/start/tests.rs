use api::{
    names::{COHORT_LABEL, RETREAT_ANNOTATION, RETREAT_REASON_ANNOTATION, SERVING_LABEL, cohort},
    reason::Reason,
    status::Run,
};
use jiff::Timestamp;
use rstest::rstest;

use crate::{
    decide::{decide, fixture::Fixture},
    mark::{Cause, Mark},
    observation::Service,
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
#[case::another_plan("another", "-7")]
#[case::another_attempt_at_the_same("", "")]
fn a_run_that_comes_after(#[case] before: &str, #[case] suffix: &str) {
    let wanted = wanted(&marked("", false));
    let mut fixture = marked(&wanted, false);
    fixture.rollout.metadata.generation = Some(7);
    if before.is_empty() {
        fixture.rollout.metadata.annotations = None;
        let plan = plan_id(&fixture.rollout);
        let run = fixture.run();
        (run.plan, run.attempt) = (plan, 0);
    }
    for _ in 0..3 {
        let plan = decide(&fixture.rollout, &fixture.seen);
        let run = plan.status.run.clone().unwrap();
        assert_eq!(run.id, format!("{wanted}{suffix}"));
        assert_eq!((run.aborted_at, plan.status.retreat.clone()), (None, None));
        fixture.rollout.status = Some(plan.status);
    }
}

#[rstest]
#[case::the_first_of_its_rollout("")]
#[case::a_later_one("-7")]
fn a_run_whose_status_is_lost_stays_taken_back(#[case] suffix: &str) {
    let wanted = wanted(&marked("", true)) + suffix;
    let mut fixture = marked(&wanted, true);
    for _ in 0..2 {
        let plan = decide(&fixture.rollout, &fixture.seen);
        fixture.rollout.status = Some(plan.status);
    }
    let run = fixture.rollout.status.as_ref().unwrap().run.clone().unwrap();
    assert_eq!(run.id, wanted);
    assert!(run.aborted_at.is_some());
}

#[test]
fn a_run_whose_status_is_lost_is_known_by_its_members() {
    let mut fixture = Fixture::new("obbb", 50);
    fixture.rollout.status = None;
    let run = wanted(&fixture) + "-7";
    fixture.seen.shards[0].record.run.clone_from(&run);
    let plan = decide(&fixture.rollout, &fixture.seen);
    assert_eq!(plan.status.run.unwrap().id, run);
}

#[rstest]
#[case::of_this_run(true, true, 1)]
#[case::of_another_one(false, true, 0)]
#[case::without_members(true, false, 0)]
fn a_run_whose_status_is_lost_finds_its_stage_on_the_objects(
    #[case] own: bool,
    #[case] members: bool,
    #[case] expected: i32,
) {
    let mut fixture = Fixture::new("obbb", 25);
    let stages = ["canary", "half"].map(|name| serde_json::json!({"name": name, "percent": 50, "bake": "1m"}));
    fixture.rollout.spec.stages = serde_json::from_value(serde_json::json!(stages)).unwrap();
    fixture.rollout.status = None;
    let record = &mut fixture.seen.shards[0].record;
    record.stage = 1;
    if !own {
        record.run = "another-1".to_owned();
    }
    if !members {
        record.members.clear();
    }
    let intent = super::start(&crate::decide::pass::Pass::new(&fixture.rollout, &fixture.seen)).unwrap();
    assert_eq!(intent.stage.unwrap().index, expected);
}

#[rstest]
#[case::by_a_rollout_that_is_gone(Some("gone-1"), true)]
#[case::by_nobody_who_says_so(None, true)]
#[case::by_this_run_whose_status_is_lost(Some(""), false)]
fn no_run_starts_behind_a_service_that_was_left_narrowed(#[case] by: Option<&str>, #[case] stalls: bool) {
    let mut fixture = Fixture::new("bbbb", 50);
    fixture.seen.shards[0].record.members.clear();
    fixture.rollout.status = None;
    let mark = |run: &str| Mark {
        run: if run.is_empty() { wanted(&fixture) } else { run.to_owned() },
        cause: Cause::new(Reason::LimitBreached, "errors", Timestamp::UNIX_EPOCH),
    };
    let selector = [(COHORT_LABEL, cohort::BASELINE), (SERVING_LABEL, "true")];
    let service = Service {
        name: "fleet".to_owned(),
        selector: selector.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
        mark: by.map(mark),
        ..Service::default()
    };
    fixture.seen.services = vec![service];
    let status = decide(&fixture.rollout, &fixture.seen).status;
    assert_eq!(status.summary.unwrap().reason == "ServiceRefused", stalls);
    assert_eq!(status.run.is_none(), stalls);
}
