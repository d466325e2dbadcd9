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
    /// When the last request had its turn.
    served: Option<Instant>,
}

impl Queue {
    /// A request arrives. By the hash none of those that arrive together is always the first.
    pub(crate) fn enter(&mut self, asks: &str) -> Ticket {
        self.arrived += 1;
        let ticket = (Instant::now(), stable_hash(&[asks]), self.arrived);
        self.waiting.insert(ticket);
        ticket
    }

    /// Whether it is the turn of a request now; if so it leaves the queue. There is one turn an instant.
    pub(crate) fn leave(&mut self, ticket: Ticket) -> bool {
        let now = Instant::now();
        let turn = self.served != Some(now) && self.waiting.first() == Some(&ticket);
        if turn {
            self.waiting.pop_first();
            self.served = Some(now);
        }
        turn
    }
}

#[cfg(test)]
mod tests;
