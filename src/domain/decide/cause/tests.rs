use std::time::Duration;

use api::{
    metrics::Metrics,
    reason::Reason,
    rollout::{Abort, DeletionPolicy},
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use rstest::rstest;
use serde_json::json;

use super::cause;
use crate::{
    decide::{fixture::Fixture, pass::Pass},
    observation::{Breach, Lifetime, Measurements},
};

fn measured(fixture: &mut Fixture, edit: impl FnOnce(&mut Measurements)) {
    let run = fixture.rollout.status.as_ref().unwrap().run.as_ref().unwrap().id.clone();
    let mut measurements = Measurements { run, bake: fixture.seen.now, ..Measurements::default() };
    edit(&mut measurements);
    fixture.seen.measurements = Some(measurements);
}

fn silent(fixture: &mut Fixture, action: &str, seconds: u64) {
    let metrics = json!({
        "interval": "2s", "source": {"pods": {"port": "metrics"}}, "silence": {"deadline": "30s", "action": action},
    });
    fixture.rollout.spec.metrics = Some(serde_json::from_value::<Metrics>(metrics).unwrap());
    measured(fixture, |measurements| measurements.silent_for = Duration::from_secs(seconds));
}

fn delete(fixture: &mut Fixture, policy: DeletionPolicy) {
    fixture.rollout.metadata.deletion_timestamp = Some(Time(fixture.seen.now));
    fixture.rollout.spec.deletion_policy = policy;
}

fn breach(measurements: &mut Measurements) {
    measurements.breach = Some(Breach {
        reason: Reason::Catastrophe,
        indicator: "errors".to_owned(),
        message: "errors: 50%".to_owned(),
        worst: Vec::new(),
    });
}

#[rstest]
#[case::nothing_happens(|_: &mut Fixture| {}, None)]
#[case::a_person_says_so(|f: &mut Fixture| f.rollout.spec.abort = Some(Abort { reason: "no".into() }), Some(Reason::AbortRequested))]
#[case::an_indicator_says_so(|f: &mut Fixture| measured(f, breach), Some(Reason::Catastrophe))]
#[case::an_indicator_says_so_while_it_is_paused(|f: &mut Fixture| {
    f.rollout.spec.paused = true;
    measured(f, breach);
}, Some(Reason::Catastrophe))]
#[case::an_indicator_of_another_run(|f: &mut Fixture| {
    measured(f, |measurements| {
        breach(measurements);
        measurements.run = "another-1".to_owned();
    });
}, None)]
#[case::it_is_deleted(|f: &mut Fixture| delete(f, DeletionPolicy::RestoreUnfinished), Some(Reason::Deleted))]
#[case::it_is_deleted_and_retained(|f: &mut Fixture| delete(f, DeletionPolicy::Retain), None)]
#[case::another_attempt(|f: &mut Fixture| f.rollout.spec.attempt = 2, Some(Reason::PlanChanged))]
#[case::other_values(|f: &mut Fixture| f.rollout.spec.optimizations[0].name = "pools".into(), Some(Reason::PlanChanged))]
#[case::silence_up_to_the_deadline(|f: &mut Fixture| silent(f, "Retreat", 29), None)]
#[case::silence_beyond_it(|f: &mut Fixture| silent(f, "Retreat", 30), Some(Reason::SilenceDeadline))]
#[case::silence_that_holds(|f: &mut Fixture| silent(f, "Hold", 3000), None)]
fn a_run_is_taken_back_when(#[case] happens: fn(&mut Fixture), #[case] expected: Option<Reason>) {
    let mut fixture = Fixture::new("oobbh", 50);
    happens(&mut fixture);
    let cause = cause(&Pass::new(&fixture.rollout, &fixture.seen));
    assert_eq!(cause.as_ref().map(|cause| cause.reason), expected, "{cause:?}");
}

#[rstest]
#[case::what_was_optimized(2, 0, Some(Reason::Overridden))]
#[case::what_somebody_had_taken_back(0, 2, Some(Reason::Overridden))]
#[case::one_of_each(1, 1, Some(Reason::Overridden))]
#[case::nothing_else(0, 0, None)]
fn a_deleted_configmap_takes_a_run_back_with(
    #[case] optimized: i32,
    #[case] overridden: i32,
    #[case] expected: Option<Reason>,
) {
    let mut fixture = Fixture::new("oobbh", 50);
    let members = fixture.rollout.status.as_mut().unwrap().members.get_or_insert_default();
    (members.optimized, members.overridden) = (optimized, overridden);
    fixture.seen.shards.clear();
    let cause = cause(&Pass::new(&fixture.rollout, &fixture.seen));
    assert_eq!(cause.map(|cause| cause.reason), expected);
}

#[rstest]
#[case::in_this_stage(1, false)]
#[case::in_the_one_before(0, true)]
fn a_member_that_was_not_ready_before_the_stage_was_made_so_if_it_was_switched(
    #[case] stage: i32,
    #[case] expected: bool,
) {
    let mut fixture = Fixture::new("oobh", 50);
    let began = fixture.seen.now;
    let status = fixture.rollout.status.as_mut().unwrap().stage.as_mut().unwrap();
    (status.index, status.started_at) = (1, Time(began + Duration::from_secs(100)));
    for entry in fixture.seen.shards[0].record.members.values_mut() {
        entry.stage = stage;
    }
    fixture.seen.shards[0].record.stage = 1;
    fixture.seen.members[0].pod.unready_since = Some(began + jiff::SignedDuration::from_secs(50));
    fixture.seen.now += Duration::from_secs(400);
    let cause = cause(&Pass::new(&fixture.rollout, &fixture.seen));
    assert_eq!(cause.is_some(), expected, "{cause:?}");
}

/// Restarts and whether a member was killed or has been unready for so many seconds.
type Health = (i32, bool, Option<i64>);

const WELL: Health = (0, false, None);
const RESTARTED: Health = (1, false, None);
const LOOPS: Health = (2, false, None);
const KILLED: Health = (1, true, None);

#[rstest]
#[case::all_well([WELL, WELL, WELL, WELL], false)]
#[case::one_restart([RESTARTED, WELL, WELL, WELL], false)]
#[case::a_loop([LOOPS, WELL, WELL, WELL], true)]
#[case::a_kill([KILLED, WELL, WELL, WELL], true)]
#[case::a_kill_before_the_switch([(0, true, None), WELL, WELL, WELL], false)]
#[case::unready_for_a_moment([(0, false, Some(29)), WELL, WELL, WELL], false)]
#[case::unready([(0, false, Some(30)), WELL, WELL, WELL], true)]
#[case::unready_since_its_switch([(0, false, Some(3600)), WELL, WELL, WELL], true)]
#[case::unready_before_its_switch([(0, false, Some(3601)), WELL, WELL, WELL], false)]
#[case::as_unready_as_the_others([(0, false, Some(60)), WELL, (0, false, Some(60)), WELL], false)]
#[case::the_others_were_unready_before([(0, false, Some(60)), WELL, (0, false, Some(7200)), WELL], true)]
#[case::as_sick_as_the_others([LOOPS, WELL, LOOPS, WELL], false)]
#[case::sicker_than_the_others([LOOPS, LOOPS, LOOPS, WELL], true)]
#[case::only_the_others([WELL, WELL, LOOPS, LOOPS], false)]
fn what_kubernetes_tells_of_the_optimized_counts_beyond_what_it_tells_of_the_others(
    #[case] health: [Health; 4],
    #[case] expected: bool,
) {
    let mut fixture = Fixture::new("oobh", 50);
    fixture.seen.now += Duration::from_secs(3600);
    let now = fixture.seen.now;
    for (member, (restarts, killed, unready)) in fixture.seen.members.iter_mut().zip(health) {
        member.pod.restarts = restarts;
        member.pod.killed = killed;
        member.pod.unready_since = unready.map(|seconds| now - jiff::SignedDuration::from_secs(seconds));
    }
    let cause = cause(&Pass::new(&fixture.rollout, &fixture.seen));
    assert_eq!(cause.is_some(), expected, "{cause:?}");
    if let Some(cause) = cause {
        assert_eq!(cause.reason, Reason::LimitBreached);
        assert!(cause.message.contains("of 2 optimized members") && cause.message.contains("node-"), "{cause:?}");
    }
}

#[rstest]
#[case::a_loop_of_which_both_restarts_are_recent((2, false), (1799, 10), true)]
#[case::two_restarts_that_are_far_apart((2, false), (1800, 10), false)]
#[case::a_kill_a_while_ago((1, true), (7200, 1799), true)]
#[case::a_kill_long_ago((1, true), (7200, 1800), false)]
fn a_crash_counts_while_it_is_recent(
    #[case] (restarts, killed): (i32, bool),
    #[case] (started, ended): (i64, i64),
    #[case] expected: bool,
) {
    let mut fixture = Fixture::new("oobh", 50);
    fixture.seen.now += Duration::from_secs(7200);
    let ago = |seconds| fixture.seen.now - jiff::SignedDuration::from_secs(seconds);
    let ended = Some(Lifetime { started: ago(started), ended: ago(ended) });
    let pod = &mut fixture.seen.members[0].pod;
    (pod.restarts, pod.killed, pod.ended) = (restarts, killed, ended);
    assert_eq!(cause(&Pass::new(&fixture.rollout, &fixture.seen)).is_some(), expected);
}

#[test]
fn an_outage_of_members_that_start_slowly_leaves_nothing_of_the_optimized_alone() {
    let mut fixture = Fixture::new("oobh", 50);
    fixture.seen.now += Duration::from_secs(7200);
    let ago = |seconds| fixture.seen.now - jiff::SignedDuration::from_secs(seconds);
    let lives = [(1740, 1140), (1740, 1140), (2460, 1860), (2460, 1860)];
    let lives = lives.map(|(started, ended)| Lifetime { started: ago(started), ended: ago(ended) });
    for (member, life) in fixture.seen.members.iter_mut().zip(lives) {
        (member.pod.restarts, member.pod.ended) = (2, Some(life));
    }
    assert_eq!(cause(&Pass::new(&fixture.rollout, &fixture.seen)), None);
}

#[test]
fn an_outage_of_all_hides_no_crash_for_good() {
    let mut fixture = Fixture::new("oobh", 50);
    let outage = fixture.seen.now;
    for member in &mut fixture.seen.members {
        member.pod.restarts = 2;
        member.pod.ended = Some(Lifetime { started: outage, ended: outage });
    }
    assert_eq!(cause(&Pass::new(&fixture.rollout, &fixture.seen)), None);
    // Nobody crashed in the same second.
    fixture.seen.members[0].pod.ended.as_mut().unwrap().started += Duration::from_secs(60);
    fixture.seen.now += Duration::from_secs(1830);
    assert_eq!(cause(&Pass::new(&fixture.rollout, &fixture.seen)), None, "what is left of it is of all");
    fixture.seen.now += Duration::from_secs(1800);
    let pod = &mut fixture.seen.members[0].pod;
    (pod.restarts, pod.ended) = (4, Some(Lifetime { started: fixture.seen.now, ended: fixture.seen.now }));
    assert!(cause(&Pass::new(&fixture.rollout, &fixture.seen)).is_some());
}

#[rstest]
#[case::of_a_member_of_the_holdout_that_follows(2, true)]
#[case::of_one_that_was_optimized_before(0, false)]
fn while_the_holdout_follows_nobody_is_left_to_compare_with_a_crash(#[case] loops: usize, #[case] expected: bool) {
    let mut fixture = Fixture::new("ooo", 100);
    let run = fixture.run();
    run.succeeded_at = Some(run.started_at.clone());
    run.settling_at = Some(run.started_at.clone());
    fixture.seen.shards[0].record.members.get_mut("node-2").unwrap().stage = 1;
    fixture.seen.members[loops].pod.restarts = 2;
    let cause = cause(&Pass::new(&fixture.rollout, &fixture.seen));
    assert_eq!(cause.is_some(), expected, "{cause:?}");
}

#[rstest]
#[case::since_before_the_holdout_followed(99, false)]
#[case::since_it_followed(100, true)]
fn a_member_of_the_holdout_that_was_not_ready_before_it_followed_was_not_made_so(
    #[case] since: i64,
    #[case] expected: bool,
) {
    let mut fixture = Fixture::new("ooo", 100);
    let began = fixture.seen.now;
    let run = fixture.run();
    run.succeeded_at = Some(Time(began));
    run.settling_at = Some(Time(began + Duration::from_secs(100)));
    fixture.seen.shards[0].record.members.get_mut("node-2").unwrap().stage = 1;
    fixture.seen.members[2].pod.unready_since = Some(began + jiff::SignedDuration::from_secs(since));
    fixture.seen.now += Duration::from_secs(400);
    let cause = cause(&Pass::new(&fixture.rollout, &fixture.seen));
    assert_eq!(cause.is_some(), expected, "{cause:?}");
}

/// The second of two ConfigMaps knows `node-2` and `node-3`.
fn split(fixture: &mut Fixture) {
    let mut second = fixture.seen.shards[0].clone();
    second.name = "settings-1".to_owned();
    let is_second = |name: &String| name.as_str() > "node-1";
    second.record.members.retain(|name, _| is_second(name));
    second.files.retain(|name, _| is_second(name));
    let first = &mut fixture.seen.shards[0];
    first.record.members.retain(|name, _| !is_second(name));
    first.files.retain(|name, _| !is_second(name));
    fixture.seen.shards.push(second);
}

#[rstest]
#[case::both_are_there(4, 2, None)]
#[case::the_second_was_deleted(4, 1, Some(Reason::Overridden))]
#[case::the_second_is_not_there_yet(2, 1, None)]
fn a_run_is_taken_back_when_one_of_several_configmaps_was_deleted(
    #[case] optimized_before: i32,
    #[case] config_maps: usize,
    #[case] expected: Option<Reason>,
) {
    let mut fixture = Fixture::new("oooo", 100);
    fixture.rollout.status.as_mut().unwrap().members.get_or_insert_default().optimized = optimized_before;
    split(&mut fixture);
    fixture.seen.shards.truncate(config_maps);
    let cause = cause(&Pass::new(&fixture.rollout, &fixture.seen));
    assert_eq!(cause.as_ref().map(|cause| cause.reason), expected, "{cause:?}");
}

#[test]
fn a_process_that_started_since_its_switch_has_its_own_count() {
    let mut fixture = Fixture::new("obbh", 50);
    let entry = fixture.seen.shards[0].record.members.get_mut("node-0").unwrap();
    entry.restarts = 5;
    fixture.seen.members[0].pod.restarts = 6;
    assert_eq!(cause(&Pass::new(&fixture.rollout, &fixture.seen)), None, "one of six was after the switch");
    fixture.seen.members[0].pod.uid = "another".to_owned();
    assert!(cause(&Pass::new(&fixture.rollout, &fixture.seen)).is_some(), "another pod starts at none");
}
