//! The only reader: turns cached objects into one observation.

use std::sync::Arc;

use api::{OptimizationRollout, reason::Reason};
use domain::{
    observation::{Measurements, Member, Observation, Problem},
    rendering,
    run::{plan_id, run_id},
};
use jiff::Timestamp;
use k8s_openapi::api::{
    core::v1::{ConfigMap, Node, Pod, Service},
    discovery::v1::EndpointSlice,
};
use kube::{
    ResourceExt,
    core::{PartialObjectMeta, Selector, SelectorExt},
    runtime::reflector::Store,
};

pub mod neighbour;
pub mod pod;
pub mod service;
pub mod shard;
pub mod snapshot;

/// The label by which an EndpointSlice names its Service.
pub const SERVICE_NAME_LABEL: &str = "kubernetes.io/service-name";
/// The label that says in which zone a Node is.
const ZONE_LABEL: &str = "topology.kubernetes.io/zone";

/// The watched objects of one namespace.
#[derive(Clone)]
pub struct Namespace {
    /// All pods.
    pub pods: Store<Pod>,
    /// All Services.
    pub services: Store<Service>,
    /// ConfigMaps that we own.
    pub config_maps: Store<ConfigMap>,
    /// All EndpointSlices.
    pub endpoint_slices: Store<EndpointSlice>,
}

/// The watched objects of the cluster.
#[derive(Clone)]
pub struct World {
    /// All rollouts.
    pub rollouts: Store<kube::core::DeserializeGuard<OptimizationRollout>>,
    /// Metadata of all Nodes.
    pub nodes: Store<PartialObjectMeta<Node>>,
}

impl World {
    /// Everything that matters for one rollout. `measurements` and `problems` are what the shell knows beside it.
    #[must_use]
    pub fn observe(
        &self,
        namespace: &Namespace,
        rollout: &OptimizationRollout,
        now: Timestamp,
        measurements: Option<Measurements>,
        report_due: bool,
    ) -> Observation {
        let spec = &rollout.spec;
        let mut seen = Observation { now, measurements, report_due, ..Observation::default() };
        match Selector::try_from(spec.fleet.selector.clone()) {
            Ok(selector) => seen.members = self.members(namespace, rollout, &selector),
            Err(error) => {
                seen.problems.push(Problem::new(Reason::InvalidSpec, format!("spec.fleet.selector: {error}")));
            }
        }
        let config = &spec.fleet.config;
        let mut shards: Vec<Arc<ConfigMap>> = namespace
            .config_maps
            .state()
            .into_iter()
            .filter(|map| shard::index(config, &map.name_any()).is_some())
            .collect();
        shards.sort_by_key(|map| shard::index(config, &map.name_any()));
        for map in shards {
            match shard::read(config, &map) {
                Ok(shard) => seen.shards.push(shard),
                Err(problem) => seen.problems.push(problem),
            }
        }
        if let Some(traffic) = &spec.traffic {
            seen.services = traffic.services.iter().map(|service| service::read(namespace, &service.name)).collect();
        }
        seen.neighbours = neighbour::find(&self.rollouts.state(), rollout);
        seen
    }

    fn members(&self, namespace: &Namespace, rollout: &OptimizationRollout, selector: &Selector) -> Vec<Member> {
        let fleet = &rollout.spec.fleet;
        let nodes = fleet.node_selector.clone().map(Selector::try_from);
        let mut members: Vec<Member> = namespace
            .pods
            .state()
            .iter()
            .filter(|pod| selector.matches(pod.labels()) && pod::is_live(pod))
            .filter_map(|pod| {
                let node = pod.spec.as_ref().and_then(|spec| spec.node_name.as_deref());
                let node = node.and_then(|name| self.nodes.get(&kube::runtime::reflector::ObjectRef::new(name)));
                let node_selected = match (&nodes, &node) {
                    (None, _) => true,
                    (Some(Ok(selector)), Some(node)) => selector.matches(node.labels()),
                    (Some(_), _) => false,
                };
                Some(Member {
                    name: pod::member_name(pod, fleet.identity)?,
                    zone: node.and_then(|node| node.labels().get(ZONE_LABEL).cloned()).unwrap_or_default(),
                    node_selected,
                    pod: pod::read(pod, &rollout.spec),
                })
            })
            .collect();
        members.sort_by(|a, b| (&a.name, &a.pod.name).cmp(&(&b.name, &b.pod.name)));
        members.dedup_by(|a, b| a.name == b.name);
        members
    }
}

/// Whether the rendered ConfigMap of a rollout that is about to start has to be asked for: one that is not ours is not
/// among the watched ones.
#[must_use]
pub fn must_ask_for_config(rollout: &OptimizationRollout, seen: &Observation) -> bool {
    let wanted = run_id(&plan_id(rollout), rollout.spec.attempt);
    let started = rollout.status.as_ref().and_then(|status| status.run.as_ref()).is_some_and(|run| run.id == wanted);
    seen.shards.is_empty() && !started
}

/// The problem with a ConfigMap of the configured name that is not among the watched ones, if there is one.
///
/// # Errors
/// When the API server does not answer.
pub async fn foreign_config(client: kube::Client, rollout: &OptimizationRollout) -> kube::Result<Option<Problem>> {
    let namespace = rollout.namespace().unwrap_or_default();
    let maps: kube::Api<PartialObjectMeta<ConfigMap>> = kube::Api::namespaced(client, &namespace);
    let name = rendering::shard_name(&rollout.spec.fleet.config, 0);
    let found = maps.get_opt(&name).await?;
    Ok(found.filter(|map| !map.labels().contains_key(api::names::ROLLOUT_LABEL)).map(|_| {
        Problem::new(
            Reason::ConfigMapNotOwned,
            format!(
                "ConfigMap {name} exists and was not made by a rollout; choose another name in \
                 spec.fleet.config.rendered.name, or delete it"
            ),
        )
    }))
}
