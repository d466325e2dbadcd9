//! The server as tests hold it.

mod history;
mod trouble;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use crate::clock::Clock;
use crate::definition;
use crate::fault::Hooks;
use crate::history::Entry;
use crate::kind::{Key, Kind};
use crate::object::{copy_field, normalize, text};
use crate::queue::Queue;
use crate::signals::Signals;
use crate::store::{Change, Store};

/// How long a request and its answer are on the way together, until a test says otherwise; the turns of
/// [`crate::queue`] come on top.
const LATENCY: Duration = Duration::from_millis(2);

/// An in-memory Kubernetes API server. Clones are the same server.
///
/// Methods of this type act at once, as somebody whom no hook sees; clients go through hooks, latency and the log.
#[derive(Clone)]
pub struct ApiServer {
    pub(crate) shared: Arc<Shared>,
}

pub(crate) struct Shared {
    clock: Clock,
    start: Instant,
    state: Mutex<State>,
    hooks: Mutex<Hooks>,
    pub(crate) signals: Signals,
}

type Watcher = Box<dyn FnMut(&Entry) + Send>;

pub(crate) struct State {
    pub(crate) store: Store,
    pub(crate) latency: Duration,
    /// By user, and by kind where not all are meant: how much later than others their watches see a change.
    lag: BTreeMap<(String, Option<&'static str>), Duration>,
    /// Users who get no answers.
    pub(crate) cut: BTreeSet<String>,
    /// Users whose requests and answers wait on the way.
    pub(crate) held: BTreeSet<String>,
    /// How often all watches were ended.
    pub(crate) disconnects: u64,
    pub(crate) queue: Queue,
    /// Everything that happened so far.
    history: Vec<Entry>,
    watchers: Vec<Watcher>,
    /// How often anything but a Lease was read so far.
    pub(crate) reads: u64,
    pub(crate) unsupported: Vec<String>,
    /// Users by token.
    pub(crate) tokens: BTreeMap<String, String>,
    /// Users and the namespaces that they may read.
    pub(crate) readers: BTreeSet<(String, String)>,
}

impl ApiServer {
    /// An empty server, whose clock shows 2026-01-01T00:00:00Z.
    pub fn new() -> Self {
        let clock = Clock::new();
        let state = State {
            store: Store::new(clock.clone()),
            latency: LATENCY,
            lag: BTreeMap::new(),
            cut: BTreeSet::new(),
            held: BTreeSet::new(),
            disconnects: 0,
            queue: Queue::default(),
            history: Vec::new(),
            watchers: Vec::new(),
            reads: 0,
            unsupported: Vec::new(),
            tokens: BTreeMap::new(),
            readers: BTreeSet::new(),
        };
        let shared = Shared {
            clock,
            start: Instant::now(),
            state: Mutex::new(state),
            hooks: Mutex::default(),
            signals: Signals::new(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// The clock that the server stamps its objects with.
    pub fn clock(&self) -> Clock {
        self.shared.clock.clone()
    }

    /// Creates an object, or replaces the one of the same key, status included. Only what is missing of uid and
    /// creation time is filled in. Returns what is stored.
    ///
    /// # Panics
    /// When the kind is not one that the server knows, or the object has no name.
    #[track_caller]
    pub fn put(&self, mut object: Value) -> Value {
        let Some(kind) = Kind::of(&object) else { misuse("put", "an object of a known kind", &object) };
        let name = text(&object, "/metadata/name");
        if name.is_empty() || kind.namespaced == text(&object, "/metadata/namespace").is_empty() {
            misuse("put", "a name, and a namespace where the kind has one", &object);
        }
        let key = kind.key(text(&object, "/metadata/namespace"), name);
        definition::fill(kind, &mut object, None);
        normalize(kind, &mut object);
        let stored = self.act(|store| {
            if let Some(before) = store.get(&key) {
                let own_uid = text(&object, "/metadata/uid");
                if own_uid.is_empty() || own_uid == text(&before, "/metadata/uid") {
                    return store.put(kind, &key, before, object).object;
                }
                store.remove(&key);
            }
            let given = object.get("metadata").cloned().unwrap_or_default();
            store.initialize(kind, &mut object);
            for field in ["uid", "creationTimestamp"] {
                if given.get(field).is_some()
                    && let Some(metadata) = object.get_mut("metadata")
                {
                    copy_field(metadata, &given, field);
                }
            }
            store.commit(&key, object)
        });
        Value::clone(&stored)
    }

    /// Changes an object in place, status included, as somebody else would. Returns what is stored.
    ///
    /// # Panics
    /// When there is no such object.
    #[track_caller]
    pub fn edit(&self, key: &Key, edit: impl FnOnce(&mut Value)) -> Value {
        match self.edit_if_present(key, edit) {
            Some(object) => object,
            None => misuse("edit", "an object that exists", &Value::String(key.to_string())),
        }
    }

    pub(crate) fn edit_if_present(&self, key: &Key, edit: impl FnOnce(&mut Value)) -> Option<Value> {
        self.act(|store| {
            let before = store.get(key)?;
            let kind = Kind::of(&before)?;
            let mut object = Value::clone(&before);
            edit(&mut object);
            Some(Value::clone(&store.edit(kind, key, before, object).object))
        })
    }

    /// Removes an object at once, whatever its finalizers. Nothing happens when there is none.
    pub fn remove(&self, key: &Key) {
        self.act(|store| store.remove(key));
    }

    /// The object of that key.
    pub fn object(&self, key: &Key) -> Option<Value> {
        self.state().store.get(key).map(|object| Value::clone(&object))
    }

    /// All objects whose kind has this plural name, by namespace and name.
    pub fn objects(&self, plural: &str) -> Vec<Value> {
        let state = self.state();
        let of_the_kind = state.store.iter().filter(|(key, _)| key.plural == plural);
        of_the_kind.map(|(_, object)| Value::clone(object)).collect()
    }

    /// Forgets the history: a watch from an older resourceVersion than now is answered with 410.
    pub fn compact(&self) {
        self.state().store.compact();
    }

    /// Ends all open watches, as a restart of the real server does.
    pub fn disconnect(&self) {
        self.state().disconnects += 1;
        self.shared.signals.all();
    }

    /// Requests that this server does not understand although the real one would. They were answered with 501.
    pub fn unsupported(&self) -> Vec<String> {
        self.state().unsupported.clone()
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn hooks(&self) -> MutexGuard<'_, Hooks> {
        self.shared.hooks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something to the store as nobody's client, and wakes everybody who waits for a change.
    pub(crate) fn act<T>(&self, action: impl FnOnce(&mut Store) -> T) -> T {
        let mut state = self.state();
        let seen = state.store.revision();
        let result = action(&mut state.store);
        let changes: Vec<Change> = state.store.changes_after(seen).cloned().collect();
        for Change { at, key, before, after, .. } in changes.iter().cloned() {
            state.record(Entry::Change { at, key, before, after });
        }
        drop(state);
        self.shared.signals.changed(changes.iter().map(|change| change.key.plural.as_str()));
        result
    }

    /// What happened since revision `seen`, which becomes that of now.
    pub(crate) fn changes_after(&self, seen: &mut u64) -> Vec<Change> {
        let state = self.state();
        let news = state.store.changes_after(*seen).cloned().collect();
        *seen = state.store.revision();
        news
    }

    /// Now, as metadata write it.
    pub(crate) fn timestamp(&self) -> String {
        self.state().store.timestamp()
    }
}

impl Default for ApiServer {
    fn default() -> Self {
        Self::new()
    }
}

/// Stops the test that called `method` with something that makes no sense.
#[track_caller]
#[expect(clippy::panic, reason = "the test itself is wrong, so it has to fail")]
fn misuse(method: &str, wanted: &str, got: &Value) -> ! {
    panic!("ApiServer::{method} needs {wanted}, and got {got}")
}

#[cfg(test)]
mod tests;
