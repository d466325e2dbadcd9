//! Starting a run.

use std::collections::BTreeSet;

use api::{names::COHORT_LABEL, reason::Reason, status::Run};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::{
    acceptance,
    cohorts::is_eligible,
    intent::{Intent, Kind},
    pass::Pass,
    retreat::restored_message,
    stage::{self, count},
    stamp, tell,
};
use crate::{
    cohort::holdout,
    observation::{Service, Shard},
    traffic::is_narrowed,
};

/// The id of the run that starts. A plan that comes after another one may have run before, and be remembered as taken back:
/// it gets the generation of the spec that asks for it. Without a run in the status, what the objects tell is all that is
/// known of it.
fn new_id(pass: &Pass<'_>) -> String {
    let id = pass.wanted_run.clone();
    match &pass.run {
        Some(before) if before.plan != pass.plan => {
            format!("{id}-{}", pass.rollout.metadata.generation.unwrap_or_default())
        }
        Some(_) => id,
        None => pass.told_run().map_or(id, str::to_owned),
    }
}

/// Starts the run that the spec asks for, in its first stage, if nothing speaks against it.
#[must_use]
pub fn start(pass: &Pass<'_>) -> Option<Intent> {
    if !pass.may_start() {
        return None;
    }
    if pass.is_wanted() {
        let cause = pass.status.retreat.as_ref();
        let reason = cause.map_or(Reason::AbortRequested, |retreat| retreat.reason);
        let message = cause.map_or("", |retreat| retreat.message.as_str());
        let message = format!("{message}; {}", restored_message(pass, reason));
        let mut intent = Intent::state(pass, Kind::Stalled, reason, message);
        intent.advance = stamp::joiners(pass);
        tell::restart_newcomers(pass, &mut intent);
        return Some(intent);
    }
    if pass.spec.abort.is_some() {
        let message = "spec.abort is set: take it away to let the run start";
        return Some(Intent::state(pass, Kind::Waiting, Reason::AbortRequested, message));
    }
    if pass.settings.is_settled() {
        let mut intent = Intent::state(pass, Kind::Waiting, Reason::Settled, "every value is the baseline already");
        intent.advance = stamp::joiners(pass);
        tell::restart_newcomers(pass, &mut intent);
        return Some(intent);
    }
    if acceptance::is_optimized_already(pass) {
        let message = "every member runs the optimized values already; there is nothing to switch";
        return Some(Intent::state(pass, Kind::Waiting, Reason::AlreadyOptimized, message));
    }
    if let Some(service) = pass.seen.services.iter().find(|service| is_left_narrowed(pass, service)) {
        let message = format!(
            "Service {} leads to the baseline alone, as a retreat that nobody ends has left it; take {COHORT_LABEL} out of \
             its selector",
            service.name
        );
        return Some(Intent::state(pass, Kind::Stalled, Reason::ServiceRefused, message));
    }
    let eligible = pass.roster.standings.iter().filter(|standing| is_eligible(standing)).count();
    let held_out = holdout(eligible, pass.spec.holdout_percent);
    let run = Run {
        id: new_id(pass),
        seed: pass.wanted_run.clone(),
        plan: pass.plan.clone(),
        attempt: pass.spec.attempt,
        eligible: count(eligible),
        holdout: count(held_out),
        started_at: Time(pass.seen.now),
        aborted_at: None,
        succeeded_at: None,
        settling_at: None,
        closing_at: None,
        settled_at: None,
    };
    // A status that was lost finds the stage on the objects again.
    let begun = |shard: &&Shard| shard.record.run == run.id && !shard.record.members.is_empty();
    let stamped = pass.seen.shards.iter().filter(begun).map(|shard| shard.record.stage).max();
    let index = usize::try_from(stamped.unwrap_or(0)).unwrap_or(0).min(pass.spec.stages.len().saturating_sub(1));
    let released: BTreeSet<&str> = pass.settings.released.values().map(String::as_str).collect();
    let released = match released.len() {
        0 => String::new(),
        _ => format!("; takes out {}", released.into_iter().collect::<Vec<_>>().join(", ")),
    };
    let message = format!("run {} of {eligible} eligible members, {held_out} of them held out{released}", run.id);
    let mut intent = Intent::state(pass, Kind::Working, Reason::RunStarted, message).transition(Reason::RunStarted);
    intent.stage = stage::begun(pass, index, eligible, held_out);
    intent.retreat = None;
    intent.run = Some(run);
    Some(intent)
}

/// Whether a Service would send optimized members no requests, and no retreat of this rollout is about to widen it.
fn is_left_narrowed(pass: &Pass<'_>, service: &Service) -> bool {
    is_narrowed(service) && !service.mark.as_ref().is_some_and(|mark| pass.is_wanted_id(&mark.run))
}

#[cfg(test)]
mod tests;
