//! Watching: a stage for its bake, and the fleet after the last one.

use api::{
    metrics::SilenceAction,
    reason::Reason,
    status::{Run, StageStatus, Verdict},
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::{
    intent::{ACTIVE, Intent, Kind},
    pass::Pass,
    stage::{bake_start, begun, index, sizes, upkeep},
    stamp,
};
use crate::record::Cohort;

/// Watches a stage for its time, then promotes; after the last one the fleet is watched.
#[must_use]
pub fn bake(pass: &Pass<'_>) -> Intent {
    let Some((current, spec)) =
        pass.status.stage.as_ref().and_then(|stage| Some((stage, pass.spec.stages.get(index(stage))?)))
    else {
        return Intent::state(pass, Kind::Stalled, Reason::InvalidSpec, "status.stage names no stage of the spec");
    };
    let covered = pass.measurements().map_or(current.covered.get(), |measurements| measurements.covered);
    let through = pass.spec.promote_through.as_ref();
    let skipped = through
        .and_then(|name| pass.spec.stages.iter().position(|stage| stage.name == *name))
        .is_some_and(|through| through >= index(current));
    if !pass.is_passing() || (covered < spec.bake.get() && !skipped) {
        return baking(pass, &format!("stage {}", current.name), covered, spec.bake);
    }
    let unready: Vec<&str> = pass
        .roster
        .in_cohort(Cohort::Optimized)
        .filter(|standing| !standing.member.pod.ready)
        .map(|standing| standing.member.name.as_str())
        .collect();
    if !unready.is_empty() {
        let message = format!("stage {} has baked; {} not ready", current.name, stamp::listed(unready.into_iter()));
        let mut intent = Intent::state(pass, Kind::Working, Reason::MembersUnready, message);
        intent.advance = upkeep(pass);
        return intent;
    }
    let next = index(current) + 1;
    let promoted = if skipped && covered < spec.bake.get() { Reason::Promoted } else { Reason::StageStarted };
    let (eligible, held_out) = sizes(pass);
    if let Some(stage) = begun(pass, next, eligible, held_out) {
        let message = format!("stage {} starts: up to {} members", stage.name, stage.quota);
        let mut intent = Intent::state(pass, Kind::Working, Reason::StageStarted, message).transition(promoted);
        intent.stage = Some(stage);
        return intent;
    }
    let message = format!("the last stage has baked; watching for {} against the holdout", pass.spec.watch_after);
    let mut intent = Intent::state(pass, Kind::Working, Reason::Watching, message).transition(Reason::Watching);
    intent.run = intent.run.map(|run| Run { succeeded_at: Some(bake_start(pass)), ..run });
    intent.stage = intent.stage.map(|stage| StageStatus { covered: api::Duration::default(), ..stage });
    intent
}

fn baking(pass: &Pass<'_>, what: &str, covered: std::time::Duration, of: api::Duration) -> Intent {
    let covered = api::Duration::from_secs(covered.as_secs());
    let measurements = pass.measurements();
    let missing: Vec<&str> = measurements
        .iter()
        .flat_map(|measurements| &measurements.indicators)
        .filter(|indicator| indicator.verdict != Verdict::Pass)
        .map(|indicator| indicator.name.as_str())
        .collect();
    let deadline = pass.spec.metrics.as_ref().map(|metrics| &metrics.silence);
    let silent = measurements.zip(deadline).is_some_and(|(measurements, silence)| {
        silence.action == SilenceAction::Hold && measurements.silent_for >= silence.deadline.get()
    });
    let (kind, reason, message) = if silent {
        let message = format!("{what} holds: no sufficient measurement of {}", missing.join(", "));
        (Kind::Stalled, Reason::Silence, message)
    } else if pass.is_passing() {
        (Kind::Working, Reason::Baking, format!("{what}: {covered} of {of} watched"))
    } else if missing.is_empty() {
        (Kind::Working, Reason::AwaitingMeasurements, format!("{what}: {covered} of {of} watched; no look yet"))
    } else {
        let message = format!("{what}: {covered} of {of} watched; inconclusive now: {}", missing.join(", "));
        (Kind::Working, Reason::AwaitingMeasurements, message)
    };
    let mut intent = Intent::state(pass, kind, reason, message);
    intent.advance = upkeep(pass);
    intent.requeue = ACTIVE;
    intent
}

/// Watches the fleet against the holdout, then lets it follow.
#[must_use]
pub fn watch(pass: &Pass<'_>) -> Intent {
    let recorded = pass.status.stage.as_ref().map_or_else(Default::default, |stage| stage.covered.get());
    let covered = pass.measurements().map_or(recorded, |measurements| measurements.covered);
    let waiting = pass.seen.neighbours.iter().find(|neighbour| neighbour.waits);
    if !pass.is_passing() || covered < pass.spec.watch_after.get() && waiting.is_none() {
        let mut intent = baking(pass, "watch", covered, pass.spec.watch_after);
        if intent.state.reason == Reason::Baking {
            intent.state.reason = Reason::Watching;
        }
        return intent;
    }
    let message = match waiting {
        Some(neighbour) => {
            format!("rollout {} waits for this fleet: the watch ends, the holdout follows", neighbour.name)
        }
        None => "the watch is over: the holdout follows".to_owned(),
    };
    let mut intent = Intent::state(pass, Kind::Working, Reason::Settling, message).transition(Reason::Settling);
    intent.run = intent.run.map(|run| Run { settling_at: Some(Time(pass.seen.now)), ..run });
    intent
}

#[cfg(test)]
mod tests;
