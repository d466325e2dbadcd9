//! What matters of a pod.

use std::collections::BTreeSet;

use api::{
    OptimizationRolloutSpec,
    fleet::{Delivery, Identity},
    metrics::Source,
    names::{COHORT_LABEL, RETREAT_ANNOTATION, RETREAT_REASON_ANNOTATION, SERVING_LABEL, TOUCH_ANNOTATION},
};
use domain::{
    acknowledgement::Touch,
    delivery,
    mark::Mark,
    observation::{self, Lifetime},
    rendering,
};
use k8s_openapi::{
    api::core::v1::{Container, ContainerStateTerminated, ContainerStatus, KeyToPath, Pod, PodSpec, Volume},
    apimachinery::pkg::apis::meta::v1::OwnerReference,
};
use kube::ResourceExt;

/// Exit code of a process that ran into an illegal instruction.
const ILLEGAL_INSTRUCTION: i32 = 132;

/// Whether a pod still counts as somebody: neither ended nor being deleted.
#[must_use]
pub fn is_live(pod: &Pod) -> bool {
    pod.metadata.deletion_timestamp.is_none() && !has_ended(pod)
}

/// Whether none of a pod's containers runs any more, or ever will.
#[must_use]
pub fn has_ended(pod: &Pod) -> bool {
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    matches!(phase, Some("Succeeded" | "Failed"))
}

/// The identity of the member that a pod is; `None` for one that has no Node yet, where that is the identity.
#[must_use]
pub fn member_name(pod: &Pod, identity: Identity) -> Option<String> {
    match identity {
        Identity::Pod => Some(pod.name_any()),
        Identity::Node => pod.spec.as_ref().and_then(|spec| spec.node_name.clone()),
    }
}

/// What matters of a pod for this rollout.
#[must_use]
pub fn read(pod: &Pod, member: &str, spec: &OptimizationRolloutSpec) -> observation::Pod {
    let status = pod.status.clone().unwrap_or_default();
    let containers = status.container_statuses.unwrap_or_default();
    let annotation = |name: &str| pod.annotations().get(name).map(String::as_str);
    let port = spec.metrics.as_ref().and_then(|metrics| match &metrics.source {
        Source::Pods(source) => Some(source.port.as_str()),
        Source::Connection(_) => None,
    });
    let ready = status.conditions.unwrap_or_default().into_iter().find(|condition| condition.type_ == "Ready");
    let is_ready = ready.as_ref().is_some_and(|ready| ready.status == "True");
    observation::Pod {
        name: pod.name_any(),
        uid: pod.uid().unwrap_or_default(),
        resource_version: pod.resource_version().unwrap_or_default(),
        ip: status.pod_ip.filter(|ip| !ip.is_empty()),
        metrics_port: pod.spec.as_ref().zip(port).and_then(|(spec, port)| container_port(spec, port)),
        ready: is_ready,
        unready_since: ready.filter(|_| !is_ready).and_then(|ready| ready.last_transition_time).map(|time| time.0),
        cohort: pod.labels().get(COHORT_LABEL).cloned(),
        serving: pod.labels().get(SERVING_LABEL).cloned(),
        mark: Mark::parse(annotation(RETREAT_ANNOTATION), annotation(RETREAT_REASON_ANNOTATION)),
        touched: annotation(TOUCH_ANNOTATION).and_then(Touch::parse),
        restarts: containers.iter().map(|container| container.restart_count).sum(),
        ended: ends(&containers).filter_map(|ended| lifetime(pod, ended)).max_by_key(|lifetime| lifetime.ended),
        killed: ends(&containers)
            .any(|ended| ended.reason.as_deref() == Some("OOMKilled") || ended.exit_code == ILLEGAL_INSTRUCTION),
        mounts_config: pod.spec.as_ref().is_some_and(|pod| mounts(pod, &Mounted::new(spec, member))),
        mounts_further: pod.spec.as_ref().map(|pod| mounted_further(pod, spec)).unwrap_or_default(),
        created: pod.creation_timestamp().map(|time| time.0).unwrap_or_default(),
        controller: controller(pod).map(|owner| owner.kind.clone()).unwrap_or_default(),
    }
}

/// The last end of each container that has ended.
fn ends(containers: &[ContainerStatus]) -> impl Iterator<Item = &ContainerStateTerminated> {
    containers.iter().filter_map(|container| container.last_state.as_ref()?.terminated.as_ref())
}

/// From when to when a container ran. One that could not be started says that it ran since 1970.
fn lifetime(pod: &Pod, container: &ContainerStateTerminated) -> Option<Lifetime> {
    let ended = container.finished_at.as_ref()?.0;
    let started = container.started_at.as_ref()?.0;
    let is_real = pod.creation_timestamp().is_none_or(|created| started >= created.0);
    Some(Lifetime { started: if is_real { started } else { ended }, ended })
}

fn controller(pod: &Pod) -> Option<&OwnerReference> {
    pod.owner_references().iter().find(|owner| owner.controller == Some(true))
}

fn container_port(spec: &PodSpec, name: &str) -> Option<u16> {
    let ports = spec.containers.iter().flat_map(|container| container.ports.iter().flatten());
    ports.filter(|port| port.name.as_deref() == Some(name)).find_map(|port| u16::try_from(port.container_port).ok())
}

/// What a member has to mount.
struct Mounted {
    config_map: String,
    /// The only key that is needed; every key where there is none.
    key: Option<String>,
}

impl Mounted {
    fn new(spec: &OptimizationRolloutSpec, member: &str) -> Self {
        let config = &spec.fleet.config;
        match &config.delivery {
            Delivery::Rendered(rendered) => Self { config_map: rendered.name.clone(), key: None },
            Delivery::Patched(patched) => Self {
                config_map: delivery::config_map(config, member).unwrap_or_default(),
                key: Some(patched.key.clone()),
            },
        }
    }

    /// Whether a volume brings the file: this ConfigMap, and of its keys all or the one that is needed.
    fn is_brought(&self, name: &str, items: Option<&Vec<KeyToPath>>) -> bool {
        let picked = |items: &Vec<KeyToPath>| items.iter().any(|item| Some(&item.key) == self.key.as_ref());
        name == self.config_map && items.is_none_or(picked)
    }
}

/// Whether some container mounts the ConfigMap as a directory.
fn mounts(spec: &PodSpec, mounted: &Mounted) -> bool {
    let mut volumes = spec.volumes.iter().flatten().filter(|volume| projects(volume, mounted));
    volumes.any(|volume| directories(spec).any(|name| name == volume.name))
}

/// The volumes that some container mounts as a directory. A subPath mount is never updated.
fn directories(spec: &PodSpec) -> impl Iterator<Item = &str> {
    let mounts = spec.containers.iter().flat_map(|container| container.volume_mounts.iter().flatten());
    let whole = mounts.filter(|mount| mount.sub_path.is_none() && mount.sub_path_expr.is_none());
    whole.map(|mount| mount.name.as_str())
}

fn projects(volume: &Volume, mounted: &Mounted) -> bool {
    sources(volume).any(|(name, items)| mounted.is_brought(name, items))
}

/// The ConfigMaps that a volume brings, and which keys of them, where that is not all.
fn sources(volume: &Volume) -> impl Iterator<Item = (&str, Option<&Vec<KeyToPath>>)> {
    let direct = volume.config_map.iter().map(|source| (source.name.as_str(), source.items.as_ref()));
    let projected = volume.projected.iter().flat_map(|projected| projected.sources.iter().flatten());
    let projected = projected.filter_map(|source| source.config_map.as_ref());
    direct.chain(projected.map(|source| (source.name.as_str(), source.items.as_ref())))
}

/// Rendered ConfigMaps but the first one that some container mounts as a directory.
fn mounted_further(pod: &PodSpec, spec: &OptimizationRolloutSpec) -> BTreeSet<String> {
    let Delivery::Rendered(rendered) = &spec.fleet.config.delivery else { return BTreeSet::new() };
    let volumes: BTreeSet<&str> = directories(pod).collect();
    let mounted = pod.volumes.iter().flatten().filter(|volume| volumes.contains(volume.name.as_str()));
    let whole = mounted.flat_map(sources).filter(|(_, items)| items.is_none()).map(|(name, _)| name);
    let is_further = |name: &&str| rendering::shard_index(rendered, name).is_some_and(|index| index > 0);
    whole.filter(is_further).map(str::to_owned).collect()
}

/// Takes away what no decision looks at, so that thousands of pods fit into little memory.
pub fn prune(pod: &mut Pod) {
    pod.metadata.managed_fields = None;
    let kind = controller(pod).map(|owner| owner.kind.clone());
    let only = |kind| vec![OwnerReference { kind, controller: Some(true), ..OwnerReference::default() }];
    pod.metadata.owner_references = kind.map(only);
    if let Some(annotations) = &mut pod.metadata.annotations {
        annotations.retain(|name, _| name.starts_with(api::names::GROUP));
    }
    if let Some(spec) = &mut pod.spec {
        let containers = std::mem::take(&mut spec.containers)
            .into_iter()
            .map(|container| Container {
                name: container.name,
                ports: container.ports,
                volume_mounts: container.volume_mounts,
                ..Container::default()
            })
            .collect();
        let volumes = spec.volumes.take().map(|volumes| {
            volumes.into_iter().filter(|volume| volume.config_map.is_some() || volume.projected.is_some()).collect()
        });
        *spec = PodSpec { containers, volumes, node_name: spec.node_name.take(), ..PodSpec::default() };
    }
}

#[cfg(test)]
mod tests;
