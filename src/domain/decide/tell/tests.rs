use std::time::Duration;

use api::fleet::Reload;
use rstest::rstest;

use super::evictions;
use crate::decide::{fixture::Fixture, pass::Pass};

/// Five members that have to be restarted, and a sixth that has no pod any more.
fn left() -> Fixture {
    let mut fixture = Fixture::new("oooooo", 100);
    fixture.rollout.spec.fleet.config.reload = Reload::RestartPod;
    fixture.seen.members.truncate(5);
    for member in &mut fixture.seen.members {
        member.pod.ready = true;
    }
    fixture.rollout.spec.traffic = Some(
        serde_json::from_value(serde_json::json!({"services": [{"name": "s"}], "maxLoadIncrease": "40%"})).unwrap(),
    );
    fixture
}

#[rstest]
#[case::a_moment_ago(Some(59), 3600, 0)]
#[case::for_good(Some(60), 3600, 1)]
#[case::before_this_replica_looked(None, 59, 0)]
#[case::for_good_before_this_replica_looked(None, 60, 1)]
fn the_others_are_restarted_once_a_member_has_left(
    #[case] ago: Option<u64>,
    #[case] watched: u64,
    #[case] expected: usize,
) {
    let mut fixture = left();
    fixture.seen.watched_for = Duration::from_secs(watched);
    fixture.seen.gone_for = ago.map(|ago| ("node-5".to_owned(), Duration::from_secs(ago))).into_iter().collect();
    let pass = Pass::new(&fixture.rollout, &fixture.seen);
    let pending: Vec<_> = pass.roster.pending().collect();
    assert_eq!(pending.len(), 5);
    assert_eq!(evictions(&pass, &pending).len(), expected);
}
