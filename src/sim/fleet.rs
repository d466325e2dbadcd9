//! A simulated fleet: its pods, and what kubelet, workload and EndpointSlice controller do to them.

mod endpoints;
mod kubelet;
mod pod;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use serde_json::Value;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use crate::kind::Key;
use crate::object::{is_being_deleted, text, texts};
use crate::server::ApiServer;
use crate::store::Change;
use kubelet::Kubelet;

/// From the disappearance of a pod to its successor.
const RECREATION: Duration = Duration::from_millis(500);
/// From the start of a container to its readiness.
const START: Duration = Duration::from_secs(1);

/// What a fleet looks like.
#[derive(Clone, Debug)]
pub struct FleetSpec {
    /// Namespace of everything but the Nodes.
    pub namespace: String,
    /// The members are `<prefix>-0`, `<prefix>-1` and so on.
    pub prefix: String,
    /// How many members there are at the start.
    pub members: usize,
    /// Labels of the template: every new pod has these.
    pub labels: BTreeMap<String, String>,
    /// Name of the Service in front of the fleet.
    pub service: String,
    /// Selector of that Service.
    pub selector: BTreeMap<String, String>,
    /// The ConfigMap that each pod mounts as a directory, optionally; `{member}` stands for the name of the pod.
    pub config_map: String,
    /// The container port named `metrics`, which is also that of the Service.
    pub port: u16,
    /// From the deletion of a pod to its end.
    pub termination: Duration,
    /// Over how many Nodes the members are spread, round robin.
    pub nodes: usize,
    /// Over how many zones the Nodes are spread, round robin.
    pub zones: usize,
}

impl Default for FleetSpec {
    /// Ten members that can be taken out of the traffic, on three Nodes in three zones.
    fn default() -> Self {
        let map = |entries: &[(&str, &str)]| {
            entries.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
        };
        Self {
            namespace: "qudag".to_owned(),
            prefix: "qudag-node".to_owned(),
            members: 10,
            labels: map(&[
                ("app", "qudag-node"),
                ("optimization.qudag.io/cohort", "baseline"),
                ("optimization.qudag.io/serving", "true"),
            ]),
            service: "qudag-node".to_owned(),
            selector: map(&[("app", "qudag-node"), ("optimization.qudag.io/serving", "true")]),
            config_map: "qudag-optimizations".to_owned(),
            port: 9090,
            termination: Duration::from_secs(1),
            nodes: 3,
            zones: 3,
        }
    }
}

/// A running fleet. It stops when the last clone of it is dropped.
///
/// - A pod that is deleted or evicted ends after its `termination`. One that is gone comes back after 500 ms with a new
///   uid and address and the labels of the template. A new pod is ready 1 s after it appears; those of the start are ready at once.
/// - A changed ConfigMap reaches the processes of the pods after 60 s, or 300 ms after the labels or annotations of
///   the pod change: as it was *before* the instant of that change, so a touch that is sent together with the write
///   of the ConfigMap misses it.
/// - Each Service of the namespace that has a selector has one EndpointSlice, in step with the pods after 50 ms.
#[derive(Clone)]
pub struct Fleet {
    world: World,
    _tasks: Arc<JoinSet<()>>,
}

/// What the tasks of a fleet share.
#[derive(Clone)]
struct World {
    server: ApiServer,
    spec: Arc<FleetSpec>,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// Names of the pods that ought to be there.
    members: BTreeSet<String>,
    /// Ordinal of the next member.
    next_member: usize,
    /// How many pods there were so far.
    pods: usize,
    /// The revision up to which everything was reacted to.
    seen: u64,
    kubelet: Kubelet,
}

impl Fleet {
    /// Creates the Nodes, the Service, its EndpointSlice and the pods, and keeps them going.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn start(server: &ApiServer, spec: FleetSpec) -> Self {
        let world = World { server: server.clone(), spec: Arc::new(spec), state: Arc::default() };
        let mut tasks = JoinSet::new();
        for object in pod::surroundings(&world.spec) {
            server.put(object);
        }
        for _ in 0..world.spec.members {
            let name = world.join();
            world.create(&name, true);
        }
        world.catch_up();
        endpoints::sync(server, &world.spec.namespace);
        tasks.spawn(world.clone().follow());
        tasks.spawn(endpoints::follow(server.clone(), world.spec.namespace.clone()));
        Self { world, _tasks: Arc::new(tasks) }
    }

    /// Names of the members, including those whose pod is missing at the moment.
    pub fn members(&self) -> Vec<String> {
        self.world.state().members.iter().cloned().collect()
    }

    /// What the process of a pod reads in a file of the mounted directory now; none where there is no such file.
    pub fn file(&self, pod: &str, file: &str) -> Option<String> {
        self.world.state().kubelet.file(pod, file)
    }

    /// What the process of a pod read in that file when its pod started.
    pub fn file_at_start(&self, pod: &str, file: &str) -> Option<String> {
        self.world.state().kubelet.first_file(pod, file)
    }

    /// Adds a member, whose pod starts now. Returns its name.
    pub fn add(&self) -> String {
        let name = self.world.join();
        self.world.create(&name, false);
        name
    }

    /// Replaces the pod of a member by a new one at once.
    pub fn replace(&self, pod: &str) {
        self.world.server.remove(&self.world.key(pod));
        self.world.create(pod, false);
    }

    /// Ends the container of a pod with this exit code (137 for out of memory) and starts it again.
    pub fn restart(&self, pod: &str, exit_code: i32) {
        self.world.restart(pod, exit_code);
    }

    /// Makes a pod ready or unready.
    pub fn set_ready(&self, pod: &str, ready: bool) {
        let now = self.world.server.timestamp();
        self.world.server.edit_if_present(&self.world.key(pod), |pod| pod::set_ready(pod, ready, &now));
    }

    /// Removes a member for good.
    pub fn remove(&self, pod: &str) {
        self.world.state().members.remove(pod);
        self.world.server.remove(&self.world.key(pod));
    }

    /// Adds a member that was removed.
    pub fn bring_back(&self, pod: &str) {
        self.world.state().members.insert(pod.to_owned());
        self.world.create(pod, false);
    }
}

impl World {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn key(&self, pod: &str) -> Key {
        Key::of::<Pod>(&self.spec.namespace, pod)
    }

    fn join(&self) -> String {
        let mut state = self.state();
        let name = format!("{}-{}", self.spec.prefix, state.next_member);
        state.next_member += 1;
        state.members.insert(name.clone());
        name
    }

    /// Starts the pod of a member.
    fn create(&self, name: &str, ready: bool) {
        let ordinal = {
            let mut state = self.state();
            state.pods += 1;
            state.pods
        };
        let pod = self.server.put(pod::pod(&self.spec, name, ordinal, ready, &self.server.timestamp()));
        if !ready {
            self.become_ready(&pod);
        }
    }

    fn restart(&self, name: &str, exit_code: i32) {
        let now = self.server.timestamp();
        let pod = self.server.edit_if_present(&self.key(name), |pod| pod::restart(pod, exit_code, &now));
        if let Some(pod) = pod {
            self.become_ready(&pod);
            self.project_soon(name, Instant::now());
        }
    }

    /// Makes a pod ready once its container had time to start, unless it started again meanwhile.
    fn become_ready(&self, pod: &Value) {
        let (world, started) = (self.clone(), pod.clone());
        tokio::spawn(async move {
            sleep(START).await;
            let now = world.server.timestamp();
            world.server.edit_if_present(&world.key(text(&started, "/metadata/name")), |pod| {
                if pod::start_of(pod) == pod::start_of(&started) {
                    pod::set_ready(pod, true, &now);
                }
            });
        });
    }

    async fn follow(self) {
        let mut changes = self.server.shared.signals.of_all();
        loop {
            self.catch_up();
            if changes.changed().await.is_err() {
                return;
            }
        }
    }

    /// Reacts to what happened since the last time.
    fn catch_up(&self) {
        let news = self.server.changes_after(&mut self.state().seen);
        for change in news.iter().filter(|change| change.key.namespace == self.spec.namespace) {
            match change.key.plural.as_str() {
                "pods" if self.state().members.contains(&change.key.name) => self.pod_changed(change),
                "configmaps" => self.config_map_changed(change),
                _ => {}
            }
        }
    }

    fn pod_changed(&self, change: &Change) {
        let name = &change.key.name;
        let Some(pod) = &change.after else {
            self.state().kubelet.stopped(name);
            let (world, name) = (self.clone(), name.clone());
            tokio::spawn(async move {
                sleep(RECREATION).await;
                let is_missed = world.state().members.contains(&name);
                if is_missed && world.server.object(&world.key(&name)).is_none() {
                    world.create(&name, false);
                }
            });
            return;
        };
        let Some(before) = &change.before else {
            self.state().kubelet.started(pod);
            return;
        };
        if is_being_deleted(pod) && !is_being_deleted(before) {
            let (world, pod) = (self.clone(), pod.clone());
            tokio::spawn(async move {
                sleep(world.spec.termination).await;
                let key = world.key(text(&pod, "/metadata/name"));
                let is_there = |other: Value| text(&other, "/metadata/uid") == text(&pod, "/metadata/uid");
                if world.server.object(&key).is_some_and(is_there) {
                    world.server.remove(&key);
                }
            });
        }
        let is_touched = ["/metadata/labels", "/metadata/annotations"]
            .iter()
            .any(|pointer| texts(before, pointer) != texts(pod, pointer));
        if is_touched {
            self.project_soon(name, change.at);
        }
    }

    fn config_map_changed(&self, change: &Change) {
        let name = &change.key.name;
        let data = change.after.as_ref().map(|map| texts(map, "/data")).unwrap_or_default();
        self.state().kubelet.config_map_changed(name, change.at, data);
        let (world, name, due) = (self.clone(), name.clone(), change.at + kubelet::RESYNC);
        tokio::spawn(async move {
            sleep_until(due).await;
            world.state().kubelet.resync(&name);
        });
    }

    /// Projects into a pod, after the time that this takes, what its ConfigMaps were before an instant.
    fn project_soon(&self, pod: &str, before: Instant) {
        let Some(projection) = self.state().kubelet.projection(pod, before) else { return };
        let world = self.clone();
        tokio::spawn(async move {
            sleep_until(before + kubelet::TOUCH).await;
            world.state().kubelet.project(projection);
        });
    }
}

#[cfg(test)]
mod tests;
