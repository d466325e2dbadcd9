//! The load on the fleet: `fleet-node load`, run where Services can be reached.

use std::{process::Stdio, sync::Arc};

use serde::Deserialize;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
    sync::watch,
};

/// What the load has seen so far; see `fleet-node load --help`.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Report {
    /// Requests sent.
    pub requests: u64,
    /// Answers of status 500.
    pub failed: u64,
    /// Requests without an answer.
    pub lost: u64,
    /// When the first that failed was sent, in milliseconds since 1970.
    pub first_failed: Option<u64>,
    /// When the last that failed was sent.
    pub last_failed: Option<u64>,
}

/// A load that runs until this is dropped.
pub struct Load {
    reports: watch::Receiver<Report>,
    _process: Arc<Child>,
}

impl Load {
    /// Starts `program` with the arguments of `fleet-node load`.
    ///
    /// # Errors
    /// When the program does not start.
    pub fn start(program: &[String], address: &str, rate: u32, seconds: u64) -> Result<Self, String> {
        let (command, arguments) = program.split_first().ok_or("no program for the load")?;
        let mut process = Command::new(command)
            .args(arguments)
            .args(["load", "--target", address, "--rate", &rate.to_string(), "--duration", &seconds.to_string()])
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| format!("cannot start the load {command}: {error}"))?;
        let output = process.stdout.take().ok_or("the load has no output")?;
        let (sender, reports) = watch::channel(Report::default());
        tokio::spawn(async move {
            let mut lines = BufReader::new(output).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                if let Ok(report) = serde_json::from_str(&line) {
                    sender.send_replace(report);
                }
            }
        });
        Ok(Self { reports, _process: Arc::new(process) })
    }

    /// The latest report; they come once a second.
    #[must_use]
    pub fn report(&self) -> Report {
        self.reports.borrow().clone()
    }

    /// Waits for the next report.
    ///
    /// # Errors
    /// When the load has ended.
    pub async fn next(&mut self) -> Result<Report, String> {
        self.reports.changed().await.map_err(|_| "the load has ended")?;
        Ok(self.report())
    }
}
