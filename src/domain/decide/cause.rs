//! Why a run has to be taken back.

use std::time::Duration;

use api::{fleet::Delivery, metrics::SilenceAction, reason::Reason, rollout::DeletionPolicy};
use jiff::Timestamp;

use super::{
    pass::{Pass, Phase},
    roster::Standing,
};
use crate::{
    acknowledgement::elapsed,
    mark::Cause,
    observation::{Breach, Lifetime, Problem},
    record::{Cohort, Entry},
};

/// Restarts after its own switch that make a member's crash a loop.
const CRASH_LOOP: i32 = 2;
/// How long a crash of an optimized member counts: restarts that are days apart are no loop.
const RECENT: Duration = Duration::from_secs(1800);
/// How long it excuses them that the others crashed: longer by two waits of a kubelet before it starts a container again,
/// so that of what hit everybody nothing is left of the optimized alone.
const EXCUSED: Duration = Duration::from_secs(2400);
/// How long a process that was switched may be unready before that counts.
const UNREADY: Duration = Duration::from_secs(30);

/// Why the current run has to be taken back now; `None` while it need not.
#[must_use]
pub fn cause(pass: &Pass<'_>) -> Option<Cause> {
    let now = pass.seen.now;
    match pass.phase {
        Phase::Idle | Phase::Settled => return None,
        Phase::Retreating => return Some(remembered(pass)),
        // On some ConfigMaps the run is over: who took back the others would say of all that they are off.
        Phase::Closing if pass.is_wanted() => return None,
        Phase::Staging | Phase::Watching | Phase::Settling | Phase::Closing => {}
    }
    if pass.is_deleted() && pass.spec.deletion_policy != DeletionPolicy::Retain {
        return Some(Cause::new(Reason::Deleted, "the rollout is being deleted before its run has settled", now));
    }
    if let Some(abort) = &pass.spec.abort {
        return Some(Cause::new(Reason::AbortRequested, &abort.reason, now));
    }
    if let Some(breach) = breach(pass) {
        return Some(Cause::new(breach.reason, &breach.message, now));
    }
    if !pass.is_wanted() {
        let message = "spec.fleet, spec.optimizations or spec.attempt changed during the run; the new plan starts when \
                       this one is taken back";
        return Some(Cause::new(Reason::PlanChanged, message, now));
    }
    vanished(pass).or_else(|| silence(pass))
}

/// The breach of an indicator, measured or built in.
#[must_use]
pub fn breach(pass: &Pass<'_>) -> Option<Breach> {
    pass.measurements().and_then(|measurements| measurements.breach.clone()).or_else(|| crashes(pass))
}

/// What status or mark remember of the retreat that is under way.
fn remembered(pass: &Pass<'_>) -> Cause {
    let retreat =
        pass.status.retreat.as_ref().filter(|_| pass.run.as_ref().is_some_and(|run| run.aborted_at.is_some()));
    match (retreat, &pass.mark) {
        (Some(retreat), _) => {
            Cause { reason: retreat.reason, message: retreat.message.clone(), at: retreat.decided_at.0 }
        }
        (None, Some(mark)) => mark.cause.clone(),
        (None, None) => Cause::new(Reason::AbortRequested, "the run is aborted", pass.seen.now),
    }
}

/// Crash loops, kills and unreadiness that optimized members had after their own switch, beyond what baseline members
/// have.
fn crashes(pass: &Pass<'_>) -> Option<Breach> {
    let (mut optimized, mut failing) = (0, Vec::new());
    let (mut others, mut others_failing) = (0, 0);
    for standing in &pass.roster.standings {
        let (Some(entry), pod) = (standing.entry, &standing.member.pod) else { continue };
        // When everybody is optimized, nobody is left who would show that the same happened without a switch.
        if pass.phase == Phase::Settling && entry.stage != pass.stamp() {
            continue;
        }
        let before = if entry.pod == pod.uid { entry.restarts } else { 0 };
        let restarts = pod.restarts - before;
        // A process that started later may only be slow to get ready, and one that was unready before was not made so.
        let unready = pod.unready_since.filter(|since| entry.pod == pod.uid && *since >= switched_after(pass, entry));
        let unready = unready.is_some_and(|since| elapsed(since, pass.seen.now) >= UNREADY);
        let counts = |time: Timestamp| {
            elapsed(time, pass.seen.now) < if entry.cohort == Cohort::Optimized { RECENT } else { EXCUSED }
        };
        // A kubelet waits for minutes between two lives, however long these are.
        let began = |life: Lifetime| if entry.cohort == Cohort::Optimized { life.started } else { life.ended };
        let loops = restarts >= CRASH_LOOP && pod.ended.is_none_or(|life| counts(began(life)));
        let killed = restarts >= 1 && pod.killed && pod.ended.is_none_or(|life| counts(life.ended));
        let fails = unready || loops || killed;
        match entry.cohort {
            Cohort::Optimized => {
                optimized += 1;
                if fails {
                    failing.push((restarts, standing.member.name.clone()));
                }
            }
            Cohort::Baseline | Cohort::Holdout => {
                others += 1;
                others_failing += usize::from(fails);
            }
            Cohort::Returning => {}
        }
    }
    // Shares, compared without a division.
    if failing.is_empty() || failing.len() * others <= others_failing * optimized && others > 0 {
        return None;
    }
    failing.sort_unstable_by(|a, b| b.cmp(a));
    let (restarts, worst) = failing.first()?;
    Some(Breach {
        reason: Reason::LimitBreached,
        indicator: "health".to_owned(),
        message: format!(
            "health: {} of {optimized} optimized members restarted, were killed or got unready after their switch \
             ({worst}, {restarts} restarts), against {others_failing} of {others} others",
            failing.len()
        ),
        worst: failing.into_iter().map(|(_, name)| name).collect(),
    })
}

/// A time before a member was switched, and after the stage before has seen all optimized members ready.
fn switched_after(pass: &Pass<'_>, entry: &Entry) -> Timestamp {
    let stage = pass.status.stage.as_ref().filter(|_| entry.stage == pass.stamp() && pass.phase == Phase::Staging);
    let run = pass.run.as_ref().map(|run| run.settling_at.as_ref().unwrap_or(&run.started_at).0);
    stage.map(|stage| stage.started_at.0).or(run).unwrap_or(pass.seen.now)
}

/// ConfigMaps of the run that somebody deleted: what their members run and who was a member is lost.
fn vanished(pass: &Pass<'_>) -> Option<Cause> {
    let before = pass.status.members.as_ref().map_or(0, |members| members.optimized + members.overridden);
    if before == 0 || !pass.seen.problems.is_empty() {
        return None;
    }
    let stray = pass.roster.standings.iter().find(|standing| standing.is_stray());
    let message = match &pass.spec.fleet.config.delivery {
        Delivery::Rendered(rendered) => {
            // Of several ConfigMaps, those that are left know of less members than were optimized.
            let fewer = pass.roster.optimized_count() < usize::try_from(before).unwrap_or_default();
            let lost = pass.run_shards().next().is_none() || stray.is_some() && fewer;
            lost.then(|| format!("ConfigMap {} was deleted during the run", rendered.name))
        }
        // Pods are labelled before their ConfigMaps are written, so only a stage that is written tells.
        Delivery::Patched(_) => {
            let told = |problem: &Problem| format!("during the run: {}", problem.message);
            let locked = pass.roster.in_cohort(Cohort::Optimized).find_map(|standing| standing.locked);
            let stray = || stray.filter(|_| pass.run_shards().next().is_none() || pass.is_stamped());
            let lost = |stray: &Standing<'_>| match &stray.unfit {
                Some(problem) => told(problem),
                None => format!("the record of member {} was taken away during the run", stray.member.name),
            };
            locked.map(told).or_else(|| stray().map(lost))
        }
    }?;
    Some(Cause::new(Reason::Overridden, &message, pass.seen.now))
}

fn silence(pass: &Pass<'_>) -> Option<Cause> {
    let silence = &pass.spec.metrics.as_ref()?.silence;
    let silent_for = pass.measurements()?.silent_for;
    let due = silence.action == SilenceAction::Retreat && silent_for >= silence.deadline.get();
    due.then(|| {
        let message = format!("no sufficient measurement for {}", silence.deadline);
        Cause::new(Reason::SilenceDeadline, &message, pass.seen.now)
    })
}

#[cfg(test)]
mod tests;
