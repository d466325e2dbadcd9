//! What the caches say is asked of the API server itself before a run starts or ends by it.

use std::time::Duration;

use api::{OptimizationRollout, OptimizationRolloutStatus, reason::Reason};
use cluster::{
    execute::DEADLINE,
    observe::{connection, neighbour, snapshot},
};
use domain::{
    decide::decide,
    needs::Connection,
    observation::{Neighbour, Observation},
    plan::Plan,
    run::{plan_id, run_id},
};

use super::{AFTER_FAILURE, Context, Key};

/// The longest that a look at a whole namespace takes.
const SNAPSHOT: Duration = Duration::from_secs(10);

impl Context {
    /// Asks whether a Connection can be used, while its rollout has not started.
    pub(super) async fn check_connection(&self, key: &Key, rollout: &OptimizationRollout, seen: &mut Observation) {
        let (Some(name), Some(Ok(spec))) = (connection::name(rollout), &seen.connection) else { return };
        let wanted = run_id(&plan_id(rollout), rollout.spec.attempt);
        let run = rollout.status.as_ref().and_then(|status| status.run.as_ref());
        if run.is_some_and(|run| run.id == wanted) {
            return;
        }
        let connection = Connection { name: name.to_owned(), namespace: key.namespace.clone(), spec: Ok(spec.clone()) };
        let checked = self.sources.connections.check(&connection);
        if let Ok(Some(problem)) = tokio::time::timeout(DEADLINE, checked).await {
            seen.connection = Some(Err(problem));
        }
    }

    /// Starts a run only when the API server itself says that no other one is on its members, and one at a time: two
    /// rollouts that were applied at once know nothing of each other yet. Who finds another run waits for no turn.
    pub(super) async fn start(
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
    pub(super) async fn take_back(
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
            DEADLINE,
            neighbour::newest(&self.client, rollout),
        )
        .await
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
pub(super) fn starts_run(rollout: &OptimizationRollout, plan: &Plan) -> bool {
    let id = |status: &OptimizationRolloutStatus| status.run.as_ref().map(|run| run.id.clone());
    id(&plan.status) != rollout.status.as_ref().and_then(id)
}

/// Whether a plan begins to take a run back because of what somebody else did to its ConfigMaps.
pub(super) fn finds_overridden(rollout: &OptimizationRollout, plan: &Plan) -> bool {
    let was_aborted = rollout.status.as_ref().and_then(|status| status.run.as_ref()?.aborted_at.as_ref()).is_some();
    !was_aborted && plan.status.retreat.as_ref().is_some_and(|retreat| retreat.reason == Reason::Overridden)
}
