//! The laws, checked after every entry of the history, by code that knows nothing of how the operator decides.
//!
//! A law reads the history alone: writes, what members said, faults. It knows the formats of what is written (the API,
//! the record, the names of files), and nothing else of the operator.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use crate::history::Entry;
use crate::request::Subresource;
use crate::server::ApiServer;
use view::View;

mod aborted;
mod answers;
mod blast_radius;
mod clocks;
mod cohorts;
mod deletion;
mod evidence;
mod hands;
mod harm;
mod independence;
mod leader;
mod map;
mod off_wins;
mod quiet;
mod route;
mod scope;
mod secrets;
mod silence;
mod view;
mod waits;

pub use secrets::CANARY;

/// Laws whose objects do not exist yet.
pub const PENDING: [(&str, &str); 2] = [
    ("L5 one incident", "every abort has exactly one, also under a crash and with standbys acting"),
    ("L9 approvals", "count only unexpired, by distinct authorised people, bound to this plan"),
];

/// What a law says of one entry.
#[derive(Debug, Default)]
struct Found {
    premises: u64,
    violations: Vec<String>,
}

impl Found {
    /// The law was at stake; it was broken where `broken` says how.
    fn stake(&mut self, broken: Option<String>) {
        self.premises += 1;
        self.violations.extend(broken);
    }
}

/// One law.
trait Law: Send {
    /// Its number and name, and what it demands in one sentence.
    fn law(&self) -> (&'static str, &'static str);

    /// Looks at what has just happened. `view` has it already.
    fn check(&mut self, entry: &Entry, view: &View, found: &mut Found);
}

/// How a law fared.
#[derive(Clone, Debug)]
pub struct Account {
    /// Number and name.
    pub law: &'static str,
    /// What it demands.
    pub sentence: &'static str,
    /// How often it was really at stake.
    pub premises: u64,
}

/// A broken law.
#[derive(Clone, Debug)]
pub struct Violation {
    /// Number and name.
    pub law: &'static str,
    /// What it demands.
    pub sentence: &'static str,
    /// What was done against it.
    pub what: String,
    /// When.
    pub at: Instant,
}

/// All laws over one history. Clones are the same.
#[derive(Clone)]
pub struct Laws {
    state: Arc<Mutex<State>>,
}

struct State {
    view: View,
    laws: Vec<(Box<dyn Law>, u64)>,
    violations: Vec<Violation>,
    writes: u64,
    /// When the operator last wrote anything but the Lease; and anything but the Lease and a status.
    last_write: Option<Instant>,
    last_deed: Option<Instant>,
}

impl Laws {
    /// All laws, over the writes of users whose names begin with `account`.
    pub fn new(account: &str) -> Self {
        let laws: Vec<Box<dyn Law>> = vec![
            Box::new(blast_radius::BlastRadius),
            Box::new(cohorts::MonotoneCohorts),
            Box::new(clocks::ClockOrder),
            Box::new(route::SafeRoute::default()),
            Box::new(silence::Silence::default()),
            Box::new(cohorts::NoFlapping::default()),
            Box::new(aborted::AbortedStaysAborted::default()),
            Box::new(off_wins::OffWins::default()),
            Box::new(scope::Scope::default()),
            Box::new(deletion::Deletion),
            Box::new(quiet::Quiet::default()),
            Box::new(leader::OneAdvances::default()),
            Box::new(independence::Independence::default()),
            Box::new(clocks::Bakes::default()),
            Box::new(evidence::Evidence::default()),
            Box::new(secrets::Secrets),
            Box::new(harm::Harm::default()),
        ];
        let laws = laws.into_iter().map(|law| (law, 0)).collect();
        let state = State {
            view: View::new(account),
            laws,
            violations: Vec::new(),
            writes: 0,
            last_write: None,
            last_deed: None,
        };
        Self { state: Arc::new(Mutex::new(state)) }
    }

    /// The same, watching all that happens on a server from now on.
    pub fn watching(server: &ApiServer, account: &str) -> Self {
        let laws = Self::new(account);
        let watcher = laws.clone();
        server.on_entry(move |entry| watcher.check(entry));
        laws
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Holds one more entry against every law.
    pub fn check(&self, entry: &Entry) {
        let State { view, laws, violations, writes, last_write, last_deed } = &mut *self.lock();
        view.apply(entry);
        if let Some(write) = view.ours(entry).filter(|write| write.key.plural != "leases") {
            *writes += 1;
            *last_write = Some(write.at);
            if write.subresource != Some(Subresource::Status) {
                *last_deed = Some(write.at);
            }
        }
        for (law, premises) in laws {
            let mut found = Found::default();
            law.check(entry, view, &mut found);
            *premises += found.premises;
            let (name, sentence) = law.law();
            let at = entry.at();
            violations.extend(found.violations.into_iter().map(|what| Violation { law: name, sentence, what, at }));
        }
    }

    /// All violations so far.
    pub fn violations(&self) -> Vec<Violation> {
        self.lock().violations.clone()
    }

    /// How often each law was at stake so far.
    pub fn accounts(&self) -> Vec<Account> {
        let state = self.lock();
        let account = |(law, premises): &(Box<dyn Law>, u64)| {
            let (name, sentence) = law.law();
            Account { law: name, sentence, premises: *premises }
        };
        state.laws.iter().map(account).collect()
    }

    /// When the operator last wrote something, the Lease aside.
    pub fn last_write(&self) -> Option<Instant> {
        self.lock().last_write
    }

    /// When it last wrote something else than a status, which a run that waits reports now and then.
    pub fn last_deed(&self) -> Option<Instant> {
        self.lock().last_deed
    }

    /// Accepted writes of the operator so far, the Lease aside.
    pub fn writes(&self) -> u64 {
        self.lock().writes
    }
}

#[cfg(test)]
mod tests;
