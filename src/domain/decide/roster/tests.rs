//! Members whose ConfigMap nobody can write, or read.

use api::{reason::Reason, rollout::Abort, status::OptimizationRolloutStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use rstest::rstest;
use serde_json::json;

use crate::{
    decide::{decide, fixture::Fixture},
    observation::{Breach, Measurements},
    plan::{Advance, Plan, Withdraw},
};

/// A run whose only optimized member is the first, in a stage that switches one more; members' own ConfigMaps.
fn one_of_two() -> Fixture {
    let mut fixture = Fixture::new("obbb", 50);
    fixture.patch();
    fixture.rollout.status = Some(decide(&fixture.rollout, &fixture.seen).status);
    fixture.rollout.status.as_mut().unwrap().stage.as_mut().unwrap().quota = 2;
    fixture
}

fn stalled(status: &OptimizationRolloutStatus) -> (String, String) {
    let stalled = status.conditions.iter().find(|condition| condition.type_ == "Stalled").unwrap();
    (stalled.reason.clone(), stalled.message.clone())
}

/// Pods that are labelled, and ConfigMaps that are written, to go on.
fn switches(plan: &Plan) -> Vec<&Advance> {
    let switches = |advance: &&Advance| matches!(advance, Advance::LabelPod { .. } | Advance::WriteShard(_));
    plan.advance.iter().filter(switches).collect()
}

fn optimized(plan: &Plan) -> i32 {
    plan.status.members.as_ref().unwrap().optimized
}

#[rstest]
#[case::by_an_owner(Reason::NotOptedIn)]
#[case::for_ever(Reason::ConfigMapImmutable)]
fn a_run_is_taken_back_when_the_map_of_an_optimized_member_is_locked(#[case] reason: Reason) {
    let mut fixture = one_of_two();
    fixture.lock("node-0-config", reason);
    let plan = decide(&fixture.rollout, &fixture.seen);
    assert_eq!((switches(&plan), optimized(&plan)), (vec![], 1));
    let retreat = plan.status.retreat.clone().unwrap();
    assert_eq!((retreat.reason, retreat.off_at), (Reason::Overridden, None));
    let told = "during the run: ConfigMap node-0-config is locked; ConfigMap node-0-config is locked; members may still be \
                optimized";
    assert_eq!(stalled(&plan.status), (format!("{reason:?}"), told.to_owned()));
}

#[test]
fn who_may_be_optimized_takes_a_place_where_no_record_tells() {
    let mut fixture = one_of_two();
    fixture.rollout.status.as_mut().unwrap().stage.as_mut().unwrap().quota = 1;
    fixture.garble("node-0-config");
    let plan = decide(&fixture.rollout, &fixture.seen);
    assert_eq!(switches(&plan), Vec::<&Advance>::new());
    assert_eq!(plan.status.retreat.unwrap().message, "during the run: ConfigMap node-0-config is broken");
}

/// Two of four are optimized, and serve.
fn half() -> Fixture {
    let mut fixture = Fixture::new("oobb", 50);
    fixture.rollout.spec.traffic = serde_json::from_value(json!({"services": [{"name": "front"}]})).unwrap();
    for member in &mut fixture.seen.members {
        member.pod.serving = Some("true".to_owned());
    }
    fixture.rollout.status = Some(decide(&fixture.rollout, &fixture.seen).status);
    fixture
}

/// The same, and somebody made the ConfigMap of all immutable.
fn frozen() -> Fixture {
    let mut fixture = half();
    fixture.lock("settings", Reason::ConfigMapImmutable);
    fixture
}

#[test]
fn a_frozen_map_still_tells_who_is_optimized() {
    let plan = decide(&frozen().rollout, &frozen().seen);
    assert_eq!((switches(&plan), optimized(&plan)), (vec![], 2));
    assert_eq!(stalled(&plan.status), ("ConfigMapImmutable".to_owned(), "ConfigMap settings is locked".to_owned()));
    assert!(plan.status.retreat.is_none(), "{:?}", plan.status.retreat);
}

#[test]
fn harm_under_a_frozen_map_moves_traffic_away_and_says_that_values_stay() {
    let mut fixture = frozen();
    let run = fixture.run().id.clone();
    let breach = Breach {
        reason: Reason::LimitBreached,
        indicator: "errors".to_owned(),
        message: "errors: too many".to_owned(),
        worst: Vec::new(),
    };
    let bake = fixture.rollout.status.as_ref().unwrap().stage.as_ref().unwrap().started_at.0;
    fixture.seen.measurements = Some(Measurements { run, bake, breach: Some(breach), ..Measurements::default() });
    let plan = decide(&fixture.rollout, &fixture.seen);
    let away = plan.withdraw.iter().filter(|item| matches!(item, Withdraw::StopServing { .. })).count();
    let useless = |item: &&Withdraw| matches!(item, Withdraw::Restore(_) | Withdraw::Touch(_) | Withdraw::Evict(_));
    assert_eq!((away, plan.withdraw.iter().filter(useless).count()), (2, 0), "{:?}", plan.withdraw);
    assert_eq!(plan.status.retreat.clone().unwrap().off_at, None);
    let told = "errors: too many; ConfigMap settings is locked; members may still be optimized";
    assert_eq!(stalled(&plan.status), ("ConfigMapImmutable".to_owned(), told.to_owned()));
}

#[test]
fn values_are_not_back_while_a_locked_map_says_them_to_a_member_that_is_away() {
    let mut fixture = one_of_two();
    fixture.lock("node-0-config", Reason::NotOptedIn);
    fixture.seen.members.remove(0);
    fixture.rollout.spec.abort = Some(Abort { reason: "enough".to_owned() });
    fixture.rollout.status = Some(decide(&fixture.rollout, &fixture.seen).status);
    let plan = decide(&fixture.rollout, &fixture.seen);
    assert_eq!(plan.status.retreat.clone().unwrap().off_at, None);
    let told = "enough; ConfigMap node-0-config is locked; members may still be optimized";
    assert_eq!(stalled(&plan.status), ("NotOptedIn".to_owned(), told.to_owned()));
}

#[test]
fn a_record_that_broke_before_its_map_was_deleted_ends_the_run() {
    let mut fixture = half();
    fixture.garble("settings");
    for member in &mut fixture.seen.members {
        member.pod.cohort = Some("baseline".to_owned());
    }
    let broken = decide(&fixture.rollout, &fixture.seen);
    assert_eq!((switches(&broken), optimized(&broken)), (vec![], 2), "what was known last");
    fixture.rollout.status = Some(broken.status);
    (fixture.seen.problems, fixture.seen.unread) = (Vec::new(), None);
    let deleted = decide(&fixture.rollout, &fixture.seen);
    assert_eq!(switches(&deleted), Vec::<&Advance>::new());
    assert_eq!(deleted.status.retreat.unwrap().message, "ConfigMap settings was deleted during the run");
}

#[rstest]
#[case::everybody_followed(true, 4)]
#[case::half_were_switched(false, 2)]
fn a_map_that_is_deleted_when(#[case] followed: bool, #[case] told: usize) {
    let mut fixture = half();
    let now = Time(fixture.seen.now);
    if followed {
        let run = fixture.run();
        (run.succeeded_at, run.settling_at) = (Some(now.clone()), Some(now));
    }
    fixture.seen.shards.clear();
    let plan = decide(&fixture.rollout, &fixture.seen);
    let touched = plan.withdraw.iter().filter(|item| matches!(item, Withdraw::Touch(_))).count();
    assert_eq!((plan.status.retreat.unwrap().reason, touched), (Reason::Overridden, told), "labels do not tell");
}
