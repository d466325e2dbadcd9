//! One pass: needs, observe, decide, execute, record.

mod confirmation;
mod execution;

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use api::{OptimizationRollout, reason::Reason};
use cluster::{
    execute::{WriteError, Writer},
    observe::World,
};
use domain::{
    claim::{Claim, claim},
    decide::{decide, intent::IDLE, needs_and_plan},
    needs::needs,
    observation::{Observation, Problem},
};
use jiff::Timestamp;
use kube::{Client, ResourceExt, core::DeserializeGuard};
use kube_runtime::{controller::Action, reflector::ObjectRef};
use tokio::time::Instant;

use crate::{
    caches::Served,
    election::Leadership,
    memory::Memory,
    options::Standby,
    sampler::{Samplers, Sources},
    standby,
    synchronization::Synchronization,
    telemetry::Telemetry,
};

/// A rollout that may not parse: one malformed object must not blind us for all others.
pub type Guarded = DeserializeGuard<OptimizationRollout>;

/// After a write that got no answer.
const AFTER_FAILURE: Duration = Duration::from_millis(500);
/// A pass waits so long for the objects of its namespace to be seen, before it lets others pass.
const UNSEEN: Duration = Duration::from_secs(1);
/// A standby looks this often at a rollout that runs.
const STANDBY_INTERVAL: Duration = Duration::from_secs(1);

/// Name of a rollout.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl fmt::Display for Key {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}/{}", self.namespace, self.name)
    }
}

/// Everything that passes share.
pub struct Context {
    /// Whether what is watched in the whole cluster has been seen.
    pub synchronization: Synchronization,
    /// Watched objects of the cluster.
    pub world: World,
    /// The namespaces that are served, by name.
    pub namespaces: BTreeMap<String, Served>,
    /// The only writer.
    pub writer: Writer,
    /// The looks.
    pub samplers: Samplers,
    /// Who can be asked for measurements.
    pub sources: Sources,
    /// Whose turn it is to start a run.
    pub starts: tokio::sync::Mutex<()>,
    /// Between passes.
    pub memory: Memory,
    /// Whether this replica may advance.
    pub leadership: Leadership,
    /// For reads that must not be old.
    pub client: Client,
    /// Name of this replica.
    pub replica: String,
    /// What it does while another one leads.
    pub standby: Standby,
    /// The wall clock.
    pub clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    /// Counters.
    pub telemetry: Arc<Telemetry>,
}

impl Context {
    /// Forgets rollouts that are gone.
    pub fn sweep(&self) {
        let exists = |key: &Key| self.world.rollouts.get(&ObjectRef::new(&key.name).within(&key.namespace)).is_some();
        self.samplers.retain(exists);
        self.memory.retain(exists);
    }

    /// Waits until all that is watched has been seen. A namespace that may not be read is not waited for.
    pub async fn caught_up(&self) {
        self.synchronization.complete().await;
        for served in self.namespaces.values() {
            served.synchronization.tried().await;
        }
    }

    /// Opens the watches anew that a rollout is decided by, because they are late.
    fn renew(&self, key: &Key) {
        let served = self.namespaces.get(&key.namespace).map(|served| &served.synchronization);
        for synchronization in served.into_iter().chain([&self.synchronization]) {
            if synchronization.renew() {
                tracing::warn!(rollout = %key, "the watches bring nothing of what was written: they are opened anew");
            }
        }
    }

    /// Tells of a rollout in a namespace that is not served that nobody here looks after it. Where there is a status
    /// already, somebody else does, or did: what has become of its run cannot be seen from here.
    async fn unserved(&self, key: &Key, rollout: &OptimizationRollout) -> Duration {
        let is_new = rollout.status.is_none() && rollout.metadata.deletion_timestamp.is_none();
        if is_new && self.leadership.may_advance() {
            let plan = decide(rollout, &self.observe(key, rollout));
            return self.execute(key, rollout, &plan).await;
        }
        IDLE
    }

    /// Everything that a decision about a rollout may know now.
    pub fn observe(&self, key: &Key, rollout: &OptimizationRollout) -> Observation {
        let now = (self.clock)();
        let Some(served) = self.namespaces.get(&key.namespace) else {
            let message = format!(
                "the operator does not serve namespace {}; add it to the chart's value namespaces",
                key.namespace
            );
            let problems = vec![Problem::new(Reason::NamespaceNotServed, message)];
            return Observation { now, problems, ..Observation::default() };
        };
        let measurements = self.samplers.measurements(key);
        let report_due = self.memory.report_due(key);
        let mut seen = self.world.observe(&served.objects, rollout, now, measurements, report_due);
        self.memory.watch(key, &mut seen);
        seen.problems.extend(self.memory.problem(key));
        seen
    }
}

/// One pass over one rollout.
///
/// # Errors
/// When something could not be read; the pass is repeated soon.
pub async fn reconcile(guarded: Arc<Guarded>, context: Arc<Context>) -> Result<Action, WriteError> {
    let started = Instant::now();
    let rollout = match &guarded.0 {
        Ok(rollout) => rollout,
        Err(invalid) => {
            tracing::warn!(rollout = %guarded.name_any(), error = %invalid.error, "the rollout does not parse");
            return Ok(Action::await_change());
        }
    };
    context.synchronization.complete().await;
    let key = Key { namespace: rollout.namespace().unwrap_or_default(), name: rollout.name_any() };
    let Some(served) = context.namespaces.get(&key.namespace) else {
        return Ok(Action::requeue(context.unserved(&key, rollout).await));
    };
    if tokio::time::timeout(UNSEEN, served.synchronization.complete()).await.is_err() {
        return Ok(Action::requeue(AFTER_FAILURE));
    }
    let mut seen = context.observe(&key, rollout);
    context.check_connection(&key, rollout, &mut seen).await;
    let requeue = if context.leadership.may_advance() {
        let (sampling, plan) = needs_and_plan(rollout, &seen);
        context.samplers.follow(&key, sampling);
        match claim(rollout, &plan) {
            Some(Claim::Free) => context.start(&key, rollout, seen).await.unwrap_or_else(|wait| wait),
            Some(Claim::Overridden) => context.decide_anew(&key, rollout, seen).await.unwrap_or_else(|wait| wait),
            Some(Claim::Released) => context.release(&key, rollout, seen, &plan).await,
            Some(Claim::Off) => context.end_retreat(&key, rollout, seen, &plan).await.unwrap_or_else(|wait| wait),
            None => context.execute(&key, rollout, &plan).await,
        }
    } else {
        let sampling = if context.standby == Standby::Observe { needs(rollout, &seen) } else { None };
        let otherwise = if sampling.is_some() { STANDBY_INTERVAL } else { IDLE };
        context.samplers.follow(&key, sampling);
        standby::pass(&context, &key, rollout, &seen).await.unwrap_or(otherwise)
    };
    context.telemetry.passed(started.elapsed());
    Ok(Action::requeue(requeue))
}

/// A pass that could not read what it needs is repeated.
pub fn on_error(guarded: Arc<Guarded>, error: &WriteError, _: Arc<Context>) -> Action {
    tracing::warn!(rollout = %guarded.name_any(), %error, "the pass is repeated");
    Action::requeue(AFTER_FAILURE)
}
