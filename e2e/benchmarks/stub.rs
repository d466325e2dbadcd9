//! Members that do not exist: kwok plays their pods, whose addresses all lead to one server of metrics here.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::{
    Router,
    extract::{ConnectInfo, State, connect_info::Connected},
    routing::get,
    serve::{IncomingStream, Listener},
};
use futures::{FutureExt, StreamExt, TryStreamExt, stream};
use k8s_openapi::api::core::v1::{ConfigMap, Node, Pod, Service};
use kube::{Api, api::PostParams, core::ApiResource};
use serde_json::{Value, json};
use tokio::{
    net::{TcpListener, TcpStream},
    task::AbortHandle,
    time::Instant,
};

use crate::{
    bench::Bench,
    noise::Noise,
    plan::Target,
    seen::{Seen, now},
};

/// Nodes that kwok plays; each has addresses for 250 pods.
const NODES: usize = 8;
/// Port of the metrics.
const PORT: u16 = 9090;
/// Requests per second that every member pretends to serve.
const RATE: f64 = 200.0;
/// Share of the requests that fail without a cause.
const USUAL: f64 = 0.002;
const LONGEST: Duration = Duration::from_secs(120);

/// The server, until this is dropped.
pub struct Stub {
    members: Members,
    server: AbortHandle,
}

type Members = Arc<Mutex<HashMap<IpAddr, Member>>>;

/// What one member pretends.
struct Member {
    noise: Noise,
    /// The share that fails; left out, as noise has it.
    failing: Option<f64>,
    since: Instant,
    requests: u64,
    errors: u64,
    /// For each that asks: what it was told last, and every look since the member's fault began.
    told: HashMap<IpAddr, Told>,
}

#[derive(Clone, Default)]
struct Told {
    requests: u64,
    errors: u64,
    looks: Vec<Shown>,
}

/// What one look shows: when it was answered, and how many requests and errors are new in it.
#[derive(Clone, Copy, Default)]
struct Shown {
    at: i64,
    requests: u64,
    errors: u64,
}

impl Drop for Stub {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Stub {
    /// Serves the metrics of every pod on a Node that kwok plays. Makes the Nodes if there are none.
    ///
    /// # Errors
    /// When the Nodes do not get addresses for pods, or the port is taken.
    pub async fn start(bench: &Bench) -> Result<Self, String> {
        nodes(bench).await?;
        let listener = TcpListener::bind(("0.0.0.0", PORT))
            .await
            .map_err(|error| format!("cannot listen on port {PORT}: {error}"))?;
        let members = Members::default();
        let router = Router::new().route("/metrics", get(metrics)).with_state(members.clone());
        let service = router.into_make_service_with_connect_info::<Ends>();
        let server = tokio::spawn(async move { _ = axum::serve(Both(listener), service).await }).abort_handle();
        Ok(Self { members, server })
    }

    /// The share of requests that fail on the members with these addresses, from now on; without one, as noise has it.
    pub fn fail(&self, addresses: &BTreeSet<IpAddr>, share: Option<f64>) {
        let mut members = lock(&self.members);
        for address in addresses {
            let member = members.entry(*address).or_insert_with(Member::new);
            member.pass();
            member.failing = share;
            member.told.values_mut().for_each(|told| told.looks.clear());
        }
    }

    /// What the looks of somebody have shown of these members together since their fault began: when, and the share of
    /// requests that failed.
    #[must_use]
    pub fn shown(&self, addresses: &BTreeSet<IpAddr>, asking: IpAddr) -> Vec<(i64, f64)> {
        let members = lock(&self.members);
        let looks: Vec<&[Shown]> = addresses
            .iter()
            .filter_map(|address| Some(members.get(address)?.told.get(&asking)?.looks.as_slice()))
            .collect();
        let longest = looks.iter().map(|looks| looks.len()).max().unwrap_or_default();
        let together = |number: usize| {
            let shown: Vec<Shown> = looks.iter().filter_map(|looks| looks.get(number).copied()).collect();
            let (requests, errors) =
                shown.iter().fold((0, 0), |(requests, errors), one| (requests + one.requests, errors + one.errors));
            Some((shown.iter().map(|one| one.at).max()?, errors as f64 / requests.max(1) as f64))
        };
        (0..longest).filter_map(together).collect()
    }
}

impl Member {
    fn new() -> Self {
        let since = Instant::now();
        Self { noise: Noise::new(), failing: None, since, requests: 0, errors: 0, told: HashMap::new() }
    }

    /// Serves the requests of the time that has passed.
    fn pass(&mut self) {
        let requests = self.noise.count(RATE * self.since.elapsed().as_secs_f64());
        self.since = Instant::now();
        self.requests += requests;
        // Not every minute is as good as the other, but half of all requests is half of them.
        let share = self.failing.unwrap_or_else(|| USUAL * self.noise.factor());
        self.errors += self.noise.of(requests, share);
    }

    fn text(&mut self, asking: IpAddr) -> String {
        self.pass();
        let told = self.told.entry(asking).or_default();
        if told.requests > 0 && self.failing.is_some() {
            let (requests, errors) = (self.requests - told.requests, self.errors - told.errors);
            told.looks.push(Shown { at: now(), requests, errors });
        }
        (told.requests, told.errors) = (self.requests, self.errors);
        format!("requests_total {}\nerrors_total {}\n", self.requests, self.errors)
    }
}

async fn metrics(State(members): State<Members>, ConnectInfo(ends): ConnectInfo<Ends>) -> String {
    lock(&members).entry(ends.here).or_insert_with(Member::new).text(ends.there)
}

fn lock(members: &Members) -> MutexGuard<'_, HashMap<IpAddr, Member>> {
    members.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Both ends of a connection: which member is asked, and who asks.
#[derive(Clone, Copy, Debug)]
struct Ends {
    here: IpAddr,
    there: IpAddr,
}

impl Connected<IncomingStream<'_, Both>> for Ends {
    fn connect_info(stream: IncomingStream<'_, Both>) -> Self {
        let (here, there) = *stream.remote_addr();
        Self { here: here.ip(), there: there.ip() }
    }
}

/// A listener that tells both ends.
struct Both(TcpListener);

impl Listener for Both {
    type Io = TcpStream;
    type Addr = (SocketAddr, SocketAddr);

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            if let Ok((stream, there)) = self.0.accept().await
                && let Ok(here) = stream.local_addr()
            {
                return (stream, (here, there));
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<Self::Addr> {
        let here = self.0.local_addr()?;
        Ok((here, here))
    }
}

/// Makes the Nodes, and leads the addresses of their pods here.
async fn nodes(bench: &Bench) -> Result<(), String> {
    let resource = ApiResource::erase::<Node>(&());
    for number in 0..NODES {
        let name = format!("stub-{number}");
        let node = json!({
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": name, "annotations": {"kwok.x-k8s.io/node": "fake"}, "labels": {"type": "kwok"}},
            "spec": {"taints": [{"key": "kwok.x-k8s.io/node", "value": "fake", "effect": "NoSchedule"}]},
        });
        bench.apply(&resource, None, &node).await?;
    }
    let seen: Seen<Node> = Seen::watch(Api::all(bench.client.clone()), "type=kwok");
    let ranges = seen
        .until(LONGEST, "all with addresses for pods", |nodes| {
            let ranges: Vec<String> = nodes.values().filter_map(|node| node.spec.as_ref()?.pod_cidr.clone()).collect();
            (ranges.len() == NODES).then_some(ranges)
        })
        .await?;
    for range in ranges {
        let route = ["route", "replace", "local", &range, "dev", "lo"];
        let status = tokio::process::Command::new("ip").args(route).status().await;
        if !status.is_ok_and(|status| status.success()) {
            return Err(format!("cannot lead the addresses {range} here; are you inside the cluster's network?"));
        }
    }
    Ok(())
}

/// Key of the file in a member's own ConfigMap.
pub const OWN_KEY: &str = "node.toml";
/// That file.
const OWN_FILE: &str = "[dns]\nservers = [\"10.0.0.2\"]\n\n[dns.cache]\nenabled = false # since the outage\n";
/// Objects that are created at once.
const AT_ONCE: usize = 16;

/// A fleet of such members, with a Service in front.
#[derive(Clone, Debug)]
pub struct StubFleet {
    /// Its name, also that of its Service.
    pub name: String,
    /// How many members.
    pub size: usize,
    /// Whether each has a ConfigMap of its own.
    pub patched: bool,
}

impl StubFleet {
    /// What a rollout over it works on.
    #[must_use]
    pub fn target(&self) -> Target {
        Target {
            members: self.name.clone(),
            config_map: format!("{}-optimizations", self.name),
            service: self.name.clone(),
            acknowledgement: json!({"timer": "1s"}),
        }
    }

    /// Name of the ConfigMap that a member mounts.
    #[must_use]
    pub fn config_map(&self, member: &str) -> String {
        if self.patched { format!("{member}-config") } else { format!("{}-optimizations", self.name) }
    }

    /// Creates its Service and pods. `first` is a number to spread fleets over the Nodes.
    ///
    /// # Errors
    /// When the API server does not take them.
    pub async fn create(&self, bench: &Bench, namespace: &str, first: usize) -> Result<(), String> {
        let services: Api<Service> = Api::namespaced(bench.client.clone(), namespace);
        let service = json!({
            "metadata": {"name": self.name},
            "spec": {
                "selector": {"app.kubernetes.io/name": self.name, "optimization.qudag.io/serving": "true"},
                "ports": [{"name": "http", "port": 80, "targetPort": 8080}],
            },
        });
        create(&services, service).await?;
        let pods: Api<Pod> = Api::namespaced(bench.client.clone(), namespace);
        let maps: Api<ConfigMap> = Api::namespaced(bench.client.clone(), namespace);
        let created = (0..self.size).map(|number| {
            let name = format!("{}-{number}", self.name);
            let (pods, maps) = (pods.clone(), maps.clone());
            async move {
                if self.patched {
                    create(&maps, self.own(&name)).await?;
                }
                create(&pods, self.pod(&name, (first + number) % NODES)).await
            }
            .boxed()
        });
        stream::iter(created).buffer_unordered(AT_ONCE).try_collect().await
    }

    fn own(&self, member: &str) -> Value {
        json!({
            "metadata": {
                "name": self.config_map(member),
                "annotations": {"optimization.qudag.io/member": member},
            },
            "data": {OWN_KEY: OWN_FILE},
        })
    }

    fn pod(&self, name: &str, node: usize) -> Value {
        json!({
            "metadata": {
                "name": name,
                "labels": {
                    "app.kubernetes.io/name": self.name,
                    "optimization.qudag.io/cohort": "baseline",
                    "optimization.qudag.io/serving": "true",
                },
            },
            "spec": {
                "nodeName": format!("stub-{node}"),
                "automountServiceAccountToken": false,
                "containers": [{
                    "name": "member",
                    "image": "stub",
                    "ports": [{"name": "metrics", "containerPort": PORT}],
                    "volumeMounts": [{"name": "optimizations", "mountPath": "/etc/optimizations"}],
                }],
                "volumes": [{
                    "name": "optimizations",
                    "configMap": {"name": self.config_map(name), "optional": true},
                }],
            },
        })
    }
}

async fn create<K>(api: &Api<K>, object: Value) -> Result<(), String>
where
    K: kube::Resource<DynamicType = ()> + Clone + serde::de::DeserializeOwned + serde::Serialize + std::fmt::Debug,
{
    let kind = K::kind(&());
    let object: K = serde_json::from_value(object).map_err(|error| format!("a {kind} does not parse: {error}"))?;
    let created = api.create(&PostParams::default(), &object).await;
    created.map(drop).map_err(|error| format!("cannot create a {kind}: {error}"))
}

/// The addresses of these pods.
#[must_use]
pub fn addresses<'a>(
    pods: &BTreeMap<String, Arc<Pod>>,
    names: impl IntoIterator<Item = &'a String>,
) -> BTreeSet<IpAddr> {
    names.into_iter().filter_map(|name| pods.get(name)?.status.as_ref()?.pod_ip.as_ref()?.parse().ok()).collect()
}
