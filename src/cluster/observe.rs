//! The only reader: turns cached objects into one observation.

use std::{collections::BTreeMap, sync::Arc};

use api::{
    Connection, OptimizationRollout,
    fleet::{Config, Delivery, Rendered},
    names::ROLLOUT_LABEL,
    reason::Reason,
};
use domain::{
    delivery,
    observation::{Measurements, Member, Observation, Problem, Shard},
    rendering, run,
};
use jiff::Timestamp;
use k8s_openapi::api::{
    core::v1::{ConfigMap, Node, Pod, Service},
    discovery::v1::EndpointSlice,
};
use kube::{
    ResourceExt,
    core::{DeserializeGuard, PartialObjectMeta, Selector, SelectorExt},
    runtime::reflector::Store,
};

use fleet::Fleet;

pub mod base;
pub mod connection;
mod fleet;
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
    /// All ConfigMaps; of those that are neither ours nor opted in the metadata.
    pub config_maps: Store<ConfigMap>,
    /// All EndpointSlices.
    pub endpoint_slices: Store<EndpointSlice>,
}

/// The watched objects of the cluster.
#[derive(Clone)]
pub struct World {
    /// All rollouts.
    pub rollouts: Store<DeserializeGuard<OptimizationRollout>>,
    /// Metadata of all Nodes.
    pub nodes: Store<PartialObjectMeta<Node>>,
    /// All Connections.
    pub connections: Store<DeserializeGuard<Connection>>,
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
        let selector = Selector::try_from(spec.fleet.selector.clone());
        let pods = namespace.pods.state();
        match &selector {
            Ok(selector) => {
                seen.members = self.members(&pods, rollout, selector);
                seen.ending = ending(&pods, rollout, selector, &seen.members);
                seen.shared_node = shared_node(&seen.members);
                seen.members.dedup_by(|a, b| a.name == b.name);
            }
            Err(error) => {
                seen.problems.push(Problem::new(Reason::InvalidSpec, format!("spec.fleet.selector: {error}")));
            }
        }
        let rollouts = self.rollouts.state();
        seen.neighbours = neighbour::find(&rollouts, rollout, |other| {
            selector.as_ref().is_ok_and(|own| {
                pods.iter().any(|pod| pod::is_live(pod) && own.matches(pod.labels()) && other.matches(pod.labels()))
            })
        });
        self::config_maps(namespace, &rollouts, rollout, &mut seen);
        services(namespace, rollout, &mut seen);
        seen.base = base::find(&namespace.config_maps, rollout);
        seen.connection = connection::find(&self.connections, rollout);
        seen
    }

    /// The pods of the fleet, by the names of their members.
    fn members(&self, pods: &[Arc<Pod>], rollout: &OptimizationRollout, selector: &Selector) -> Vec<Member> {
        let fleet = &rollout.spec.fleet;
        let nodes = fleet.node_selector.clone().map(Selector::try_from);
        let mut members: Vec<Member> = pods
            .iter()
            .filter(|pod| selector.matches(pod.labels()) && pod::is_live(pod))
            .filter_map(|pod| {
                let node = pod.spec.as_ref().and_then(|spec| spec.node_name.as_deref());
                let node = node.and_then(|name| self.nodes.get(&kube::runtime::reflector::ObjectRef::new(name)));
                let selected = match (&nodes, &node) {
                    (None, _) => true,
                    (Some(Ok(selector)), Some(node)) => selector.matches(node.labels()),
                    (Some(_), _) => false,
                };
                let unfit = (!selected).then(|| {
                    let message = "its Node has not the labels of spec.fleet.nodeSelector";
                    Problem::new(Reason::NodeNotSelected, message)
                });
                let name = pod::member_name(pod, fleet.identity)?;
                Some(Member {
                    zone: node.and_then(|node| node.labels().get(ZONE_LABEL).cloned()).unwrap_or_default(),
                    unfit,
                    pod: pod::read(pod, &name, &rollout.spec),
                    name,
                })
            })
            .collect();
        members.sort_by(|a, b| (&a.name, &a.pod.name).cmp(&(&b.name, &b.pod.name)));
        members
    }
}

/// Members that have no other pod than one that is being deleted.
fn ending(
    pods: &[Arc<Pod>],
    rollout: &OptimizationRollout,
    selector: &Selector,
    members: &[Member],
) -> BTreeMap<String, Timestamp> {
    let ending = pods.iter().filter_map(|pod| {
        let until = pod.metadata.deletion_timestamp.as_ref()?.0;
        let is_member = !pod::has_ended(pod) && selector.matches(pod.labels());
        pod::member_name(pod, rollout.spec.fleet.identity).filter(|_| is_member).map(|name| (name, until))
    });
    let is_there = |name: &str| members.binary_search_by(|member| member.name.as_str().cmp(name)).is_ok();
    ending.filter(|(name, _)| !is_there(name)).collect()
}

/// Why a fleet whose members are its Nodes is none: several of its pods on one of them would share a file.
fn shared_node(pods: &[Member]) -> Option<Problem> {
    let shared = pods.chunk_by(|a, b| a.name == b.name).find(|pods| pods.len() > 1)?;
    let names: Vec<&str> = shared.iter().map(|member| member.pod.name.as_str()).collect();
    let message = format!(
        "Node {} runs {} pods of the fleet, {}; identity Node needs one on each, so narrow spec.fleet.selector, or set \
         identity: Pod",
        shared.first()?.name,
        names.len(),
        names.join(", ")
    );
    Some(Problem::new(Reason::NodeShared, message))
}

/// The Services that the spec names, and those that a retreat has marked beside them.
pub fn services(namespace: &Namespace, rollout: &OptimizationRollout, seen: &mut Observation) {
    let traffic = rollout.spec.traffic.iter();
    let named: Vec<&str> = traffic.flat_map(|traffic| &traffic.services).map(|service| service.name.as_str()).collect();
    seen.services = named.iter().map(|name| service::read(namespace, name)).collect();
    seen.unnamed_services = service::marked(namespace, &named);
}

/// The ConfigMaps of the fleet; what is wrong with one goes to its member, or is a problem where it is everybody's.
fn config_maps(
    namespace: &Namespace,
    rollouts: &[Arc<DeserializeGuard<OptimizationRollout>>],
    rollout: &OptimizationRollout,
    seen: &mut Observation,
) {
    let config = &rollout.spec.fleet.config;
    let maps: BTreeMap<String, Arc<ConfigMap>> = namespace
        .config_maps
        .state()
        .into_iter()
        .map(|map| (map.name_any(), map))
        .filter(|(name, _)| shard::is_named(config, name))
        .collect();
    match &config.delivery {
        Delivery::Rendered(rendered) => {
            seen.problems.extend(neighbour::shared_name(rollouts, rollout));
            rendered_maps(rollout, rendered, maps, seen);
        }
        Delivery::Patched(_) => {
            let fleet = Fleet::new(namespace, rollouts, rollout, seen);
            patched_maps(config, &fleet.own(maps), seen);
        }
    }
}

fn rendered_maps(
    rollout: &OptimizationRollout,
    rendered: &Rendered,
    maps: BTreeMap<String, Arc<ConfigMap>>,
    seen: &mut Observation,
) {
    let (ours, foreign): (Vec<_>, Vec<_>) =
        maps.into_iter().partition(|(_, map)| map.labels().contains_key(ROLLOUT_LABEL));
    let mut ours: Vec<Arc<ConfigMap>> = ours.into_iter().map(|(_, map)| map).collect();
    ours.sort_by_key(|map| rendering::shard_index(rendered, &map.name_any()));
    for map in ours {
        match shard::read(&rollout.spec.fleet.config, &map) {
            Ok(shard) => seen.shards.push(shard),
            Err(problem) => {
                unusable(&rollout.spec.fleet.config, &map, seen);
                seen.problems.push(problem);
            }
        }
    }
    // During a run it has been ours, so somebody made another one in its place: that is not a question of names.
    if let Some((name, _)) = foreign.first()
        && seen.shards.is_empty()
        && !run::has_started(rollout)
    {
        let message = format!(
            "ConfigMap {name} exists and was not made by a rollout; choose another name in \
             spec.fleet.config.rendered.name, or delete it"
        );
        seen.problems.push(Problem::new(Reason::ConfigMapNotOwned, message));
    }
}

fn patched_maps(config: &Config, maps: &BTreeMap<String, Arc<ConfigMap>>, seen: &mut Observation) {
    let read: BTreeMap<&str, Result<Shard, Problem>> =
        maps.iter().map(|(name, map)| (name.as_str(), shard::read(config, map))).collect();
    for member in &mut seen.members {
        let name = delivery::config_map(config, &member.name).unwrap_or_default();
        let problem = match read.get(name.as_str()) {
            Some(Ok(_)) => continue,
            Some(Err(problem)) => problem.clone(),
            None => {
                let message = format!("ConfigMap {name} of member {} does not exist; create it", member.name);
                Problem::new(Reason::ConfigMapMissing, message)
            }
        };
        member.unfit.get_or_insert(problem);
    }
    for (_, map) in maps.iter().filter(|(name, _)| read.get(name.as_str()).is_some_and(Result::is_err)) {
        unusable(config, map, seen);
    }
    seen.shards = read.into_values().filter_map(Result::ok).collect();
}

/// What is known of a ConfigMap that cannot be used.
fn unusable(config: &Config, map: &ConfigMap, seen: &mut Observation) {
    match shard::locked(config, map) {
        Ok(locked) => seen.locked.extend(locked),
        Err(problem) => drop(seen.unread.get_or_insert(problem)),
    }
}
