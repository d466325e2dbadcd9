//! One pass: needs, observe, decide, execute, record.

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use api::{OptimizationRollout, OptimizationRolloutStatus, reason::Reason};
use cluster::{
    execute::{WriteError, Writer, withdraw::Withdrawn},
    observe::{Namespace, World, connection, neighbour, snapshot},
};
use domain::{
    decide::{decide, needs_and_plan},
    needs::{Connection, needs},
    observation::{Neighbour, Observation, Problem},
    plan::Plan,
    run::{plan_id, run_id},
};
use jiff::Timestamp;
use kube::{Client, ResourceExt, core::DeserializeGuard};
use kube_runtime::{controller::Action, reflector::ObjectRef};
use tokio::time::Instant;

use crate::{
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
/// The longest that a look at a whole namespace takes.
const SNAPSHOT: Duration = Duration::from_secs(10);
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
    /// Whether what is watched has been seen.
    pub synchronization: Synchronization,
    /// Watched objects of the cluster.
    pub world: World,
    /// Watched objects by namespace.
    pub namespaces: BTreeMap<String, Namespace>,
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

    /// Everything that a decision about a rollout may know now.
    pub fn observe(&self, key: &Key, rollout: &OptimizationRollout) -> Observation {
        let now = (self.clock)();
        let Some(namespace) = self.namespaces.get(&key.namespace) else {
            let message = format!(
                "the operator does not serve namespace {}; add it to the chart's value namespaces",
                key.namespace
            );
            let problems = vec![Problem::new(Reason::NamespaceNotServed, message)];
            return Observation { now, problems, ..Observation::default() };
        };
        let measurements = self.samplers.measurements(key);
        let report_due = self.memory.report_due(key);
        let mut seen = self.world.observe(namespace, rollout, now, measurements, report_due);
        self.memory.watch(key, &mut seen);
        seen.problems.extend(self.memory.problem(key));
        seen
    }

    /// Asks whether a Connection can be used, while its rollout has not started.
    async fn check_connection(&self, key: &Key, rollout: &OptimizationRollout, seen: &mut Observation) {
        let (Some(name), Some(Ok(spec))) = (connection::name(rollout), &seen.connection) else { return };
        let wanted = run_id(&plan_id(rollout), rollout.spec.attempt);
        let run = rollout.status.as_ref().and_then(|status| status.run.as_ref());
        if run.is_some_and(|run| run.id == wanted) {
            return;
        }
        let connection = Connection { name: name.to_owned(), namespace: key.namespace.clone(), spec: Ok(spec.clone()) };
        let checked = self.sources.connections.check(&connection);
        if let Ok(Some(problem)) = tokio::time::timeout(cluster::execute::DEADLINE, checked).await {
            seen.connection = Some(Err(problem));
        }
    }

    /// Starts a run only when the API server itself says that no other one is on its members, and one at a time: two
    /// rollouts that were applied at once know nothing of each other yet. Who finds another run waits for no turn.
    async fn start(
        &self,
        key: &Key,
        rollout: &OptimizationRollout,
        mut seen: Observation,
    ) -> Result<Duration, Duration> {
        seen.neighbours = self.newest_neighbours(key, rollout).await?;
        let plan = decide(rollout, &seen);
        if !starts_run(rollout, &plan) {
            return Ok(self.execute(key, rollout, &plan).await);
        }
        let _turn = self.starts.lock().await;
        seen.neighbours = self.newest_neighbours(key, rollout).await?;
        Ok(self.execute(key, rollout, &decide(rollout, &seen)).await)
    }

    /// A ConfigMap that is not there takes a run back. The watch that does not show it may be late, so the API server is
    /// asked: who goes by an old view would say that everything is off, and it is not.
    async fn take_back(
        &self,
        key: &Key,
        rollout: &OptimizationRollout,
        seen: Observation,
    ) -> Result<Duration, Duration> {
        let newest = asked(
            key,
            "cannot see whether ConfigMaps of the run are gone",
            SNAPSHOT,
            snapshot::take(&self.client, &key.namespace),
        )
        .await?;
        let world = newest.world.observe(&newest.namespace, rollout, seen.now, None, seen.report_due);
        let seen = Observation { members: world.members, shards: world.shards, ..seen };
        Ok(self.execute(key, rollout, &decide(rollout, &seen)).await)
    }

    async fn newest_neighbours(&self, key: &Key, rollout: &OptimizationRollout) -> Result<Vec<Neighbour>, Duration> {
        asked(
            key,
            "cannot see whether another run is on these members",
            cluster::execute::DEADLINE,
            neighbour::newest(&self.client, rollout),
        )
        .await
    }

    /// What takes away, and on which version the status is committed then; or when to look again.
    async fn withdraw(
        &self,
        key: &Key,
        rollout: &OptimizationRollout,
        plan: &Plan,
    ) -> Result<(OptimizationRollout, Vec<WriteError>), Duration> {
        if plan.withdraw.is_empty() {
            return Ok((rollout.clone(), Vec::new()));
        }
        let Withdrawn { marked, mut errors } = self.writer.withdraw(rollout, &plan.withdraw).await;
        let Some(marked) = marked else { return Ok((rollout.clone(), errors)) };
        let reason = plan.status.retreat.as_ref().map_or_else(String::new, |retreat| retreat.reason.to_string());
        self.telemetry.retreated(&reason);
        if marked.status == rollout.status {
            return Ok((marked, errors));
        }
        // The mark went through, but the status is newer than what this pass decided on: not ours to write over.
        errors.push(WriteError::Conflict(format!("status of {key}")));
        Err(self.failed(key, errors))
    }

    /// Executes a plan in its order; says when to look again.
    async fn execute(&self, key: &Key, rollout: &OptimizationRollout, plan: &Plan) -> Duration {
        let (mut base, mut errors) = match self.withdraw(key, rollout, plan).await {
            Ok(withdrawn) => withdrawn,
            Err(wait) => return wait,
        };
        match self.writer.commit(&base, &plan.status).await {
            Ok(committed) => {
                if committed.resource_version() != base.resource_version() {
                    self.memory.reported(key);
                }
                base = committed;
            }
            Err(error) => return self.failed(key, vec![error]),
        }
        for notice in &plan.notices {
            tracing::info!(rollout = %key, reason = %notice.reason, message = %notice.message, "transition");
            if let Err(error) = self.writer.notice(&base, notice, &self.replica, (self.clock)()).await {
                tracing::warn!(rollout = %key, %error, "an event was not published");
            }
        }
        if !plan.advance.is_empty() && self.leadership.may_advance() {
            errors.extend(self.writer.advance(&base, &plan.advance).await.err());
        }
        if errors.is_empty() {
            self.memory.agreed(key);
            if !plan.advance.is_empty() || !plan.withdraw.is_empty() {
                self.memory.accepted(key);
            }
            return plan.requeue;
        }
        self.failed(key, errors).min(plan.requeue)
    }

    fn failed(&self, key: &Key, errors: Vec<WriteError>) -> Duration {
        let is_stale = |error: &WriteError| matches!(error, WriteError::Conflict(_) | WriteError::NotFound(_));
        let after_conflict = errors.iter().any(is_stale).then(|| self.memory.conflicted(key));
        let after_failure = errors.iter().any(|error| !is_stale(error)).then_some(AFTER_FAILURE);
        for error in errors {
            match &error {
                WriteError::Conflict(_) | WriteError::NotFound(_) => {
                    tracing::debug!(rollout = %key, %error, "decided on an old version");
                    self.telemetry.write_failed("Conflict");
                }
                WriteError::Exists(what) => {
                    self.telemetry.write_failed("Exists");
                    let message =
                        format!("{what} exists and was not made by a rollout; delete it or choose another name");
                    self.memory.refused(key, Problem::new(Reason::ConfigMapNotOwned, message));
                }
                WriteError::Refused { .. } => {
                    self.telemetry.write_failed("Refused");
                    tracing::warn!(rollout = %key, %error, "a write is refused");
                    self.memory.refused(key, Problem::new(Reason::WriteRefused, error.to_string()));
                }
                WriteError::Unavailable { .. } => {
                    self.telemetry.write_failed("Unavailable");
                    tracing::warn!(rollout = %key, %error, "a write got no answer");
                }
            }
        }
        after_conflict.into_iter().chain(after_failure).min().unwrap_or(AFTER_FAILURE)
    }
}

/// What the API server itself says; when to ask again where it does not answer in time. `unseen` tells what is not known
/// then.
async fn asked<T>(
    key: &Key,
    unseen: &str,
    deadline: Duration,
    question: impl Future<Output = kube::Result<T>>,
) -> Result<T, Duration> {
    match tokio::time::timeout(deadline, question).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => {
            tracing::warn!(rollout = %key, %error, "{unseen}");
            Err(AFTER_FAILURE)
        }
        Err(_) => Err(AFTER_FAILURE),
    }
}

/// Whether a plan begins a run that the rollout does not have.
fn starts_run(rollout: &OptimizationRollout, plan: &Plan) -> bool {
    let id = |status: &OptimizationRolloutStatus| status.run.as_ref().map(|run| run.id.clone());
    id(&plan.status) != rollout.status.as_ref().and_then(id)
}

/// Whether a plan begins to take a run back because of what somebody else did to its ConfigMaps.
fn finds_overridden(rollout: &OptimizationRollout, plan: &Plan) -> bool {
    let was_aborted = rollout.status.as_ref().and_then(|status| status.run.as_ref()?.aborted_at.as_ref()).is_some();
    !was_aborted && plan.status.retreat.as_ref().is_some_and(|retreat| retreat.reason == Reason::Overridden)
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
    let mut seen = context.observe(&key, rollout);
    context.check_connection(&key, rollout, &mut seen).await;
    let follow = |sampling| context.samplers.follow(&key, &ObjectRef::from_obj(&*guarded), sampling);
    let requeue = if context.leadership.may_advance() {
        let (sampling, plan) = needs_and_plan(rollout, &seen);
        follow(sampling);
        if starts_run(rollout, &plan) {
            context.start(&key, rollout, seen).await.unwrap_or_else(|wait| wait)
        } else if finds_overridden(rollout, &plan) {
            context.take_back(&key, rollout, seen).await.unwrap_or_else(|wait| wait)
        } else {
            context.execute(&key, rollout, &plan).await
        }
    } else {
        let sampling = if context.standby == Standby::Observe { needs(rollout, &seen) } else { None };
        let otherwise = if sampling.is_some() { STANDBY_INTERVAL } else { domain::decide::intent::IDLE };
        follow(sampling);
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
