//! What the server remembers, and tells.

use domain::run::stable_hash;
use tokio::time::Instant;

use super::{ApiServer, State};
use crate::history::{Entry, Write};

impl ApiServer {
    /// All writes that reached the server, oldest first.
    pub fn writes(&self) -> Vec<Write> {
        let state = self.state();
        let writes = state.history.iter().filter_map(|entry| match entry {
            Entry::Write(write) => Some(write.clone()),
            _ => None,
        });
        writes.collect()
    }

    /// How often anything but a Lease was read so far: an object, a collection, or what happens to one.
    pub fn reads(&self) -> u64 {
        self.state().reads
    }

    /// Everything that happened since entry number `from`, oldest first.
    pub fn history(&self, from: usize) -> Vec<Entry> {
        self.state().history.get(from..).unwrap_or_default().to_vec()
    }

    /// All entries of the history, one line each, with the seconds since the server started and a hash of the whole
    /// object.
    pub fn trace(&self) -> Vec<String> {
        let line = |entry: &Entry| {
            let after =
                entry.change().and_then(|(_, _, after)| after).map(|after| after.to_string()).unwrap_or_default();
            format!("{} #{:016x}", entry.line(self.shared.start), stable_hash(&[&after]))
        };
        self.state().history.iter().map(line).collect()
    }

    /// The last entries of the history up to this instant, one line each. Leases, events and members that were asked are
    /// left out.
    pub fn story(&self, last: usize, until: Instant) -> String {
        let state = self.state();
        let is_told = |entry: &&Entry| match entry {
            _ if entry.at() > until => false,
            Entry::Write(write) => !matches!(write.key.plural.as_str(), "leases" | "events"),
            Entry::Change { key, .. } => key.plural != "endpointslices",
            Entry::Scrape { .. } => false,
            Entry::Fault { .. } | Entry::Calm { .. } => true,
        };
        let told = state.history.iter().rev().filter(is_told).take(last);
        let mut lines: Vec<String> = told.map(|entry| entry.line(self.shared.start)).collect();
        lines.reverse();
        lines.join("\n")
    }

    /// Adds somebody who is shown every entry of the history, in order and at once. It must not call the server.
    pub fn on_entry(&self, watcher: impl FnMut(&Entry) + Send + 'static) {
        self.state().watchers.push(Box::new(watcher));
    }

    /// Adds to the history what the server cannot know by itself.
    pub fn record(&self, entry: Entry) {
        self.state().record(entry);
    }
}

impl State {
    /// Adds to the history and shows it to whoever watches.
    pub(crate) fn record(&mut self, entry: Entry) {
        for watcher in &mut self.watchers {
            watcher(&entry);
        }
        self.history.push(entry);
    }
}
