//! Watched objects, with the time at which each change arrived.

use std::{
    collections::BTreeMap,
    fmt::Debug,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures::StreamExt;
use kube::{
    Api, Resource, ResourceExt,
    runtime::{WatchStreamExt, watcher},
};
use serde::de::DeserializeOwned;
use tokio::{sync::watch, task::AbortHandle};

/// Milliseconds since 1970.
#[must_use]
pub fn now() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

/// The objects of one kind, as a watch brings them.
pub struct Seen<K> {
    what: String,
    state: Arc<Mutex<State<K>>>,
    changed: watch::Receiver<()>,
    task: AbortHandle,
}

struct State<K> {
    objects: BTreeMap<String, Arc<K>>,
    log: Vec<Change<K>>,
}

/// One change: when it arrived, the name, and the object unless it was deleted.
pub type Change<K> = (i64, String, Option<Arc<K>>);

impl<K> Drop for Seen<K> {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl<K> Seen<K>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync + 'static,
{
    /// Watches the objects with these labels.
    #[must_use]
    pub fn watch(api: Api<K>, labels: &str) -> Self {
        let state = Arc::new(Mutex::new(State { objects: BTreeMap::new(), log: Vec::new() }));
        let (sender, changed) = watch::channel(());
        let filled = state.clone();
        let events = watcher(api, watcher::Config::default().labels(labels)).default_backoff();
        let task = tokio::spawn(async move {
            let mut events = std::pin::pin!(events);
            while let Some(event) = events.next().await {
                let Ok(event) = event else { continue };
                lock(&filled).take(now(), event);
                sender.send_replace(());
            }
        });
        Self { what: K::kind(&()).into_owned(), state, changed, task: task.abort_handle() }
    }

    /// All objects now, by name.
    #[must_use]
    pub fn all(&self) -> BTreeMap<String, Arc<K>> {
        lock(&self.state).objects.clone()
    }

    /// Forgets the changes so far.
    pub fn forget(&self) {
        lock(&self.state).log.clear();
    }

    /// Every change since the log was emptied.
    #[must_use]
    pub fn changes(&self) -> Vec<Change<K>> {
        lock(&self.state).log.clone()
    }

    /// The time of the first change since the log was emptied for which this holds; it is given the name and the object.
    #[must_use]
    pub fn first(&self, holds: impl Fn(&str, Option<&K>) -> bool) -> Option<i64> {
        let state = lock(&self.state);
        state.log.iter().find(|(_, name, object)| holds(name, object.as_deref())).map(|(at, _, _)| *at)
    }

    /// Waits until something is found in the objects.
    ///
    /// # Errors
    /// When that takes longer than `longest`.
    pub async fn until<T>(
        &self,
        longest: Duration,
        what: &str,
        mut find: impl FnMut(&BTreeMap<String, Arc<K>>) -> Option<T>,
    ) -> Result<T, String> {
        let mut changed = self.changed.clone();
        let found = async {
            loop {
                changed.mark_unchanged();
                let found = find(&lock(&self.state).objects);
                if let Some(found) = found {
                    return found;
                }
                if changed.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
        };
        tokio::time::timeout(longest, found)
            .await
            .map_err(|_| format!("{}: not {what} after {} s", self.what, longest.as_secs()))
    }
}

impl<K: Resource<DynamicType = ()>> State<K> {
    fn take(&mut self, at: i64, event: watcher::Event<K>) {
        match event {
            watcher::Event::Init => self.objects.clear(),
            watcher::Event::InitDone => {}
            watcher::Event::InitApply(object) | watcher::Event::Apply(object) => {
                let (name, object) = (object.name_any(), Arc::new(object));
                self.objects.insert(name.clone(), object.clone());
                self.log.push((at, name, Some(object)));
            }
            watcher::Event::Delete(object) => {
                self.objects.remove(&object.name_any());
                self.log.push((at, object.name_any(), None));
            }
        }
    }
}

fn lock<K>(state: &Mutex<State<K>>) -> MutexGuard<'_, State<K>> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
