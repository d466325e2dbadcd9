//! Going on: in order, each with the version that was seen; the first refusal ends it.

use std::collections::BTreeMap;

use api::{
    OptimizationRollout,
    names::{COHORT_LABEL, FINALIZER, RETREAT_ANNOTATION, RETREAT_REASON_ANNOTATION, ROLLOUT_LABEL, SERVING_LABEL},
};
use domain::plan::{Advance, ShardWrite};
use futures::{StreamExt, stream};
use k8s_openapi::api::core::v1::{ConfigMap, Service};
use kube::{
    Api, ResourceExt,
    core::{ObjectMeta, PartialObjectMeta},
};
use serde_json::{Value, json};

use super::{CONCURRENCY, WriteError, Writer};
use crate::observe::neighbour;

impl Writer {
    /// Does all of it, after `rollout` was committed. Rollout, new ConfigMaps and Services one after the other; then
    /// all other ConfigMaps together; then all pods together, so that a touch follows its ConfigMap. Each write is
    /// begun only while this replica leads.
    ///
    /// # Errors
    /// The writes to pods that failed; or the first one before them that did, or [`WriteError::NotLeading`]: of the steps
    /// after it none was tried.
    pub async fn advance(
        &self,
        rollout: &OptimizationRollout,
        items: &[Advance],
        leads: &(dyn Fn() -> bool + Sync),
    ) -> Result<(), Vec<WriteError>> {
        let led = || if leads() { Ok(()) } else { Err(WriteError::NotLeading) };
        self.before_pods(rollout, items, &led).await.map_err(|error| vec![error])?;
        let pods = items.iter().map(|item| async move {
            led()?;
            self.advance_pod(rollout, item).await
        });
        let errors = together(pods.collect()).await;
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }

    async fn before_pods(
        &self,
        rollout: &OptimizationRollout,
        items: &[Advance],
        led: &(dyn Fn() -> Result<(), WriteError> + Sync),
    ) -> Result<(), WriteError> {
        for item in items {
            led()?;
            match item {
                Advance::Confirm => self.unchanged(rollout).await?,
                Advance::ConfirmAlone => self.alone(rollout).await?,
                Advance::HoldFinalizer => self.finalize(rollout, true).await?,
                Advance::ReleaseFinalizer => {
                    self.all_widened(rollout).await?;
                    self.finalize(rollout, false).await?;
                }
                Advance::WriteShard(write) if write.resource_version.is_none() => {
                    // A creation has no version of its own that a retreat would have changed.
                    self.unchanged(rollout).await?;
                    self.write_shard(rollout, write).await?;
                }
                Advance::WidenService { service, resource_version } => {
                    self.widen(rollout, service, resource_version).await?;
                }
                Advance::WriteShard(_) | Advance::LabelPod { .. } | Advance::Touch(_) | Advance::Evict(_) => {}
            }
        }
        let maps = items.iter().filter_map(|item| match item {
            Advance::WriteShard(write) if write.resource_version.is_some() => Some(async move {
                led()?;
                self.write_shard(rollout, write).await
            }),
            _ => None,
        });
        together(maps.collect()).await.into_iter().next().map_or(Ok(()), Err)
    }

    async fn advance_pod(&self, rollout: &OptimizationRollout, item: &Advance) -> Result<(), WriteError> {
        match item {
            Advance::LabelPod { pod, resource_version, cohort, serving } => {
                let patch = label_patch(&pod.uid, resource_version, cohort, *serving);
                self.merge(&self.pods(rollout), "pod", &pod.name, patch).await.map(drop)
            }
            Advance::Touch(touch) => self.touch(rollout, touch).await,
            Advance::Evict(pod) => self.evict(rollout, pod).await,
            Advance::Confirm
            | Advance::ConfirmAlone
            | Advance::HoldFinalizer
            | Advance::ReleaseFinalizer
            | Advance::WriteShard(_)
            | Advance::WidenService { .. } => Ok(()),
        }
    }

    pub(super) async fn write_shard(
        &self,
        rollout: &OptimizationRollout,
        write: &ShardWrite,
    ) -> Result<(), WriteError> {
        let maps = self.config_maps(rollout);
        let Some(resource_version) = &write.resource_version else {
            let map = ConfigMap {
                metadata: ObjectMeta {
                    name: Some(write.name.clone()),
                    namespace: rollout.namespace(),
                    labels: Some(write.labels.clone()),
                    annotations: Some(set(&write.annotations)),
                    ..ObjectMeta::default()
                },
                data: Some(set(&write.data)),
                ..ConfigMap::default()
            };
            return match self.create(&maps, "ConfigMap", &map).await {
                Err(WriteError::Exists(what)) if self.is_ours(&maps, &what, &write.name).await? => {
                    Err(WriteError::Conflict(what))
                }
                created => created.map(drop),
            };
        };
        let patch = json!({
            "metadata": {
                "resourceVersion": resource_version,
                "labels": write.labels,
                "annotations": write.annotations,
            },
            "data": write.data,
        });
        self.merge(&maps, "ConfigMap", &write.name, patch).await.map(drop)
    }

    /// Whether a ConfigMap was made by a rollout: then it is our watch that does not show it yet.
    async fn is_ours(&self, maps: &Api<ConfigMap>, what: &str, name: &str) -> Result<bool, WriteError> {
        let map = self.bounded::<PartialObjectMeta<ConfigMap>, _>(what, maps.get_metadata(name)).await?;
        Ok(map.labels().contains_key(ROLLOUT_LABEL))
    }

    /// Refuses when the rollout is not the one that was decided on any more.
    async fn unchanged(&self, rollout: &OptimizationRollout) -> Result<(), WriteError> {
        let name = rollout.name_any();
        let what = format!("rollout {name}");
        let newest = self.bounded::<OptimizationRollout, _>(&what, self.rollouts(rollout).get(&name)).await?;
        if newest.resource_version() == rollout.resource_version() { Ok(()) } else { Err(WriteError::Conflict(what)) }
    }

    /// Refuses while another rollout has a run on these members.
    async fn alone(&self, rollout: &OptimizationRollout) -> Result<(), WriteError> {
        let newest = neighbour::newest(&self.client, rollout);
        let newest = self.bounded::<OptimizationRollout, _>("rollouts", newest).await?;
        match newest.into_iter().find(|neighbour| neighbour.unfinished) {
            Some(other) => Err(WriteError::Conflict(format!("rollout {}", other.name))),
            None => Ok(()),
        }
    }

    /// Refuses while a Service of a rollout that is being deleted leads to the baseline alone: its watch may be later than
    /// all the others, and after the rollout nobody would widen it.
    async fn all_widened(&self, rollout: &OptimizationRollout) -> Result<(), WriteError> {
        let run = rollout.status.as_ref().and_then(|status| status.run.as_ref());
        let Some(run) = run.filter(|_| rollout.metadata.deletion_timestamp.is_some()) else { return Ok(()) };
        let services = self.services(rollout);
        for name in rollout.spec.traffic.iter().flat_map(|traffic| &traffic.services).map(|service| &service.name) {
            let what = format!("Service {name}");
            let newest = match self.bounded::<Service, _>(&what, services.get_opt(name)).await {
                // What may not be read cannot hold up a deletion.
                Err(WriteError::Refused { .. }) => None,
                newest => newest?,
            };
            let is_narrowed = newest.is_some_and(|service| {
                let selector = service.spec.as_ref().and_then(|spec| spec.selector.as_ref());
                service.annotations().get(RETREAT_ANNOTATION) == Some(&run.id)
                    && selector.is_some_and(|selector| selector.contains_key(COHORT_LABEL))
            });
            if is_narrowed {
                return Err(WriteError::Conflict(what));
            }
        }
        Ok(())
    }

    async fn widen(&self, rollout: &OptimizationRollout, service: &str, version: &str) -> Result<(), WriteError> {
        let patch = json!({
            "metadata": {
                "resourceVersion": version,
                "annotations": {RETREAT_ANNOTATION: null, RETREAT_REASON_ANNOTATION: null},
            },
            "spec": {"selector": {COHORT_LABEL: null}},
        });
        self.merge(&self.services(rollout), "Service", service, patch).await.map(drop)
    }

    async fn finalize(&self, rollout: &OptimizationRollout, hold: bool) -> Result<(), WriteError> {
        let mut finalizers = rollout.metadata.finalizers.clone().unwrap_or_default();
        finalizers.retain(|name| name != FINALIZER);
        if hold {
            finalizers.push(FINALIZER.to_owned());
        }
        let patch = json!({
            "metadata": {"resourceVersion": rollout.resource_version(), "finalizers": finalizers},
        });
        match self.merge(&self.rollouts(rollout), "rollout", &rollout.name_any(), patch).await {
            // Released before: the object is gone.
            Err(WriteError::NotFound(_)) if !hold => Ok(()),
            result => result.map(drop),
        }
    }
}

/// Does all of these, and tells the errors: one that is refused must not keep the others from theirs.
async fn together(writes: Vec<impl Future<Output = Result<(), WriteError>>>) -> Vec<WriteError> {
    let outcomes: Vec<_> = stream::iter(writes).buffer_unordered(CONCURRENCY).collect().await;
    outcomes.into_iter().filter_map(Result::err).collect()
}

/// Without `serving`, that label and the mark stay as they are.
fn label_patch(uid: &str, resource_version: &str, cohort: &str, serving: Option<bool>) -> Value {
    match serving {
        None => json!({"metadata": {
            "uid": uid,
            "resourceVersion": resource_version,
            "labels": {COHORT_LABEL: cohort},
        }}),
        Some(serving) => json!({"metadata": {
            "uid": uid,
            "resourceVersion": resource_version,
            "labels": {COHORT_LABEL: cohort, SERVING_LABEL: serving.to_string()},
            "annotations": {RETREAT_ANNOTATION: null, RETREAT_REASON_ANNOTATION: null},
        }}),
    }
}

fn set(values: &BTreeMap<String, Option<String>>) -> BTreeMap<String, String> {
    values.iter().filter_map(|(key, value)| Some((key.clone(), value.clone()?))).collect()
}
