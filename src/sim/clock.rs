//! A wall clock that follows tokio's clock.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

/// What a clock shows at the instant at which the first one was made: 2026-01-01T00:00:00Z.
const EPOCH: Timestamp = Timestamp::constant(1_767_225_600, 0);

/// A wall clock that goes as fast as tokio's clock: it stands still and jumps when that one is paused.
///
/// Clones are the same clock: a step of one is a step of all.
#[derive(Clone, Debug)]
pub struct Clock {
    start: Instant,
    offset_nanoseconds: Arc<AtomicI64>,
}

impl Clock {
    /// A clock that shows 2026-01-01T00:00:00Z now.
    pub fn new() -> Self {
        Self { start: Instant::now(), offset_nanoseconds: Arc::default() }
    }

    /// What the clock shows.
    pub fn now(&self) -> Timestamp {
        let offset = SignedDuration::from_nanos(self.offset_nanoseconds.load(Ordering::Relaxed));
        EPOCH + self.start.elapsed() + offset
    }

    /// Another clock, which is ahead of this one by `skew` and has steps of its own.
    pub fn skewed(&self, skew: SignedDuration) -> Self {
        let offset = self.offset_nanoseconds.load(Ordering::Relaxed);
        let clock = Self { start: self.start, offset_nanoseconds: Arc::new(AtomicI64::new(offset)) };
        clock.step(skew);
        clock
    }

    /// Sets the clock forward by `by`, or back where that is negative.
    pub fn step(&self, by: SignedDuration) {
        let nanoseconds = i64::try_from(by.as_nanos()).unwrap_or(i64::MAX);
        self.offset_nanoseconds.fetch_add(nanoseconds, Ordering::Relaxed);
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests;
