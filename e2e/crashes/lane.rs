//! A control plane of its own for runs one after the other.

use std::{
    io::{Read, Seek, SeekFrom},
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};
use serde_json::{Value, json};
use tokio::{process::Command, time::sleep};

use crate::etcd::Etcd;

/// The operator's user.
pub const ACCOUNT: &str = "system:serviceaccount:optimization-operator:optimization-operator";
/// How often the audit log is looked at for the next write.
const PERIOD: Duration = Duration::from_millis(2);

/// One control plane. `e2e/chaos` started it.
pub struct Lane {
    /// Its number.
    pub number: u8,
    /// A client with all rights.
    pub client: Client,
    /// Its etcd.
    pub etcd: Etcd,
    /// Where its files lie.
    pub folder: PathBuf,
    /// The operator's program.
    pub program: String,
    /// The script that restarts parts of it.
    cluster: String,
    /// Where the API server is, and what it proves that by.
    cluster_entry: Value,
    tokens: Vec<(String, String)>,
}

impl Lane {
    /// The control plane in a folder.
    ///
    /// # Errors
    /// When something is not there.
    pub async fn open(number: u8, folder: &Path, program: &str, cluster: &str) -> Result<Self, String> {
        let read = |name: &str| {
            let file = folder.join(name);
            std::fs::read_to_string(&file).map_err(|error| format!("cannot read {}: {error}", file.display()))
        };
        let kubeconfig: Kubeconfig =
            serde_saphyr::from_str(&read("kubeconfig")?).map_err(|error| format!("the kubeconfig: {error}"))?;
        let entry = kubeconfig.clusters.first().and_then(|entry| entry.cluster.clone());
        let cluster_entry = serde_json::to_value(entry).map_err(|error| format!("the kubeconfig: {error}"))?;
        let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await;
        let config = config.map_err(|error| format!("the kubeconfig: {error}"))?;
        let client = Client::try_from(config).map_err(|error| format!("cannot make a client: {error}"))?;
        // Lines of token, user, uid and groups.
        let tokens = read("tokens.csv")?;
        let tokens = tokens.lines().filter_map(|line| {
            let mut parts = line.split(',');
            let (token, uid) = (parts.next()?, parts.nth(1)?);
            Some((uid.to_owned(), token.to_owned()))
        });
        Ok(Self {
            number,
            client,
            etcd: Etcd::new(&read("etcd.address")?)?,
            folder: folder.to_owned(),
            program: program.to_owned(),
            cluster: cluster.to_owned(),
            cluster_entry,
            // The last one is given away first.
            tokens: tokens.collect::<Vec<_>>().into_iter().rev().collect(),
        })
    }

    /// A name that no replica has had yet, and a kubeconfig that says that it is this replica of the operator.
    ///
    /// # Errors
    /// When there are no more names, or the file cannot be written.
    pub fn identity(&mut self) -> Result<(String, PathBuf), String> {
        let (name, token) = self.tokens.pop().ok_or("there are no more tokens for replicas")?;
        let file = self.folder.join(format!("{name}.kubeconfig"));
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "chaos",
            "contexts": [{"name": "chaos", "context": {"cluster": "chaos", "user": name}}],
            "clusters": [{"name": "chaos", "cluster": self.cluster_entry}],
            "users": [{"name": name, "user": {"token": token}}],
        });
        // JSON is YAML as well.
        std::fs::write(&file, config.to_string())
            .map_err(|error| format!("cannot write {}: {error}", file.display()))?;
        Ok((name, file))
    }

    /// Kills a part and starts it again; returns when the API server is ready.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn restart(&self, process: &str) -> Result<(), String> {
        let restarted = Command::new(&self.cluster)
            .args(["control-plane", "restart"])
            .arg(&self.folder)
            .arg(process)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .status()
            .await;
        match restarted {
            Ok(status) if status.success() => Ok(()),
            other => Err(format!("{process} was not restarted: {other:?}")),
        }
    }

    /// The end of the audit log.
    #[must_use]
    pub fn audited(&self) -> u64 {
        std::fs::metadata(self.audit_log()).map_or(0, |file| file.len())
    }

    /// The audit log from a place on.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn audit(&self, from: u64) -> Result<String, String> {
        let read = || {
            let mut file = std::fs::File::open(self.audit_log())?;
            file.seek(SeekFrom::Start(from))?;
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes)?;
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        };
        read().map_err(|error: std::io::Error| format!("cannot read the audit log: {error}"))
    }

    /// Waits until the operator has made so many writes after a place in the audit log.
    ///
    /// # Errors
    /// When the audit log cannot be read.
    pub async fn written(&self, from: u64, writes: usize) -> Result<(), String> {
        let (mut at, mut seen) = (from, 0);
        while seen < writes {
            sleep(PERIOD).await;
            if self.audited() <= at {
                continue;
            }
            let text = self.audit(at)?;
            let whole = text.rfind('\n').map_or(0, |end| end + 1);
            let (lines, _) = text.split_at(whole);
            at += lines.len() as u64;
            seen += lines.lines().filter(|line| is_ours(line)).count();
        }
        Ok(())
    }

    fn audit_log(&self) -> PathBuf {
        self.folder.join("logs/audit.log")
    }
}

/// Whether a line tells of an accepted write of the operator, the Lease and events aside.
pub fn is_ours(line: &str) -> bool {
    let event: Value = serde_json::from_str(line).unwrap_or_default();
    let text = |place: &str| event.pointer(place).and_then(Value::as_str).unwrap_or_default();
    let code = event.pointer("/responseStatus/code").and_then(Value::as_u64).unwrap_or_default();
    text("/user/username") == ACCOUNT
        && matches!(text("/verb"), "create" | "patch")
        && !matches!(text("/objectRef/resource"), "leases" | "events")
        && (200..300).contains(&code)
}
