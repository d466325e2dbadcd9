//! Everything that happened, in order: what the laws read, and what a failure is told from.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};
use tokio::time::Instant;

use crate::kind::Key;
use crate::object::text;
use crate::request::{Subresource, Verb};

/// Changed fields that one line tells.
const FIELDS: usize = 6;
/// Characters of a value that one line tells.
const LONGEST: usize = 100;

/// What is told of a user whose requests were held up and go on.
pub(crate) const GOES_ON: &str = "goes on";

/// How soon after that they have arrived.
pub(crate) const HELD: Duration = Duration::from_millis(100);

/// An object before or after a change; none where it is not there.
pub type Version<'e> = Option<&'e Arc<Value>>;

/// One write that reached the server, refused or not.
#[derive(Clone, Debug)]
pub struct Write {
    /// When its user sent it.
    pub sent: Instant,
    /// When the server carried it out.
    pub at: Instant,
    /// Who sent it.
    pub user: String,
    /// What it did.
    pub verb: Verb,
    /// What it was about.
    pub key: Key,
    /// The subresource that it was about.
    pub subresource: Option<Subresource>,
    /// The object, patch or options that it carried.
    pub body: Value,
    /// HTTP code of the answer.
    pub code: u16,
    /// The object before it; none for creations and refused writes.
    pub before: Option<Arc<Value>>,
    /// The object after it; none where it is gone, and for refused writes.
    pub after: Option<Arc<Value>>,
}

impl Write {
    /// Whether the server took it.
    pub fn is_accepted(&self) -> bool {
        self.code < 300
    }
}

/// One thing that happened.
#[derive(Clone, Debug)]
pub enum Entry {
    /// A write through the API; a published event is one as well.
    Write(Write),
    /// Something that no client wrote: kubelets, other controllers, people.
    Change {
        /// When.
        at: Instant,
        /// What it was about.
        key: Key,
        /// The object before it; none where it is new.
        before: Option<Arc<Value>>,
        /// The object after it; none where it is gone.
        after: Option<Arc<Value>>,
    },
    /// A member was asked for its metrics.
    Scrape {
        /// When it answered.
        at: Instant,
        /// Name of the pod.
        pod: String,
        /// UID of the pod.
        uid: String,
        /// The optimizations that it said are on; none where it did not answer.
        says: Option<Vec<String>>,
        /// The share of its requests that fails; none where it told nothing of use.
        fails: Option<f64>,
    },
    /// Something went wrong with a user's requests.
    Fault {
        /// When.
        at: Instant,
        /// Whose requests.
        user: String,
        /// What the request was about; none for all of them.
        key: Option<Key>,
        /// What happened.
        what: String,
    },
    /// From here on nothing goes wrong, nobody does anything, and everything that was under way has had its time.
    Calm {
        /// When.
        at: Instant,
        /// How often anything but a Lease was read in the minute before.
        reads: u64,
    },
}

impl Entry {
    /// When it happened.
    pub fn at(&self) -> Instant {
        match self {
            Self::Write(Write { at, .. })
            | Self::Change { at, .. }
            | Self::Scrape { at, .. }
            | Self::Fault { at, .. }
            | Self::Calm { at, .. } => *at,
        }
    }

    /// The object that it changed: its key, before and after.
    pub fn change(&self) -> Option<(&Key, Version<'_>, Version<'_>)> {
        match self {
            Self::Write(write) if write.is_accepted() => {
                Some((&write.key, write.before.as_ref(), write.after.as_ref()))
            }
            Self::Change { key, before, after, .. } => Some((key, before.as_ref(), after.as_ref())),
            _ => None,
        }
    }

    /// It as one line, with its time since `start`.
    pub fn line(&self, start: Instant) -> String {
        let at = self.at().duration_since(start).as_secs_f64();
        let what = match self {
            Self::Write(write) => {
                let Write { user, verb, key, subresource, code, .. } = write;
                let part = subresource.map(|part| format!(" {part:?}")).unwrap_or_default();
                let what = if write.is_accepted() { self.changes() } else { String::new() };
                format!("{user} {verb:?} {key}{part} -> {code} {what}")
            }
            Self::Change { key, .. } => format!("the cluster: {key} {}", self.changes()),
            Self::Scrape { pod, says, .. } => match says.as_deref() {
                Some([]) => format!("{pod} says: baseline"),
                Some(on) => format!("{pod} says: {}", on.join(", ")),
                None => format!("{pod} says nothing"),
            },
            Self::Fault { user, key, what, .. } => {
                let about = key.as_ref().map(|key| format!(" ({key})")).unwrap_or_default();
                format!("FAULT for {user}{about}: {what}")
            }
            Self::Calm { .. } => "calm".to_owned(),
        };
        format!("{at:>10.3} {}", what.trim_end())
    }

    /// The fields that it changed.
    fn changes(&self) -> String {
        match self.change() {
            Some((_, Some(before), Some(after))) => {
                let mut found = Vec::new();
                differences("", before, after, &mut found);
                let more = found.len().saturating_sub(FIELDS);
                found.truncate(FIELDS);
                if more > 0 {
                    found.push(format!("and {more} more"));
                }
                found.join(", ")
            }
            Some((_, None, Some(after))) => match text(after, "/note") {
                "" => "is new".to_owned(),
                note => format!("{}: {note}", text(after, "/reason")),
            },
            Some((_, Some(_), None)) => "is gone".to_owned(),
            _ => String::new(),
        }
    }
}

/// Paths whose values differ, with the new values. What changes with every write is left out.
fn differences(path: &str, before: &Value, after: &Value, found: &mut Vec<String>) {
    let none = Map::new();
    let fields = |value: &Value| value.as_object().unwrap_or(&none).clone();
    let is_told = !["/resourceVersion", "/managedFields", "/conditions"].iter().any(|field| path.ends_with(field));
    if before == after || !is_told {
        return;
    }
    if !before.is_object() && !after.is_object() {
        let value: String = after.to_string().chars().take(LONGEST).collect();
        found.push(format!("{}={value}", path.trim_start_matches('/')));
        return;
    }
    let (old, new) = (fields(before), fields(after));
    for field in new.keys().chain(old.keys().filter(|field| !new.contains_key(*field))) {
        let value = |fields: &Map<String, Value>| fields.get(field).cloned().unwrap_or_default();
        differences(&format!("{path}/{field}"), &value(&old), &value(&new), found);
    }
}
