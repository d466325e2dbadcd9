//! optimization-operator.

use std::{
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use clap::Parser;
use cluster::metrics::{
    pods::PodScraper,
    prometheus::{Prometheus, resolver::System},
};
use kube::{Client, Config};
use operator::{
    Dependencies,
    options::{LogFormat, Options},
    server::{self, plan::Planner},
    telemetry::Telemetry,
};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};
use tracing_subscriber::EnvFilter;

/// A connection on which nothing arrives for so long is dead: watches are opened anew every minute.
const READ_TIMEOUT: Duration = Duration::from_secs(70);

#[tokio::main]
async fn main() -> ExitCode {
    let options = Options::parse();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match options.log_format {
        LogFormat::Json => log.json().flatten_event(true).init(),
        LogFormat::Text => log.init(),
    }
    match run(options).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "the operator ends");
            ExitCode::FAILURE
        }
    }
}

async fn run(options: Options) -> Result<(), String> {
    rustls::crypto::ring::default_provider().install_default().map_err(|_| "a TLS provider is installed already")?;
    let mut config = Config::infer().await.map_err(|error| format!("no access to a cluster: {error}"))?;
    config.default_retry = false;
    config.read_timeout = Some(READ_TIMEOUT);
    config.reset_reader_on_write = true;
    let client = Client::try_from(config).map_err(|error| format!("cannot make a client: {error}"))?;
    let telemetry = Arc::new(Telemetry::default());
    let listener = listen(options.listen).await?;
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let planner = Planner::default();
    let served = tokio::spawn(server::serve(listener, telemetry.clone(), planner.clone(), async {
        let _ = stopped.await;
    }));
    let clock: Arc<dyn Fn() -> jiff::Timestamp + Send + Sync> = Arc::new(jiff::Timestamp::now);
    let lookup = Arc::new(System::default());
    let connections = Prometheus::new(client.clone(), &options.pod_namespace, lookup, clock.clone());
    let dependencies = Dependencies {
        client,
        scraper: Arc::new(PodScraper::new()?),
        connections: Arc::new(connections),
        clock,
        replica: options.pod_name,
        namespace: options.pod_namespace,
        namespaces: options.namespaces,
        standby: options.standby,
        telemetry,
        planner,
    };
    let outcome = operator::run(dependencies, terminated()?).await;
    drop(stop);
    let _ = tokio::time::timeout(Duration::from_secs(1), served).await;
    outcome
}

/// A listener on this address. All addresses of both families are those of IPv4 alone where a machine has no IPv6.
async fn listen(address: SocketAddr) -> Result<TcpListener, String> {
    let failed = |error| format!("cannot listen on {address}: {error}");
    match TcpListener::bind(address).await {
        Err(_) if address.ip() == Ipv6Addr::UNSPECIFIED => {
            TcpListener::bind((Ipv4Addr::UNSPECIFIED, address.port())).await.map_err(failed)
        }
        bound => bound.map_err(failed),
    }
}

fn terminated() -> Result<impl Future<Output = ()>, String> {
    let listen = |kind| signal(kind).map_err(|error| format!("cannot listen for signals: {error}"));
    let (mut terminate, mut interrupt) = (listen(SignalKind::terminate())?, listen(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}
