//! The server as tests hold it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::run::stable_hash;
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::clock::Clock;
use crate::definition;
use crate::fault::{Denial, Fault, Hooks};
use crate::history::{Entry, GOES_ON, Write};
use crate::kind::{Key, Kind};
use crate::object::{copy_field, normalize, text};
use crate::queue::Queue;
use crate::request::RequestInfo;
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
    /// Wakes watches and the simulated fleet.
    changed: watch::Sender<()>,
}

type Watcher = Box<dyn FnMut(&Entry) + Send>;

pub(crate) struct State {
    pub(crate) store: Store,
    pub(crate) latency: Duration,
    /// By user: how much later than others their watches see a change.
    pub(crate) lag: BTreeMap<String, Duration>,
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
            unsupported: Vec::new(),
            tokens: BTreeMap::new(),
            readers: BTreeSet::new(),
        };
        let shared = Shared {
            clock,
            start: Instant::now(),
            state: Mutex::new(state),
            hooks: Mutex::default(),
            changed: watch::Sender::new(()),
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
        self.wake();
    }

    /// All writes that reached the server, oldest first.
    pub fn writes(&self) -> Vec<Write> {
        let state = self.state();
        let writes = state.history.iter().filter_map(|entry| match entry {
            Entry::Write(write) => Some(write.clone()),
            _ => None,
        });
        writes.collect()
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

    /// Requests that this server does not understand although the real one would. They were answered with 501.
    pub fn unsupported(&self) -> Vec<String> {
        self.state().unsupported.clone()
    }

    /// How long a request and its answer are on the way together: 2 ms until this is called.
    pub fn set_latency(&self, latency: Duration) {
        self.state().latency = latency;
    }

    /// Lets the watches of a user see changes this much later than others do, so that its caches are stale.
    pub fn lag(&self, user: &str, lag: Duration) {
        self.fault(user, None, &format!("watches {lag:?} late"));
        self.state().lag.insert(user.to_owned(), lag);
        self.wake();
    }

    /// Adds a hook that sees every request on arrival and decides what happens to it. The first hook that wants a
    /// fault gets it.
    pub fn on_request(&self, hook: impl Fn(&RequestInfo) -> Fault + Send + Sync + 'static) {
        self.hooks().on_request.push(Arc::new(hook));
    }

    /// Adds an admission policy: it sees every write that is valid, with the object before and after it; none where it
    /// is new or gone. It must not call the server.
    pub fn on_admission(
        &self,
        hook: impl Fn(&RequestInfo, Option<&Value>, Option<&Value>) -> Option<Denial> + Send + Sync + 'static,
    ) {
        self.hooks().on_admission.push(Arc::new(hook));
    }

    /// Takes all hooks of [`Self::on_request`] away.
    pub fn stop_faults(&self) {
        self.hooks().on_request.clear();
    }

    /// Adds a hook that sees every successful write right after it, before anything else happens.
    pub fn on_write(&self, hook: impl Fn(&Write) + Send + Sync + 'static) {
        self.hooks().on_write.push(Arc::new(hook));
    }

    /// Cuts a user off, as a crash or a broken network does: what it sends from now on, and what is on the way, is
    /// never answered, and its watches fall silent.
    pub fn cut(&self, user: &str) {
        self.fault(user, None, "cut off");
        self.state().cut.insert(user.to_owned());
    }

    /// Ends [`Self::cut`]: new requests are answered and open watches go on. Requests of the meantime stay lost.
    pub fn revive(&self, user: &str) {
        self.state().cut.remove(user);
        self.wake();
    }

    /// Stops a user, as SIGSTOP or a network that stores and forwards does: what is on the way, and what it sends from
    /// now on, waits until [`Self::release`] and is carried out then, also when nobody waits for it any more.
    pub fn hold(&self, user: &str) {
        self.fault(user, None, "held up");
        self.state().held.insert(user.to_owned());
    }

    /// Ends [`Self::hold`].
    pub fn release(&self, user: &str) {
        if self.state().held.remove(user) {
            self.fault(user, None, GOES_ON);
        }
        self.wake();
    }

    /// Whether a user is cut off now.
    pub fn is_cut(&self, user: &str) -> bool {
        self.state().cut.contains(user)
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn hooks(&self) -> MutexGuard<'_, Hooks> {
        self.shared.hooks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records that something goes wrong with a user's requests.
    pub(crate) fn fault(&self, user: &str, key: Option<Key>, what: &str) {
        let (user, what) = (user.to_owned(), what.to_owned());
        self.record(Entry::Fault { at: Instant::now(), user, key, what });
    }

    /// Does something to the store as nobody's client, and wakes everybody who waits for a change.
    pub(crate) fn act<T>(&self, action: impl FnOnce(&mut Store) -> T) -> T {
        let mut state = self.state();
        let seen = state.store.revision();
        let result = action(&mut state.store);
        let changes: Vec<Change> = state.store.changes_after(seen).cloned().collect();
        for Change { at, key, before, after, .. } in changes {
            state.record(Entry::Change { at, key, before, after });
        }
        drop(state);
        self.wake();
        result
    }

    /// Wakes at every change, and now and then without one.
    pub(crate) fn changes(&self) -> watch::Receiver<()> {
        self.shared.changed.subscribe()
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

    pub(crate) fn wake(&self) {
        self.shared.changed.send_replace(());
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
