//! The only writer: merge patches, creations, and nothing else.

use std::{future::Future, sync::Arc, time::Duration};

use api::{OptimizationRollout, OptimizationRolloutStatus, names::FIELD_MANAGER};
use domain::plan::PodTarget;
use k8s_openapi::api::core::v1::{ConfigMap, Pod, Service};
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{Patch, PatchParams, PostParams},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

pub mod advance;
pub mod merge;
pub mod notice;
pub mod withdraw;

/// Every write ends by then, one way or the other.
pub const DEADLINE: Duration = Duration::from_secs(2);
/// Writes to one kind of object that are under way at once. An API server on few cores does no more with more of them,
/// and each one waits longer.
const CONCURRENCY: usize = 16;
/// The same for Services: one such write ends the harm of a whole fleet.
const SERVICE_CONCURRENCY: usize = 32;

/// Why a write did not happen, or may not have.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The object changed since it was seen.
    #[error("{0} changed since it was read")]
    Conflict(String),
    /// The object is gone.
    #[error("{0} does not exist")]
    NotFound(String),
    /// The object is there already.
    #[error("{0} exists already")]
    Exists(String),
    /// The API server does not allow the write.
    #[error("the API server refuses to write {what}: {message}")]
    Refused {
        /// The object.
        what: String,
        /// The server's own words.
        message: String,
    },
    /// A disruption budget does not allow an eviction now.
    #[error("{what} may not be evicted: {message}")]
    Budget {
        /// The pod.
        what: String,
        /// Its UID.
        uid: String,
        /// The server's own words.
        message: String,
    },
    /// No answer, or one that says to come back.
    #[error("the API server did not take a write to {what}: {message}")]
    Unavailable {
        /// The object.
        what: String,
        /// What happened.
        message: String,
    },
    /// Another replica may lead by now.
    #[error("this replica has not renewed its Lease in time, and goes no further")]
    NotLeading,
}

impl WriteError {
    fn new(what: &str, error: kube::Error) -> Self {
        let what = what.to_owned();
        match error {
            kube::Error::Api(status) => match (status.code, status.reason.as_str()) {
                (409, "AlreadyExists") => Self::Exists(what),
                (409, _) => Self::Conflict(what),
                (404, _) => Self::NotFound(what),
                // So it says that the object of this name is another one by now.
                (422, _) if status.message.contains("metadata.uid: Invalid value") => Self::Conflict(what),
                (429 | 500, _) if is_of_a_budget(&status.message) => {
                    let causes = status.details.iter().flat_map(|details| &details.causes);
                    let words = std::iter::once(&status.message).chain(causes.map(|cause| &cause.message));
                    let message = words.map(String::as_str).collect::<Vec<_>>().join(" ");
                    Self::Budget { what, uid: String::new(), message }
                }
                (400 | 403 | 405 | 413 | 422, _) => Self::Refused { what, message: status.message.clone() },
                _ => Self::Unavailable { what, message: format!("{} {}", status.code, status.message) },
            },
            other => Self::Unavailable { what, message: other.to_string() },
        }
    }
}

/// So the API server says that a budget is used up, or that several are for one pod.
fn is_of_a_budget(message: &str) -> bool {
    message.contains("disruption budget") || message.contains("PodDisruptionBudget")
}

/// The only writer.
#[derive(Clone)]
pub struct Writer {
    client: Client,
    permits: Arc<Permits>,
}

/// Bounds on how many writes are under way, one for each kind of object: an API server, webhook or policy that is slow
/// with one kind must not hold up the others, and settings of a thousand members no Service.
struct Permits {
    rollouts: Semaphore,
    services: Semaphore,
    config_maps: Semaphore,
    pods: Semaphore,
    events: Semaphore,
}

impl Permits {
    fn of(&self, kind: &str) -> &Semaphore {
        match kind {
            "Service" => &self.services,
            "ConfigMap" => &self.config_maps,
            "Pod" => &self.pods,
            "Event" => &self.events,
            _ => &self.rollouts,
        }
    }
}

impl Writer {
    /// A writer whose writes share bounds on how many are under way.
    #[must_use]
    pub fn new(client: Client) -> Self {
        let permits = Permits {
            rollouts: Semaphore::new(CONCURRENCY),
            services: Semaphore::new(SERVICE_CONCURRENCY),
            config_maps: Semaphore::new(CONCURRENCY),
            pods: Semaphore::new(CONCURRENCY),
            events: Semaphore::new(CONCURRENCY),
        };
        Self { client, permits: Arc::new(permits) }
    }

    /// Commits a status under the version of the rollout that it was decided on. An equal status is not written.
    ///
    /// # Errors
    /// [`WriteError::Conflict`] when the rollout changed since.
    pub async fn commit(
        &self,
        rollout: &OptimizationRollout,
        status: &OptimizationRolloutStatus,
    ) -> Result<OptimizationRollout, WriteError> {
        let old = rollout.status.clone().unwrap_or_default();
        if old == *status {
            return Ok(rollout.clone());
        }
        let patch = json!({
            "metadata": {"resourceVersion": rollout.resource_version()},
            "status": merge::patch(&json!(old), &json!(status)),
        });
        let rollouts = self.rollouts(rollout);
        let (name, params) = (rollout.name_any(), PatchParams::default());
        let patch = Patch::Merge(patch);
        let write = rollouts.patch_status(&name, &params, &patch);
        self.bounded::<OptimizationRollout, _>(&format!("the status of rollout {name}"), write).await
    }

    fn rollouts(&self, rollout: &OptimizationRollout) -> Api<OptimizationRollout> {
        self.api(rollout)
    }

    fn pods(&self, rollout: &OptimizationRollout) -> Api<Pod> {
        self.api(rollout)
    }

    fn services(&self, rollout: &OptimizationRollout) -> Api<Service> {
        self.api(rollout)
    }

    fn config_maps(&self, rollout: &OptimizationRollout) -> Api<ConfigMap> {
        self.api(rollout)
    }

    fn api<K>(&self, rollout: &OptimizationRollout) -> Api<K>
    where
        K: Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>,
    {
        Api::namespaced(self.client.clone(), &rollout.namespace().unwrap_or_default())
    }

    async fn merge<K>(&self, api: &Api<K>, what: &str, name: &str, patch: Value) -> Result<K, WriteError>
    where
        K: Resource<DynamicType = ()> + Clone + DeserializeOwned + std::fmt::Debug,
    {
        let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
        let patch = Patch::Merge(patch);
        self.bounded::<K, _>(&format!("{what} {name}"), api.patch(name, &params, &patch)).await
    }

    /// Evicts a pod, if it is still this one: its disruption budget has a say.
    async fn evict(&self, rollout: &OptimizationRollout, pod: &PodTarget) -> Result<(), WriteError> {
        // `Api::evict` of kube 5.0 names the options as no API server reads them, and so loses the precondition.
        let eviction = json!({
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"name": pod.name},
            "deleteOptions": {"preconditions": {"uid": pod.uid}},
        });
        let params = PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
        let pods = self.pods(rollout);
        let request = pods.create_subresource::<_, Value>("eviction", &pod.name, &params, &eviction);
        match self.bounded::<Pod, _>(&format!("pod {}", pod.name), request).await {
            // Somebody else was quicker: what comes next reads the file as well.
            Err(WriteError::NotFound(_) | WriteError::Conflict(_)) => Ok(()),
            Err(WriteError::Budget { what, message, .. }) => {
                Err(WriteError::Budget { what, uid: pod.uid.clone(), message })
            }
            result => result.map(drop),
        }
    }

    async fn create<K>(&self, api: &Api<K>, what: &str, object: &K) -> Result<K, WriteError>
    where
        K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Serialize + std::fmt::Debug,
    {
        let params = PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
        self.bounded::<K, _>(&format!("{what} {}", object.name_any()), api.create(&params, object)).await
    }

    /// One request about a K with a permit and a deadline; waiting for the permit counts.
    async fn bounded<K, T>(&self, what: &str, request: impl Future<Output = kube::Result<T>>) -> Result<T, WriteError>
    where
        K: Resource<DynamicType = ()>,
    {
        let late =
            || WriteError::Unavailable { what: what.to_owned(), message: format!("no answer within {DEADLINE:?}") };
        let permitted = async {
            let _permit = self.permits.of(&K::kind(&())).acquire().await.map_err(|_| late())?;
            request.await.map_err(|error| WriteError::new(what, error))
        };
        tokio::time::timeout(DEADLINE, permitted).await.unwrap_or_else(|_| Err(late()))
    }
}

#[cfg(test)]
mod tests;
