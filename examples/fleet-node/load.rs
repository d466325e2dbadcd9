//! The load on a fleet: each request on a connection of its own, as new clients come.

use std::{collections::BTreeMap, io::Write, net::SocketAddr, sync::Arc, time::Duration};

use serde::Serialize;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::{Mutex, Semaphore},
    time::{Instant, MissedTickBehavior, interval, timeout},
};

/// Requests under way at once; more are not started.
const CONCURRENT: usize = 512;
/// A request that has not been answered by then has failed.
const DEADLINE: Duration = Duration::from_secs(2);

/// Flags of the load.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// Address of the fleet's Service
    #[arg(long)]
    target: SocketAddr,
    /// Requests per second
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=5000))]
    rate: u32,
    /// Seconds until it ends
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=7200))]
    duration: u64,
    /// Print a line for each request as it ends, instead of the sums: when it was sent in milliseconds since 1970, its
    /// status (0 without an answer), and the member
    #[arg(long)]
    each: bool,
}

/// What was answered so far.
#[derive(Debug, Default, Serialize)]
struct Report {
    requests: u64,
    /// Answers of status 500.
    failed: u64,
    /// Requests without an answer.
    lost: u64,
    /// When the first that failed was sent, in milliseconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    first_failed: Option<u64>,
    /// When the last that failed was sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_failed: Option<u64>,
    members: BTreeMap<String, Answers>,
}

/// What one member answered.
#[derive(Debug, Default, Serialize)]
struct Answers {
    requests: u64,
    failed: u64,
    /// When a request to it was sent last, in milliseconds since 1970.
    last_sent: u64,
}

/// Sends requests and prints one line of JSON each second.
///
/// # Errors
/// Never for a request that fails: that is counted.
pub async fn run(options: Options) -> Result<(), String> {
    let report = Arc::new(Mutex::new(Report::default()));
    let lines = Arc::new(Mutex::new(String::new()));
    let every = Duration::from_millis(if options.each { 20 } else { 1000 });
    let slots = Arc::new(Semaphore::new(CONCURRENT));
    let end = Instant::now() + Duration::from_secs(options.duration);
    let mut ticks = interval(Duration::from_secs(1) / options.rate);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut printed = Instant::now();
    while Instant::now() < end {
        ticks.tick().await;
        if let Ok(slot) = slots.clone().try_acquire_owned() {
            let (report, lines) = (report.clone(), lines.clone());
            tokio::spawn(async move {
                let sent = now();
                let answer = timeout(DEADLINE, ask(options.target)).await.unwrap_or(None);
                if options.each {
                    lines.lock().await.push_str(&line(answer.as_ref(), sent));
                }
                report.lock().await.take(answer, sent);
                drop(slot);
            });
        }
        if printed.elapsed() >= every {
            printed = Instant::now();
            if options.each {
                print!("{}", std::mem::take(&mut *lines.lock().await));
                std::io::stdout().flush().map_err(|error| format!("nobody reads: {error}"))?;
            } else {
                print(&*report.lock().await)?;
            }
        }
    }
    // Those under way.
    let _ = timeout(DEADLINE, slots.acquire_many(u32::try_from(CONCURRENT).unwrap_or(u32::MAX))).await;
    if options.each {
        print!("{}", lines.lock().await);
        return Ok(());
    }
    print(&*report.lock().await)
}

/// One request, for a program to read.
fn line(answer: Option<&(bool, String)>, sent: u64) -> String {
    match answer {
        Some((ok, member)) => format!("{sent} {} {member}\n", if *ok { 200 } else { 500 }),
        None => format!("{sent} 0 -\n"),
    }
}

fn print(report: &Report) -> Result<(), String> {
    println!("{}", serde_json::to_string(report).map_err(|error| error.to_string())?);
    Ok(())
}

fn now() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// One request on a new connection: whether it succeeded, and which member answered.
async fn ask(target: SocketAddr) -> Option<(bool, String)> {
    let mut connection = TcpStream::connect(target).await.ok()?;
    connection.write_all(b"GET / HTTP/1.1\r\nHost: fleet\r\nConnection: close\r\n\r\n").await.ok()?;
    let mut answer = String::new();
    connection.take(4096).read_to_string(&mut answer).await.ok()?;
    read(&answer)
}

/// Status and member of an answer; `None` for one that is none.
fn read(answer: &str) -> Option<(bool, String)> {
    let (head, member) = answer.split_once("\r\n\r\n")?;
    let status = head.split_ascii_whitespace().nth(1)?;
    Some((status == "200", member.trim().to_owned()))
}

impl Report {
    fn take(&mut self, answer: Option<(bool, String)>, sent: u64) {
        self.requests += 1;
        let Some((ok, member)) = answer else {
            self.lost += 1;
            return;
        };
        let answers = self.members.entry(member).or_default();
        answers.requests += 1;
        answers.last_sent = answers.last_sent.max(sent);
        if !ok {
            answers.failed += 1;
            self.failed += 1;
            self.first_failed = Some(self.first_failed.map_or(sent, |first| first.min(sent)));
            self.last_failed = self.last_failed.max(Some(sent));
        }
    }
}

#[cfg(test)]
mod tests;
