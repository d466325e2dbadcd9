//! What is in the files of the pods.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use crate::object::text;

/// From the change of a ConfigMap to its files, when nobody touches the pod.
pub(super) const RESYNC: Duration = Duration::from_secs(60);
/// From the touch of a pod to its files.
pub(super) const TOUCH: Duration = Duration::from_millis(300);

type Data = BTreeMap<String, String>;

/// Knows the ConfigMaps, and what each pod sees of them.
#[derive(Default)]
pub(super) struct Kubelet {
    config_maps: BTreeMap<String, Versions>,
    /// By pod.
    mounts: BTreeMap<String, Mount>,
}

#[derive(Default)]
struct Versions {
    changed: Option<Instant>,
    /// Before that instant.
    old: Data,
    new: Data,
}

struct Mount {
    uid: String,
    config_maps: Vec<String>,
    /// As its process found them at its start.
    first: Data,
    data: Data,
    /// When the ConfigMaps were like that.
    as_of: Instant,
}

/// Files on their way into a pod.
pub(super) struct Projection {
    pod: String,
    uid: String,
    data: Data,
    as_of: Instant,
}

impl Kubelet {
    pub(super) fn file(&self, pod: &str, file: &str) -> Option<String> {
        self.mounts.get(pod)?.data.get(file).cloned()
    }

    pub(super) fn first_file(&self, pod: &str, file: &str) -> Option<String> {
        self.mounts.get(pod)?.first.get(file).cloned()
    }

    pub(super) fn config_map_changed(&mut self, name: &str, at: Instant, data: Data) {
        let versions = self.config_maps.entry(name.to_owned()).or_default();
        let replaced = std::mem::replace(&mut versions.new, data);
        if versions.changed.replace(at) != Some(at) {
            versions.old = replaced;
        }
    }

    pub(super) fn started(&mut self, pod: &Value) {
        let config_maps = mounted(pod);
        let data = self.data(&config_maps, None);
        let uid = text(pod, "/metadata/uid").to_owned();
        let mount = Mount { uid, config_maps, first: data.clone(), data, as_of: Instant::now() };
        self.mounts.insert(text(pod, "/metadata/name").to_owned(), mount);
    }

    pub(super) fn stopped(&mut self, pod: &str) {
        self.mounts.remove(pod);
    }

    /// The files of a pod as they ought to have been just before an instant.
    pub(super) fn projection(&self, pod: &str, before: Instant) -> Option<Projection> {
        let mount = self.mounts.get(pod)?;
        let data = self.data(&mount.config_maps, Some(before));
        Some(Projection { pod: pod.to_owned(), uid: mount.uid.clone(), data, as_of: before })
    }

    /// Puts files into the pod that they were meant for, unless it has newer ones.
    pub(super) fn project(&mut self, projection: Projection) {
        if let Some(mount) = self.mounts.get_mut(&projection.pod)
            && mount.uid == projection.uid
            && mount.as_of <= projection.as_of
        {
            mount.data = projection.data;
            mount.as_of = projection.as_of;
        }
    }

    /// Gives all pods that mount a ConfigMap what it holds now.
    pub(super) fn resync(&mut self, config_map: &str) {
        let mut mounts = std::mem::take(&mut self.mounts);
        for mount in mounts.values_mut().filter(|mount| mount.config_maps.iter().any(|name| name == config_map)) {
            mount.data = self.data(&mount.config_maps, None);
            mount.as_of = Instant::now();
        }
        self.mounts = mounts;
    }

    /// The files of some ConfigMaps, the later ones over the earlier ones.
    fn data(&self, config_maps: &[String], before: Option<Instant>) -> Data {
        let known = config_maps.iter().filter_map(|name| self.config_maps.get(name));
        let is_old = |versions: &Versions| before.is_some_and(|before| versions.changed >= Some(before));
        known.flat_map(|versions| if is_old(versions) { versions.old.clone() } else { versions.new.clone() }).collect()
    }
}

/// The ConfigMaps that a pod mounts, in order.
fn mounted(pod: &Value) -> Vec<String> {
    let list = |value: &Value, pointer| value.pointer(pointer).and_then(Value::as_array).cloned().unwrap_or_default();
    let volumes = list(pod, "/spec/volumes").into_iter();
    let sources = volumes.flat_map(|volume| {
        let projected = list(&volume, "/projected/sources");
        std::iter::once(volume).chain(projected)
    });
    sources.map(|source| text(&source, "/configMap/name").to_owned()).filter(|name| !name.is_empty()).collect()
}
