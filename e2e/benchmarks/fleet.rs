//! A fleet of real members: the example's manifests, smaller and in another namespace.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use api::{
    OptimizationRollout,
    names::{COHORT_LABEL, SERVING_LABEL, cohort},
};
use k8s_openapi::api::{
    apps::v1::StatefulSet,
    core::v1::{ConfigMap, Pod, Service},
    discovery::v1::EndpointSlice,
};
use kube::{Api, ResourceExt, core::ApiResource};
use serde_json::{Value, json};

use crate::{bench::Bench, plan, seen::Seen};

/// Name of the Service in front of it.
pub const SERVICE: &str = "qudag";
/// Its rendered ConfigMap.
pub const CONFIG_MAP: &str = "qudag-optimizations";
const MEMBERS: &str = "qudag-node";
const MANIFEST: &str = include_str!("../../examples/fleet-node/fleet.yaml");
const LONGEST: Duration = Duration::from_secs(120);

/// A fleet and everything that is watched of it.
pub struct Fleet {
    /// Its namespace.
    pub namespace: String,
    /// Its pods.
    pub pods: Seen<Pod>,
    /// Its Services.
    pub services: Seen<Service>,
    /// The EndpointSlices of the namespace.
    pub slices: Seen<EndpointSlice>,
    /// The ConfigMaps of the namespace.
    pub config_maps: Seen<ConfigMap>,
    /// The rollouts of the namespace.
    pub rollouts: Seen<OptimizationRollout>,
    size: usize,
    http: reqwest::Client,
}

impl Fleet {
    /// Starts so many members in an emptied namespace and waits until they are ready.
    ///
    /// # Errors
    /// When the API server does not take them, or they do not get ready.
    pub async fn start(bench: &Bench, namespace: &str, size: usize) -> Result<Self, String> {
        bench.empty(namespace).await?;
        for document in MANIFEST.split("\n---\n") {
            let mut object: Value = serde_saphyr::from_str(document).map_err(|error| format!("fleet.yaml: {error}"))?;
            let resource = match object.get("kind").and_then(Value::as_str) {
                Some("ConfigMap") => ApiResource::erase::<ConfigMap>(&()),
                Some("Service") => ApiResource::erase::<Service>(&()),
                Some("StatefulSet") => ApiResource::erase::<StatefulSet>(&()),
                _ => continue,
            };
            plan::set(&mut object, "/metadata", "namespace", json!(namespace));
            if resource.kind == "StatefulSet" {
                plan::set(&mut object, "/spec", "replicas", json!(size));
                plan::set(&mut object, "/spec/template/spec/containers/0", "image", json!(bench.image));
            }
            bench.apply(&resource, Some(namespace), &object).await?;
        }
        let fleet = Self::watch(bench, namespace, size)?;
        fleet.ready().await?;
        Ok(fleet)
    }

    fn watch(bench: &Bench, namespace: &str, size: usize) -> Result<Self, String> {
        let client = bench.client.clone();
        let labels = format!("app.kubernetes.io/name={MEMBERS}");
        Ok(Self {
            namespace: namespace.to_owned(),
            pods: Seen::watch(Api::namespaced(client.clone(), namespace), &labels),
            services: Seen::watch(Api::namespaced(client.clone(), namespace), ""),
            slices: Seen::watch(
                Api::namespaced(client.clone(), namespace),
                &format!("kubernetes.io/service-name={SERVICE}"),
            ),
            config_maps: Seen::watch(Api::namespaced(client.clone(), namespace), ""),
            rollouts: Seen::watch(Api::namespaced(client, namespace), ""),
            size,
            http: reqwest::Client::builder()
                .no_proxy()
                .tls_certs_only([])
                .build()
                .map_err(|error| format!("cannot make an HTTP client: {error}"))?,
        })
    }

    async fn ready(&self) -> Result<(), String> {
        let all = |pods: &BTreeMap<String, Arc<Pod>>| {
            (pods.values().filter(|pod| is_ready(pod)).count() == self.size).then_some(())
        };
        self.pods.until(LONGEST, "all ready", all).await
    }

    /// Address of the Service in front of it.
    ///
    /// # Errors
    /// When there is none.
    pub async fn address(&self) -> Result<String, String> {
        let ip =
            self.services.until(LONGEST, "there", |all| all.get(SERVICE)?.spec.as_ref()?.cluster_ip.clone()).await?;
        Ok(format!("{ip}:80"))
    }

    /// Names of the pods that are labelled optimized.
    #[must_use]
    pub fn optimized(&self) -> BTreeSet<String> {
        let pods = self.pods.all();
        let optimized = |pod: &Pod| label(pod, COHORT_LABEL) == Some(cohort::OPTIMIZED);
        pods.iter().filter(|(_, pod)| optimized(pod)).map(|(name, _)| name.clone()).collect()
    }

    /// Names of all members.
    #[must_use]
    pub fn members(&self) -> BTreeSet<String> {
        self.pods.all().into_keys().collect()
    }

    /// Tells members their faults from now on, all at once.
    ///
    /// # Errors
    /// When one does not take them.
    pub async fn tell(&self, members: &BTreeSet<String>, faults: &Value) -> Result<(), String> {
        let pods = self.pods.all();
        let told =
            members.iter().filter_map(|name| pods.get(name)?.status.as_ref()?.pod_ip.clone()).map(|ip| async move {
                let request = self.http.put(format!("http://{ip}:9090/faults")).json(faults);
                let answer = request.send().await.and_then(reqwest::Response::error_for_status);
                answer.map(drop).map_err(|error| format!("a member does not take its faults: {error}"))
            });
        futures::future::try_join_all(told).await.map(drop)
    }

    /// Waits until none of these members is ready.
    ///
    /// # Errors
    /// When that does not come.
    pub async fn unready(&self, members: &BTreeSet<String>) -> Result<(), String> {
        let none = |pods: &BTreeMap<String, Arc<Pod>>| {
            let ready = members.iter().filter_map(|name| pods.get(name)).any(|pod| is_ready(pod));
            (!ready).then_some(())
        };
        self.pods.until(LONGEST, "unready", none).await
    }

    /// Whether a member says itself that it runs an optimization.
    pub async fn runs_optimized(&self, member: &str) -> bool {
        let pods = self.pods.all();
        let Some(ip) = pods.get(member).and_then(|pod| pod.status.as_ref()?.pod_ip.clone()) else { return false };
        let Ok(answer) = self.http.get(format!("http://{ip}:9090/metrics")).send().await else { return false };
        let text = answer.text().await.unwrap_or_default();
        text.lines().any(|line| line.starts_with("optimization_enabled{") && line.ends_with(" 1"))
    }

    /// Waits until every member is ready, in the baseline cohort and serving, and the Service selects all of them.
    ///
    /// # Errors
    /// When that does not come.
    pub async fn at_rest(&self) -> Result<(), String> {
        let wide = |services: &BTreeMap<String, Arc<Service>>| {
            let selector = services.get(SERVICE)?.spec.as_ref()?.selector.as_ref()?;
            (!selector.contains_key(COHORT_LABEL)).then_some(())
        };
        self.services.until(LONGEST, "wide again", wide).await?;
        let rest = |pods: &BTreeMap<String, Arc<Pod>>| {
            (pods.values().filter(|pod| rests(pod)).count() == self.size).then_some(())
        };
        self.pods.until(LONGEST, "at rest", rest).await?;
        let routed = |slices: &BTreeMap<String, Arc<EndpointSlice>>| {
            let routed: BTreeSet<_> = slices.values().flat_map(|slice| ready_pods(slice)).collect();
            (routed.len() == self.size).then_some(())
        };
        self.slices.until(LONGEST, "complete", routed).await
    }

    /// Forgets what was watched so far.
    pub fn forget(&self) {
        self.pods.forget();
        self.services.forget();
        self.slices.forget();
        self.config_maps.forget();
        self.rollouts.forget();
    }
}

/// A label of a pod.
#[must_use]
pub fn label<'a>(pod: &'a Pod, name: &str) -> Option<&'a str> {
    pod.labels().get(name).map(String::as_str)
}

/// Whether a pod is ready.
pub fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.iter().flat_map(|status| status.conditions.iter().flatten());
    conditions.into_iter().any(|condition| condition.type_ == "Ready" && condition.status == "True")
}

fn rests(pod: &Pod) -> bool {
    is_ready(pod) && label(pod, COHORT_LABEL) == Some(cohort::BASELINE) && label(pod, SERVING_LABEL) == Some("true")
}

/// Names of the pods that an EndpointSlice leads to.
pub fn ready_pods(slice: &EndpointSlice) -> impl Iterator<Item = String> {
    slice.endpoints.iter().filter_map(|endpoint| {
        let ready = endpoint.conditions.as_ref().and_then(|conditions| conditions.ready).unwrap_or(true);
        endpoint.target_ref.as_ref()?.name.clone().filter(|_| ready)
    })
}
