use std::time::Duration;

use api::fleet::Reload;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use rstest::rstest;

use super::evictions;
use crate::{
    acknowledgement::{Acknowledgement, Touch},
    decide::{decide, fixture::Fixture, pass::Pass},
    observation::{Measurements, Report, Unevicted},
    plan::Advance,
    record::Cohort,
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
#[case::in_its_time(0, 0)]
#[case::a_moment_longer(59, 0)]
#[case::for_good(60, 1)]
fn the_others_are_not_restarted_while_a_pod_ends(#[case] beyond: u64, #[case] expected: usize) {
    let mut fixture = left();
    fixture.seen.watched_for = Duration::from_secs(3600);
    fixture.seen.ending = [("node-5".to_owned(), fixture.seen.now + Duration::from_secs(600))].into();
    fixture.seen.now += Duration::from_secs(600 + beyond);
    let pass = Pass::new(&fixture.rollout, &fixture.seen);
    let pending: Vec<_> = pass.roster.pending().collect();
    assert_eq!(evictions(&pass, &pending).len(), expected);
}

/// The same, of a run that goes back, where so many of them have not been ready for so many seconds.
fn broken(unready: usize, seconds: u64) -> Fixture {
    let mut fixture = left();
    fixture.seen.gone_for = [("node-5".to_owned(), Duration::from_secs(60))].into();
    fixture.take_back(Time(fixture.seen.now), true);
    for entry in fixture.seen.shards[0].record.members.values_mut() {
        entry.cohort = Cohort::Returning;
    }
    for member in fixture.seen.members.iter_mut().take(unready) {
        (member.pod.ready, member.pod.unready_since) = (false, Some(fixture.seen.now - Duration::from_secs(seconds)));
    }
    fixture
}

#[rstest]
#[case::all_of_them(5, 30, &["node-0", "node-1", "node-2", "node-3", "node-4"])]
#[case::more_than_the_others_can_bear(3, 30, &["node-0", "node-1", "node-2"])]
#[case::less_than_that(1, 30, &["node-0"])]
#[case::none(0, 30, &["node-0"])]
#[case::all_for_a_moment(5, 29, &["node-0"])]
fn members_that_go_back_and_are_not_ready_are_restarted_at_once_where_that_are(
    #[case] unready: usize,
    #[case] seconds: u64,
    #[case] expected: &[&str],
) {
    assert_eq!(restarted(&broken(unready, seconds)), expected);
}

#[rstest]
#[case::all_of_them(&[0, 1, 2, 3, 4], &["node-0"])]
#[case::one(&[3], &["node-3"])]
#[case::none(&[], &["node-0"])]
fn members_that_are_switched_and_not_ready_leave_one_after_the_other_and_first(
    #[case] unready: &[usize],
    #[case] expected: &[&str],
) {
    let mut fixture = broken(0, 30);
    for member in unready {
        fixture.seen.members[*member].pod.ready = false;
    }
    fixture.run().aborted_at = None;
    fixture.rollout.status.as_mut().unwrap().retreat = None;
    for entry in fixture.seen.shards[0].record.members.values_mut() {
        entry.cohort = Cohort::Optimized;
    }
    assert_eq!(restarted(&fixture), expected);
}

#[rstest]
#[case::since_before_the_files_were_back(-1, true)]
#[case::since_then(0, false)]
fn a_member_of_which_no_record_tells_is_restarted_where_its_process_runs(#[case] seconds: i64, #[case] expected: bool) {
    let mut fixture = broken(0, 0);
    let pod = &mut fixture.seen.members[0].pod;
    pod.created = fixture.seen.now + jiff::SignedDuration::from_secs(seconds);
    fixture.seen.shards[0].record.members.remove("node-0");
    let pass = Pass::new(&fixture.rollout, &fixture.seen);
    let stray = pass.roster.standings.iter().find(|standing| standing.member.name == "node-0").unwrap();
    assert_eq!(super::is_to_be_restarted(&pass, stray), expected);
}

#[test]
fn no_other_one_is_restarted_while_a_member_that_runs_its_file_is_not_ready() {
    let mut fixture = left();
    fixture.seen.gone_for = [("node-5".to_owned(), Duration::from_secs(60))].into();
    let pod = &mut fixture.seen.members[0].pod;
    pod.ready = false;
    "another".clone_into(&mut pod.uid);
    assert_eq!(restarted(&fixture), Vec::<String>::new());
}

#[rstest]
#[case::its_process_is_as_old_as_its_switch("node-0", true)]
#[case::it_was_restarted("another", false)]
fn a_member_is_restarted_where(#[case] pod: &str, #[case] expected: bool) {
    let mut fixture = says_otherwise(0, 3600);
    fixture.seen.measurements = None;
    pod.clone_into(&mut fixture.seen.members[0].pod.uid);
    assert_eq!(restarted(&fixture) == ["node-0"], expected);
}

/// A stage whose file was written at the start, a member that was restarted so many seconds later, and now, as many
/// seconds after that, says otherwise.
fn says_otherwise(started: u64, later: u64) -> Fixture {
    let mut fixture = Fixture::new("ob", 50);
    fixture.rollout.spec.fleet.config.reload = Reload::RestartPod;
    let acknowledgement = &mut fixture.rollout.spec.fleet.acknowledgement;
    (acknowledgement.metric, acknowledgement.timer) = (Some("enabled".to_owned()), None);
    fixture.replan();
    let member = &mut fixture.seen.members[0].pod;
    "another".clone_into(&mut member.uid);
    member.created = fixture.seen.now + Duration::from_secs(started);
    fixture.seen.now += Duration::from_secs(started + later);
    let enabled = [("pool".to_owned(), false)].into();
    let report = Report { pod: "another".to_owned(), at: fixture.seen.now, enabled, revision: None };
    let reports = [("node-0".to_owned(), report)].into();
    fixture.seen.measurements = Some(Measurements { reports, ..Measurements::default() });
    fixture
}

/// Members that are restarted now.
fn restarted(fixture: &Fixture) -> Vec<String> {
    let pass = Pass::new(&fixture.rollout, &fixture.seen);
    let pending: Vec<_> = pass.roster.pending().collect();
    evictions(&pass, &pending).into_iter().map(|pod| pod.name).collect()
}

#[rstest]
#[case::it_waits_for_its_turn(false, &["node-1"])]
#[case::it_has_its_turn(true, &["node-0"])]
fn a_pod_that_its_budget_does_not_let_go_is_tried_again_when(#[case] due: bool, #[case] expected: &[&str]) {
    let mut fixture = broken(0, 0);
    let message = "Cannot evict pod as it would violate the pod's disruption budget.".to_owned();
    fixture.seen.unevicted = [(fixture.seen.members[0].pod.uid.clone(), Unevicted { message, due })].into();
    assert_eq!(restarted(&fixture), expected);
    let status = decide(&fixture.rollout, &fixture.seen).status;
    let told: Vec<&String> = status.conditions.iter().map(|condition| &condition.message).collect();
    let words = "; node-0 may not be evicted: Cannot evict pod as it would violate the pod's disruption budget.";
    assert!(told.iter().any(|message| message.contains(words)), "{told:?}");
}

#[rstest]
#[case::is_out_of_traffic(Some("false"), true)]
#[case::is_not_ready(None, false)]
fn a_pod_that_waits_for_its_budget_is_missed_where_it(#[case] serving: Option<&str>, #[case] ready: bool) {
    let mut fixture = broken(0, 0);
    let pod = &mut fixture.seen.members[0].pod;
    (pod.serving, pod.ready) = (serving.map(str::to_owned), ready);
    let message = "not now".to_owned();
    fixture.seen.unevicted = [(pod.uid.clone(), Unevicted { message, due: false })].into();
    assert_eq!(restarted(&fixture), Vec::<String>::new(), "one of five may be missing");
}

/// A member that goes back and was restarted half a minute ago says this.
fn says(enabled: &[(&str, bool)]) -> Fixture {
    let mut fixture = broken(0, 0);
    let acknowledgement = &mut fixture.rollout.spec.fleet.acknowledgement;
    (acknowledgement.metric, acknowledgement.timer) = (Some("enabled".to_owned()), None);
    let before = serde_json::json!({"name": "settled", "settings": [{"path": "tls", "optimized": true}]});
    fixture.rollout.spec.optimizations.push(serde_json::from_value(before).unwrap());
    let shard = &mut fixture.seen.shards[0];
    shard.settled = [("tls".to_owned(), api::Scalar::Bool(true))].into();
    shard.record.optimizations = vec!["pool".to_owned(), "settled".to_owned()];
    for member in &mut fixture.seen.members {
        "another".clone_into(&mut member.pod.uid);
        member.pod.created = fixture.seen.now;
    }
    fixture.seen.now += Duration::from_secs(31);
    let enabled = enabled.iter().map(|(name, on)| ((*name).to_owned(), *on)).collect();
    let report = Report { pod: "another".to_owned(), at: fixture.seen.now, enabled, revision: None };
    let reports = [("node-0".to_owned(), report)].into();
    fixture.seen.measurements = Some(Measurements { reports, ..Measurements::default() });
    fixture
}

#[rstest]
#[case::that_it_is_on(&[("pool", true)], true, false)]
#[case::nothing(&[], true, false)]
#[case::nothing_of_what_it_does_not_know(&[("cache", true), ("settled", true)], false, true)]
#[case::that_what_was_settled_before_is_on(&[("settled", true)], false, true)]
#[case::nothing_of_what_was_settled_before(&[("cache", true)], false, true)]
#[case::that_what_was_settled_before_is_off(&[("settled", false)], true, false)]
fn a_member_that_goes_back_is_restarted_again_or_believed_to_be_unable_when_it_says(
    #[case] enabled: &[(&str, bool)],
    #[case] restarts: bool,
    #[case] cannot_say: bool,
) {
    let fixture = says(enabled);
    assert_eq!(restarted(&fixture) == ["node-0"], restarts);
    let pass = Pass::new(&fixture.rollout, &fixture.seen);
    let said = pass.roster.standings[0].acknowledgement;
    assert_eq!(said == Acknowledgement::Open, cannot_say, "{said:?}");
}

#[rstest]
#[case::who_has_no_cohort('-', true)]
#[case::who_was_given_one_in_a_stage_since('b', true)]
#[case::who_was_held_out('h', true)]
#[case::who_was_switched_and_has_started_since('o', false)]
fn a_run_restarts_who_joined_before_it(#[case] cohort: char, #[case] expected: bool) {
    let mut fixture = Fixture::new(&format!("bbbbb{cohort}"), 50);
    fixture.rollout.spec.fleet.config.reload = Reload::RestartPod;
    fixture.replan();
    let pod = &mut fixture.seen.members[5].pod;
    pod.touched = Some(Touch { at: fixture.seen.now, count: 1, file: "restart".to_owned() });
    "another".clone_into(&mut pod.uid);
    let pass = Pass::new(&fixture.rollout, &fixture.seen);
    let evicted = |advance: &Advance| matches!(advance, Advance::Evict(pod) if pod.name == "node-5");
    assert_eq!(super::again(&pass).iter().any(evicted), expected);
}

#[test]
fn a_stage_names_the_budget_that_does_not_let_a_member_go() {
    let mut fixture = left();
    let message = "The disruption budget needs 5 healthy pods and has 5 currently".to_owned();
    fixture.seen.unevicted = [(fixture.seen.members[2].pod.uid.clone(), Unevicted { message, due: true })].into();
    let status = decide(&fixture.rollout, &fixture.seen).status;
    let told: Vec<&String> = status.conditions.iter().map(|condition| &condition.message).collect();
    let words = "node-2 may not be evicted: The disruption budget needs 5 healthy pods and has 5 currently";
    assert!(told.iter().any(|message| message.contains(words)), "{told:?}");
}

#[rstest]
#[case::soon(0, 30, true)]
#[case::not_too_soon(0, 29, false)]
#[case::after_as_long_as_it_took_before(61, 61, true)]
#[case::not_before(61, 60, false)]
#[case::after_ten_minutes_at_last(7200, 600, true)]
#[case::and_no_sooner(7200, 599, false)]
fn a_member_that_was_restarted_and_says_otherwise_is_restarted_again(
    #[case] started: u64,
    #[case] later: u64,
    #[case] expected: bool,
) {
    assert_eq!(restarted(&says_otherwise(started, later)) == ["node-0"], expected);
}

#[test]
fn what_the_process_before_has_said_is_no_reason_to_restart_its_successor() {
    let mut fixture = says_otherwise(10, 31);
    let created = fixture.seen.members[0].pod.created;
    let reports = &mut fixture.seen.measurements.as_mut().unwrap().reports;
    reports.get_mut("node-0").unwrap().at = created - Duration::from_secs(1);
    assert_eq!(restarted(&fixture), Vec::<String>::new());
}

#[rstest]
#[case::in_the_stage(|_: &mut Fixture, _| {}, false)]
#[case::when_the_run_was_off(|fixture: &mut Fixture, at: Time| {
    retreats(fixture, Time(at.0 - Duration::from_secs(3600)));
    fixture.rollout.status.as_mut().unwrap().retreat.as_mut().unwrap().off_at = Some(at);
}, true)]
#[case::when_the_holdout_followed(|fixture: &mut Fixture, at| fixture.run().settling_at = Some(at), true)]
#[case::when_the_run_went_back(retreats, true)]
fn it_counts_from_when_files_were_written_last(#[case] edit: fn(&mut Fixture, Time), #[case] expected: bool) {
    let mut fixture = says_otherwise(3600, 60);
    let written = Time(fixture.seen.members[0].pod.created - Duration::from_secs(60));
    edit(&mut fixture, written);
    assert_eq!(restarted(&fixture) == ["node-0"], expected);
}

fn retreats(fixture: &mut Fixture, at: Time) {
    fixture.take_back(at, false);
    let entries = &mut fixture.seen.shards[0].record.members;
    entries.get_mut("node-0").unwrap().cohort = Cohort::Returning;
    let report = fixture.seen.measurements.as_mut().unwrap().reports.get_mut("node-0").unwrap();
    report.enabled = [("pool".to_owned(), true)].into();
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
