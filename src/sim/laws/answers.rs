//! What members said of themselves.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use tokio::time::Instant;

use crate::history::Entry;
use crate::object::text;

/// The last answer of each pod.
#[derive(Default)]
pub(super) struct Answers {
    /// By UID.
    said: BTreeMap<String, Answer>,
    /// Optimizations that some member has ever said are on.
    known: BTreeSet<String>,
}

struct Answer {
    at: Instant,
    /// The optimizations that it says are on.
    enabled: Vec<String>,
    /// The share of its requests that fails; none where it told nothing of use.
    fails: Option<f64>,
}

impl Answers {
    /// Takes in what happened.
    pub(super) fn apply(&mut self, entry: &Entry) {
        if let Entry::Scrape { at, uid, says: Some(enabled), fails, .. } = entry {
            self.known.extend(enabled.iter().cloned());
            self.said.insert(uid.clone(), Answer { at: *at, enabled: enabled.clone(), fails: *fails });
        }
    }

    fn of(&self, pod: &Value) -> Option<&Answer> {
        self.said.get(text(pod, "/metadata/uid"))
    }

    /// When a pod answered last.
    pub(super) fn at(&self, pod: &Value) -> Option<Instant> {
        self.of(pod).map(|answer| answer.at)
    }

    /// The optimizations that a pod said last are on; none where it never answered.
    pub(super) fn enabled(&self, pod: &Value) -> &[String] {
        self.of(pod).map(|answer| answer.enabled.as_slice()).unwrap_or_default()
    }

    /// The share of its requests that fails, as a pod said last; none where it tells nothing of use.
    pub(super) fn fails(&self, pod: &Value) -> Option<f64> {
        self.of(pod)?.fails
    }

    /// Whether members know an optimization of this name: one has said that it is on.
    pub(super) fn knows(&self, name: &str) -> bool {
        self.known.contains(name)
    }
}
