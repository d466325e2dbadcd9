//! Members that go back, and are given the optimized values again by somebody else.

use api::Scalar;
use rstest::rstest;

use super::{acknowledge, finishing, off, plan, told};
use crate::{
    acknowledgement::{Touch, fingerprint},
    decide::fixture::{BASELINE, Fixture, OPTIMIZED},
    plan::Withdraw,
    settled::Owner,
};

/// A retreat in which the second member is back, and the first one has acknowledged this file of somebody else.
fn given(file: &str, patched: bool) -> Fixture {
    let mut fixture = off("rrbb", 60);
    if patched {
        fixture.patch();
    }
    let shard = &mut fixture.seen.shards[0];
    shard.last_writer = Some("argocd".to_owned());
    shard.files.insert("node-0".to_owned(), file.to_owned());
    let touch = Touch { at: fixture.seen.now, count: 1, file: fingerprint(Some(file)) };
    fixture.seen.members[0].pod.touched = Some(touch);
    acknowledge(&mut fixture, 1);
    fixture
}

#[rstest]
#[case::rendered(OPTIMIZED, false)]
#[case::of_its_own(OPTIMIZED, true)]
#[case::of_its_own_in_other_words("[pool]\nenabled = true # again\n", true)]
fn nobody_is_back_with_the_optimized_values_in_a_file(#[case] file: &str, #[case] patched: bool) {
    let mut fixture = given(file, patched);
    let waiting = plan(&fixture);
    assert_eq!(finishing(&waiting), ["node-1"]);
    let told_to_read = waiting.withdraw.iter().any(|item| matches!(item, Withdraw::Touch(_) | Withdraw::Evict(_)));
    assert!(!told_to_read, "{:?}", waiting.withdraw);
    let (reason, message) = told(&waiting.status);
    assert_eq!(reason, "Overridden");
    let expected = "ticket 42; argocd gave node-0 the optimized values again; the retreat waits until their files have \
                    the baseline values, or the rollout is deleted";
    assert_eq!(message, expected);
    let retreat = waiting.status.retreat.unwrap();
    assert_eq!((retreat.off_at.is_some(), retreat.acknowledged_at), (true, None));

    fixture.seen.shards[0].files.insert("node-0".to_owned(), BASELINE.to_owned());
    acknowledge(&mut fixture, 0);
    let back = plan(&fixture);
    assert_eq!(finishing(&back), ["node-0", "node-1"]);
    assert!(back.status.retreat.unwrap().acknowledged_at.is_some());
}

const EDITED: &str = "# ours\npool.enabled = false\n";

#[rstest]
#[case::rendered(false)]
#[case::of_its_own(true)]
fn who_has_another_edit_in_its_file_is_back(#[case] patched: bool) {
    assert_eq!(finishing(&plan(&given(EDITED, patched))), ["node-0", "node-1"]);
}

#[test]
fn what_the_next_plan_asks_for_may_have_stood_in_a_file_before() {
    let mut fixture = given(EDITED, true);
    fixture.rollout.spec.optimizations[0].settings[0].optimized = Scalar::Bool(false);
    assert_eq!(finishing(&plan(&fixture)), ["node-0", "node-1"]);
}

#[test]
fn a_deletion_waits_for_nobody_who_has_a_file_of_somebody_else() {
    let mut fixture = given(OPTIMIZED, true);
    fixture.rollout.metadata.deletion_timestamp =
        fixture.rollout.status.as_ref().unwrap().retreat.as_ref().map(|it| it.decided_at.clone());
    assert_eq!(finishing(&plan(&fixture)), ["node-0", "node-1"]);
}

/// Words that nobody but a person would write.
const IN_OTHER_WORDS: &str = "pool.enabled = true\n\n";

#[test]
fn of_a_file_on_a_base_its_values_count_and_not_its_words() {
    let mut fixture = given(IN_OTHER_WORDS, false);
    fixture.seen.shards[0].base = Some("pool.enabled = false\n".to_owned());
    assert_eq!(told(&plan(&fixture).status).0, "Overridden");
}

#[test]
fn a_file_on_a_base_of_a_run_that_takes_a_value_out_as_well_is_known() {
    let mut fixture = given("cache.size = 1\npool.enabled = true\n", false);
    let shard = &mut fixture.seen.shards[0];
    shard.base = Some("cache.size = 1\npool.enabled = false\n".to_owned());
    shard.settled = [("cache.size".to_owned(), Scalar::Int(9))].into();
    let owner = Owner { rollout: "pooling".to_owned(), optimization: "cache".to_owned(), before: None };
    shard.owners = [("cache.size".to_owned(), owner)].into();
    assert_eq!(told(&plan(&fixture).status).0, "Overridden");
}

#[test]
fn a_revision_that_nobody_wrote_again_changes_nothing() {
    let mut fixture = given(OPTIMIZED, true);
    fixture.rollout.spec.fleet.config.revision_path = Some("revision".to_owned());
    fixture.replan();
    assert_eq!(told(&plan(&fixture).status).0, "Overridden");
}

#[test]
fn who_was_given_them_again_is_told_of_the_baseline_once_more_when_that_is_over() {
    let mut fixture = given(OPTIMIZED, true);
    fixture.rollout.spec.fleet.acknowledgement = serde_json::from_value(serde_json::json!({"timer": "30s"})).unwrap();
    fixture.replan();
    fixture.seen.members[0].pod.touched =
        Some(Touch { at: fixture.seen.now, count: 1, file: fingerprint(Some(BASELINE)) });
    let touch = plan(&fixture).withdraw.into_iter().find_map(|item| match item {
        Withdraw::Touch(touch) if touch.pod.name == "node-0" => Some(touch.touch),
        _ => None,
    });
    assert_eq!(touch.as_ref().map(|touch| touch.file.as_str()), Some(fingerprint(Some(OPTIMIZED)).as_str()));
    fixture.seen.members[0].pod.touched = touch;
    fixture.seen.now += std::time::Duration::from_secs(600);
    fixture.seen.shards[0].files.insert("node-0".to_owned(), BASELINE.to_owned());
    let mended = plan(&fixture);
    assert_eq!(finishing(&mended), ["node-1"], "it has to read its file first");
    assert_eq!(told(&mended.status).0, "Retreating", "and nothing is wrong with its pod");
}
