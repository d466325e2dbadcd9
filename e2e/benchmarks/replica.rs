//! The operator's replicas that the chart has installed.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};

use e2e::process::signal;
use k8s_openapi::api::{apps::v1::Deployment, coordination::v1::Lease, core::v1::Pod};
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, Patch, PatchParams},
};
use serde_json::json;

use crate::{bench::Bench, seen::Seen};

/// Namespace of the operator.
pub const NAMESPACE: &str = "optimization-operator";
const LABELS: &str = "app.kubernetes.io/name=optimization-operator";
const LEASE: &str = api::names::LEASE;
const LONGEST: Duration = Duration::from_secs(90);

/// Everything that is watched of the replicas.
pub struct Replicas {
    pods: Api<Pod>,
    seen: Seen<Pod>,
    lease: Seen<Lease>,
}

impl Replicas {
    /// Watches them.
    #[must_use]
    pub fn watch(bench: &Bench) -> Self {
        let pods: Api<Pod> = Api::namespaced(bench.client.clone(), NAMESPACE);
        let leases = Api::namespaced(bench.client.clone(), NAMESPACE);
        Self { seen: Seen::watch(pods.clone(), LABELS), lease: Seen::watch(leases, ""), pods }
    }

    /// Waits until two replicas are ready and one of them leads; its name.
    ///
    /// # Errors
    /// When that does not come.
    pub async fn leader(&self) -> Result<String, String> {
        let ready = |pods: &BTreeMap<String, Arc<Pod>>| {
            let ready =
                pods.values().filter(|pod| crate::fleet::is_ready(pod) && pod.metadata.deletion_timestamp.is_none());
            (ready.count() == 2 && pods.len() == 2).then(|| pods.keys().cloned().collect::<Vec<_>>())
        };
        let ready = self.seen.until(LONGEST, "two and ready", ready).await?;
        let holder = |leases: &BTreeMap<String, Arc<Lease>>| {
            let holder = leases.get(LEASE)?.spec.as_ref()?.holder_identity.clone()?;
            ready.contains(&holder).then_some(holder)
        };
        self.lease.until(LONGEST, "held by a ready replica", holder).await
    }

    /// Waits until another replica than this one leads; when that was, in milliseconds since 1970.
    ///
    /// # Errors
    /// When that does not come.
    pub async fn another_leads(&self, than: &str) -> Result<i64, String> {
        let other = |leases: &BTreeMap<String, Arc<Lease>>| {
            let holder = leases.get(LEASE)?.spec.as_ref()?.holder_identity.clone()?;
            (!holder.is_empty() && holder != than).then(crate::seen::now)
        };
        self.lease.until(LONGEST, "held by another replica", other).await
    }

    /// Deletes the pod of a replica; without seconds of grace it has those of its manifest.
    ///
    /// # Errors
    /// When the API server does not take it.
    pub async fn delete(&self, replica: &str, grace: Option<u32>) -> Result<(), String> {
        let params = DeleteParams { grace_period_seconds: grace, ..DeleteParams::default() };
        let deleted = self.pods.delete(replica, &params).await;
        deleted.map(drop).map_err(|error| format!("cannot delete the pod {replica}: {error}"))
    }

    /// Replaces all of them, and waits for the new ones.
    ///
    /// # Errors
    /// When they do not get ready.
    pub async fn restart(&self) -> Result<(), String> {
        for replica in self.seen.all().keys() {
            self.delete(replica, Some(0)).await?;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        self.leader().await.map(drop)
    }

    /// Address of a replica's pod.
    ///
    /// # Errors
    /// When there is no such pod.
    pub fn address(&self, replica: &str) -> Result<std::net::IpAddr, String> {
        let pods = self.seen.all();
        let ip = pods.get(replica).and_then(|pod| pod.status.as_ref()?.pod_ip.as_ref()?.parse().ok());
        ip.ok_or_else(|| format!("{replica} has no address"))
    }

    /// Names of the pods.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.seen.all().values().map(|pod| pod.name_any()).collect()
    }
}

/// Lets the chart's operator run with so many replicas. An operator of our own needs it out of the way: each would say of
/// the other's rollouts that it does not serve their namespace.
///
/// # Errors
/// When the API server does not take it, or the pods do not go away.
pub async fn scale(bench: &Bench, replicas: usize) -> Result<(), String> {
    let deployments: Api<Deployment> = Api::namespaced(bench.client.clone(), NAMESPACE);
    let change = Patch::Merge(json!({"spec": {"replicas": replicas}}));
    let changed = deployments.patch(NAMESPACE, &PatchParams::default(), &change).await;
    changed.map_err(|error| format!("cannot scale the operator: {error}"))?;
    let pods: Seen<Pod> = Seen::watch(Api::namespaced(bench.client.clone(), NAMESPACE), LABELS);
    let there = |pods: &BTreeMap<String, Arc<Pod>>| {
        let ready = pods.values().filter(|pod| crate::fleet::is_ready(pod)).count();
        (pods.len() == replicas && ready == replicas).then_some(())
    };
    // The watch begins with an answer, before which there seem to be none.
    tokio::time::sleep(Duration::from_secs(1)).await;
    pods.until(LONGEST, "as many as asked for", there).await
}

/// The folder in `/proc` of a replica's process. Processes of pods are visible here, because only the network and the
/// mounts of the cluster are its own.
///
/// # Errors
/// When there is none.
pub fn process(replica: &str) -> Result<PathBuf, String> {
    let wanted = format!("POD_NAME={replica}");
    let folders = std::fs::read_dir("/proc").map_err(|error| format!("cannot list processes: {error}"))?;
    let is_it = |folder: &PathBuf| {
        let is_operator = std::fs::read(folder.join("cmdline"))
            .is_ok_and(|line| line.windows(13).any(|part| part == b"--standby=Obs"));
        let environment = std::fs::read(folder.join("environ")).unwrap_or_default();
        is_operator && environment.split(|byte| *byte == 0).any(|variable| variable == wanted.as_bytes())
    };
    let found = folders.flatten().map(|folder| folder.path()).find(is_it);
    found.ok_or_else(|| format!("{replica} has no process on this machine"))
}

/// Ends a process at once.
///
/// # Errors
/// When it cannot be ended.
pub fn kill(process: &std::path::Path) -> Result<(), String> {
    let id = process.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    signal(id, "KILL")
}

/// Resident memory of a process in MiB.
///
/// # Errors
/// When it has ended.
pub fn resident_memory(process: &std::path::Path) -> Result<f64, String> {
    let status = std::fs::read_to_string(process.join("status")).map_err(|error| format!("no memory: {error}"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    let kibibytes: f64 = line.trim().trim_end_matches("kB").trim().parse().map_err(|_| "no VmRSS".to_owned())?;
    Ok(kibibytes / 1024.0)
}
