//! The operator's processes.

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::Stdio,
};

use e2e::process::{companion, signal};
use tokio::process::Child;

/// Namespace of the operator, and of its Lease.
pub const NAMESPACE: &str = "optimization-operator";

/// One process, until this is dropped.
pub struct Replica {
    name: String,
    process: Child,
}

impl Replica {
    /// Starts the program under this name. It logs into `folder`.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start(program: &str, name: &str, kubeconfig: &Path, folder: &Path) -> Result<Self, String> {
        let file: PathBuf = folder.join(format!("{name}.log"));
        let log = File::create(&file).map_err(|error| format!("cannot write {}: {error}", file.display()))?;
        let process = companion(program)
            .args(["--listen", "127.0.0.1:0", "--log-format", "text", "--namespaces", crate::fleet::NAMESPACE])
            .env("POD_NAME", name)
            .env("POD_NAMESPACE", NAMESPACE)
            .env("KUBECONFIG", kubeconfig)
            .env("RUST_LOG", "info,operator=debug")
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .map_err(|error| format!("cannot start {program}: {error}"))?;
        Ok(Self { name: name.to_owned(), process })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Sends it a signal, such as `KILL`.
    ///
    /// # Errors
    /// When it has ended.
    pub fn signal(&self, name: &str) -> Result<(), String> {
        let id = self.process.id().ok_or_else(|| format!("{} has ended", self.name))?;
        signal(&id.to_string(), name)
    }

    /// Whether it has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        !matches!(self.process.try_wait(), Ok(None))
    }

    /// Ends it at once, and waits for that.
    pub async fn end(mut self) {
        let _ = self.process.kill().await;
    }
}
