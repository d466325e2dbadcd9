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

/// Requests per second of each member.
const LOAD: f64 = 50.0;
/// Share of errors of a healthy member.
const HEALTHY: f64 = 0.001;
const SCRAPE: Duration = Duration::from_millis(5);

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

    fn is_optimized(&self, member: &str) -> bool {
        self.read(member).is_some_and(|file| file.contains("enabled = true"))
    }
}

/// Share of errors of a member, given whether it is optimized.
type Errors = dyn Fn(&str, bool) -> f64 + Send + Sync;
/// Whether a member answers no scrape.
type Silent = dyn Fn(&str) -> bool + Send + Sync;

#[derive(Default)]
struct State {
    errors: Option<Arc<Errors>>,
    silent: Option<Arc<Silent>>,
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
        self.lock().silent = Some(Arc::new(silent));
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

    fn read(&self, target: &Target) -> Result<Vec<Series>, String> {
        let mut state = self.lock();
        if state.silent.as_ref().is_some_and(|silent| silent(&target.member)) {
            return Err(format!("{} does not answer", target.member));
        }
        let optimized = self.is_optimized(&target.member);
        let share = state.errors.as_ref().map_or(HEALTHY, |errors| errors(&target.member, optimized));
        let now = Instant::now();
        let process =
            state.processes.entry(target.pod.clone()).or_insert(Counters { at: now, requests: 0.0, errors: 0.0 });
        let requests = now.duration_since(process.at).as_secs_f64() * LOAD;
        process.at = now;
        process.requests += requests;
        process.errors += requests * share;
        let series = |name: &str, labels: &[(&str, &str)], value| Series {
            taken: None,
            name: name.to_owned(),
            labels: labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            value,
        };
        Ok(vec![
            series("requests_total", &[], process.requests),
            series("errors_total", &[], process.errors),
            series(
                "optimization_enabled",
                &[("optimization", "connection_pooling"), ("revision", &self.revision(&target.member))],
                f64::from(u8::from(optimized)),
            ),
        ])
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
                optimized: answer.is_ok().then(|| self.is_optimized(&target.member)),
            });
            answer
        })
    }
}
