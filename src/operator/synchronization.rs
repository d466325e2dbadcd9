//! Whether every watch has been answered once.
//!
//! kube-runtime's own `Store::wait_until_ready` wakes only the last of several waiters, so that one of them waits for
//! ever; the controller already is one.

use kube_runtime::watcher::{Error, Event};
use tokio::sync::watch::Sender;

/// Counts the watches that have not been answered. Clones count together.
#[derive(Clone, Debug, Default)]
pub struct Synchronization {
    unanswered: Sender<usize>,
}

impl Synchronization {
    /// One more watch. Its events have to be shown to what is returned, after they were stored.
    pub fn watch<K>(&self) -> impl FnMut(&Result<Event<K>, Error>) + Send + 'static {
        self.unanswered.send_modify(|count| *count += 1);
        let unanswered = self.unanswered.clone();
        let mut answered = false;
        move |event| {
            if !answered && matches!(event, Ok(Event::InitDone)) {
                answered = true;
                unanswered.send_modify(|count| *count -= 1);
            }
        }
    }

    /// Waits until every watch has been answered.
    pub async fn complete(&self) {
        // The sender lives as long as we do.
        let _ = self.unanswered.subscribe().wait_for(|count| *count == 0).await;
    }
}

#[cfg(test)]
mod tests;
