//! The objects, their revisions and the history that watches read.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::SignedDuration;
use serde_json::Value;
use tokio::time::Instant;

use crate::clock::Clock;
use crate::kind::{Key, Kind};
use crate::object::set_metadata;

/// One revision: an object came, changed or went.
#[derive(Clone)]
pub(crate) struct Change {
    pub(crate) revision: u64,
    pub(crate) at: Instant,
    pub(crate) key: Key,
    pub(crate) before: Option<Arc<Value>>,
    pub(crate) after: Option<Arc<Value>>,
}

/// What etcd is to the real server.
pub(crate) struct Store {
    clock: Clock,
    objects: BTreeMap<Key, Arc<Value>>,
    history: Vec<Change>,
    revision: u64,
    /// Watches cannot start before this revision.
    compacted: u64,
    names: u64,
}

impl Store {
    pub(crate) fn new(clock: Clock) -> Self {
        Self { clock, objects: BTreeMap::new(), history: Vec::new(), revision: 1, compacted: 0, names: 0 }
    }

    pub(crate) fn revision(&self) -> u64 {
        self.revision
    }

    pub(crate) fn compacted(&self) -> u64 {
        self.compacted
    }

    pub(crate) fn compact(&mut self) {
        self.compacted = self.revision;
    }

    pub(crate) fn get(&self, key: &Key) -> Option<Arc<Value>> {
        self.objects.get(key).cloned()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Key, &Arc<Value>)> {
        self.objects.iter()
    }

    /// All objects of a kind, by namespace and name.
    pub(crate) fn collection(&self, kind: &'static Kind) -> impl Iterator<Item = &Arc<Value>> {
        self.range(kind).map(|(_, object)| object)
    }

    /// The objects of a kind as they were at a revision, by namespace and name.
    pub(crate) fn collection_at(&self, kind: &'static Kind, revision: u64) -> Vec<Arc<Value>> {
        let mut objects: BTreeMap<&Key, Arc<Value>> =
            self.range(kind).map(|(key, object)| (key, object.clone())).collect();
        let later: Vec<&Change> = self.changes_after(revision).filter(|change| change.key.is_of(kind)).collect();
        for change in later.into_iter().rev() {
            match &change.before {
                Some(before) => objects.insert(&change.key, before.clone()),
                None => objects.remove(&change.key),
            };
        }
        objects.into_values().collect()
    }

    fn range(&self, kind: &'static Kind) -> impl Iterator<Item = (&Key, &Arc<Value>)> {
        self.objects.range(kind.key("", "")..).take_while(|(key, _)| key.is_of(kind))
    }

    /// The changes after a revision, oldest first.
    pub(crate) fn changes_after(&self, revision: u64) -> impl Iterator<Item = &Change> {
        let seen = self.history.partition_point(|change| change.revision <= revision);
        self.history.iter().skip(seen)
    }

    /// Stores an object under the next revision.
    pub(crate) fn commit(&mut self, key: &Key, mut object: Value) -> Arc<Value> {
        set_metadata(&mut object, "resourceVersion", (self.revision + 1).to_string());
        let object = Arc::new(object);
        let before = self.objects.insert(key.clone(), object.clone());
        self.record(key, before, Some(object.clone()));
        object
    }

    /// Removes an object at once, whatever its finalizers.
    pub(crate) fn remove(&mut self, key: &Key) -> Option<Arc<Value>> {
        let removed = self.objects.remove(key)?;
        self.record(key, Some(removed.clone()), None);
        Some(removed)
    }

    fn record(&mut self, key: &Key, before: Option<Arc<Value>>, after: Option<Arc<Value>>) {
        self.revision += 1;
        self.history.push(Change { revision: self.revision, at: Instant::now(), key: key.clone(), before, after });
    }

    /// Gives a new object the metadata that the server assigns.
    pub(crate) fn initialize(&mut self, kind: &Kind, object: &mut Value) {
        self.names += 1;
        set_metadata(object, "uid", format!("00000000-0000-4000-8000-{:012x}", self.names));
        set_metadata(object, "creationTimestamp", self.timestamp());
        if kind.generations {
            set_metadata(object, "generation", 1);
        }
    }

    /// A name that nobody has, for `generateName`.
    pub(crate) fn generate_name(&mut self, prefix: &str) -> String {
        self.names += 1;
        format!("{prefix}{:05x}", self.names)
    }

    /// Now, as metadata write it.
    pub(crate) fn timestamp(&self) -> String {
        self.timestamp_in(0)
    }

    /// So many seconds from now, as metadata write it.
    pub(crate) fn timestamp_in(&self, seconds: i64) -> String {
        (self.clock.now() + SignedDuration::from_secs(seconds)).strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
    }
}
