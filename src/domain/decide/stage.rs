//! Going on: starting a run, stage after stage, the watch, and settling.

use api::{
    metrics::SilenceAction,
    names::{FINALIZER, SETTLED_ANNOTATION, cohort},
    reason::Reason,
    rollout::DeletionPolicy,
    status::{Run, StageStatus, Verdict},
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::{
    acceptance,
    cohorts::is_eligible,
    intent::{Intent, Kind},
    pass::{Pass, Phase},
    retreat::closed,
    roster::Standing,
    stamp::{self, target},
    tell,
};
use crate::{
    cohort::{holdout, quota},
    plan::Advance,
    record::Cohort,
    run::{judged_by, plan_id},
};

/// Starts the run that the spec asks for, in its first stage, if nothing speaks against it.
#[must_use]
pub fn start(pass: &Pass<'_>) -> Option<Intent> {
    let settled_before = pass.phase == Phase::Settled && !pass.is_wanted();
    if pass.phase != Phase::Idle && !settled_before {
        return None;
    }
    if pass.is_wanted() {
        let cause = pass.status.retreat.as_ref();
        let reason = cause.map_or(Reason::AbortRequested, |retreat| retreat.reason);
        let message = cause.map_or("", |retreat| retreat.message.as_str());
        let message = format!("{message}; every member runs its baseline again; raise spec.attempt to retry");
        return Some(Intent::state(pass, Kind::Stalled, reason, message));
    }
    if pass.spec.abort.is_some() {
        let message = "spec.abort is set: take it away to let the run start";
        return Some(Intent::state(pass, Kind::Waiting, Reason::AbortRequested, message));
    }
    if pass.settings.is_settled() {
        let mut intent = Intent::state(pass, Kind::Waiting, Reason::Settled, "every value is the baseline already");
        intent.advance = stamp::joiners(pass);
        return Some(intent);
    }
    if acceptance::is_optimized_already(pass) {
        let message = "every member runs the optimized values already; there is nothing to switch";
        return Some(Intent::state(pass, Kind::Waiting, Reason::AlreadyOptimized, message));
    }
    let eligible = pass.roster.standings.iter().filter(|standing| is_eligible(standing)).count();
    let held_out = holdout(eligible, pass.spec.holdout_percent);
    let plan = plan_id(pass.rollout);
    let run = Run {
        id: pass.wanted_run.clone(),
        seed: pass.wanted_run.clone(),
        plan,
        attempt: pass.spec.attempt,
        eligible: count(eligible),
        holdout: count(held_out),
        started_at: Time(pass.seen.now),
        aborted_at: None,
        succeeded_at: None,
        settling_at: None,
        settled_at: None,
    };
    // A status that was lost finds the stage on the objects again.
    let stamped =
        pass.seen.shards.iter().filter(|shard| shard.record.run == run.id).map(|shard| shard.record.stage).max();
    let index = usize::try_from(stamped.unwrap_or(0)).unwrap_or(0).min(pass.spec.stages.len().saturating_sub(1));
    let message = format!("run {} of {eligible} eligible members, {held_out} of them held out", run.id);
    let mut intent = Intent::state(pass, Kind::Working, Reason::RunStarted, message).transition(Reason::RunStarted);
    intent.stage = stage(pass, index, eligible, held_out);
    intent.retreat = None;
    intent.run = Some(run);
    Some(intent)
}

fn stage(pass: &Pass<'_>, index: usize, eligible: usize, held_out: usize) -> Option<StageStatus> {
    let stage = pass.spec.stages.get(index)?;
    Some(StageStatus {
        index: count(index),
        name: stage.name.clone(),
        percent: stage.percent,
        quota: count(quota(eligible, held_out, stage.percent)),
        started_at: Time(pass.seen.now),
        judged_by: judged_by(pass.rollout),
        covered: api::Duration::default(),
    })
}

/// Edited stages or indicators restart the bake.
#[must_use]
pub fn rejudge(pass: &Pass<'_>) -> Option<Intent> {
    let current = pass.status.stage.as_ref()?;
    let judged_by = judged_by(pass.rollout);
    if pass.phase != Phase::Staging || current.judged_by == judged_by {
        return None;
    }
    let index = usize::try_from(current.index).unwrap_or(0).min(pass.spec.stages.len().saturating_sub(1));
    let (eligible, held_out) = sizes(pass);
    let mut intent =
        Intent::state(pass, Kind::Working, Reason::Baking, "stages or indicators changed: the bake starts anew")
            .transition(Reason::StageStarted);
    intent.stage = stage(pass, index, eligible, held_out);
    Some(intent)
}

/// Holds while somebody asked for it.
#[must_use]
pub fn paused(pass: &Pass<'_>) -> Option<Intent> {
    let held = matches!(pass.phase, Phase::Staging | Phase::Watching);
    if !held {
        return None;
    }
    if pass.spec.paused {
        let mut intent = Intent::state(pass, Kind::Waiting, Reason::Paused, "spec.paused is set");
        intent.advance = upkeep(pass);
        return Some(intent);
    }
    let overridden: Vec<&Standing<'_>> = pass.roster.standings.iter().filter(|standing| standing.overridden).collect();
    if !overridden.is_empty() && overridden.len() * 2 > pass.roster.optimized_count() {
        let writer = overridden.iter().find_map(|standing| standing.shard?.last_writer.as_deref());
        let message = format!(
            "{} changed the settings of {} of {} optimized members: {}; the run holds: abort it, or give them back",
            writer.unwrap_or("somebody else"),
            overridden.len(),
            pass.roster.optimized_count(),
            stamp::listed(overridden.iter().map(|standing| standing.member.name.as_str()))
        );
        return Some(Intent::state(pass, Kind::Stalled, Reason::Overridden, message));
    }
    None
}

/// Writes what the committed stage still lacks on the objects.
#[must_use]
pub fn stamping(pass: &Pass<'_>) -> Option<Intent> {
    if !matches!(pass.phase, Phase::Staging | Phase::Settling) || pass.is_stamped() {
        return None;
    }
    let stage = pass.status.stage.as_ref()?;
    let settling = pass.phase == Phase::Settling;
    let (reason, message) = if settling {
        (Reason::Settling, "the holdout follows".to_owned())
    } else {
        (Reason::StageStarted, format!("stage {}: up to {} members are switched", stage.name, stage.quota))
    };
    let mut intent = Intent::state(pass, Kind::Working, reason, message);
    intent.advance = match hold_finalizer(pass) {
        Some(hold) => vec![hold],
        None => stamp::due(pass),
    };
    // The labels that come first have to be seen before the ConfigMaps follow.
    intent.requeue = std::time::Duration::from_millis(200);
    Some(intent)
}

fn hold_finalizer(pass: &Pass<'_>) -> Option<Advance> {
    let held = pass.rollout.metadata.finalizers.as_ref().is_some_and(|all| all.iter().any(|name| name == FINALIZER));
    (!held && pass.spec.deletion_policy != DeletionPolicy::Retain).then_some(Advance::HoldFinalizer)
}

/// Waits for acknowledgements, then for the bake, then promotes; settles at the end of the watch.
#[must_use]
pub fn progress(pass: &Pass<'_>) -> Option<Intent> {
    if !matches!(pass.phase, Phase::Staging | Phase::Watching | Phase::Settling) {
        return None;
    }
    let pending = pass.awaited();
    if !pending.is_empty() {
        let all = pass.roster.optimized_count();
        let message = format!(
            "{} of {all} optimized members acknowledged; waiting for {}",
            all.saturating_sub(pending.len()),
            stamp::listed(pending.iter().copied())
        );
        let mut intent = Intent::state(pass, Kind::Working, Reason::AwaitingAcknowledgement, message);
        intent.advance = upkeep(pass);
        intent.requeue = std::time::Duration::from_millis(500);
        return Some(intent);
    }
    match pass.phase {
        Phase::Staging => Some(bake(pass)),
        Phase::Watching => Some(watch(pass)),
        _ => Some(settle(pass)),
    }
}

fn bake(pass: &Pass<'_>) -> Intent {
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
    let passing = pass.measurements().is_some_and(|measurements| measurements.passing);
    if !passing || (covered < spec.bake.get() && !skipped) {
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
    if let Some(stage) = stage(pass, next, eligible, held_out) {
        let message = format!("stage {} starts: up to {} members", stage.name, stage.quota);
        let mut intent = Intent::state(pass, Kind::Working, Reason::StageStarted, message).transition(promoted);
        intent.stage = Some(stage);
        return intent;
    }
    let message = format!("the last stage has baked; watching for {} against the holdout", pass.spec.watch_after);
    let mut intent = Intent::state(pass, Kind::Working, Reason::Watching, message).transition(Reason::Watching);
    intent.run = intent.run.map(|run| Run { succeeded_at: Some(Time(pass.seen.now)), ..run });
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
    } else if measurements.is_some_and(|measurements| measurements.passing) {
        (Kind::Working, Reason::Baking, format!("{what}: {covered} of {of} watched"))
    } else if missing.is_empty() {
        (Kind::Working, Reason::AwaitingMeasurements, format!("{what}: {covered} of {of} watched; no look yet"))
    } else {
        let message = format!("{what}: {covered} of {of} watched; inconclusive now: {}", missing.join(", "));
        (Kind::Working, Reason::AwaitingMeasurements, message)
    };
    let mut intent = Intent::state(pass, kind, reason, message);
    intent.advance = upkeep(pass);
    intent.requeue = super::intent::ACTIVE;
    intent
}

fn watch(pass: &Pass<'_>) -> Intent {
    let recorded = pass.status.stage.as_ref().map_or_else(Default::default, |stage| stage.covered.get());
    let covered = pass.measurements().map_or(recorded, |measurements| measurements.covered);
    let waiting = pass.seen.neighbours.iter().find(|neighbour| neighbour.waits);
    if covered < pass.spec.watch_after.get() && waiting.is_none() {
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

/// Everybody has acknowledged: labels back, the values become the baseline on every ConfigMap, and that is it.
fn settle(pass: &Pass<'_>) -> Intent {
    let labels: Vec<Advance> = pass
        .seen
        .members
        .iter()
        .filter(|member| pass.is_displaced(&member.pod))
        .map(|member| Advance::LabelPod {
            pod: target(&member.pod),
            resource_version: member.pod.resource_version.clone(),
            cohort: cohort::BASELINE,
            serving: Some(true),
        })
        .collect();
    let mut intent =
        Intent::state(pass, Kind::Working, Reason::Settling, "every member follows; the values are settled");
    intent.requeue = std::time::Duration::from_millis(200);
    if !labels.is_empty() {
        intent.advance = labels;
        return intent;
    }
    let settled = serde_json::json!(pass.settings.optimized).to_string();
    let writes: Vec<Advance> = closed(pass, pass.stamp())
        .into_iter()
        .map(|advance| match advance {
            Advance::WriteShard(mut write) => {
                write.annotations.insert(SETTLED_ANNOTATION.to_owned(), Some(settled.clone()));
                Advance::WriteShard(write)
            }
            other => other,
        })
        .collect();
    if !writes.is_empty() {
        intent.advance = writes;
        return intent;
    }
    let message = "the optimized values are the baseline of every member";
    let mut intent = Intent::state(pass, Kind::Waiting, Reason::Settled, message).transition(Reason::Settled);
    intent.run = intent.run.map(|run| Run { settled_at: Some(Time(pass.seen.now)), ..run });
    intent.requeue = super::intent::ACTIVE;
    intent
}

/// Nothing to do but to tell those who join, and to let go of the finalizer.
#[must_use]
pub fn settled(pass: &Pass<'_>) -> Option<Intent> {
    if pass.phase != Phase::Settled || !pass.is_wanted() {
        return None;
    }
    let message = "the optimized values are the baseline of every member";
    let mut intent = Intent::state(pass, Kind::Waiting, Reason::Settled, message);
    intent.advance = stamp::joiners(pass);
    Some(intent)
}

/// What keeps a stage true while it is watched: touches again, labels of replaced pods, files of those who join.
fn upkeep(pass: &Pass<'_>) -> Vec<Advance> {
    let mut advance = if pass.phase == Phase::Settling { Vec::new() } else { stamp::relabelled(pass) };
    advance.extend(tell::again(pass));
    advance.extend(stamp::joiners(pass));
    advance
}

fn sizes(pass: &Pass<'_>) -> (usize, usize) {
    let eligible = pass.roster.standings.iter().filter(|standing| is_eligible(standing)).count();
    let held_out = pass.run.as_ref().map_or(0, |run| usize::try_from(run.holdout).unwrap_or(0));
    (eligible, held_out)
}

fn index(stage: &StageStatus) -> usize {
    usize::try_from(stage.index).unwrap_or(0)
}

/// A count as the API has it.
#[must_use]
pub fn count(number: usize) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}
