//! Taking away: every write on its own, started together.

use std::{
    collections::BTreeMap,
    future::Future,
    sync::{Mutex, OnceLock},
    time::Duration,
};

use api::{
    OptimizationRollout,
    names::{COHORT_LABEL, SERVING_LABEL, TOUCH_ANNOTATION, cohort},
};
use domain::{
    mark::Mark,
    plan::{PodTarget, Restoration, TouchPod, Withdraw},
    restoration::mark_annotations,
};
use futures::{
    FutureExt, StreamExt,
    future::{BoxFuture, Shared},
    stream::FuturesUnordered,
};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{Api, ResourceExt};
use serde_json::{Value, json};
use tokio::{sync::Semaphore, time::Instant};

use super::{CONCURRENCY, DEADLINE, WriteError, Writer};
use crate::observe::shard;

/// How long the labels wait after the Services' selectors were narrowed: kube-proxy programs a lone change at once and
/// holds a second one back for a second, so the one that moves everybody has to be alone.
const AFTER_REROUTE: Duration = Duration::from_millis(100);
/// How long a withdrawal goes on starting writes. What had no turn by then has one in the next pass, which sees more. Less
/// than a Lease lasts: a process that was stopped until another one leads, and has given everything back, must not take
/// it away again by what it decided before.
const TURN: Duration = Duration::from_secs(4);
/// How often a write that met a conflict is tried again at once, until we give up for this pass.
const TRIES: usize = 8;

/// What a withdrawal came to.
#[derive(Debug, Default)]
pub struct Withdrawn {
    /// The rollout as it is after its mark was written.
    pub marked: Option<OptimizationRollout>,
    /// Writes that failed; the next pass tries again.
    pub errors: Vec<WriteError>,
    /// A ConfigMap that says the baseline already in a newer version than the one that was seen: so the rest of what was
    /// seen may be old.
    pub outdated: Option<String>,
}

/// Lets a few writes of one withdrawal under way at a time. The others wait here and not for a permit, where the time
/// would count for their deadline and other rollouts would stand behind all of them.
struct Turns {
    free: Semaphore,
    until: Instant,
}

impl Turns {
    fn new() -> Self {
        Self { free: Semaphore::new(CONCURRENCY), until: Instant::now() + TURN }
    }

    async fn take(&self, what: &str, write: impl Future<Output = Result<(), WriteError>>) -> Result<(), WriteError> {
        match tokio::time::timeout_at(self.until, self.free.acquire()).await {
            // A free turn is had at any time, also too late.
            Ok(Ok(_turn)) if Instant::now() < self.until => write.await,
            _ => {
                let message = format!("there was no turn for it within {TURN:?}");
                Err(WriteError::Unavailable { what: what.to_owned(), message })
            }
        }
    }
}

type Done<'a> = Shared<BoxFuture<'a, ()>>;

impl Writer {
    /// Does all of it. No write waits for another one, but for two: a touch waits for its own ConfigMap, and the
    /// serving labels wait for the selectors, up to the deadline. Of a thousand ConfigMaps, and of a thousand pods, some
    /// are under way at a time.
    pub async fn withdraw(&self, rollout: &OptimizationRollout, items: &[Withdraw]) -> Withdrawn {
        let (maps, pods) = (&Turns::new(), &Turns::new());
        let errors = Mutex::new(Vec::new());
        let outdated = OnceLock::new();
        let failed = |result: Result<(), WriteError>| {
            if let (Err(error), Ok(mut errors)) = (result, errors.lock()) {
                errors.push(error);
            }
        };
        let mut marked = None;
        {
            let reroutes: FuturesUnordered<_> = items
                .iter()
                .filter_map(|item| match item {
                    Withdraw::RerouteService { service, mark } => {
                        Some(self.reroute(rollout, service, mark, maps.until).map(&failed))
                    }
                    _ => None,
                })
                .collect();
            let any_reroute = !reroutes.is_empty();
            let rerouted: Done<'_> = reroutes.collect::<()>().boxed().shared();
            let restored: BTreeMap<&str, Done<'_>> = items
                .iter()
                .filter_map(|item| match item {
                    Withdraw::Restore(restoration) => {
                        let what = &restoration.seen.name;
                        let write = maps.take(what, self.restore(rollout, restoration, &outdated)).map(&failed);
                        Some((restoration.seen.name.as_str(), write.boxed().shared()))
                    }
                    _ => None,
                })
                .collect();
            let told: FuturesUnordered<BoxFuture<'_, ()>> = items
                .iter()
                .filter_map(|item| match item {
                    Withdraw::StopServing { pod, mark } => {
                        let rerouted = rerouted.clone();
                        Some(
                            async move {
                                if any_reroute {
                                    let _ = tokio::time::timeout(DEADLINE, rerouted).await;
                                    tokio::time::sleep(AFTER_REROUTE).await;
                                }
                                pods.take(&pod.name, self.stop_serving(rollout, pod, mark)).await
                            }
                            .map(&failed)
                            .boxed(),
                        )
                    }
                    Withdraw::Touch(touch) => {
                        let restored = restored.get(touch.after.as_str()).cloned();
                        Some(
                            async move {
                                if let Some(restored) = restored {
                                    restored.await;
                                }
                                pods.take(&touch.pod.name, self.touch(rollout, touch)).await
                            }
                            .map(&failed)
                            .boxed(),
                        )
                    }
                    Withdraw::Evict(pod) => Some(pods.take(&pod.name, self.evict(rollout, pod)).map(&failed).boxed()),
                    _ => None,
                })
                .collect();
            let mark = items.iter().find_map(|item| match item {
                Withdraw::MarkRollout(mark) => Some(mark),
                _ => None,
            });
            let mark = async {
                let Some(mark) = mark else { return };
                match self.mark_rollout(rollout, mark).await {
                    Ok(rollout) => marked = Some(rollout),
                    Err(error) => failed(Err(error)),
                }
            };
            let all_restored = futures::future::join_all(restored.values().cloned());
            // The selector first: these futures are polled in this order.
            futures::join!(rerouted, all_restored, mark, told.collect::<()>());
        }
        Withdrawn { marked, errors: errors.into_inner().unwrap_or_default(), outdated: outdated.into_inner() }
    }

    /// Marks a rollout that is still as it was read.
    ///
    /// # Errors
    /// A conflict when it has changed, or when the API server refuses the write or does not answer.
    pub async fn mark_unchanged(
        &self,
        rollout: &OptimizationRollout,
        mark: &Mark,
    ) -> Result<OptimizationRollout, WriteError> {
        let metadata = json!({"resourceVersion": rollout.resource_version(), "annotations": mark_annotations(mark)});
        self.merge_metadata(rollout, metadata).await
    }

    async fn mark_rollout(
        &self,
        rollout: &OptimizationRollout,
        mark: &Mark,
    ) -> Result<OptimizationRollout, WriteError> {
        self.merge_metadata(rollout, json!({"annotations": mark_annotations(mark)})).await
    }

    async fn merge_metadata(
        &self,
        rollout: &OptimizationRollout,
        metadata: Value,
    ) -> Result<OptimizationRollout, WriteError> {
        self.merge(&self.rollouts(rollout), "rollout", &rollout.name_any(), json!({"metadata": metadata})).await
    }

    async fn reroute(
        &self,
        rollout: &OptimizationRollout,
        service: &str,
        mark: &Mark,
        until: Instant,
    ) -> Result<(), WriteError> {
        let patch = json!({
            "metadata": {"annotations": mark_annotations(mark)},
            "spec": {"selector": {COHORT_LABEL: cohort::BASELINE}},
        });
        // The labels follow in a moment: after them kube-proxy would hold this change back for a second.
        for _ in 0..TRIES {
            match self.merge(&self.services(rollout), "Service", service, patch.clone()).await {
                Err(WriteError::Conflict(_)) if Instant::now() < until => {}
                result => return result.map(drop),
            }
        }
        Err(WriteError::Conflict(format!("Service {service}")))
    }

    async fn stop_serving(
        &self,
        rollout: &OptimizationRollout,
        pod: &PodTarget,
        mark: &Mark,
    ) -> Result<(), WriteError> {
        let patch = json!({"metadata": {
            "uid": pod.uid,
            "labels": {SERVING_LABEL: "false"},
            "annotations": mark_annotations(mark),
        }});
        self.merge(&self.pods(rollout), "pod", &pod.name, patch).await.map(drop)
    }

    pub(super) async fn touch(&self, rollout: &OptimizationRollout, touch: &TouchPod) -> Result<(), WriteError> {
        let patch = json!({"metadata": {
            "uid": touch.pod.uid,
            "annotations": {TOUCH_ANNOTATION: touch.touch.text()},
        }});
        self.merge(&self.pods(rollout), "pod", &touch.pod.name, patch).await.map(drop)
    }

    /// Writes the baseline on the version that was seen, and on whatever is the newest when that one was stale.
    async fn restore(
        &self,
        rollout: &OptimizationRollout,
        restoration: &Restoration,
        outdated: &OnceLock<String>,
    ) -> Result<(), WriteError> {
        let maps = self.config_maps(rollout);
        let mut shard = restoration.seen.clone();
        for _ in 0..TRIES {
            let Some(write) = restoration.write(&shard) else {
                outdated.get_or_init(|| format!("ConfigMap {}", shard.name));
                return Ok(());
            };
            match self.write_shard(rollout, &write).await {
                Err(WriteError::Conflict(_)) => {}
                // Without the ConfigMap its members run their base config: nothing is left to take back.
                Err(WriteError::NotFound(_)) => return Ok(()),
                result => return result,
            }
            match self.newest(&maps, restoration).await? {
                Some(newest) => shard = newest,
                None => return Ok(()),
            }
        }
        Err(WriteError::Conflict(format!("ConfigMap {}", restoration.seen.name)))
    }

    async fn newest(
        &self,
        maps: &Api<ConfigMap>,
        restoration: &Restoration,
    ) -> Result<Option<domain::observation::Shard>, WriteError> {
        let name = &restoration.seen.name;
        let what = format!("ConfigMap {name}");
        let Some(map) = self.bounded::<ConfigMap, _>(&what, maps.get_opt(name)).await? else { return Ok(None) };
        shard::read(&restoration.config, &map)
            .map(Some)
            .map_err(|problem| WriteError::Refused { what, message: problem.message })
    }
}
