//! Which members' own ConfigMaps are those of one fleet: others may name theirs by the same template.

use std::{
    cell::OnceCell,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use api::{
    OptimizationRollout,
    fleet::{Config, Delivery, Identity},
};
use domain::{
    delivery,
    observation::{Observation, Shard},
};
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::{ResourceExt, core::DeserializeGuard, runtime::reflector::Store};

use super::{Namespace, neighbour, pod, shard};

/// One fleet among others of its namespace.
pub struct Fleet<'w> {
    rollout: &'w OptimizationRollout,
    members: BTreeSet<&'w str>,
    pods: &'w Store<Pod>,
    /// The pods of the namespace, once somebody has asked.
    every_pod: OnceCell<BTreeSet<String>>,
    /// Runs of rollouts that have no member in common with this one.
    strangers: BTreeSet<String>,
}

impl<'w> Fleet<'w> {
    /// The fleet whose members and neighbours were found.
    #[must_use]
    pub fn new(
        namespace: &'w Namespace,
        rollouts: &[Arc<DeserializeGuard<OptimizationRollout>>],
        rollout: &'w OptimizationRollout,
        seen: &'w Observation,
    ) -> Self {
        let is_neighbour = |name: &str| seen.neighbours.iter().any(|neighbour| neighbour.name == name);
        let strangers = neighbour::others(rollouts, rollout).filter(|other| !is_neighbour(&other.name_any()));
        Self {
            rollout,
            members: seen.members.iter().map(|member| member.name.as_str()).collect(),
            pods: &namespace.pods,
            every_pod: OnceCell::new(),
            strangers: strangers.filter_map(neighbour::run).map(|run| run.id.clone()).collect(),
        }
    }

    /// The ConfigMaps of members that are there, and of others those that this rollout has written to, or whose record
    /// tells of a run of nobody else.
    #[must_use]
    pub fn own(&self, maps: BTreeMap<String, Arc<ConfigMap>>) -> BTreeMap<String, Arc<ConfigMap>> {
        let config = &self.rollout.spec.fleet.config;
        let Delivery::Patched(patched) = &config.delivery else { return maps };
        let has = |name: &str, map: &ConfigMap| {
            delivery::member_of(&patched.name, name).is_some_and(|member| self.has(config, member, map))
        };
        maps.into_iter().filter(|(name, map)| has(name, map)).collect()
    }

    fn has(&self, config: &Config, member: &str, map: &ConfigMap) -> bool {
        if self.members.contains(member) {
            return true;
        }
        match shard::contents(config, map) {
            Ok(shard) => self.wrote(&shard) || self.may_have_written(&shard) && !self.is_another_pod(member),
            Err(_) => !self.is_another_pod(member),
        }
    }

    fn wrote(&self, shard: &Shard) -> bool {
        let run = neighbour::run(self.rollout).map(|run| run.id.as_str());
        let name = self.rollout.name_any();
        run == Some(&shard.record.run) || shard.owners.values().any(|owner| owner.rollout == name)
    }

    /// Whether a record tells of members of a run that nobody is known to have.
    fn may_have_written(&self, shard: &Shard) -> bool {
        !shard.record.members.is_empty() && !self.strangers.contains(&shard.record.run)
    }

    /// Whether a pod of this name is there, which is no member of this fleet then.
    fn is_another_pod(&self, member: &str) -> bool {
        if self.rollout.spec.fleet.identity == Identity::Node {
            return false;
        }
        let live = || self.pods.state().iter().filter(|pod| pod::is_live(pod)).map(|pod| pod.name_any()).collect();
        self.every_pod.get_or_init(live).contains(member)
    }
}

#[cfg(test)]
mod tests;
