//! Whether every watch has been answered once.
//!
//! kube-runtime's own `Store::wait_until_ready` wakes only the last of several waiters, so that one of them waits for
//! ever; the controller already is one.

use kube_runtime::watcher::{Error, Event};
use tokio::sync::watch::Sender;

/// Counts watches that have not been answered. Clones count together.
#[derive(Clone, Debug, Default)]
pub struct Synchronization {
    watches: Sender<Watches>,
}

#[derive(Debug, Default)]
struct Watches {
    unanswered: usize,
    /// How many of these failed instead.
    failed: usize,
}

/// What is known of one watch.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Watch {
    Unanswered,
    Failed,
    Answered,
}

impl Synchronization {
    /// One more watch. Its events have to be shown to what is returned, after they were stored.
    pub fn watch<K>(&self) -> impl FnMut(&Result<Event<K>, Error>) + Send + 'static {
        self.watches.send_modify(|watches| watches.unanswered += 1);
        let watches = self.watches.clone();
        let mut known = Watch::Unanswered;
        move |event| {
            let next = match event {
                Ok(Event::InitDone) => Watch::Answered,
                Err(_) if known == Watch::Unanswered => Watch::Failed,
                _ => return,
            };
            if known == Watch::Answered || known == next {
                return;
            }
            watches.send_modify(|watches| {
                watches.unanswered -= usize::from(next == Watch::Answered);
                watches.failed += usize::from(next == Watch::Failed);
                watches.failed -= usize::from(known == Watch::Failed);
            });
            known = next;
        }
    }

    /// Waits until every watch has been answered.
    pub async fn complete(&self) {
        self.wait_for(|watches| watches.unanswered == 0).await;
    }

    /// Waits until every watch has been answered, or has failed at least once.
    pub async fn tried(&self) {
        self.wait_for(|watches| watches.unanswered == watches.failed).await;
    }

    async fn wait_for(&self, condition: impl FnMut(&Watches) -> bool) {
        // The sender lives as long as we do.
        let _ = self.watches.subscribe().wait_for(condition).await;
    }
}

#[cfg(test)]
mod tests;
