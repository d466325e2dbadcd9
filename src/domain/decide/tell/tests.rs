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
#[case::a_moment_ago(Duration::from_secs(59), 0)]
#[case::for_good(Duration::from_secs(60), 1)]
fn the_others_are_restarted_once_a_member_has_left(#[case] steady_for: Duration, #[case] expected: usize) {
    let mut fixture = left();
    fixture.seen.steady_for = steady_for;
    let pass = Pass::new(&fixture.rollout, &fixture.seen);
    let pending: Vec<_> = pass.roster.pending().collect();
    assert_eq!(pending.len(), 5);
    assert_eq!(evictions(&pass, &pending).len(), expected);
}
