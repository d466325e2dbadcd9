//! One rollout and everything seen of it, put in relation once for all policies.

use std::{
    cell::OnceCell,
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use api::{
    OptimizationRollout, OptimizationRolloutSpec, OptimizationRolloutStatus,
    fleet::{Delivery, Reload},
    names::{RETREAT_ANNOTATION, RETREAT_REASON_ANNOTATION, cohort},
    status::Run,
};

use super::{
    cohorts::{cohorts, is_moved},
    fitness::unreadable,
    roster::Roster,
    stamp::{base, patched},
};
use crate::{
    mark::Mark,
    observation::{Measurements, Observation, Pod, Problem, Shard},
    record::{Cohort, Entry},
    restoration, run,
    settings::{Settings, Values},
    settled::{self, Owners},
};

/// How long a workload may take to put back a pod that is gone; one that is away for longer has left.
const PUT_BACK: Duration = Duration::from_secs(60);

/// What a rollout is doing, as its recorded facts say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// No run, or one that was taken back to the end.
    Idle,
    /// In a stage.
    Staging,
    /// After the last stage.
    Watching,
    /// The holdout follows.
    Settling,
    /// Everybody has followed; the values are settled on one ConfigMap after the other.
    Closing,
    /// Done.
    Settled,
    /// Going back.
    Retreating,
}

/// The input of every policy.
#[derive(Debug)]
pub struct Pass<'a> {
    /// The rollout.
    pub rollout: &'a OptimizationRollout,
    /// Its spec.
    pub spec: &'a OptimizationRolloutSpec,
    /// Its status as it was read.
    pub status: OptimizationRolloutStatus,
    /// What was seen.
    pub seen: &'a Observation,
    /// The run that the status or a mark tells of.
    pub run: Option<Run>,
    /// What the run is doing.
    pub phase: Phase,
    /// The plan of this spec.
    pub plan: String,
    /// The run that this spec asks for.
    pub wanted_run: String,
    /// The retreat mark of the run, from whatever object bears it.
    pub mark: Option<Mark>,
    /// Values between which the run switches.
    pub settings: Settings,
    /// What is settled on this fleet.
    pub settled: Values,
    /// Whose that is.
    pub owners: Owners,
    /// Where every member stands.
    pub roster: Roster<'a>,
    /// The newest base, once somebody has asked: a long one takes time to check.
    base: OnceCell<Option<Result<&'a str, Problem>>>,
}

impl<'a> Pass<'a> {
    /// Relates a rollout to what was seen.
    #[must_use]
    pub fn new(rollout: &'a OptimizationRollout, seen: &'a Observation) -> Self {
        let spec = &rollout.spec;
        let status = rollout.status.clone().unwrap_or_default();
        let run = status.run.clone();
        let mark = run.as_ref().and_then(|run| mark_of(&run.id, rollout, seen));
        let phase = phase(&status, mark.as_ref(), seen);
        let mut settled: Values = seen.shards.iter().rev().flat_map(|shard| shard.settled.clone()).collect();
        let name = rollout.metadata.name.as_deref().unwrap_or_default();
        let owners = settled::merged(name, seen.shards.iter().map(|shard| &shard.owners));
        let plan = run::plan_id(rollout);
        let wanted_run = run::run_id(&plan, spec.attempt);
        let mut released = settled::released(name, &spec.optimizations, &settled, &owners);
        if phase == Phase::Settled && run.as_ref().is_some_and(|run| run::is_of(run, &plan, spec.attempt)) {
            // It is out: a ConfigMap that still names it missed the run.
            settled.retain(|path, _| !released.contains_key(path));
            released.clear();
        }
        let settings = Settings::new(&spec.optimizations, &settled).releasing(released);
        let switching = !matches!(phase, Phase::Idle | Phase::Settled) || !settings.is_settled();
        let follows = matches!(phase, Phase::Settling | Phase::Retreating)
            && run.as_ref().is_some_and(|run| run.settling_at.is_some());
        let roster = Roster::new(spec, seen, run.as_ref().map(|run| run.id.as_str()), &settings, switching, follows);
        Self {
            rollout,
            spec,
            status,
            seen,
            run,
            phase,
            plan,
            wanted_run,
            mark,
            settings,
            settled,
            owners,
            roster,
            base: OnceCell::new(),
        }
    }

    /// Name of the rollout.
    #[must_use]
    pub fn name(&self) -> &'a str {
        self.rollout.metadata.name.as_deref().unwrap_or_default()
    }

    /// The base as it is now, or why no files can be made from it; `None` where the spec names none.
    #[must_use]
    pub fn base(&self) -> Option<Result<&'a str, Problem>> {
        self.base.get_or_init(|| base::newest(self)).clone()
    }

    /// Whether no run is under way, and one could start now.
    #[must_use]
    pub fn may_start(&self) -> bool {
        self.phase == Phase::Idle || (self.phase == Phase::Settled && !self.is_wanted())
    }

    /// Whether the run is the one that the spec asks for.
    #[must_use]
    pub fn is_wanted(&self) -> bool {
        self.run.as_ref().is_some_and(|run| run::is_of(run, &self.plan, self.spec.attempt))
    }

    /// Whether an id is that of a run of this plan and this attempt.
    #[must_use]
    pub fn is_wanted_id(&self, run: &str) -> bool {
        run.strip_prefix(&self.wanted_run).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
    }

    /// The run of this plan and this attempt that objects tell of: one that has members, or that was taken back.
    #[must_use]
    pub fn told_run(&self) -> Option<&str> {
        let open = self.seen.shards.iter().filter(|shard| !shard.record.members.is_empty());
        let annotations = self.rollout.metadata.annotations.as_ref();
        let own = annotations.and_then(|all| all.get(RETREAT_ANNOTATION));
        let marks = own.into_iter().chain(marks(self.seen).map(|mark| &mark.run));
        open.map(|shard| &shard.record.run).chain(marks).map(String::as_str).find(|run| self.is_wanted_id(run))
    }

    /// Whether the rollout is being deleted.
    #[must_use]
    pub fn is_deleted(&self) -> bool {
        self.rollout.metadata.deletion_timestamp.is_some()
    }

    /// ConfigMaps with entries of the current run.
    pub fn run_shards(&self) -> impl Iterator<Item = &'a Shard> {
        let run = self.run.as_ref().map(|run| run.id.clone()).unwrap_or_default();
        self.seen.shards.iter().filter(move |shard| !run.is_empty() && shard.record.run == run)
    }

    /// Whether the current stage is written wherever it has to be.
    #[must_use]
    pub fn is_stamped(&self) -> bool {
        match self.spec.fleet.config.delivery {
            Delivery::Rendered(_) => {
                let mut shards = self.seen.shards.iter();
                let is_stamped = shards.clone().any(|shard| self.has_stamp(shard));
                // Who joins after the last stage may have opened another one.
                let joined = |shard: &Shard| self.phase == Phase::Watching && shard.record.members.is_empty();
                let is_written = is_stamped && shards.all(|shard| self.has_stamp(shard) || joined(shard));
                is_written && !(self.moves() && self.is_moving())
            }
            // Who joins after the last stage has missed it.
            Delivery::Patched(_) => {
                self.run_shards().next().is_some() && (self.phase == Phase::Watching || patched::due(self).is_empty())
            }
        }
    }

    fn is_moving(&self) -> bool {
        let cohorts = cohorts(self);
        self.roster.standings.iter().any(|standing| is_moved(self, standing, &cohorts))
    }

    /// Whether members may have to change their cohort in a stage that is written already.
    #[must_use]
    pub fn moves(&self) -> bool {
        self.is_edited() || self.phase == Phase::Settling
    }

    /// Whether the running stage was edited after members had been optimized.
    #[must_use]
    pub fn is_edited(&self) -> bool {
        self.phase == Phase::Staging && self.status.stage.as_ref().is_some_and(|stage| stage.edited)
    }

    /// Whether a ConfigMap bears the stamp of the current stage.
    #[must_use]
    pub fn has_stamp(&self, shard: &Shard) -> bool {
        self.run.as_ref().is_some_and(|run| run.id == shard.record.run) && shard.record.stage == self.stamp()
    }

    /// The stamp of the current stage: its index, or one beyond when all follow.
    #[must_use]
    pub fn stamp(&self) -> i32 {
        let settling = self.run.as_ref().is_some_and(|run| run.settling_at.is_some());
        self.status.stage.as_ref().map_or(-1, |stage| stage.index + i32::from(settling))
    }

    /// The optimizations that a run of this spec switches, or takes out.
    #[must_use]
    pub fn switched_names(&self) -> Vec<String> {
        let declared = self.spec.optimizations.iter().map(|optimization| &optimization.name);
        let names: BTreeSet<&String> = declared.chain(self.settings.released.values()).collect();
        names.into_iter().cloned().collect()
    }

    /// Optimized members that have not acknowledged. One that was restarted on our behalf is awaited without a pod too.
    #[must_use]
    pub fn awaited(&self) -> Vec<&str> {
        let pending = self.roster.pending().map(|standing| standing.member.name.as_str());
        let restarted = self.spec.fleet.config.reload == Reload::RestartPod;
        let absent = self.expected_back().filter(|(_, entry)| restarted && entry.cohort == Cohort::Optimized);
        pending.chain(absent.map(|(name, _)| name)).collect()
    }

    /// Members without a pod that their workload may still put back.
    pub fn expected_back(&self) -> impl Iterator<Item = (&str, &Entry)> {
        let absent = self.roster.absent.iter().map(|(name, entry)| (*name, *entry));
        absent.filter(|(name, _)| self.seen.away_for(name) < PUT_BACK)
    }

    /// Why the record of many members cannot be read: nobody knows who else is optimized.
    #[must_use]
    pub fn unread(&self) -> Option<&'a Problem> {
        let shared = matches!(self.spec.fleet.config.delivery, Delivery::Rendered(_));
        self.seen.unread.as_ref().filter(|_| shared)
    }

    /// Why files cannot be given back in members' own ConfigMaps that can be read and written, by the names of these.
    #[must_use]
    pub fn broken(&self) -> BTreeMap<&'a str, Problem> {
        let config = &self.spec.fleet.config;
        let broken = self.run_shards().filter_map(|shard| {
            let (member, error) = restoration::broken(config, &self.settings, shard)?;
            Some((shard.name.as_str(), unreadable(config, member, &error)))
        });
        broken.collect()
    }

    /// The measurements, if they are of the current bake.
    #[must_use]
    pub fn measurements(&self) -> Option<&'a Measurements> {
        let run = self.run.as_ref()?;
        let bake = run.succeeded_at.as_ref().or(self.status.stage.as_ref().map(|stage| &stage.started_at))?;
        // Times in a status have whole seconds.
        self.seen
            .measurements
            .as_ref()
            .filter(|measurements| measurements.run == run.id && measurements.bake.as_second() == bake.0.as_second())
    }

    /// Whether the last look of the current bake found everything within its limits.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        self.measurements().is_some_and(|measurements| measurements.passing)
    }

    /// A pod that bears the mark of this run, or a label that only a run sets, and has to be returned.
    #[must_use]
    pub fn is_displaced(&self, pod: &Pod) -> bool {
        pod.cohort.as_deref() == Some(cohort::OPTIMIZED) || pod.serving.as_deref() == Some("false")
    }
}

fn phase(status: &OptimizationRolloutStatus, mark: Option<&Mark>, seen: &Observation) -> Phase {
    let Some(run) = &status.run else { return Phase::Idle };
    let restored = status.retreat.as_ref().is_some_and(|retreat| retreat.acknowledged_at.is_some());
    if run.settled_at.is_some() {
        Phase::Settled
    } else if run.closing_at.is_some() && run.aborted_at.is_none() && !is_taken_back(&run.id, seen) {
        Phase::Closing
    } else if run.aborted_at.is_some() || mark.is_some() {
        if restored && !has_leftovers(&run.id, seen) { Phase::Idle } else { Phase::Retreating }
    } else if run.settling_at.is_some() {
        Phase::Settling
    } else if run.succeeded_at.is_some() {
        Phase::Watching
    } else {
        Phase::Staging
    }
}

/// ConfigMaps on which a run is not over.
fn open<'a>(run: &'a str, seen: &'a Observation) -> impl Iterator<Item = &'a Shard> {
    seen.shards.iter().filter(move |shard| shard.record.run == run && !shard.record.members.is_empty())
}

fn is_marked(run: &str, mark: Option<&Mark>) -> bool {
    mark.is_some_and(|mark| mark.run == run)
}

/// Whether members of a run went back.
fn is_taken_back(run: &str, seen: &Observation) -> bool {
    open(run, seen).any(|shard| is_marked(run, shard.mark.as_ref()))
}

/// Whether objects still stand as a retreat leaves them while it goes on.
fn has_leftovers(run: &str, seen: &Observation) -> bool {
    open(run, seen).next().is_some()
        || seen.every_service().any(|service| is_marked(run, service.mark.as_ref()))
        || seen.members.iter().any(|member| is_marked(run, member.pod.mark.as_ref()))
}

fn mark_of(run: &str, rollout: &OptimizationRollout, seen: &Observation) -> Option<Mark> {
    let annotations = rollout.metadata.annotations.as_ref();
    let own = Mark::parse(
        annotations.and_then(|all| all.get(RETREAT_ANNOTATION)).map(String::as_str),
        annotations.and_then(|all| all.get(RETREAT_REASON_ANNOTATION)).map(String::as_str),
    );
    own.into_iter().chain(marks(seen).cloned()).find(|mark| mark.run == run)
}

/// The marks of all that was seen.
fn marks(seen: &Observation) -> impl Iterator<Item = &Mark> {
    let shards = seen.shards.iter().filter_map(|shard| shard.mark.as_ref());
    let services = seen.every_service().filter_map(|service| service.mark.as_ref());
    shards.chain(services).chain(seen.members.iter().filter_map(|member| member.pod.mark.as_ref()))
}
