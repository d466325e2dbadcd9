use rstest::rstest;

use super::{has_started, judged_by, plan_id, run_id, stable_hash};
use crate::decide::fixture::Fixture;

fn rollout() -> api::OptimizationRollout {
    Fixture::new("ob", 50).rollout
}

/// Marks, records and orders of older versions go by it.
#[test]
fn a_hash_stays_what_it_was_and_tells_parts_apart() {
    assert_eq!(stable_hash(&["a", "b"]), stable_hash(&["a", "b"]));
    assert_ne!(stable_hash(&["ab"]), stable_hash(&["a", "b"]));
    assert_ne!(stable_hash(&["a", "b"]), stable_hash(&["b", "a"]));
    assert_eq!(format!("{:016x}", stable_hash(&["optimization"])), "d2f421d1c65332ce");
}

#[rstest]
#[case::of_the_fleet(|r: &mut api::OptimizationRollout| r.spec.fleet.acknowledgement.metric = Some("on".into()), true, false)]
#[case::of_the_optimizations(|r: &mut api::OptimizationRollout| r.spec.optimizations.clear(), true, false)]
#[case::of_the_object(|r: &mut api::OptimizationRollout| r.metadata.uid = Some("2".into()), true, false)]
#[case::of_the_stages(|r: &mut api::OptimizationRollout| r.spec.stages[0].percent = 7, false, true)]
#[case::of_the_watch(|r: &mut api::OptimizationRollout| r.spec.watch_after = api::Duration::from_secs(7), false, false)]
fn another_plan_is_one_of_other_members_or_values(
    #[case] change: fn(&mut api::OptimizationRollout),
    #[case] another_plan: bool,
    #[case] another_judgement: bool,
) {
    let before = rollout();
    let mut after = before.clone();
    change(&mut after);
    assert_eq!(plan_id(&before) != plan_id(&after), another_plan);
    assert_eq!(judged_by(&before) != judged_by(&after), another_judgement);
    assert_eq!((plan_id(&after).len(), judged_by(&after).len()), (12, 12));
}

#[test]
fn each_attempt_is_a_run_of_its_own() {
    assert_eq!(run_id("plan", 2), "plan-2");
}

#[rstest]
#[case::as_the_status_says(|_: &mut api::OptimizationRollout| {}, true)]
#[case::another_attempt(|r: &mut api::OptimizationRollout| r.spec.attempt = 2, false)]
#[case::another_plan(|r: &mut api::OptimizationRollout| r.spec.optimizations.clear(), false)]
#[case::nothing_has(|r: &mut api::OptimizationRollout| r.status = None, false)]
fn the_run_that_is_asked_for_has_started(#[case] edit: fn(&mut api::OptimizationRollout), #[case] expected: bool) {
    let mut rollout = rollout();
    edit(&mut rollout);
    assert_eq!(has_started(&rollout), expected);
}
