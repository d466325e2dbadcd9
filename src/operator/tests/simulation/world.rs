//! A cluster with a fleet, and replicas of the operator in it.

use std::{sync::Arc, time::Duration};

use api::{OptimizationRollout, OptimizationRolloutStatus};
use k8s_openapi::api::core::v1::{ConfigMap, Pod, Service};
use operator::{Dependencies, options::Standby, server::plan::Planner, telemetry::Telemetry};
use serde_json::{Value, json};
use sim::{ApiServer, Clock, Fleet, FleetSpec, Key, laws::Laws};
use tokio::{
    sync::oneshot,
    task::JoinHandle,
    time::{Instant, sleep},
};

use crate::{
    members::{Files, Members},
    prometheus::Prometheus,
};

mod objects;

pub use objects::{BASE_MAP, OWN_FILE, base_config_map, based_rollout, own_config_map, patched_rollout, rollout};

pub const NAMESPACE: &str = "qudag";
pub const CONFIG_MAP: &str = "qudag-optimizations";
/// The ConfigMap of each member where it has its own.
pub const OWN_CONFIG_MAP: &str = "{member}-config";
/// What the names of all replicas begin with.
const REPLICA: &str = "replica-";
/// More than any run here takes.
const LONGEST: Duration = Duration::from_secs(1800);

/// A cluster with one fleet.
pub struct World {
    pub server: ApiServer,
    pub fleet: Fleet,
    pub members: Arc<Members>,
    pub prometheus: Arc<Prometheus>,
    pub laws: Laws,
    /// Members have ConfigMaps of their own.
    own: bool,
}

/// A replica of the operator that runs.
pub struct Replica {
    name: String,
    pub telemetry: Arc<Telemetry>,
    pub planner: Planner,
    shutdown: Option<oneshot::Sender<()>>,
    task: JoinHandle<Result<(), String>>,
}

impl World {
    /// Ten members, whose optimization harms nobody, and the laws on watch.
    pub fn new() -> Self {
        Self::of(FleetSpec::default(), false)
    }

    /// Ten members, and a base that their files are made from.
    pub fn based() -> Self {
        let world = Self::new();
        world.server.put(base_config_map());
        world
    }

    /// So many members with a ConfigMap of its own each, which their owners let us edit.
    pub fn patched(members: usize) -> Self {
        let config_map = OWN_CONFIG_MAP.to_owned();
        Self::of(FleetSpec { config_map, members, ..FleetSpec::default() }, false)
    }

    /// A run that bakes, under a leader and a standby.
    pub async fn with_standby() -> (Self, Replica, Replica) {
        let world = Self::new();
        let leader = world.start("replica-1");
        sleep(Duration::from_millis(500)).await;
        let standby = world.start("replica-2");
        world.bakes().await;
        (world, leader, standby)
    }

    /// A fleet like this, with processes that read their files at start alone or at any time.
    pub fn of(spec: FleetSpec, only_at_start: bool) -> Self {
        let server = ApiServer::new();
        let laws = Laws::watching(&server, REPLICA);
        let own = spec.config_map == OWN_CONFIG_MAP;
        let name = if own { "node.toml" } else { "{member}.toml" };
        if own {
            for member in (0..spec.members).map(|number| format!("{}-{number}", spec.prefix)) {
                server.put(own_config_map(&member));
            }
        }
        let fleet = Fleet::start(&server, spec);
        let members = Arc::new(Members::new(&server, Files { fleet: fleet.clone(), name, only_at_start }));
        let prometheus = Arc::new(Prometheus::new(members.clone(), server.clock()));
        Self { server, fleet, members, prometheus, laws, own }
    }

    /// A member joins, with a ConfigMap of its own where they have one. Returns its name.
    pub fn join(&self) -> String {
        let member = self.fleet.add();
        if self.own {
            self.server.put(own_config_map(&member));
        }
        member
    }

    /// Starts a replica.
    pub fn start(&self, name: &str) -> Replica {
        self.start_by(name, self.server.clock())
    }

    /// Starts a replica with a wall clock of its own.
    pub fn start_by(&self, name: &str, clock: Clock) -> Replica {
        self.start_serving(name, clock, &[NAMESPACE])
    }

    /// Starts a replica that may touch the fleets of these namespaces.
    pub fn start_serving(&self, name: &str, clock: Clock, namespaces: &[&str]) -> Replica {
        assert!(name.starts_with(REPLICA), "the laws hold for names that begin with {REPLICA}");
        let (shutdown, stopped) = oneshot::channel::<()>();
        let telemetry = Arc::new(Telemetry::default());
        let planner = Planner::default();
        let dependencies = Dependencies {
            client: self.server.client_as(name),
            scraper: self.members.clone(),
            connections: self.prometheus.clone(),
            clock: Arc::new(move || clock.now()),
            replica: name.to_owned(),
            namespace: "optimization-operator".to_owned(),
            namespaces: namespaces.iter().map(|namespace| (*namespace).to_owned()).collect(),
            standby: Standby::Observe,
            telemetry: telemetry.clone(),
            planner: planner.clone(),
        };
        let stopped = async {
            let _ = stopped.await;
        };
        let task = tokio::spawn(operator::run(dependencies, stopped));
        Replica { name: name.to_owned(), telemetry, planner, shutdown: Some(shutdown), task }
    }

    /// Ends a replica as `kill -9` does.
    pub fn kill(&self, replica: Replica) {
        self.server.cut(&replica.name);
        replica.task.abort();
    }

    pub fn apply(&self, rollout: &Value) {
        self.server.put(rollout.clone());
    }

    /// Changes a rollout's spec as a person would, which is a new generation.
    pub fn edit(&self, name: &str, edit: impl FnOnce(&mut Value)) {
        self.server.edit(&key(name), |rollout| {
            edit(&mut rollout["spec"]);
            rollout["metadata"]["generation"] = json!(rollout["metadata"]["generation"].as_i64().unwrap_or(1) + 1);
        });
    }

    pub async fn delete(&self, name: &str) {
        let rollouts: kube::Api<OptimizationRollout> =
            kube::Api::namespaced(self.server.client_as("person"), NAMESPACE);
        rollouts.delete(name, &kube::api::DeleteParams::default()).await.unwrap();
    }

    pub fn rollout(&self, name: &str) -> Option<OptimizationRollout> {
        self.server.object(&key(name)).map(|object| serde_json::from_value(object).unwrap())
    }

    pub fn status(&self, name: &str) -> OptimizationRolloutStatus {
        self.rollout(name).and_then(|rollout| rollout.status).unwrap_or_default()
    }

    /// The summary's reason.
    pub fn reason(&self, name: &str) -> String {
        let rollout = self.server.object(&key(name)).unwrap_or_default();
        rollout["status"]["summary"]["reason"].as_str().unwrap_or_default().to_owned()
    }

    /// Reasons of the transitions, in order.
    pub fn history(&self, name: &str) -> Vec<String> {
        self.status(name).history.iter().map(|transition| transition.reason.to_string()).collect()
    }

    /// Waits until something holds.
    ///
    /// # Panics
    /// When it does not hold in half an hour; with the story.
    pub async fn until(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        self.until_to(Duration::from_millis(100), what, holds).await;
    }

    /// The same, no later than this after it begins to hold.
    ///
    /// # Panics
    /// As [`Self::until`] does.
    pub async fn until_to(&self, within: Duration, what: &str, holds: impl Fn(&Self) -> bool) {
        let began = Instant::now();
        while !holds(self) {
            self.obeys();
            assert!(began.elapsed() < LONGEST, "never {what}:\n{}", self.story());
            sleep(within).await;
        }
    }

    pub async fn until_reason(&self, name: &str, reason: &str) {
        self.until(&format!("{name} {reason}"), |world| world.reason(name) == reason).await;
    }

    /// Applies the rollout of the fixture, and waits until half of the fleet is optimized and measured.
    pub async fn bakes(&self) {
        self.apply(&rollout("pooling"));
        self.until("half the fleet", |world| world.optimized() == 4).await;
        self.until_reason("pooling", "Baking").await;
    }

    /// Members whose process reads the optimized values now.
    pub fn optimized(&self) -> usize {
        self.fleet.members().iter().filter(|member| self.members.is_optimized(member)).count()
    }

    pub fn object<K: kube::Resource<DynamicType = ()>>(&self, name: &str) -> Option<Value> {
        self.server.object(&Key::of::<K>(NAMESPACE, name))
    }

    /// Pods that are out of traffic or labelled as optimized, and Services that are narrowed.
    pub fn displaced(&self) -> Vec<String> {
        let mut displaced: Vec<String> = self
            .server
            .objects("pods")
            .iter()
            .filter(|pod| {
                let labels = &pod["metadata"]["labels"];
                labels["optimization.qudag.io/serving"] != "true"
                    || labels["optimization.qudag.io/cohort"] != "baseline"
            })
            .map(|pod| pod["metadata"]["name"].to_string())
            .collect();
        let service = self.object::<Service>("qudag-node").unwrap();
        if service["spec"]["selector"].get("optimization.qudag.io/cohort").is_some() {
            displaced.push("qudag-node".to_owned());
        }
        displaced
    }

    /// Retreat marks of all objects.
    pub fn marks(&self) -> Vec<(String, String)> {
        ["pods", "services", "configmaps", "optimizationrollouts"]
            .iter()
            .flat_map(|plural| self.server.objects(plural))
            .filter_map(|object| {
                let mark = object["metadata"]["annotations"]["optimization.qudag.io/retreat"].as_str()?;
                Some((object["metadata"]["name"].as_str()?.to_owned(), mark.to_owned()))
            })
            .collect()
    }

    /// Every law holds over everything that happened, and the server was asked for nothing that it does not know.
    pub fn check(&self) {
        assert_eq!(self.server.unsupported(), Vec::<String>::new());
        self.obeys();
    }

    /// Every law holds over everything that happened.
    ///
    /// # Panics
    /// With the law, its sentence, and the last entries of the history.
    fn obeys(&self) {
        if let Some(broken) = self.laws.violations().first() {
            let story = self.server.story(20, broken.at);
            panic!("{} is broken: {}.\n{}\n{story}", broken.law, broken.sentence, broken.what);
        }
    }

    /// Nothing but the Lease is written any more.
    pub async fn check_quiet(&self) {
        sleep(Duration::from_secs(30)).await;
        let before = self.writes();
        sleep(Duration::from_secs(120)).await;
        let since = self.writes().split_off(before.len());
        assert!(since.is_empty(), "writes when nothing happens: {since:#?}");
    }

    /// Writes of the operator, without those of the Lease and of events, as text.
    pub fn writes(&self) -> Vec<String> {
        let kept = self.server.writes().into_iter();
        kept.filter(|write| !matches!(write.key.plural.as_str(), "leases" | "events"))
            .map(|write| {
                format!(
                    "{:?} {} {:?} {}/{} {:?} {} {}",
                    write.at,
                    write.user,
                    write.verb,
                    write.key.plural,
                    write.key.name,
                    write.subresource,
                    write.code,
                    write.body
                )
            })
            .collect()
    }

    fn story(&self) -> String {
        let rollouts = self.server.objects("optimizationrollouts");
        let statuses: Vec<String> = rollouts
            .iter()
            .map(|rollout| format!("{}: {:#}", rollout["metadata"]["name"], rollout["status"]))
            .collect();
        let maps = self.object::<ConfigMap>(CONFIG_MAP);
        let pods: Vec<String> = self
            .server
            .objects("pods")
            .iter()
            .map(|pod| {
                format!("{} {} {}", pod["metadata"]["name"], pod["metadata"]["labels"], pod["metadata"]["annotations"])
            })
            .collect();
        let writes = self.writes();
        let last = writes.iter().skip(writes.len().saturating_sub(60)).cloned().collect::<Vec<_>>().join("\n");
        format!("{}\n{maps:#?}\n{}\nlast writes:\n{last}", statuses.join("\n"), pods.join("\n"))
    }

    pub fn pod_labels(&self, pod: &str) -> Value {
        self.object::<Pod>(pod).map(|pod| pod["metadata"]["labels"].clone()).unwrap_or_default()
    }
}

impl Replica {
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether its process has not ended by itself.
    pub fn is_alive(&self) -> bool {
        !self.task.is_finished()
    }

    /// Ends a replica as SIGTERM does.
    pub async fn stop(mut self) {
        drop(self.shutdown.take());
        self.task.await.unwrap().unwrap();
    }
}

pub fn key(name: &str) -> Key {
    Key::of::<OptimizationRollout>(NAMESPACE, name)
}
