//! A Prometheus that scrapes the members of a fleet, and the Connection to it.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    sync::{Mutex, PoisonError},
};

use api::Connection;
use e2e::process::{self, companion};
use kube::{Api, api::DeleteParams, core::ApiResource};
use serde_json::json;
use tokio::process::Child;

use crate::{bench::Bench, fleet::Fleet};

/// Name of the Connection.
pub const CONNECTION: &str = "bench";
/// The address of the node, inside the cluster.
const LISTEN: &str = "10.89.0.1:19090";

/// The server, until this is dropped.
pub struct Prometheus {
    program: String,
    folder: PathBuf,
    process: Mutex<Option<Child>>,
}

impl Prometheus {
    /// Scrapes the members of a fleet every second, and lets its rollouts measure by it.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn start(bench: &Bench, fleet: &Fleet) -> Result<Self, String> {
        let folder = Path::new("target/bench-prometheus").to_owned();
        let failed = |error: std::io::Error| format!("cannot prepare {}: {error}", folder.display());
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).map_err(failed)?;
        let pods = fleet.pods.all();
        let address = |name: &String| pods.get(name)?.status.as_ref()?.pod_ip.clone();
        let members = fleet.members();
        let targets = members.iter().filter_map(|name| {
            let labels = json!({"namespace": fleet.namespace, "pod": name});
            Some(json!({"targets": [format!("{}:9090", address(name)?)], "labels": labels}))
        });
        let job = json!({"job_name": "fleet", "static_configs": targets.collect::<Vec<_>>()});
        // Every JSON is YAML.
        let config = json!({"global": {"scrape_interval": "1s", "scrape_timeout": "1s"}, "scrape_configs": [job]});
        std::fs::write(folder.join("prometheus.yml"), config.to_string()).map_err(failed)?;
        let prometheus = Self { program: bench.prometheus.clone(), folder, process: Mutex::default() };
        prometheus.run()?;
        connect(bench).await?;
        Ok(prometheus)
    }

    /// Starts the process.
    ///
    /// # Errors
    /// When that is not possible.
    pub fn run(&self) -> Result<(), String> {
        let failed = |error: std::io::Error| format!("cannot start {}: {error}", self.program);
        let log = std::fs::File::create(self.folder.join("log")).map_err(failed)?;
        let process = companion(&self.program)
            .arg(format!("--config.file={}", self.folder.join("prometheus.yml").display()))
            .arg(format!("--storage.tsdb.path={}", self.folder.join("data").display()))
            .arg(format!("--web.listen-address={LISTEN}"))
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .map_err(failed)?;
        *self.process.lock().unwrap_or_else(PoisonError::into_inner) = Some(process);
        Ok(())
    }

    /// Ends the process at once.
    ///
    /// # Errors
    /// When it has ended.
    pub fn kill(&self) -> Result<(), String> {
        self.signal("KILL")
    }

    /// Sends a signal to the process.
    ///
    /// # Errors
    /// When it has ended.
    pub fn signal(&self, signal: &str) -> Result<(), String> {
        let process = self.process.lock().unwrap_or_else(PoisonError::into_inner);
        let id = process.as_ref().and_then(Child::id).ok_or("Prometheus has ended")?;
        process::signal(&id.to_string(), signal)
    }
}

/// Makes the Connection.
///
/// # Errors
/// When the API server does not take it.
pub async fn connect(bench: &Bench) -> Result<(), String> {
    let connection = json!({
        "apiVersion": "optimization.qudag.io/v1alpha1",
        "kind": "Connection",
        "metadata": {"name": CONNECTION},
        "spec": {
            "type": "Prometheus",
            "url": format!("http://{LISTEN}"),
            "allowedNamespaces": ["bench"],
            "staleAfter": "5s",
        },
    });
    bench.apply(&ApiResource::erase::<Connection>(&()), None, &connection).await
}

/// Deletes the Connection.
///
/// # Errors
/// When the API server does not take it.
pub async fn disconnect(bench: &Bench) -> Result<(), String> {
    let connections: Api<Connection> = Api::all(bench.client.clone());
    let deleted = connections.delete(CONNECTION, &DeleteParams::default()).await;
    deleted.map(drop).map_err(|error| format!("cannot delete the Connection: {error}"))
}
