//! The requests that have arrived, and whose turn it is.

use std::collections::BTreeSet;

use domain::run::stable_hash;
use tokio::time::Instant;

/// When a request arrived, a hash of what it asks, and a number that tells it from an equal one.
pub(crate) type Ticket = (Instant, u64, u64);

/// Requests that wait.
#[derive(Default)]
pub(crate) struct Queue {
    waiting: BTreeSet<Ticket>,
    arrived: u64,
    /// When the last request had its turn, and its arrival and hash.
    served: Option<(Instant, (Instant, u64))>,
}

impl Queue {
    /// A request arrives. By the hash none of those that arrive together is always the first.
    pub(crate) fn enter(&mut self, asks: &str) -> Ticket {
        self.arrived += 1;
        let ticket = (Instant::now(), stable_hash(&[asks]), self.arrived);
        self.waiting.insert(ticket);
        ticket
    }

    /// Whether it is the turn of a request now; if so it leaves the queue. There is one turn an instant, and requests that
    /// arrived together and ask the same have theirs together: nothing but chance could tell which of them is the first.
    pub(crate) fn leave(&mut self, ticket: Ticket) -> bool {
        let (now, kind) = (Instant::now(), alike(&ticket));
        let is_next = match self.served {
            Some((at, served)) if at == now => served == kind,
            _ => self.waiting.first().is_some_and(|first| alike(first) == kind),
        };
        let turn = is_next && self.waiting.remove(&ticket);
        if turn {
            self.served = Some((now, kind));
        }
        turn
    }
}

/// What two tickets have in common whose requests arrived together and ask the same.
fn alike((arrived, asks, _): &Ticket) -> (Instant, u64) {
    (*arrived, *asks)
}

#[cfg(test)]
mod tests;
