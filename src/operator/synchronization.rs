//! Whether every watch has been answered once, and the end of those that are late.
//!
//! kube-runtime's own `Store::wait_until_ready` wakes only the last of several waiters, so that one of them waits for
//! ever; the controller already is one.

use std::time::Duration;

use futures::{Stream, StreamExt, stream};
use kube_runtime::watcher::{Error, Event};
use tokio::{sync::watch::Sender, time::Instant};

/// Watches that were opened anew have so long to bring what is new before they are given up as well: longer than it takes
/// to list a large namespace, and about as long as one is silent by itself.
const RENEWAL: Duration = Duration::from_secs(60);

/// Counts watches that have not been answered. Clones count together.
#[derive(Clone, Debug, Default)]
pub struct Synchronization {
    watches: Sender<Watches>,
    renewed: Sender<Option<Instant>>,
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

    /// A watch that is opened now, and once more, with a list, whenever it is renewed.
    pub fn renewable<S, F>(&self, open: F) -> impl Stream<Item = S::Item> + use<S, F>
    where
        S: Stream,
        F: Fn() -> S,
    {
        let renewed = self.renewed.clone();
        let watches = stream::repeat_with(move || {
            let mut renewed = renewed.subscribe();
            open().take_until(async move { renewed.changed().await })
        });
        watches.flatten()
    }

    /// Opens all watches anew: after a network was cut one may bring nothing until its time is over. Does nothing while
    /// the last time is not long ago; tells whether it did.
    pub fn renew(&self) -> bool {
        self.renewed.send_if_modified(|last| {
            let due = last.is_none_or(|last| last.elapsed() >= RENEWAL);
            if due {
                *last = Some(Instant::now());
            }
            due
        })
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
