use std::time::Duration;

use api::reason::Reason;
use rstest::rstest;
use serde_json::json;

use super::*;
use crate::{
    decide::{decide, fixture::Fixture},
    observation::{Measurements, Neighbour},
};

/// Half of four members in the only stage, with looks that passed for so long.
fn baked(seconds: u64, passing: bool) -> Fixture {
    let mut fixture = Fixture::new("oobh", 50);
    fixture.rollout.spec.watch_after = api::Duration::from_secs(60);
    fixture.rollout.spec.fleet.acknowledgement.timer = Some(api::Duration::default());
    fixture.replan();
    let run = fixture.rollout.status.as_ref().unwrap().run.as_ref().unwrap();
    for member in &mut fixture.seen.members {
        let file = crate::acknowledgement::fingerprint(Some(crate::decide::fixture::OPTIMIZED));
        member.pod.touched = Some(crate::acknowledgement::Touch { at: fixture.seen.now, count: 1, file });
    }
    fixture.seen.measurements = Some(Measurements {
        run: run.id.clone(),
        bake: fixture.seen.now,
        covered: Duration::from_secs(seconds),
        passing,
        ..Measurements::default()
    });
    fixture
}

/// The same in the watch after it.
fn watched(seconds: u64, passing: bool) -> Fixture {
    let mut fixture = baked(seconds, passing);
    let run = fixture.run();
    run.succeeded_at = Some(run.started_at.clone());
    fixture
}

fn reason(fixture: &Fixture) -> String {
    decide(&fixture.rollout, &fixture.seen).status.summary.unwrap().reason
}

#[rstest]
#[case::its_time_has_come(60, true, Reason::Watching)]
#[case::its_time_has_not_come(59, true, Reason::Baking)]
#[case::the_last_look_did_not_pass(60, false, Reason::AwaitingMeasurements)]
fn a_bake_ends_when(#[case] seconds: u64, #[case] passing: bool, #[case] expected: Reason) {
    assert_eq!(reason(&baked(seconds, passing)), expected.to_string());
}

#[rstest]
#[case::its_time_has_come(60, true, false, Reason::Settling)]
#[case::its_time_has_not_come(59, true, false, Reason::Watching)]
#[case::the_last_look_did_not_pass(60, false, false, Reason::AwaitingMeasurements)]
#[case::another_rollout_waits(0, true, true, Reason::Settling)]
#[case::another_rollout_waits_and_the_last_look_did_not_pass(0, false, true, Reason::AwaitingMeasurements)]
fn the_watch_ends_when(#[case] seconds: u64, #[case] passing: bool, #[case] waits: bool, #[case] expected: Reason) {
    let mut fixture = watched(seconds, passing);
    fixture.seen.neighbours.extend(waits.then(|| Neighbour {
        name: "other".to_owned(),
        waits: true,
        ..Neighbour::default()
    }));
    assert_eq!(reason(&fixture), expected.to_string());
}

#[rstest]
#[case::as_late_as_the_bake_began(0)]
#[case::before_it_began(-120)]
#[case::later(120)]
fn what_was_watched_in_the_last_stage_is_no_part_of_the_watch_whatever_the_clock_says(#[case] ahead: i64) {
    let mut fixture = baked(3600, true);
    let began = fixture.seen.now;
    fixture.seen.now += jiff::SignedDuration::from_secs(ahead);
    fixture.rollout.status = Some(decide(&fixture.rollout, &fixture.seen).status);
    let watch = fixture.rollout.status.as_ref().unwrap().run.as_ref().unwrap().succeeded_at.clone().unwrap();
    assert!(watch.0 > began, "{watch:?}");
    assert!(Pass::new(&fixture.rollout, &fixture.seen).measurements().is_none());
}

#[rstest]
#[case::this_one("half", 1, Reason::Watching, Some(Reason::Watching))]
#[case::a_later_one("rest", 1, Reason::StageStarted, Some(Reason::Promoted))]
#[case::a_later_one_when_it_is_over("rest", 60, Reason::StageStarted, Some(Reason::StageStarted))]
#[case::an_earlier_one("canary", 1, Reason::Baking, None)]
fn a_bake_is_cut_short_by_promoting_through(
    #[case] stage: &str,
    #[case] covered: u64,
    #[case] expected: Reason,
    #[case] told: Option<Reason>,
) {
    let mut fixture = baked(covered, true);
    let stages = json!([
        {"name": "canary", "percent": 10, "bake": "1m"}, {"name": "half", "percent": 50, "bake": "1m"},
        {"name": "rest", "percent": 60, "bake": "1m"},
    ]);
    fixture.rollout.spec.stages = serde_json::from_value(stages).unwrap();
    fixture.rollout.spec.stages.truncate(if stage == "rest" { 3 } else { 2 });
    fixture.rollout.spec.promote_through = Some(stage.to_owned());
    let judged_by = crate::run::judged_by(&fixture.rollout);
    let current = fixture.rollout.status.as_mut().unwrap().stage.as_mut().unwrap();
    (current.index, current.judged_by) = (1, judged_by);
    fixture.seen.shards[0].record.stage = 1;
    let plan = decide(&fixture.rollout, &fixture.seen);
    assert_eq!(plan.status.summary.unwrap().reason, expected.to_string());
    assert_eq!(plan.notices.last().map(|notice| notice.reason), told);
}

#[rstest]
#[case::not_yet(29, Reason::AwaitingMeasurements, "inconclusive now: load")]
#[case::as_long_as_may_be(30, Reason::Silence, "stage half holds: no sufficient measurement of load")]
fn a_bake_without_measurements_holds_when_its_deadline_is_over(
    #[case] silent: u64,
    #[case] expected: Reason,
    #[case] words: &str,
) {
    let mut fixture = baked(10, false);
    let silence = json!({"deadline": "30s", "action": "Hold"});
    let metrics = json!({"interval": "2s", "source": {"pods": {"port": "metrics"}}, "silence": silence});
    fixture.rollout.spec.metrics = Some(serde_json::from_value(metrics).unwrap());
    fixture.rollout.status.as_mut().unwrap().stage.as_mut().unwrap().judged_by =
        crate::run::judged_by(&fixture.rollout);
    for member in &mut fixture.seen.members {
        member.pod.metrics_port = Some(9090);
    }
    let measurements = fixture.seen.measurements.as_mut().unwrap();
    measurements.silent_for = Duration::from_secs(silent);
    let indicators = json!([
        {"name": "errors", "verdict": "Pass", "message": ""}, {"name": "load", "verdict": "Inconclusive", "message": ""},
    ]);
    measurements.indicators = serde_json::from_value(indicators).unwrap();
    let status = decide(&fixture.rollout, &fixture.seen).status;
    assert_eq!(status.summary.unwrap().reason, expected.to_string());
    assert!(status.conditions.iter().any(|condition| condition.message.contains(words)), "{:?}", status.conditions);
}

#[test]
fn the_watch_holds_while_it_is_paused() {
    let mut fixture = watched(60, true);
    fixture.rollout.spec.paused = true;
    assert_eq!(reason(&fixture), Reason::Paused.to_string());
}
