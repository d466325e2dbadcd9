//! What the caches say is asked of the API server itself before a run starts or ends by it.

use std::{mem::take, time::Duration};

use api::OptimizationRollout;
use cluster::{
    execute::DEADLINE,
    observe::{self, Namespace, connection, neighbour, snapshot},
};
use domain::{
    claim::{Claim, claim},
    decide::decide,
    needs::Connection,
    observation::{Neighbour, Observation},
    plan::Plan,
    run,
};

use super::{AFTER_FAILURE, Context, Key};

/// The longest that a look at the objects of a namespace takes.
const SNAPSHOT: Duration = Duration::from_secs(10);

impl Context {
    /// Asks whether a Connection can be used, while its rollout has not started.
    pub(super) async fn check_connection(&self, key: &Key, rollout: &OptimizationRollout, seen: &mut Observation) {
        let (Some(name), Some(Ok(spec))) = (connection::name(rollout), &seen.connection) else { return };
        if run::has_started(rollout) {
            return;
        }
        let connection = Connection { name: name.to_owned(), namespace: key.namespace.clone(), spec: Ok(spec.clone()) };
        let checked = self.sources.connections.check(&connection);
        if let Ok(Some(problem)) = tokio::time::timeout(DEADLINE, checked).await {
            seen.connection = Some(Err(problem));
        }
    }

    /// Starts a run only when the API server itself says that no other one is on its members, and nothing is left of an
    /// earlier one; and one at a time: two rollouts that were applied at once know nothing of each other yet. Who finds
    /// another run waits for no turn.
    pub(super) async fn start(
        &self,
        key: &Key,
        rollout: &OptimizationRollout,
        seen: Observation,
    ) -> Result<Duration, Duration> {
        let seen = self.newest_config_maps(key, rollout, seen).await?;
        let mut seen = self.newest_services(key, rollout, seen).await?;
        seen.neighbours = self.newest_neighbours(key, rollout).await?;
        let plan = decide(rollout, &seen);
        if claim(rollout, &plan) != Some(Claim::Free) {
            return Ok(self.execute(key, rollout, &plan).await);
        }
        let _turn = self.starts.lock().await;
        let term = self.leadership.term();
        seen.neighbours = self.newest_neighbours(key, rollout).await?;
        if !self.leadership.still_leads(term) {
            // Whoever leads meanwhile may have started another one.
            return Err(AFTER_FAILURE);
        }
        Ok(self.execute(key, rollout, &decide(rollout, &seen)).await)
    }

    /// Decides by ConfigMaps that the API server itself was asked for. One that is not there takes a run back; the watch
    /// that does not show it may be late, and who goes by an old view would say that everything is off, and it is not.
    pub(super) async fn decide_anew(
        &self,
        key: &Key,
        rollout: &OptimizationRollout,
        seen: Observation,
    ) -> Result<Duration, Duration> {
        let term = self.leadership.term();
        let seen = self.newest_config_maps(key, rollout, seen).await?;
        if !self.leadership.still_leads(term) {
            return Err(AFTER_FAILURE);
        }
        Ok(self.execute(key, rollout, &decide(rollout, &seen)).await)
    }

    /// The same for a retreat that is about to say so. What it takes away does not wait for the answer.
    pub(super) async fn end_retreat(
        &self,
        key: &Key,
        rollout: &OptimizationRollout,
        seen: Observation,
        plan: &Plan,
    ) -> Result<Duration, Duration> {
        if !plan.withdraw.is_empty() {
            // What fails is tried and told again with the rest.
            self.writer.withdraw(rollout, &plan.withdraw).await;
        }
        self.decide_anew(key, rollout, seen).await
    }

    /// Lets the finalizer go by objects that the API server itself was asked for: nobody looks after a file or a label of
    /// a rollout that is gone. What may not be read cannot hold up a deletion.
    pub(super) async fn release(
        &self,
        key: &Key,
        rollout: &OptimizationRollout,
        seen: Observation,
        plan: &Plan,
    ) -> Duration {
        match self.newest_objects(key, rollout, seen).await {
            Ok(seen) => self.execute(key, rollout, &decide(rollout, &seen)).await,
            Err(Unknown::Refused) => self.execute(key, rollout, plan).await,
            Err(Unknown::Unanswered) => AFTER_FAILURE,
        }
    }

    /// What was seen, with the ConfigMaps as the API server has them.
    async fn newest_config_maps(
        &self,
        key: &Key,
        rollout: &OptimizationRollout,
        seen: Observation,
    ) -> Result<Observation, Unknown> {
        let Some(served) = self.namespaces.get(&key.namespace) else { return Ok(seen) };
        let newest = snapshot::config_maps(&self.client, &key.namespace);
        let config_maps = match asked(key, "cannot see what the ConfigMaps say", SNAPSHOT, newest).await {
            // What may not be read cannot hold up a deletion: a namespace that ends loses the right to it first.
            Err(Unknown::Refused) if rollout.metadata.deletion_timestamp.is_some() => return Ok(seen),
            answer => answer?,
        };
        let namespace = Namespace { config_maps, ..served.objects.clone() };
        let newest = self.world.observe(&namespace, rollout, seen.now, None, seen.report_due);
        Ok(with_config_maps(seen, newest))
    }

    /// What was seen, with the Services as the API server has them.
    async fn newest_services(
        &self,
        key: &Key,
        rollout: &OptimizationRollout,
        mut seen: Observation,
    ) -> Result<Observation, Unknown> {
        let Some(served) = self.namespaces.get(&key.namespace) else { return Ok(seen) };
        let newest = snapshot::services(&self.client, &key.namespace);
        let services = asked(key, "cannot see where Services lead", SNAPSHOT, newest).await?;
        observe::services(&Namespace { services, ..served.objects.clone() }, rollout, &mut seen);
        Ok(seen)
    }

    /// What was seen, with everything of the fleet as the API server has it.
    async fn newest_objects(
        &self,
        key: &Key,
        rollout: &OptimizationRollout,
        seen: Observation,
    ) -> Result<Observation, Unknown> {
        let newest = snapshot::take(&self.client, &key.namespace);
        let newest = asked(key, "cannot see what is left of a run", SNAPSHOT, newest).await?;
        let mut newest = newest.world.observe(&newest.namespace, rollout, seen.now, None, seen.report_due);
        let (services, unnamed_services) = (take(&mut newest.services), take(&mut newest.unnamed_services));
        Ok(Observation { services, unnamed_services, ..with_config_maps(seen, newest) })
    }

    async fn newest_neighbours(&self, key: &Key, rollout: &OptimizationRollout) -> Result<Vec<Neighbour>, Unknown> {
        let newest = neighbour::newest(&self.client, rollout);
        asked(key, "cannot see whether another run is on these members", DEADLINE, newest).await
    }
}

/// What was seen, with the members and ConfigMaps of a newer look, and what is wrong by either.
fn with_config_maps(seen: Observation, newest: Observation) -> Observation {
    let problems = newest.problems.into_iter().chain(seen.problems).collect();
    let Observation { members, shards, locked, unread, base, .. } = newest;
    Observation { members, shards, locked, unread, base, problems, ..seen }
}

/// Why the API server did not say what was asked.
enum Unknown {
    /// It may not be read.
    Refused,
    /// It did not answer, or not in time.
    Unanswered,
}

impl From<Unknown> for Duration {
    /// When to ask again.
    fn from(_: Unknown) -> Self {
        AFTER_FAILURE
    }
}

/// What the API server itself says. `unseen` tells what is not known where it does not.
async fn asked<T>(
    key: &Key,
    unseen: &str,
    deadline: Duration,
    question: impl Future<Output = kube::Result<T>>,
) -> Result<T, Unknown> {
    match tokio::time::timeout(deadline, question).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => {
            tracing::warn!(rollout = %key, %error, "{unseen}");
            let refused = matches!(&error, kube::Error::Api(status) if status.code == 403);
            Err(if refused { Unknown::Refused } else { Unknown::Unanswered })
        }
        Err(_) => Err(Unknown::Unanswered),
    }
}
