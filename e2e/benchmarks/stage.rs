//! Rollouts over stub fleets, brought to the point where their stage is watched.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::Arc,
    time::Duration,
};

use api::{OptimizationRollout, names::COHORT_LABEL};
use futures::{FutureExt, StreamExt, TryStreamExt, stream};
use k8s_openapi::api::{
    core::v1::{Pod, Service},
    discovery::v1::EndpointSlice,
};
use kube::{Api, api::PostParams};
use serde_json::{Value, json};

use crate::{
    bench::Bench,
    fleet::{label, ready_pods},
    plan::{self, Judging, Target},
    seen::Seen,
    stub::{Stub, StubFleet, addresses},
};

const LONGEST: Duration = Duration::from_secs(180);
/// Objects that are created at once.
const AT_ONCE: usize = 16;

/// Several stub fleets with a rollout each.
pub struct Stage {
    /// The fleets.
    pub fleets: Vec<StubFleet>,
    /// All pods.
    pub pods: Seen<Pod>,
    /// All Services.
    pub services: Seen<Service>,
    /// All EndpointSlices.
    pub slices: Seen<EndpointSlice>,
    /// All rollouts.
    pub rollouts: Seen<OptimizationRollout>,
    /// The members' metrics.
    pub stub: Stub,
    api: Api<OptimizationRollout>,
}

impl Stage {
    /// Creates so many fleets of that size in an emptied namespace, and waits until they are ready.
    ///
    /// # Errors
    /// When they do not get ready.
    pub async fn set(bench: &Bench, namespace: &str, count: usize, size: usize) -> Result<Self, String> {
        let fleet = |number| StubFleet { name: format!("fleet-{number}"), size, patched: false };
        Self::of(bench, namespace, (0..count).map(fleet).collect()).await
    }

    /// The same with these fleets.
    ///
    /// # Errors
    /// When they do not get ready.
    pub async fn of(bench: &Bench, namespace: &str, fleets: Vec<StubFleet>) -> Result<Self, String> {
        let stub = Stub::start(bench).await?;
        bench.empty(namespace).await?;
        let sizes = fleets.iter().scan(0, |total, fleet| Some(std::mem::replace(total, *total + fleet.size)));
        let members: usize = fleets.iter().map(|fleet| fleet.size).sum();
        let created: Vec<_> =
            fleets.iter().zip(sizes).map(|(fleet, first)| fleet.create(bench, namespace, first).boxed()).collect();
        stream::iter(created).buffer_unordered(AT_ONCE).try_collect::<()>().await?;
        let stage = Self {
            fleets,
            pods: Seen::watch(Api::namespaced(bench.client.clone(), namespace), ""),
            services: Seen::watch(Api::namespaced(bench.client.clone(), namespace), ""),
            slices: Seen::watch(Api::namespaced(bench.client.clone(), namespace), ""),
            rollouts: Seen::watch(Api::namespaced(bench.client.clone(), namespace), ""),
            stub,
            api: Api::namespaced(bench.client.clone(), namespace),
        };
        let routed = |slices: &BTreeMap<String, Arc<EndpointSlice>>| {
            let routed: usize = slices.values().map(|slice| ready_pods(slice).count()).sum();
            (routed == members).then_some(())
        };
        stage.slices.until(LONGEST, "complete", routed).await?;
        Ok(stage)
    }

    /// Creates a rollout for each fleet, whose members count as switched after this time.
    ///
    /// # Errors
    /// When the API server does not take one.
    pub async fn begin(&self, judging: Judging, timer: &str) -> Result<(), String> {
        let target = |fleet: &StubFleet| Target { acknowledgement: json!({"timer": timer}), ..fleet.target() };
        let rollouts: Vec<Value> =
            self.fleets.iter().map(|fleet| plan::rollout(&fleet.name, &target(fleet), judging)).collect();
        let created = rollouts.into_iter().map(|rollout| async {
            let rollout: OptimizationRollout =
                serde_json::from_value(rollout).map_err(|error| format!("the rollout does not parse: {error}"))?;
            let created = self.api.create(&PostParams::default(), &rollout).await;
            created.map(drop).map_err(|error| format!("cannot create a rollout: {error}"))
        });
        stream::iter(created).buffer_unordered(AT_ONCE).try_collect().await
    }

    /// Waits until every stage is watched.
    ///
    /// # Errors
    /// When that does not come.
    pub async fn baking(&self) -> Result<(), String> {
        let count = self.fleets.len();
        let baking = |rollouts: &BTreeMap<String, Arc<OptimizationRollout>>| {
            let bakes = |rollout: &OptimizationRollout| {
                let summary = rollout.status.as_ref().and_then(|status| status.summary.as_ref());
                summary.is_some_and(|summary| summary.reason == "Baking")
            };
            (rollouts.values().filter(|rollout| bakes(rollout)).count() == count).then_some(())
        };
        self.rollouts.until(LONGEST, "watching their stage", baking).await
    }

    /// Waits until every rollout is taken back.
    ///
    /// # Errors
    /// When that does not come.
    pub async fn restored(&self) -> Result<(), String> {
        let count = self.fleets.len();
        let restored = |rollouts: &BTreeMap<String, Arc<OptimizationRollout>>| {
            let restored = |rollout: &OptimizationRollout| {
                let retreat = rollout.status.as_ref().and_then(|status| status.retreat.as_ref());
                retreat.is_some_and(|retreat| retreat.acknowledged_at.is_some())
            };
            (rollouts.values().filter(|rollout| restored(rollout)).count() == count).then_some(())
        };
        self.rollouts.until(LONGEST, "taken back", restored).await
    }

    /// The optimized members of a fleet: their names and addresses.
    #[must_use]
    pub fn optimized(&self, fleet: &StubFleet) -> (BTreeSet<String>, BTreeSet<IpAddr>) {
        let pods = self.pods.all();
        let of_fleet = |pod: &Pod| {
            label(pod, "app.kubernetes.io/name") == Some(&fleet.name) && label(pod, COHORT_LABEL) == Some("optimized")
        };
        let names: BTreeSet<String> =
            pods.iter().filter(|(_, pod)| of_fleet(pod)).map(|(name, _)| name.clone()).collect();
        let addresses = addresses(&pods, &names);
        (names, addresses)
    }

    /// Addresses of all members of a fleet.
    #[must_use]
    pub fn members(&self, fleet: &StubFleet) -> BTreeSet<IpAddr> {
        let pods = self.pods.all();
        let names: Vec<String> = (0..fleet.size).map(|number| format!("{}-{number}", fleet.name)).collect();
        addresses(&pods, &names)
    }
}
