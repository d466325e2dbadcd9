use std::time::Duration;

use api::fleet::Reload;
use rstest::rstest;

use super::evictions;
use crate::{
    decide::{fixture::Fixture, pass::Pass},
    observation::{Measurements, Report},
};

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

#[rstest]
#[case::its_process_is_as_old_as_its_switch("node-0", None, true)]
#[case::it_was_restarted("another", None, false)]
#[case::it_was_restarted_and_says_otherwise_for_long("another", Some(30), true)]
#[case::it_was_restarted_a_moment_ago("another", Some(29), false)]
fn a_member_is_restarted_where(#[case] pod: &str, #[case] says_otherwise_for: Option<u64>, #[case] expected: bool) {
    let mut fixture = Fixture::new("ob", 50);
    fixture.rollout.spec.fleet.config.reload = Reload::RestartPod;
    fixture.rollout.spec.fleet.acknowledgement.metric = Some("enabled".to_owned());
    fixture.replan();
    let member = &mut fixture.seen.members[0].pod;
    pod.clone_into(&mut member.uid);
    member.created = fixture.seen.now;
    fixture.seen.now += Duration::from_secs(says_otherwise_for.unwrap_or(3600));
    if says_otherwise_for.is_some() {
        let report = Report { pod: pod.to_owned(), enabled: [("pool".to_owned(), false)].into(), ..Report::default() };
        let reports = [("node-0".to_owned(), report)].into();
        fixture.seen.measurements = Some(Measurements { reports, ..Measurements::default() });
    }
    let pass = Pass::new(&fixture.rollout, &fixture.seen);
    let pending: Vec<_> = pass.roster.pending().collect();
    let restarted: Vec<_> = evictions(&pass, &pending).into_iter().map(|pod| pod.name).collect();
    assert_eq!(restarted == ["node-0"], expected, "{restarted:?}");
}

#[test]
fn a_member_that_reads_its_file_at_any_time_is_not_restarted() {
    let fixture = Fixture::new("ob", 50);
    let pass = Pass::new(&fixture.rollout, &fixture.seen);
    let pending: Vec<_> = pass.roster.pending().collect();
    assert!(!pending.is_empty() && evictions(&pass, &pending).is_empty());
}

#[rstest]
#[case::with_restarts(Reload::RestartPod, "o", &["node-0", "node-5"])]
#[case::with_restarts_of_the_optimized_alone(Reload::RestartPod, "b", &["node-0"])]
#[case::without(Reload::Watch, "o", &["node-0"])]
fn a_member_that_is_restarted_is_awaited_without_its_pod(
    #[case] reload: Reload,
    #[case] cohort: &str,
    #[case] expected: &[&str],
) {
    let mut fixture = Fixture::new(&format!("obbbb{cohort}"), 50);
    fixture.rollout.spec.fleet.config.reload = reload;
    fixture.replan();
    fixture.seen.members.truncate(5);
    let pass = Pass::new(&fixture.rollout, &fixture.seen);
    assert_eq!(pass.awaited(), expected);
}
