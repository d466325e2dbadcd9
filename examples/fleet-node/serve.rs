//! The member: requests on one port, metrics on another.

use std::{
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::{
    Json, Router,
    extract::State,
    http::StatusCode,
    response::IntoResponse,
    routing::{get, put},
};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    sync::watch,
    time::{Instant, sleep},
};

use crate::{
    fault::{Active, Faults},
    metrics::Metrics,
    reload::{self, Files, Reload, Running},
    request::{self, Buffers},
    settings::Settings,
};

/// Flags of a member; each can be given by an environment variable as well.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// Name of this member: its pod's name
    #[arg(long, env = "POD_NAME", default_value = "node-0")]
    member: String,
    /// The file that Git owns; it may be missing
    #[arg(long, env = "BASE", default_value = "/etc/fleet-node/base.toml")]
    base: PathBuf,
    /// The folder that rollouts render into; the file in it is MEMBER.toml and may be missing
    #[arg(long, env = "OVERLAYS", default_value = "/etc/optimizations")]
    overlays: PathBuf,
    /// When the files are read: again and again, or at start alone
    #[arg(long, env = "RELOAD", value_enum, default_value_t = Reload::Watch)]
    reload: Reload,
    /// Address of requests
    #[arg(long, env = "LISTEN", default_value = "0.0.0.0:8080")]
    listen: SocketAddr,
    /// Address of /metrics
    #[arg(long, env = "METRICS_LISTEN", default_value = "0.0.0.0:9090")]
    metrics_listen: SocketAddr,
    #[command(flatten)]
    faults: Faults,
}

/// What requests share.
struct Member {
    name: String,
    running: watch::Receiver<Running>,
    faults: Mutex<Faults>,
    metrics: Arc<Metrics>,
    buffers: Mutex<Buffers>,
    requests: AtomicU64,
}

impl Member {
    /// The settings in use, and the faults that act with them now.
    fn state(&self) -> (Settings, Active) {
        let Running { settings, since } = self.running.borrow().clone();
        let faults = self.faults.lock().unwrap_or_else(PoisonError::into_inner);
        let active = faults.active(&settings, since.elapsed());
        (settings, active)
    }
}

/// Serves until SIGTERM.
///
/// # Errors
/// When an address is taken, or a socket fails.
pub async fn run(options: Options) -> Result<(), String> {
    let metrics = Arc::new(Metrics::new());
    let (sender, running) = watch::channel(Running::new(Settings::default()));
    metrics.runs(&Settings::default());
    let files = Files { base: options.base, overlay: options.overlays.join(format!("{}.toml", options.member)) };
    tokio::spawn(reload::follow(files, options.reload, sender, metrics.clone()));
    let member = Arc::new(Member {
        name: options.member,
        running,
        faults: Mutex::new(options.faults),
        metrics,
        buffers: Mutex::default(),
        requests: AtomicU64::new(0),
    });
    tokio::spawn(suffer(member.clone()));
    let requests = Router::new().route("/", get(answer)).route("/healthz", get(health));
    let reports = Router::new().route("/metrics", get(report)).route("/faults", put(told));
    let (requests, reports) = (requests.with_state(member.clone()), reports.with_state(member));
    let (listener, metrics_listener) = (bind(options.listen).await?, bind(options.metrics_listen).await?);
    let mut terminate = signal(SignalKind::terminate()).map_err(|error| format!("cannot wait for SIGTERM: {error}"))?;
    tokio::select! {
        ended = axum::serve(listener, requests).into_future() => ended.map_err(|error| error.to_string()),
        ended = axum::serve(metrics_listener, reports).into_future() => ended.map_err(|error| error.to_string()),
        _ = terminate.recv() => Ok(()),
    }
}

async fn bind(address: SocketAddr) -> Result<TcpListener, String> {
    TcpListener::bind(address).await.map_err(|error| format!("cannot listen on {address}: {error}"))
}

async fn answer(State(member): State<Arc<Member>>) -> impl IntoResponse {
    let began = Instant::now();
    let (settings, faults) = member.state();
    let number = member.requests.fetch_add(1, Ordering::Relaxed);
    let ok = request::serve(number, &settings, &faults, &member.buffers).await;
    member.metrics.answered(ok, began.elapsed());
    (if ok { StatusCode::OK } else { StatusCode::INTERNAL_SERVER_ERROR }, member.name.clone())
}

async fn report(State(member): State<Arc<Member>>) -> impl IntoResponse {
    if member.state().1.silence {
        return (StatusCode::SERVICE_UNAVAILABLE, String::new());
    }
    (StatusCode::OK, member.metrics.text())
}

async fn health(State(member): State<Arc<Member>>) -> StatusCode {
    if member.state().1.unready { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK }
}

/// Other faults from now on.
async fn told(State(member): State<Arc<Member>>, Json(faults): Json<Faults>) -> StatusCode {
    *member.faults.lock().unwrap_or_else(PoisonError::into_inner) = faults;
    StatusCode::NO_CONTENT
}

/// Leaks and crashes, while those faults act.
async fn suffer(member: Arc<Member>) {
    let mut lost: Vec<Vec<u8>> = Vec::new();
    let mut crash_since = None;
    loop {
        sleep(Duration::from_secs(1)).await;
        let (_, faults) = member.state();
        if faults.leak > 0 {
            // Written, so that the memory is really taken.
            lost.push(vec![1; faults.leak * 1024 * 1024]);
        }
        match faults.crash {
            Some(after) if crash_since.get_or_insert_with(Instant::now).elapsed() >= after => {
                eprintln!("crashes, as it was told to");
                std::process::exit(1);
            }
            Some(_) => {}
            None => crash_since = None,
        }
    }
}

#[cfg(test)]
mod tests;
