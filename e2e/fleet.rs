//! The example fleet, as the API server has it.

use std::collections::BTreeMap;

use api::names::{COHORT_LABEL, MEMBERS_KEY, SERVING_LABEL, cohort};
use k8s_openapi::api::core::v1::{ConfigMap, Pod, Service};
use kube::{Api, Client, ResourceExt, api::ListParams};

/// Namespace of the example fleet.
pub const NAMESPACE: &str = "qudag";
const SERVICE: &str = "qudag";
const CONFIG_MAP: &str = "qudag-optimizations";
const MEMBERS: &str = "app.kubernetes.io/name=qudag-node";

/// The example fleet.
#[derive(Clone)]
pub struct Fleet {
    client: Client,
}

impl Fleet {
    /// The fleet of the cluster that the client talks to.
    #[must_use]
    pub const fn new(client: Client) -> Self {
        Self { client }
    }

    /// Address of the Service in front of it.
    ///
    /// # Errors
    /// When there is no such Service.
    pub async fn address(&self) -> Result<String, String> {
        let services: Api<Service> = Api::namespaced(self.client.clone(), NAMESPACE);
        let service = services.get(SERVICE).await.map_err(|error| format!("cannot read Service {SERVICE}: {error}"))?;
        let ip = service.spec.and_then(|spec| spec.cluster_ip);
        ip.map(|ip| format!("{ip}:80")).ok_or_else(|| format!("Service {SERVICE} has no address"))
    }

    /// The members' rendered files.
    ///
    /// # Errors
    /// When the API server does not answer.
    pub async fn files(&self) -> Result<BTreeMap<String, String>, String> {
        let maps: Api<ConfigMap> = Api::namespaced(self.client.clone(), NAMESPACE);
        let map = maps.get_opt(CONFIG_MAP).await.map_err(|error| format!("cannot read {CONFIG_MAP}: {error}"))?;
        let mut files = map.and_then(|map| map.data).unwrap_or_default();
        files.remove(MEMBERS_KEY);
        Ok(files)
    }

    /// How many members are ready, in the baseline cohort and serving, and whether the Service selects all of them.
    ///
    /// # Errors
    /// When the API server does not answer.
    pub async fn at_rest(&self) -> Result<(usize, bool), String> {
        let failed = |error: kube::Error| format!("cannot read the fleet: {error}");
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), NAMESPACE);
        let pods = pods.list(&ListParams::default().labels(MEMBERS)).await.map_err(failed)?;
        let rests = |pod: &&Pod| {
            let label = |name: &str| pod.labels().get(name).map(String::as_str);
            let conditions = pod.status.iter().flat_map(|status| status.conditions.iter().flatten());
            conditions.into_iter().any(|condition| condition.type_ == "Ready" && condition.status == "True")
                && label(COHORT_LABEL) == Some(cohort::BASELINE)
                && label(SERVING_LABEL) == Some("true")
        };
        let services: Api<Service> = Api::namespaced(self.client.clone(), NAMESPACE);
        let selector = services.get(SERVICE).await.map_err(failed)?.spec.and_then(|spec| spec.selector);
        let wide = selector.is_some_and(|selector| !selector.contains_key(COHORT_LABEL));
        Ok((pods.iter().filter(rests).count(), wide))
    }
}
