//! The load on a fleet, with its own record of every request.

use std::{
    collections::{BTreeSet, VecDeque},
    process::Stdio,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

/// Requests that are remembered; a round needs the last few seconds.
const REMEMBERED: usize = 400_000;

/// One request, as the load has seen it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// When it was sent, in milliseconds since 1970.
    pub sent: i64,
    /// 0 without an answer.
    pub status: u16,
    /// Who answered.
    pub member: String,
}

/// A load that runs until this is dropped.
pub struct Load {
    requests: Arc<Mutex<VecDeque<Request>>>,
    _process: Child,
}

impl Load {
    /// Starts `fleet-node load` with so many requests per second, each on a connection of its own.
    ///
    /// # Errors
    /// When the program does not start.
    pub fn start(program: &str, address: &str, rate: u32) -> Result<Self, String> {
        let mut process = Command::new(program)
            .args(["load", "--each", "--target", address, "--rate", &rate.to_string(), "--duration", "7200"])
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| format!("cannot start the load {program}: {error}"))?;
        let output = process.stdout.take().ok_or("the load has no output")?;
        let requests = Arc::new(Mutex::new(VecDeque::new()));
        let filled = requests.clone();
        tokio::spawn(async move {
            let mut lines = BufReader::new(output).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                let mut requests = filled.lock().unwrap_or_else(PoisonError::into_inner);
                requests.extend(read(&line));
                if requests.len() > REMEMBERED {
                    requests.pop_front();
                }
            }
        });
        Ok(Self { requests, _process: process })
    }

    /// The requests that were sent from `from` on and before `to`, and have ended, in milliseconds since 1970.
    #[must_use]
    pub fn between(&self, from: i64, to: i64) -> Vec<Request> {
        let requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        requests.iter().filter(|request| (from..to).contains(&request.sent)).cloned().collect()
    }
}

/// When the first of the requests failed.
#[must_use]
pub fn first_failed(requests: &[Request]) -> Option<i64> {
    requests.iter().filter(|request| request.status == 500).map(|request| request.sent).min()
}

/// When the last request was sent that one of these members answered.
#[must_use]
pub fn last_answered(requests: &[Request], members: &BTreeSet<String>) -> Option<i64> {
    requests.iter().filter(|request| members.contains(&request.member)).map(|request| request.sent).max()
}

fn read(line: &str) -> Option<Request> {
    let mut words = line.split(' ');
    let (sent, status, member) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?, words.next()?.to_owned());
    Some(Request { sent, status, member })
}

#[cfg(test)]
mod tests;
