use api::OptimizationRollout;
use rstest::rstest;

use crate::decide::{
    decide,
    fixture::{BASELINE, Fixture, OPTIMIZED},
};

/// Whether somebody else holds the run, as its conditions say.
fn is_stalled(rollout: &OptimizationRollout) -> bool {
    let conditions = &rollout.status.as_ref().unwrap().conditions;
    conditions.iter().any(|one| one.type_ == "Stalled" && one.status == "True" && one.reason == "Overridden")
}

#[rstest]
#[case::as_we_would_write_it("node-1", OPTIMIZED, true)]
#[case::in_other_words("node-1", "[pool]\nenabled = true # faster\n", true)]
#[case::with_more_beside_it("node-1", "log = 1\npool.enabled = true\n", true)]
#[case::of_the_holdout("node-2", OPTIMIZED, true)]
#[case::some_other_edit("node-1", "pool.enabled = false\nlog = 1\n", false)]
#[case::no_file_at_all("node-1", "", false)]
#[case::of_one_that_joined("node-3", OPTIMIZED, false)]
#[case::of_an_optimized_member("node-0", OPTIMIZED, false)]
fn only_the_optimized_values_outside_the_cohort_are_taken_back(
    #[case] member: &str,
    #[case] file: &str,
    #[case] expected: bool,
) {
    let mut fixture = Fixture::new("obh-", 50);
    fixture.seen.shards[0].files.insert(member.to_owned(), file.to_owned());
    let write = fixture.pass();
    assert_eq!(write.is_some(), expected, "{write:?}");
    if expected {
        let shard = &fixture.seen.shards[0];
        assert_eq!(shard.files[member], BASELINE);
        let reverted: Vec<&String> =
            shard.record.members.iter().filter(|(_, entry)| entry.reverted).map(|(name, _)| name).collect();
        assert_eq!(reverted, [member]);
        assert_eq!(fixture.pass(), None, "that was it");
        assert!(!is_stalled(&fixture.rollout));
    }
}

#[rstest]
#[case::somebody_unknown(None, "somebody else gave node-1 the optimized values")]
#[case::a_field_manager(Some("kubectl-edit"), "kubectl-edit gave node-1 the optimized values")]
fn who_gave_the_optimized_values_is_told(#[case] writer: Option<&str>, #[case] words: &str) {
    let mut fixture = Fixture::new("obbh", 50);
    fixture.seen.shards[0].files.insert("node-1".to_owned(), OPTIMIZED.to_owned());
    fixture.seen.shards[0].last_writer = writer.map(str::to_owned);
    let plan = decide(&fixture.rollout, &fixture.seen);
    assert!(plan.notices.iter().any(|notice| notice.message.contains(words)), "{:?}", plan.notices);
}

#[test]
fn who_insists_holds_the_run_and_another_is_still_taken_back() {
    let mut fixture = Fixture::new("obbh", 50);
    let give = |fixture: &mut Fixture, member: &str| {
        fixture.seen.shards[0].files.insert(member.to_owned(), OPTIMIZED.to_owned());
    };
    give(&mut fixture, "node-1");
    fixture.pass().unwrap();
    give(&mut fixture, "node-1");
    assert_eq!(fixture.pass(), None);
    assert!(is_stalled(&fixture.rollout));
    give(&mut fixture, "node-2");
    let write = fixture.pass().unwrap();
    assert!(write.data.contains_key("node-2.toml") && !write.data.contains_key("node-1.toml"), "{write:?}");
    assert!(is_stalled(&fixture.rollout));
    fixture.seen.shards[0].files.insert("node-1".to_owned(), BASELINE.to_owned());
    fixture.pass();
    assert!(!is_stalled(&fixture.rollout));
}

#[test]
fn a_retreat_is_not_held_up_and_touches_no_foreign_file() {
    let mut fixture = Fixture::new("obh", 50);
    fixture.seen.shards[0].files.insert("node-1".to_owned(), OPTIMIZED.to_owned());
    fixture.rollout.spec.abort = Some(api::rollout::Abort { reason: "ticket 42".to_owned() });
    let plan = decide(&fixture.rollout, &fixture.seen);
    let restoration = plan.withdraw.iter().find_map(|withdraw| match withdraw {
        crate::plan::Withdraw::Restore(restoration) => Some(restoration),
        _ => None,
    });
    let restoration = restoration.unwrap();
    let written = restoration.write(&restoration.seen).unwrap();
    assert!(written.data.contains_key("node-0.toml") && !written.data.contains_key("node-1.toml"), "{written:?}");
}
