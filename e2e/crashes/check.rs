//! The history of a run against the laws.

use std::{fmt, time::Duration};

use jiff::Timestamp;
use serde_json::Value;
use sim::{
    Entry, Write,
    audit::{self, Line, Origin, Revision},
    laws::{Account, Laws},
};
use tokio::time::Instant;

use crate::{fleet::OPTIMIZATION, lane::ACCOUNT, members::Said};

/// What the names of all replicas begin with.
const REPLICA: &str = "replica-";
/// How long a request may be under way when its sender, or the server, is struck.
const UNDER_WAY: Duration = Duration::from_secs(2);
/// Entries that are told of a broken law.
const TOLD: usize = 30;

/// Something went wrong for a replica.
#[derive(Clone, Debug)]
pub struct Fault {
    /// Its name.
    pub user: String,
    /// What.
    pub what: &'static str,
    /// From when on.
    pub from: Timestamp,
    /// Until when; for ever where that is not given.
    pub until: Option<Timestamp>,
}

/// The times of a run.
#[derive(Clone, Debug)]
pub struct Struck {
    /// Optimized members began to fail.
    pub breach: Timestamp,
    /// The strike.
    pub struck: Timestamp,
    /// What followed from it.
    pub faults: Vec<Fault>,
    /// From here on nothing happens any more.
    pub calm: Timestamp,
}

/// How far a retreat had come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// Nothing had been written.
    Undecided,
    /// The status did not say that the settings are back.
    TakingBack,
    /// Nor that every member has acknowledged.
    Acknowledging,
    /// Something was still to be cleared away.
    Clearing,
    /// It was over.
    Over,
}

impl fmt::Display for Place {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(match self {
            Self::Undecided => "before the first write",
            Self::TakingBack => "before all was off",
            Self::Acknowledging => "before all had acknowledged",
            Self::Clearing => "before all was cleared away",
            Self::Over => "after the end",
        })
    }
}

/// What a history says.
pub struct Verdict {
    /// How often each law was at stake.
    pub accounts: Vec<Account>,
    /// Broken laws, each with what happened before.
    pub broken: Vec<String>,
    /// Accepted writes of the operator.
    pub writes: u64,
    /// Versions that no line of the audit log accounts for.
    pub unaccounted: usize,
    /// Where the strike came.
    pub place: Place,
    /// Accepted writes of the retreat before the strike, and in all.
    pub of_retreat: (usize, usize),
    /// All of it, a line each.
    pub story: String,
}

/// Reads a history and holds it against the laws.
///
/// # Errors
/// When there is none.
pub fn check(
    audit: &str,
    revisions: Vec<Revision>,
    said: Vec<Said>,
    origin: Origin,
    times: &Struck,
) -> Result<Verdict, String> {
    let lines: Vec<Line> = audit.lines().filter_map(Line::parse).collect();
    if lines.is_empty() {
        return Err("the audit log tells of no write".to_owned());
    }
    // All replicas share an account; their tokens say which one it is.
    let name = |user: &str, uid: &str| if user == ACCOUNT { uid.to_owned() } else { user.to_owned() };
    let (mut entries, unaccounted) = audit::history(lines, revisions, origin, name);
    let at = |time: Timestamp| origin.instant(time);
    let faults: Vec<Entry> = times.faults.iter().flat_map(|fault| told(fault, &entries, &at)).collect();
    entries.extend(faults);
    entries.extend(said.into_iter().map(|said| Entry::Scrape {
        at: at(said.at),
        pod: said.pod,
        uid: said.uid,
        says: Some(said.optimized.then(|| OPTIMIZATION.to_owned()).into_iter().collect()),
        fails: None,
    }));
    entries.push(Entry::Calm { at: at(times.calm), reads: 0 });
    entries.sort_by_key(Entry::at);

    let laws = Laws::new(REPLICA);
    let (mut broken, mut story) = (Vec::new(), Vec::new());
    for entry in &entries {
        let before = laws.violations().len();
        laws.check(entry);
        story.push(entry.line(origin.instant));
        for violation in laws.violations().into_iter().skip(before) {
            let told = story.get(story.len().saturating_sub(TOLD)..).unwrap_or_default().join("\n");
            story.push(format!("BROKEN: {}: {}", violation.law, violation.what));
            broken.push(format!("{}: {}\n{told}", violation.law, violation.what));
        }
    }
    let (place, of_retreat) = place(&entries, at(times.breach), at(times.struck));
    let (accounts, writes) = (laws.accounts(), laws.writes());
    Ok(Verdict { accounts, broken, writes, unaccounted, place, of_retreat, story: story.join("\n") })
}

/// A fault begins when the last request was carried out that was under way then.
fn told(fault: &Fault, entries: &[Entry], at: &dyn Fn(Timestamp) -> Instant) -> Vec<Entry> {
    let (from, until) = (at(fault.from), fault.until.map(at));
    let latest = until.map_or(from + UNDER_WAY, |until| until.min(from + UNDER_WAY));
    let last = writes(entries).filter(|write| write.user == fault.user && write.at < latest).last();
    let from = last.map_or(from, |last| last.at.max(from));
    let entry = |at| Entry::Fault { at, user: fault.user.clone(), key: None, what: fault.what.to_owned() };
    [Some(from), until].into_iter().flatten().map(entry).collect()
}

fn writes(entries: &[Entry]) -> impl Iterator<Item = &Write> {
    entries.iter().filter_map(|entry| match entry {
        Entry::Write(write) => Some(write),
        _ => None,
    })
}

/// How far the retreat had come at a moment, and how many of its writes were done.
fn place(entries: &[Entry], breach: Instant, struck: Instant) -> (Place, (usize, usize)) {
    let ours = |write: &&Write| {
        write.user.starts_with(REPLICA)
            && write.is_accepted()
            && write.at > breach
            && !matches!(write.key.plural.as_str(), "leases" | "events")
    };
    let all = writes(entries).filter(ours).count();
    let done = writes(entries).filter(ours).filter(|write| write.at <= struck).count();
    let said = |clock: &str| {
        let status = writes(entries).filter(|write| write.key.plural == "optimizationrollouts" && write.at <= struck);
        let last = status.filter_map(|write| write.after.as_deref()).last();
        last.and_then(|rollout| rollout.pointer(&format!("/status/retreat/{clock}"))).is_some_and(Value::is_string)
    };
    let place = match (done, done == all) {
        (_, true) => Place::Over,
        (0, _) => Place::Undecided,
        _ if said("acknowledgedAt") => Place::Clearing,
        _ if said("offAt") => Place::Acknowledging,
        _ => Place::TakingBack,
    };
    (place, (done, all))
}
