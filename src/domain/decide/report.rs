//! The status that goes with an intent.

use std::time::Duration;

use api::{
    OptimizationRolloutStatus,
    names::SERVING_LABEL,
    reason::{ConditionType, Reason},
    rollout::Readiness,
    status::{Ineligible, Members, Run, Summary, Transition},
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use super::{
    cohorts::is_eligible,
    intent::{Intent, Kind, State},
    pass::{Pass, Phase},
    retreat::{is_led_to_alone, is_marked},
    stage::count,
};
use crate::{
    acknowledgement::Acknowledgement,
    line::{MESSAGE, line},
    record::Cohort,
    status::set_condition,
    traffic::{self, is_narrowed},
};

/// Entries that the history keeps.
const HISTORY: usize = 20;
/// Ineligible members that are listed.
const INELIGIBLE: usize = 20;

/// How often what is measured, and moves all the time, is written into a status.
pub const REPORT_INTERVAL: Duration = Duration::from_secs(5);

/// The status after this intent, and whether something in it is held back for now.
#[must_use]
pub fn report(pass: &Pass<'_>, intent: &Intent) -> (OptimizationRolloutStatus, bool) {
    let old = &pass.status;
    let mut status = OptimizationRolloutStatus {
        observed_generation: pass.rollout.metadata.generation,
        conditions: old.conditions.clone(),
        run: intent.run.clone(),
        stage: intent.stage.clone(),
        retreat: intent.retreat.clone(),
        members: Some(members(pass)),
        summary: None,
        indicators: pass.measurements().map_or_else(|| old.indicators.clone(), |found| found.indicators.clone()),
        history: old.history.clone(),
        ineligible: ineligible(pass),
    };
    let succeeded = |run: &Option<Run>| run.as_ref().and_then(|run| run.succeeded_at.clone());
    // What was measured before a stage ended is not what the next one, or the watch, has covered.
    let measured =
        pass.measurements().filter(|_| intent.stage == old.stage && succeeded(&intent.run) == succeeded(&old.run));
    if let (Some(stage), Some(measurements)) = (&mut status.stage, measured) {
        stage.covered = whole_seconds(measurements.covered);
    }
    if intent.run.as_ref().map(|run| &run.id) != old.run.as_ref().map(|run| &run.id) {
        status.indicators.clear();
    }
    if let Some((reason, message)) = &intent.transition {
        let message = line(message, MESSAGE);
        status.history.push(Transition { time: Time(pass.seen.now), reason: *reason, message });
        let surplus = status.history.len().saturating_sub(HISTORY);
        status.history.drain(..surplus);
    }
    status.summary = Some(summary(pass, &status, &intent.state));
    conditions(pass, intent, &mut status);
    let is_held = !pass.seen.report_due && status != *old && minor_only(old, &status);
    (if is_held { old.clone() } else { status }, is_held)
}

/// Whether two statuses differ only in measured numbers, which are reported at a slower pace.
fn minor_only(old: &OptimizationRolloutStatus, new: &OptimizationRolloutStatus) -> bool {
    let essential = |status: &OptimizationRolloutStatus| {
        let mut status = status.clone();
        status.indicators.clear();
        if let Some(stage) = &mut status.stage {
            stage.covered = api::Duration::default();
        }
        if let Some(members) = &mut status.members {
            members.acknowledged = 0;
            members.returning = 0;
        }
        for condition in &mut status.conditions {
            condition.message.clear();
        }
        status
    };
    essential(old) == essential(new)
}

fn whole_seconds(covered: Duration) -> api::Duration {
    api::Duration::from_secs(covered.as_secs())
}

fn members(pass: &Pass<'_>) -> Members {
    let roster = &pass.roster;
    let fleet = count(pass.seen.members.len());
    // Of a record that cannot be read, what it said last.
    if let Some(known) = pass.status.members.clone().filter(|_| pass.unread().is_some()) {
        return Members { fleet, ..known };
    }
    let optimized = || roster.in_cohort(Cohort::Optimized);
    // Whose pod is put back is optimized meanwhile.
    let restarts = pass.expected_back().filter(|(_, entry)| entry.cohort == Cohort::Optimized);
    Members {
        fleet,
        eligible: count(roster.standings.iter().filter(|standing| is_eligible(standing)).count()),
        optimized: count(optimized().filter(|standing| !standing.overridden).count() + restarts.count()),
        acknowledged: count(optimized().filter(|s| s.acknowledgement == Acknowledgement::Acknowledged).count()),
        baseline: count(roster.in_cohort(Cohort::Baseline).count()),
        holdout: count(roster.in_cohort(Cohort::Holdout).count()),
        returning: count(roster.in_cohort(Cohort::Returning).filter(|s| !s.acknowledgement.is_done()).count()),
        overridden: count(roster.standings.iter().filter(|standing| standing.overridden).count()),
    }
}

fn ineligible(pass: &Pass<'_>) -> Vec<Ineligible> {
    pass.roster
        .standings
        .iter()
        .filter(|standing| !is_eligible(standing))
        .filter_map(|standing| Some((standing.member.name.clone(), standing.unfit.clone()?)))
        .take(INELIGIBLE)
        .map(|(member, problem)| Ineligible { member, reason: problem.reason, message: problem.message })
        .collect()
}

fn summary(pass: &Pass<'_>, status: &OptimizationRolloutStatus, state: &State) -> Summary {
    let members = status.members.clone().unwrap_or_default();
    let stages = pass.spec.stages.len();
    let stage = match (&status.stage, &status.run) {
        (_, Some(run)) if run.settled_at.is_some() => "settled".to_owned(),
        (_, Some(run)) if run.aborted_at.is_some() => "aborted".to_owned(),
        (_, Some(run)) if run.settling_at.is_some() => "settling".to_owned(),
        (_, Some(run)) if run.succeeded_at.is_some() => "watch".to_owned(),
        (Some(stage), Some(_)) => format!("{}/{stages} {}", stage.index + 1, stage.name),
        _ => "-".to_owned(),
    };
    let settled = status.run.as_ref().is_some_and(|run| run.settled_at.is_some());
    let optimized = if settled { members.eligible } else { members.optimized };
    Summary {
        stage,
        members: format!("{optimized}/{}", members.eligible),
        traffic: traffic_state(pass).to_owned(),
        reason: state.reason.to_string(),
    }
}

fn traffic_state(pass: &Pass<'_>) -> &'static str {
    let out = pass.seen.members.iter().any(|member| member.pod.serving.as_deref() == Some("false"));
    let marked = pass.seen.unnamed_services.iter().filter(|service| is_marked(pass, service));
    let narrowed = pass.seen.services.iter().chain(marked).any(is_narrowed);
    match (&pass.spec.traffic, narrowed, out) {
        (None, ..) => "-",
        (Some(_), true, _) => "Rerouted",
        (Some(_), false, true) => "Reduced",
        (Some(_), false, false) => "Normal",
    }
}

fn conditions(pass: &Pass<'_>, intent: &Intent, status: &mut OptimizationRolloutStatus) {
    let State { kind, reason, message } = &intent.state;
    let run = status.run.clone();
    let is = |fact: fn(&api::status::Run) -> bool| run.as_ref().is_some_and(fact);
    let (aborted, settled) = (is(|run| run.aborted_at.is_some()), is(|run| run.settled_at.is_some()));
    let running = run.is_some() && !aborted && !settled;
    let stalled = *kind == Kind::Stalled;
    let done = settled || *reason == Reason::Settled;
    let ready = !stalled
        && !aborted
        && match pass.spec.readiness {
            Readiness::Accepted => true,
            Readiness::Completed => done,
        };
    let ready_reason = if ready && !done { Reason::Accepted } else { *reason };
    let completed_later = pass.spec.readiness == Readiness::Accepted;
    let all = [
        (ConditionType::Ready, ready, if completed_later { ready_reason } else { *reason }),
        (ConditionType::Reconciling, *kind == Kind::Working && (!ready || !completed_later || aborted), *reason),
        (ConditionType::Stalled, stalled, *reason),
        (ConditionType::Progressing, running, *reason),
        (ConditionType::Aborted, aborted, status.retreat.as_ref().map_or(*reason, |retreat| retreat.reason)),
        (ConditionType::Succeeded, is(|run| run.succeeded_at.is_some()) && !aborted, *reason),
        (ConditionType::Settled, settled, *reason),
    ];
    for (kind, holds, reason) in all {
        let text = if kind == ConditionType::Aborted && !holds { "" } else { message.as_str() };
        set_condition(&mut status.conditions, condition(pass, kind, holds, reason, text));
    }
    let (ready, reason, message) = traffic_ready(pass);
    set_condition(&mut status.conditions, condition(pass, ConditionType::TrafficRetreatReady, ready, reason, &message));
}

fn condition(pass: &Pass<'_>, kind: ConditionType, holds: bool, reason: Reason, message: &str) -> Condition {
    Condition {
        type_: kind.to_string(),
        status: if holds { "True" } else { "False" }.to_owned(),
        reason: reason.to_string(),
        message: line(message, MESSAGE),
        last_transition_time: Time(pass.seen.now),
        observed_generation: pass.rollout.metadata.generation,
    }
}

fn traffic_ready(pass: &Pass<'_>) -> (bool, Reason, String) {
    if pass.spec.traffic.is_none() {
        let message = "spec.traffic is not set: a retreat takes settings back, traffic stays";
        return (false, Reason::NoTraffic, message.to_owned());
    }
    if let Some(refused) = pass.seen.services.iter().find_map(|service| service.refused.as_ref()) {
        return (false, Reason::ServiceRefused, refused.clone());
    }
    if let Some(service) = pass.seen.services.iter().find(|service| !traffic::is_prepared(service)) {
        let message = format!(
            "Service {} does not select {SERVING_LABEL}: \"true\"; add it to its selector, or a retreat takes back only \
             settings",
            service.name
        );
        return (false, Reason::LabelsMissing, message);
    }
    let unlabelled = pass
        .seen
        .members
        .iter()
        .find(|member| member.pod.serving.is_none() || member.pod.cohort.is_none())
        .filter(|_| pass.phase != Phase::Retreating);
    if let Some(member) = unlabelled {
        let message = format!(
            "pod {} lacks the labels optimization.qudag.io/serving: \"true\" and optimization.qudag.io/cohort: baseline; \
             add them to the pod template (not to the workload's selector)",
            member.pod.name
        );
        return (false, Reason::LabelsMissing, message);
    }
    let how = if is_led_to_alone(pass) { "" } else { ", pod by pod: a Service leads to pods of others as well" };
    (true, Reason::TrafficReady, format!("traffic can be taken away from optimized members{how}"))
}

#[cfg(test)]
mod tests;
