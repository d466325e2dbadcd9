//! One decision: the first policy that has something to say.

use api::{OptimizationRollout, reason::Reason};

use crate::{
    line::{MESSAGE, line},
    mark::{Cause, Mark},
    needs::{self, Sampling},
    observation::Observation,
    plan::{Advance, Notice, Plan, Withdraw},
};
use intent::{Intent, State};
use pass::Pass;

pub mod acceptance;
pub mod bake;
pub mod cause;
pub mod closing;
pub mod cohorts;
pub mod deletion;
pub mod fitness;
#[cfg(test)]
pub(crate) mod fixture;
pub mod foreign;
pub mod intent;
pub mod pass;
pub mod report;
pub mod retreat;
pub mod roster;
pub mod settle;
pub mod shrink;
pub mod stage;
pub mod stamp;
pub mod start;
pub mod tell;

type Policy = fn(&Pass<'_>) -> Option<Intent>;

/// In order of priority. A retreat comes before everything: nothing may hold it up.
const POLICIES: [Policy; 13] = [
    retreat::policy,
    deletion::policy,
    acceptance::policy,
    settle::closing,
    stage::rejudge,
    shrink::shrink,
    stage::paused,
    foreign::policy,
    settle::settled,
    acceptance::busy,
    start::start,
    stage::stamping,
    stage::progress,
];

/// Decides what to do now. Total and infallible; the time is `seen.now`.
#[must_use]
pub fn decide(rollout: &OptimizationRollout, seen: &Observation) -> Plan {
    conclude(&Pass::new(rollout, seen)).1
}

/// What to measure and what to do now, by one and the same look at the world.
#[must_use]
pub fn needs_and_plan(rollout: &OptimizationRollout, seen: &Observation) -> (Option<Sampling>, Plan) {
    let pass = Pass::new(rollout, seen);
    (needs::of(&pass), conclude(&pass).1)
}

/// The intent of the first policy that has one, and the plan that follows from it.
pub(crate) fn conclude(pass: &Pass<'_>) -> (Intent, Plan) {
    let mut intent = POLICIES
        .iter()
        .find_map(|policy| policy(pass))
        .unwrap_or_else(|| Intent::state(pass, intent::Kind::Waiting, Reason::Accepted, "nothing to do"));
    if let (Some(Err(problem)), false) = (pass.base(), intent.state.kind == intent::Kind::Stalled) {
        intent.state.message += &format!("; a changed base is not followed: {}", problem.message);
    }
    let (status, is_held) = report::report(pass, &intent);
    if is_held {
        intent.requeue = intent.requeue.min(report::REPORT_INTERVAL);
    }
    let notices = match &intent.transition {
        Some((reason, message)) => vec![notice(*reason, message)],
        None => stall(pass, &intent).into_iter().collect(),
    };
    let strays = if intent.run == pass.run { stamp::strays(pass) } else { Vec::new() };
    let mut advance = intent.advance.clone();
    if !strays.is_empty() {
        advance = strays;
        intent.requeue = intent::ACTIVE;
    } else if deletion::must_hold(pass, &intent) {
        // What follows would go on from another version of the rollout.
        advance = vec![Advance::HoldFinalizer];
        intent.requeue = intent.requeue.min(intent::ACTIVE);
    } else if deletion::may_release(pass, &intent) && !advance.contains(&Advance::ReleaseFinalizer) {
        advance.push(Advance::ReleaseFinalizer);
    }
    let plan = Plan { withdraw: intent.withdraw.clone(), status, advance, notices, requeue: intent.requeue };
    (intent, plan)
}

/// What a replica that does not lead may take back, and the mark that comes before it: only on a measured breach.
#[must_use]
pub fn decide_standby(rollout: &OptimizationRollout, seen: &Observation) -> Option<(Mark, Vec<Withdraw>)> {
    // Asked every second by every standby; to relate everything to everything costs much more than this.
    seen.measurements.as_ref()?.breach.as_ref()?;
    let pass = Pass::new(rollout, seen);
    if matches!(pass.phase, pass::Phase::Retreating | pass::Phase::Closing) || !pass.is_wanted() {
        return None;
    }
    let breach = pass.measurements()?.breach.clone()?;
    let cause = Cause::new(breach.reason, &breach.message, seen.now);
    let mark = Mark { run: pass.run.as_ref()?.id.clone(), cause };
    let withdraw = retreat::withdraw_only(&pass, &mark);
    Some((mark, withdraw))
}

/// What is told of a rollout that a person has to look after now: each reason once.
fn stall(pass: &Pass<'_>, intent: &Intent) -> Option<Notice> {
    let State { kind, reason, message } = &intent.state;
    let told = pass.status.summary.as_ref().is_some_and(|summary| summary.reason == reason.to_string());
    (*kind == intent::Kind::Stalled && !told).then(|| Notice {
        reason: *reason,
        message: line(message, MESSAGE),
        warning: true,
    })
}

fn notice(reason: Reason, message: &str) -> Notice {
    let warning = matches!(
        reason,
        Reason::LimitBreached
            | Reason::Catastrophe
            | Reason::SilenceDeadline
            | Reason::AbortRequested
            | Reason::Overridden
            | Reason::Unreachable
            | Reason::WriteRefused
    );
    Notice { reason, message: line(message, MESSAGE), warning }
}

#[cfg(test)]
mod tests;
