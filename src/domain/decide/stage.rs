//! Going through the stages: what a stage needs, what holds it, and what comes next.

use api::{reason::Reason, status::StageStatus};
use jiff::SignedDuration;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::{
    bake,
    cohorts::is_eligible,
    intent::{Intent, Kind},
    pass::{Pass, Phase},
    roster::Standing,
    settle, shrink, stamp, tell,
};
use crate::{cohort::quota, observation::Problem, plan::Advance, run::judged_by};

/// Edited stages or indicators restart the bake. The run stays in the stage of the same name; without one, in the stage
/// at its position, or the last. Only another percent changes how many members may be optimized.
#[must_use]
pub fn rejudge(pass: &Pass<'_>) -> Option<Intent> {
    let current = pass.status.stage.as_ref()?;
    let judged_by = judged_by(pass.rollout);
    if pass.phase != Phase::Staging || current.judged_by == judged_by {
        return None;
    }
    let named = pass.spec.stages.iter().position(|stage| stage.name == current.name);
    let index = named.unwrap_or_else(|| index(current).min(pass.spec.stages.len().saturating_sub(1)));
    let (present, held_out) = sizes(pass);
    let mut stage = begun(pass, index, present + pass.roster.absent.len(), held_out)?;
    if stage.percent == current.percent {
        stage.quota = current.quota;
    }
    stage.edited = pass.roster.optimized_count() > 0;
    let message = if stage.quota == current.quota {
        "stages or indicators changed: the bake starts anew".to_owned()
    } else {
        format!(
            "stage {} was edited: up to {} members instead of {}; the bake starts anew",
            stage.name, stage.quota, current.quota
        )
    };
    let mut intent = Intent::state(pass, Kind::Working, Reason::Baking, message).transition(Reason::StageStarted);
    intent.stage = Some(stage);
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
    if is_overridden(pass) {
        let overridden: Vec<&Standing<'_>> = overridden(pass).collect();
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

/// Whether somebody else took back the settings of over half of the optimized members: nothing is learned from the rest.
#[must_use]
pub fn is_overridden(pass: &Pass<'_>) -> bool {
    overridden(pass).count() * 2 > pass.roster.optimized_count()
}

fn overridden<'p>(pass: &'p Pass<'_>) -> impl Iterator<Item = &'p Standing<'p>> {
    pass.roster.standings.iter().filter(|standing| standing.overridden)
}

/// Writes what the committed stage still lacks on the objects.
#[must_use]
pub fn stamping(pass: &Pass<'_>) -> Option<Intent> {
    if !matches!(pass.phase, Phase::Staging | Phase::Settling) || pass.is_stamped() {
        return None;
    }
    let stage = pass.status.stage.as_ref()?;
    let due = stamp::due(pass);
    if due.is_empty()
        && let Some(Problem { reason, message }) = stamp::obstacle(pass)
    {
        let message = format!("{message}; correct it, and stage {} goes on", stage.name);
        let mut intent = Intent::state(pass, Kind::Stalled, reason, message);
        intent.advance = upkeep(pass);
        return Some(intent);
    }
    let settling = pass.phase == Phase::Settling;
    let (reason, message) = if settling {
        (Reason::Settling, "the holdout follows".to_owned())
    } else {
        (Reason::StageStarted, format!("stage {}: up to {} members are switched", stage.name, stage.quota))
    };
    let mut intent = Intent::state(pass, Kind::Working, reason, message);
    intent.advance = std::iter::once(Advance::Confirm).chain(due).collect();
    // The labels that come first have to be seen before the ConfigMaps follow.
    intent.requeue = std::time::Duration::from_millis(200);
    Some(intent)
}

/// What is wrong with the way in which a member reports, where that is why it does not acknowledge.
#[must_use]
pub fn silence(pass: &Pass<'_>, standing: &Standing<'_>) -> Option<String> {
    let metric = pass.spec.fleet.acknowledgement.metric.as_ref()?;
    let (name, label) = (&standing.member.name, &pass.spec.fleet.acknowledgement.label);
    let Some(report) = pass.seen.measurements.as_ref()?.reports.get(name) else {
        return Some(format!("; nobody could read the metrics of {name}"));
    };
    if report.pod != standing.member.pod.uid {
        return None;
    }
    let known: Vec<&str> = report.enabled.keys().map(String::as_str).collect();
    let declared = pass.spec.optimizations.iter().map(|optimization| optimization.name.as_str());
    let switched = standing.switched.iter().map(String::as_str);
    let wanted: Vec<&str> = if standing.switched.is_empty() { declared.collect() } else { switched.collect() };
    let missing: Vec<&str> = wanted.into_iter().filter(|wanted| !known.contains(wanted)).collect();
    match (known.is_empty(), missing.as_slice()) {
        (_, []) => None,
        (true, _) => Some(format!("; {name} exposes no {metric} with a label {label}")),
        (false, _) => {
            Some(format!("; {name} exposes {metric} for {}, not for {}", known.join(", "), missing.join(", ")))
        }
    }
}

/// Waits for acknowledgements, then for the bake, then promotes; settles at the end of the watch.
#[must_use]
pub fn progress(pass: &Pass<'_>) -> Option<Intent> {
    if !matches!(pass.phase, Phase::Staging | Phase::Watching | Phase::Settling) {
        return None;
    }
    let pending = pass.awaited();
    if !pending.is_empty() {
        let names = stamp::listed(pending.iter().copied());
        let all = pass.roster.optimized_count();
        let message = shrink::waiting(pass, &names).unwrap_or_else(|| {
            let acknowledged = all.saturating_sub(pending.len());
            let silence = || pass.roster.pending().find_map(|standing| silence(pass, standing));
            let why = tell::refused(pass, pass.roster.pending()).or_else(silence).unwrap_or_default();
            format!("{acknowledged} of {all} optimized members acknowledged; waiting for {names}{why}")
        });
        let mut intent = Intent::state(pass, Kind::Working, Reason::AwaitingAcknowledgement, message);
        intent.advance = upkeep(pass);
        intent.requeue = std::time::Duration::from_millis(500);
        return Some(intent);
    }
    match pass.phase {
        Phase::Staging => Some(shrink::finish(pass).unwrap_or_else(|| bake::bake(pass))),
        Phase::Watching => Some(bake::watch(pass)),
        _ => Some(settle::settle(pass)),
    }
}

/// The status of a stage that begins now.
#[must_use]
pub fn begun(pass: &Pass<'_>, index: usize, eligible: usize, held_out: usize) -> Option<StageStatus> {
    let stage = pass.spec.stages.get(index)?;
    Some(StageStatus {
        index: count(index),
        name: stage.name.clone(),
        percent: stage.percent,
        quota: count(quota(eligible, held_out, stage.percent)),
        started_at: bake_start(pass),
        edited: false,
        judged_by: judged_by(pass.rollout),
        covered: api::Duration::default(),
    })
}

/// When a bake starts that starts now: at another second than the one before, which looks are told apart by. Clocks of
/// replicas differ, and are set.
#[must_use]
pub fn bake_start(pass: &Pass<'_>) -> Time {
    let succeeded = pass.run.as_ref().and_then(|run| run.succeeded_at.as_ref());
    let before = succeeded.or(pass.status.stage.as_ref().map(|stage| &stage.started_at));
    let earliest = before.and_then(|before| before.0.checked_add(SignedDuration::from_secs(1)).ok());
    Time(earliest.map_or(pass.seen.now, |earliest| earliest.max(pass.seen.now)))
}

/// What keeps a stage true while it is watched: touches again, labels of replaced pods, files of those who join.
#[must_use]
pub fn upkeep(pass: &Pass<'_>) -> Vec<Advance> {
    let mut advance = if pass.phase == Phase::Settling { Vec::new() } else { stamp::relabelled(pass) };
    advance.extend(tell::again(pass));
    advance.extend(stamp::joiners(pass));
    advance
}

/// Eligible members, and how many of them are held out.
#[must_use]
pub fn sizes(pass: &Pass<'_>) -> (usize, usize) {
    let eligible = pass.roster.standings.iter().filter(|standing| is_eligible(standing)).count();
    let held_out = pass.run.as_ref().map_or(0, |run| usize::try_from(run.holdout).unwrap_or(0));
    (eligible, held_out)
}

/// Position of a stage in the spec.
#[must_use]
pub fn index(stage: &StageStatus) -> usize {
    usize::try_from(stage.index).unwrap_or(0)
}

/// A count as the API has it.
#[must_use]
pub fn count(number: usize) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests;
