use std::time::Duration;

use api::fleet::Reload;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use rstest::rstest;

use super::*;
use crate::decide::fixture::Fixture;

/// Two members whose settings have been back for so many seconds.
fn off(seconds: u64) -> Fixture {
    let mut fixture = Fixture::new("rrbb", 50);
    let at = Time(fixture.seen.now);
    fixture.take_back(at, true);
    let acknowledgement = serde_json::json!({"metric": "enabled"});
    fixture.rollout.spec.fleet.acknowledgement = serde_json::from_value(acknowledgement).unwrap();
    fixture.seen.now += Duration::from_secs(seconds);
    fixture
}

fn is_over_for(fixture: &Fixture) -> bool {
    let pass = Pass::new(&fixture.rollout, &fixture.seen);
    let away: Vec<_> = pass.roster.in_cohort(Cohort::Returning).collect();
    is_over(&pass, &away)
}

fn timer(fixture: &mut Fixture) {
    fixture.rollout.spec.fleet.acknowledgement = serde_json::from_value(serde_json::json!({"timer": "90s"})).unwrap();
}

fn restarts(fixture: &mut Fixture) {
    fixture.rollout.spec.fleet.config.reload = Reload::RestartPod;
}

/// The first one was restarted half a minute before now.
fn one_restarted(fixture: &mut Fixture) {
    restarts(fixture);
    let pod = &mut fixture.seen.members[0].pod;
    "another".clone_into(&mut pod.uid);
    pod.created = fixture.seen.now - Duration::from_secs(30);
}

fn both_restarted(fixture: &mut Fixture) {
    one_restarted(fixture);
    let pod = &mut fixture.seen.members[1].pod;
    "another".clone_into(&mut pod.uid);
    pod.created = fixture.seen.now - Duration::from_secs(60);
}

#[rstest]
#[case::who_could_have_said_so(60, |_: &mut Fixture| {}, true)]
#[case::who_could_have_but_for_a_second(59, |_: &mut Fixture| {}, false)]
#[case::whose_timer_has_not_run_out(149, timer, false)]
#[case::whose_timer_has_run_out_a_minute_ago(150, timer, true)]
#[case::who_still_have_to_be_restarted(599, restarts, false)]
#[case::whom_nobody_restarts(600, restarts, true)]
#[case::of_whom_one_was_restarted_just_now(600, one_restarted, false)]
#[case::who_were_restarted_half_a_minute_ago(600, both_restarted, false)]
fn patience_is_over_with_members(#[case] seconds: u64, #[case] happens: fn(&mut Fixture), #[case] expected: bool) {
    let mut fixture = off(seconds);
    happens(&mut fixture);
    assert_eq!(is_over_for(&fixture), expected);
}

#[test]
fn members_that_were_all_restarted_have_a_minute_to_say_so() {
    let mut fixture = off(600);
    both_restarted(&mut fixture);
    fixture.seen.now += Duration::from_secs(30);
    assert!(is_over_for(&fixture));
}

#[rstest]
#[case::just_now(300, false)]
#[case::a_minute_ago(240, true)]
#[case::before_its_members_had_been_silent_for_two_minutes(0, true)]
fn a_deletion_tries_what_it_can_for_a_minute_although_members_were_silent_before(
    #[case] deleted: u64,
    #[case] expected: bool,
) {
    let mut fixture = off(300);
    let deletion = fixture.seen.now - Duration::from_secs(300 - deleted);
    fixture.rollout.metadata.deletion_timestamp = Some(Time(deletion));
    let pass = Pass::new(&fixture.rollout, &fixture.seen);
    assert_eq!(is_exhausted(&pass, &[], 2), expected);
}
