use rstest::rstest;

use super::{
    config::{Config, Mutation},
    explore::explore,
};

#[rstest]
#[case::a_leader_and_a_standby("lapses=0")]
#[case::leaders_one_after_the_other_and_a_fault("harm=0 faults=1")]
#[case::caches_that_are_behind("replicas=1 lapses=0 lag=1")]
#[case::a_deletion_and_caches_that_are_behind("replicas=1 lapses=0 lag=1 delete=1 restore=1")]
#[case::traffic_and_a_fault("members=3 stages=2 replicas=1 lapses=0 faults=1 traffic=1")]
fn every_law_holds_in_all_states_of_a_small_fleet(#[case] bounds: &str) {
    let config = bounds.split(' ').try_fold(Config::SMALL, |config, change| config.with(change)).unwrap();
    let explored = explore(config);
    assert!(explored.broken.is_none(), "{explored}");
    assert!(explored.states > 10_000 && explored.ends > 1, "{explored}");
}

#[rstest]
#[case(Mutation::NoVersion, "L")]
#[case(Mutation::NoLease, "L14 one advances")]
#[case(Mutation::NoMarks, "L")]
#[case(Mutation::AdvanceFirst, "L")]
fn a_defect_of_the_writer_or_the_election_is_found(#[case] mutation: Mutation, #[case] law: &str) {
    let explored = explore(Config { mutation: Some(mutation), ..Config::SMALL });
    let (broken, way) = explored.broken.expect("a broken law");
    assert!(broken.law.starts_with(law), "{broken:?}\n{way}");
}
