//! Members that do not exist: a server of metrics for each of them, on an address of its own on loopback.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::{Router, extract::State as Extract, routing::get};
use jiff::Timestamp;
use tokio::{net::TcpListener, task::AbortHandle, time::Instant};

/// Requests per second that every member pretends to serve.
const RATE: f64 = 200.0;
/// Share of its requests that an optimized member fails once it does.
const FAILING: f64 = 0.5;

/// One answer of a member.
#[derive(Clone, Debug)]
pub struct Said {
    /// When.
    pub at: Timestamp,
    /// Name of its pod.
    pub pod: String,
    /// UID of its pod.
    pub uid: String,
    /// Whether it said that it is optimized.
    pub optimized: bool,
}

/// Where a member answers.
#[derive(Clone, Copy, Debug)]
pub struct Address {
    /// Address of its pod.
    pub ip: IpAddr,
    /// Port of its metrics.
    pub port: u16,
}

/// The members of one fleet, until this is dropped.
pub struct Members {
    state: Arc<Mutex<State>>,
    servers: Vec<AbortHandle>,
    addresses: BTreeMap<String, Address>,
}

#[derive(Default)]
struct State {
    processes: BTreeMap<String, Process>,
    failing: bool,
    said: Vec<Said>,
}

struct Process {
    uid: String,
    file: String,
    since: Instant,
    requests: f64,
    errors: f64,
}

impl Drop for Members {
    fn drop(&mut self) {
        self.servers.iter().for_each(AbortHandle::abort);
    }
}

impl Members {
    /// Starts the servers of members with these names. `lane` keeps the addresses of several fleets apart.
    ///
    /// # Errors
    /// When an address cannot be had.
    pub async fn start(names: &[String], lane: u8) -> Result<Self, String> {
        let state = Arc::new(Mutex::new(State::default()));
        let (mut servers, mut addresses) = (Vec::new(), BTreeMap::new());
        for (number, name) in (1..).zip(names) {
            let ip = IpAddr::V4(Ipv4Addr::new(127, 100, lane, number));
            let failed = |error: std::io::Error| format!("cannot listen on {ip}: {error}");
            let listener = TcpListener::bind((ip, 0)).await.map_err(failed)?;
            let port = listener.local_addr().map_err(failed)?.port();
            addresses.insert(name.clone(), Address { ip, port });
            let router = Router::new().route("/metrics", get(metrics)).with_state((state.clone(), name.clone()));
            servers.push(tokio::spawn(async move { _ = axum::serve(listener, router).await }).abort_handle());
        }
        Ok(Self { state, servers, addresses })
    }

    /// Names and addresses.
    #[must_use]
    pub const fn addresses(&self) -> &BTreeMap<String, Address> {
        &self.addresses
    }

    /// The pod of a member has this UID, and its process begins without a file.
    pub fn begin(&self, name: &str, uid: &str) {
        let (uid, file) = (uid.to_owned(), String::new());
        let process = Process { uid, file, since: Instant::now(), requests: 0.0, errors: 0.0 };
        lock(&self.state).processes.insert(name.to_owned(), process);
    }

    /// The process of a member has read this file.
    pub fn read(&self, name: &str, file: &str) {
        let mut state = lock(&self.state);
        let failing = state.failing;
        if let Some(process) = state.processes.get_mut(name) {
            process.pass(failing);
            file.clone_into(&mut process.file);
        }
    }

    /// From now on optimized members fail half of their requests.
    pub fn fail(&self) {
        let mut state = lock(&self.state);
        state.processes.values_mut().for_each(|process| process.pass(false));
        state.failing = true;
    }

    /// Members whose processes run the optimized values.
    #[must_use]
    pub fn optimized(&self) -> Vec<String> {
        let state = lock(&self.state);
        let optimized = state.processes.iter().filter(|(_, process)| process.is_optimized());
        optimized.map(|(name, _)| name.clone()).collect()
    }

    /// All answers so far.
    #[must_use]
    pub fn said(&self) -> Vec<Said> {
        lock(&self.state).said.clone()
    }
}

impl Process {
    fn is_optimized(&self) -> bool {
        self.file.contains("enabled = true")
    }

    /// Serves the requests of the time that has passed.
    fn pass(&mut self, failing: bool) {
        let requests = RATE * self.since.elapsed().as_secs_f64();
        self.since = Instant::now();
        self.requests += requests;
        if failing && self.is_optimized() {
            self.errors += requests * FAILING;
        }
    }
}

async fn metrics(
    Extract((state, name)): Extract<(Arc<Mutex<State>>, String)>,
) -> Result<String, axum::http::StatusCode> {
    let mut state = lock(&state);
    let failing = state.failing;
    let process = state.processes.get_mut(&name).ok_or(axum::http::StatusCode::SERVICE_UNAVAILABLE)?;
    process.pass(failing);
    let optimized = process.is_optimized();
    let text = format!(
        "requests_total {}\nerrors_total {}\noptimization_enabled{{optimization=\"connection_pooling\"}} {}\n",
        process.requests,
        process.errors,
        u8::from(optimized)
    );
    let uid = process.uid.clone();
    state.said.push(Said { at: Timestamp::now(), pod: name, uid, optimized });
    Ok(text)
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
