//! Taking a run back: traffic and settings at once, then acknowledgement, then everything as it was.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use api::{
    names::cohort,
    reason::Reason,
    status::{Retreat, StageStatus},
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::{
    cause::cause,
    closing::{closed, forgotten},
    foreign::said,
    intent::{Intent, Kind, State},
    pass::{Pass, Phase},
    roster::Standing,
    stage,
    stamp::{self, label_returned},
    tell::{self, is_to_be_restarted},
};
use crate::{
    mark::{Cause, Mark},
    observation::{Pod, Problem, Service, Shard},
    plan::{Advance, Restoration, Withdraw},
    record::{Cohort, Record},
    traffic::is_narrowed,
};

mod giving_up;
mod patience;
mod withdrawal;

use patience::patience;
pub use withdrawal::is_led_to_alone;
use withdrawal::withdraw;

/// The policy: any cause starts or continues the retreat.
#[must_use]
pub fn policy(pass: &Pass<'_>) -> Option<Intent> {
    let run = pass.run.clone()?;
    let cause = cause(pass)?;
    let mark = Mark { run: run.id.clone(), cause };
    let back = Back::new(pass, &mark);
    let mut intent = Intent::state(pass, Kind::Working, Reason::Retreating, String::new());
    if back.is_given_up(pass) {
        return Some(back.give_up(pass, intent));
    }
    intent.withdraw = withdraw(pass, &mark, &back);
    intent.advance = back.finishing(pass);
    let is_told = pass.phase == Phase::Retreating && run.aborted_at.is_some();
    intent.retreat = Some(back.clocks(pass, &mark.cause, is_told));
    intent.requeue = Duration::from_millis(500);
    if !is_told {
        intent.transition = Some((mark.cause.reason, mark.cause.message.clone()));
    }
    intent.run = Some(api::status::Run { aborted_at: run.aborted_at.clone().or(Some(Time(mark.cause.at))), ..run });
    intent.stage = pass.status.stage.clone().map(|stage| StageStatus { quota: 0, ..stage });
    intent.state = back.state(pass, &mark.cause);
    let done = intent.retreat.as_ref().is_some_and(|retreat| retreat.acknowledged_at.is_some());
    let was_done = pass.status.retreat.as_ref().is_some_and(|retreat| retreat.acknowledged_at.is_some());
    if done && !was_done {
        intent.transition = Some((Reason::Restored, restored_message(pass, mark.cause.reason).to_owned()));
    }
    Some(intent)
}

/// Only what takes away, for a replica that does not lead and has marked the rollout. Which members leave first, where the rest cannot bear that
/// all do, is left to the leader: two replicas that measure differently would choose differently, and together take
/// away too many.
#[must_use]
pub fn withdraw_only(pass: &Pass<'_>, mark: &Mark) -> Vec<Withdraw> {
    let back = Back::new(pass, mark);
    let mut items = withdraw(pass, mark, &back);
    items.retain(|item| !matches!(item, Withdraw::MarkRollout(_)));
    let leaving = items.iter().filter(|item| matches!(item, Withdraw::StopServing { .. })).count();
    if leaving < back.serving().count() {
        items.retain(|item| !matches!(item, Withdraw::StopServing { .. }));
    }
    items
}

/// The members of a retreat by how far they are.
struct Back<'p> {
    /// Optimized, or on the way back and not acknowledged.
    away: Vec<&'p Standing<'p>>,
    /// Those of them, by name, to whom somebody else gave the optimized values again, whatever they acknowledge.
    on_again: BTreeMap<&'p str, &'p Standing<'p>>,
    /// What is due in ConfigMaps that still hold optimized files, by their names.
    restorations: BTreeMap<&'p str, Restoration>,
    /// Why files cannot be given back, by the names of their ConfigMaps.
    broken: BTreeMap<&'p str, Problem>,
    /// Run the baseline again, by their own account or by the timer.
    back: usize,
}

impl<'p> Back<'p> {
    fn new(pass: &'p Pass<'_>, mark: &Mark) -> Self {
        // What the run of another plan has switched the spec does not say any more.
        let is_of_plan = pass.run.as_ref().is_some_and(|run| run.plan == pass.plan);
        let mut away = Vec::new();
        let mut on_again = BTreeMap::new();
        let mut back = 0;
        for standing in &pass.roster.standings {
            match standing.cohort() {
                Some(Cohort::Optimized) => away.push(standing),
                Some(Cohort::Returning) if standing.on_again && is_of_plan => {
                    away.push(standing);
                    on_again.insert(standing.member.name.as_str(), standing);
                }
                Some(Cohort::Returning) if standing.acknowledgement.is_done() => back += 1,
                Some(Cohort::Returning) => away.push(standing),
                None if !standing.is_stray() || !is_ours(pass, standing) => {}
                None if standing.acknowledgement.is_done() => back += 1,
                None => away.push(standing),
                Some(Cohort::Baseline | Cohort::Holdout) => {}
            }
        }
        let pods: BTreeMap<&str, &str> =
            pass.seen.members.iter().map(|member| (member.name.as_str(), member.pod.uid.as_str())).collect();
        let pod = |member: &String| Some((member.clone(), (*pods.get(member.as_str())?).to_owned()));
        let restorations = pass
            .run_shards()
            .map(|shard| {
                let restoration = Restoration {
                    seen: shard.clone(),
                    config: pass.spec.fleet.config.clone(),
                    settings: pass.settings.clone(),
                    pods: shard.record.members.keys().filter_map(pod).collect(),
                    mark: mark.clone(),
                };
                (shard.name.as_str(), restoration)
            })
            .filter(|(_, restoration)| restoration.is_due(&restoration.seen))
            .collect();
        Self { away, on_again, restorations, broken: pass.broken(), back }
    }

    /// Those of them that are in traffic.
    fn serving(&self) -> impl Iterator<Item = &'p Standing<'p>> {
        self.away.iter().copied().filter(|standing| standing.member.pod.serving.as_deref() == Some("true"))
    }

    /// What gives an optimized member its file back.
    fn restoration_of(&self, standing: &Standing<'_>) -> Option<&Restoration> {
        let shard = standing.shard.filter(|_| standing.cohort() == Some(Cohort::Optimized))?;
        self.restorations.get(shard.name.as_str())
    }

    /// Whether nobody can give a member its file back, or may: it, or its ConfigMap, has to be mended first.
    fn is_barred(&self, standing: &Standing<'_>) -> bool {
        let is_broken = |shard: &Shard| self.broken.contains_key(shard.name.as_str());
        let is_on_again = self.on_again.contains_key(standing.member.name.as_str());
        standing.is_out_of_reach() || is_on_again || standing.shard.is_some_and(is_broken)
    }

    fn out_of_reach<'b>(&'b self, pass: &'b Pass<'_>) -> Option<&'b Problem> {
        out_of_reach(pass).or_else(|| self.broken.values().next())
    }

    fn is_off(&self, pass: &Pass<'_>) -> bool {
        self.out_of_reach(pass).is_none() && self.is_restored(pass)
    }

    /// Whether all that can be read and written is off.
    fn is_restored(&self, pass: &Pass<'_>) -> bool {
        self.restorations.is_empty() && pass.roster.absent.iter().all(|(_, entry)| entry.cohort != Cohort::Optimized)
    }

    fn is_rerouted(&self, pass: &Pass<'_>) -> bool {
        let away: BTreeMap<&str, &Pod> =
            self.away.iter().map(|standing| (standing.member.pod.name.as_str(), &standing.member.pod)).collect();
        // A pod that was replaced bears the cohort of its template, by which a narrowed Service leads to it.
        let is_left_out = |pod: &Pod| pod.cohort.as_deref() != Some(cohort::BASELINE);
        pass.seen.services.iter().all(|service| {
            let mut led_to = service.endpoints.iter().filter_map(|pod| away.get(pod.as_str()));
            led_to.all(|pod| is_narrowed(service) && is_left_out(pod))
        })
    }

    /// When it got how far. It ends in a later pass than the one that tells of its beginning: a pass tells of one thing.
    fn clocks(&self, pass: &Pass<'_>, cause: &Cause, is_told: bool) -> Retreat {
        let now = Time(pass.seen.now);
        let before = pass.status.retreat.clone().filter(|_| pass.phase == Phase::Retreating).filter(|retreat| {
            retreat.decided_at.0.as_second() == cause.at.as_second() && retreat.reason == cause.reason
        });
        let mut retreat = before.unwrap_or_else(|| Retreat {
            reason: cause.reason,
            message: cause.message.clone(),
            decided_at: Time(cause.at),
            rerouted_at: None,
            off_at: None,
            acknowledged_at: None,
        });
        if pass.spec.traffic.is_some() && self.is_rerouted(pass) {
            retreat.rerouted_at.get_or_insert(now.clone());
        }
        if self.is_off(pass) {
            retreat.off_at.get_or_insert(now.clone());
            if self.away.is_empty() && is_told {
                retreat.acknowledged_at.get_or_insert(now);
            }
        }
        retreat
    }

    /// Traffic for those that are back, and at the very end a record without members.
    fn finishing(&self, pass: &Pass<'_>) -> Vec<Advance> {
        let away: BTreeSet<&str> = self.away.iter().map(|standing| standing.member.pod.uid.as_str()).collect();
        let back = displaced(pass).filter(|standing| {
            // Who runs what cannot be read may be optimized, whatever its label says.
            !away.contains(standing.member.pod.uid.as_str()) && (standing.entry.is_some() || standing.locked.is_none())
        });
        let mut advance: Vec<Advance> = back.map(|standing| label_returned(&standing.member.pod)).collect();
        advance.extend(pass.seen.every_service().filter(|service| self.widens(pass, service)).map(widen));
        if advance.is_empty() && self.away.is_empty() && self.is_off(pass) {
            advance.extend(closed(pass, -1).into_iter().map(|(shard, write)| forgotten(pass, shard, write)));
        }
        advance
    }

    /// A narrowed Service may be widened once no pod that must not serve could come back by it.
    fn widens(&self, pass: &Pass<'_>, service: &Service) -> bool {
        is_marked(pass, service)
            && pass.unread().is_none()
            && self.away.iter().all(|standing| {
                standing.member.pod.serving.as_deref() == Some("false")
                    && !service.endpoints.contains(&standing.member.pod.name)
            })
    }

    fn refused(&self, pass: &Pass<'_>) -> Option<String> {
        tell::refused(pass, self.away.iter().copied())
    }

    fn state(&self, pass: &Pass<'_>, cause: &Cause) -> State {
        let total = self.away.len() + self.back;
        let names = stamp::listed(self.away.iter().map(|standing| standing.member.name.as_str()));
        if !self.on_again.is_empty() {
            let message = format!(
                "{}; {} again; the retreat waits until their files have the baseline values, or the rollout is deleted",
                cause.message,
                said(self.on_again.values().copied())
            );
            return State { kind: Kind::Stalled, reason: Reason::Overridden, message };
        }
        if let Some(problem) = self.out_of_reach(pass) {
            let message = format!("{}; {}; members may still be optimized", cause.message, problem.message);
            return State { kind: Kind::Stalled, reason: problem.reason, message };
        }
        if let Some(problem) = pass.seen.refusal().filter(|_| self.away.is_empty()) {
            let message = format!("{}; every member runs its baseline again, but {}", cause.message, problem.message);
            return State { kind: Kind::Stalled, reason: problem.reason, message };
        }
        if self.away.is_empty() {
            let message = format!("{}; {}", cause.message, restored_message(pass, cause.reason));
            return State { kind: Kind::Stalled, reason: cause.reason, message };
        }
        if let Some(problem) = pass.seen.problems.first() {
            let message = format!("{}; {}; still optimized: {names}", cause.message, problem.message);
            return State { kind: Kind::Stalled, reason: problem.reason, message };
        }
        if patience::is_over(pass, &self.away) {
            let silence = || self.away.iter().find_map(|standing| stage::silence(pass, standing));
            let why = self.refused(pass).or_else(silence).unwrap_or_default();
            let message = format!(
                "{}; settings are back, but {names} did not acknowledge within {}s{why}; look at their pods",
                cause.message,
                patience(pass, &self.away).as_secs()
            );
            return State { kind: Kind::Stalled, reason: Reason::Unreachable, message };
        }
        let restarts = self.away.iter().filter(|standing| is_to_be_restarted(pass, standing)).count();
        let pace = match self.refused(pass) {
            Some(refused) => refused,
            None if restarts == 0 => String::new(),
            None => format!("; {restarts} still to restart, as far as the others can bear their load"),
        };
        let message =
            format!("{}; {} of {total} members are back, waiting for {names}{pace}", cause.message, self.back);
        State { kind: Kind::Working, reason: Reason::Retreating, message }
    }
}

/// Members whose pods bear what the run, and no other one, may have set.
fn displaced<'p>(pass: &'p Pass<'_>) -> impl Iterator<Item = &'p Standing<'p>> {
    let displaced = pass.roster.standings.iter().filter(|standing| pass.is_displaced(&standing.member.pod));
    displaced.filter(|standing| is_ours(pass, standing))
}

/// Whether no other run may be what has labelled a pod. One that is taken back to the end and finds something left of it
/// does so beside the next one.
fn is_ours(pass: &Pass<'_>, standing: &Standing<'_>) -> bool {
    let marked = || standing.member.pod.mark.as_ref().is_some_and(|mark| is_of_run(pass, mark));
    standing.entry.is_some() || marked() || pass.seen.neighbours.iter().all(|neighbour| !neighbour.unfinished)
}

/// What keeps a ConfigMap from being read, or written, that says optimized values: its record says so, or, where nobody can
/// read that, a pod bears the label of a member that no record tells of. A record that cannot be read may also tell of one
/// whose pod was replaced and has lost its label.
fn out_of_reach<'p>(pass: &'p Pass<'_>) -> Option<&'p Problem> {
    let run = pass.run.as_ref().map(|run| run.id.as_str());
    let optimized = |record: &Record| record.members.values().any(|entry| entry.cohort == Cohort::Optimized);
    let locked = pass.seen.locked.iter().filter(|locked| Some(locked.shard.record.run.as_str()) == run);
    let mut locked = locked.filter(|locked| optimized(&locked.shard.record)).map(|locked| &locked.problem);
    let ours = pass.roster.standings.iter().filter(|standing| is_ours(pass, standing));
    let mut out_of_reach = ours.filter(|standing| standing.is_out_of_reach()).filter_map(|standing| standing.locked);
    locked.next().or_else(|| out_of_reach.next()).or(pass.seen.unread.as_ref())
}

/// How things are when everybody is back, and what a person does to try again.
#[must_use]
pub fn restored_message(pass: &Pass<'_>, cause: Reason) -> &'static str {
    match (cause, &pass.spec.abort) {
        (Reason::Deleted, _) => "every member runs its baseline again",
        (Reason::PlanChanged, None) if !pass.is_wanted() => {
            "every member runs its baseline again; the new plan is next"
        }
        (_, Some(_)) => "every member runs its baseline again; take spec.abort away and raise spec.attempt to retry",
        (_, None) => "every member runs its baseline again; raise spec.attempt to retry",
    }
}

/// Whether a Service bears the mark of the run.
#[must_use]
pub fn is_marked(pass: &Pass<'_>, service: &Service) -> bool {
    service.mark.as_ref().is_some_and(|mark| is_of_run(pass, mark))
}

fn is_of_run(pass: &Pass<'_>, mark: &Mark) -> bool {
    pass.run.as_ref().is_some_and(|run| mark.run == run.id)
}

fn widen(service: &Service) -> Advance {
    Advance::WidenService { service: service.name.clone(), resource_version: service.resource_version.clone() }
}

#[cfg(test)]
mod tests;
