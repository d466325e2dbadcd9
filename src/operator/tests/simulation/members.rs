//! What the members' processes do and report.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use cluster::metrics::Scraper;
use domain::{needs::Target, series::Series};
use futures::future::BoxFuture;
use sim::{ApiServer, Entry, Fleet};
use tokio::time::{Instant, sleep};

/// The optimization whose harm is simulated.
const POOLING: &str = "connection_pooling";
/// Requests per second of each member.
const LOAD: f64 = 50.0;
/// Share of errors of a healthy member.
const HEALTHY: f64 = 0.001;
const SCRAPE: Duration = Duration::from_millis(5);
/// Optimizations, and what the file of a member says where one is on.
const SWITCHES: [(&str, &str); 2] = [("connection_pooling", "enabled = true"), ("dns_cache", "cached = true")];

/// How the members behave.
pub struct Members {
    server: ApiServer,
    files: Files,
    state: Mutex<State>,
}

/// The file that a member's process reads, and when.
#[derive(Clone)]
pub struct Files {
    pub fleet: Fleet,
    /// Name of the file; `{member}` stands for the name of the pod.
    pub name: &'static str,
    pub only_at_start: bool,
}

impl Files {
    /// What the process of a member has read.
    pub fn read(&self, member: &str) -> Option<String> {
        let name = self.name.replace("{member}", member);
        if self.only_at_start { self.fleet.file_at_start(member, &name) } else { self.fleet.file(member, &name) }
    }

    /// Optimizations that are on in the process of a member.
    fn on(&self, member: &str) -> Vec<&'static str> {
        let file = self.read(member).unwrap_or_default();
        SWITCHES.iter().filter(|(_, line)| file.contains(line)).map(|(name, _)| *name).collect()
    }

    fn is_optimized(&self, member: &str) -> bool {
        self.on(member).contains(&POOLING)
    }
}

/// How a member that is asked answers nothing that is of use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mute {
    /// It does not answer.
    Silent,
    /// It answers without a single series.
    Empty,
    /// Its counters are not numbers.
    NotANumber,
    /// Its counters are infinite.
    Infinite,
    /// Its counters stand still, as those of a member that nobody asks anything.
    Stuck,
}

/// Share of errors of a member, given whether it is optimized.
type Errors = dyn Fn(&str, bool) -> f64 + Send + Sync;
/// How a member answers nothing that is of use, where it does not.
type Muted = dyn Fn(&str) -> Option<Mute> + Send + Sync;

#[derive(Default)]
struct State {
    errors: Option<Arc<Errors>>,
    muted: Option<Arc<Muted>>,
    processes: BTreeMap<String, Counters>,
}

struct Counters {
    at: Instant,
    requests: f64,
    errors: f64,
}

impl Members {
    /// Members whose answers become part of the server's history.
    pub fn new(server: &ApiServer, files: Files) -> Self {
        Self { server: server.clone(), files, state: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// From now on, `errors` says the share of errors of a member, given whether it is optimized.
    pub fn fail(&self, errors: impl Fn(&str, bool) -> f64 + Send + Sync + 'static) {
        self.lock().errors = Some(Arc::new(errors));
    }

    /// Optimized members fail half of their requests.
    pub fn harm(&self) {
        self.fail(|_, optimized| if optimized { 0.5 } else { HEALTHY });
    }

    /// Optimized members fail half of their requests once there are at least `many` of them: the second stage hurts.
    pub fn harm_above(&self, many: usize) {
        self.harm_by(0.5, many);
    }

    /// Optimized members fail this share of their requests once there are at least `many` of them.
    pub fn harm_by(&self, share: f64, many: usize) {
        self.fail_by_count(share, move |optimized, all| optimized && all >= many);
    }

    /// Members fail this share of their requests where this holds: given whether one is optimized, and how many are.
    pub fn fail_by_count(&self, share: f64, harmed: impl Fn(bool, usize) -> bool + Send + Sync + 'static) {
        let files = self.files.clone();
        self.fail(move |_, optimized| {
            let all = files.fleet.members().into_iter().filter(|member| files.is_optimized(member)).count();
            if harmed(optimized, all) { share } else { HEALTHY }
        });
    }

    /// From now on, these members answer no scrape.
    pub fn silence(&self, silent: impl Fn(&str) -> bool + Send + Sync + 'static) {
        self.mute(move |member| silent(member).then_some(Mute::Silent));
    }

    /// From now on, members answer nothing that is of use where `muted` says how.
    pub fn mute(&self, muted: impl Fn(&str) -> Option<Mute> + Send + Sync + 'static) {
        self.lock().muted = Some(Arc::new(muted));
    }

    /// Whether the process of a member runs with the pool on.
    pub fn is_optimized(&self, member: &str) -> bool {
        self.files.is_optimized(member)
    }

    /// The revision that the process of a member read.
    fn revision(&self, member: &str) -> String {
        let file = self.files.read(member).unwrap_or_default();
        let line = file.lines().find_map(|line| line.strip_prefix("revision = "));
        line.unwrap_or_default().trim_matches('"').to_owned()
    }

    /// The share of its requests that fails where a member tells it.
    fn fails(&self, member: &str) -> Option<f64> {
        let (muted, errors) = {
            let state = self.lock();
            (state.muted.clone(), state.errors.clone())
        };
        let is_muted = muted.is_some_and(|muted| muted(member).is_some());
        let optimized = self.is_optimized(member);
        (!is_muted).then(|| errors.map_or(HEALTHY, |errors| errors(member, optimized)))
    }

    fn read(&self, target: &Target) -> Result<Vec<Series>, String> {
        let mut state = self.lock();
        let mute = state.muted.as_ref().and_then(|muted| muted(&target.member));
        match mute {
            Some(Mute::Silent) => return Err(format!("{} does not answer", target.member)),
            Some(Mute::Empty) => return Ok(Vec::new()),
            _ => {}
        }
        let optimized = self.is_optimized(&target.member);
        let share = state.errors.as_ref().map_or(HEALTHY, |errors| errors(&target.member, optimized));
        let now = Instant::now();
        let process =
            state.processes.entry(target.pod.clone()).or_insert(Counters { at: now, requests: 0.0, errors: 0.0 });
        let requests = now.duration_since(process.at).as_secs_f64() * LOAD;
        process.at = now;
        let broken = match mute {
            Some(Mute::NotANumber) => Some(f64::NAN),
            Some(Mute::Infinite) => Some(f64::INFINITY),
            _ => None,
        };
        if mute.is_none() {
            process.requests += requests;
            process.errors += requests * share;
        }
        let (requests, errors) = (broken.unwrap_or(process.requests), broken.unwrap_or(process.errors));
        let revision = self.revision(&target.member);
        let on = self.files.on(&target.member);
        let series = |name: &str, labels: &[(&str, &str)], value| Series {
            taken: None,
            name: name.to_owned(),
            labels: labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            value,
        };
        let mut all = vec![series("requests_total", &[], requests), series("errors_total", &[], errors)];
        all.extend(SWITCHES.iter().map(|(name, _)| {
            let value = f64::from(u8::from(on.contains(name)));
            series("optimization_enabled", &[("optimization", name), ("revision", &revision)], value)
        }));
        Ok(all)
    }
}

impl Scraper for Members {
    fn scrape<'a>(
        &'a self,
        target: &'a Target,
        _: &'a str,
        _: &'a [String],
    ) -> BoxFuture<'a, Result<Vec<Series>, String>> {
        Box::pin(async move {
            sleep(SCRAPE).await;
            let answer = self.read(target);
            self.server.record(Entry::Scrape {
                at: Instant::now(),
                pod: target.name.clone(),
                uid: target.pod.clone(),
                // Who exposes nothing says nothing.
                says: answer.as_ref().ok().filter(|series| !series.is_empty()).map(|series| said(series)),
                fails: self.fails(&target.member),
            });
            answer
        })
    }
}

/// Optimizations that an answer says are on.
fn said(series: &[Series]) -> Vec<String> {
    let on = series.iter().filter(|series| series.name == "optimization_enabled" && series.value == 1.0);
    on.filter_map(|series| series.label("optimization")).map(str::to_owned).collect()
}
