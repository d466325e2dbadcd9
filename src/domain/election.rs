//! Who may advance: one replica holds a Lease.
//!
//! Expiry is measured on the local monotonic clock since this replica last saw the record change, as client-go does:
//! clocks of different machines are never compared.

use std::time::Duration;

/// How long a lease lasts after its last renewal.
pub const LEASE_DURATION: Duration = Duration::from_secs(5);
/// How often the holder renews, and how often others look.
pub const RETRY_PERIOD: Duration = Duration::from_millis(1_000);
/// How long a holder that cannot renew still begins writes. Less than [`LEASE_DURATION`] by more than the deadline of one.
pub const RENEW_DEADLINE: Duration = Duration::from_millis(2_900);

/// The Lease as this replica last saw it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Who holds it; `None` when it was released or never taken.
    pub holder: Option<String>,
    /// Monotonic time since the record last changed.
    pub unchanged_for: Duration,
}

/// What to do about the Lease now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Write ourselves as the new holder.
    Acquire,
    /// Renew our own lease.
    Renew,
    /// Leave it to its holder.
    Wait,
}

/// What this replica does about the Lease.
#[must_use]
pub fn next(me: &str, seen: &Seen) -> Next {
    match &seen.holder {
        None => Next::Acquire,
        Some(holder) if holder == me => Next::Renew,
        Some(_) if seen.unchanged_for >= LEASE_DURATION => Next::Acquire,
        Some(_) => Next::Wait,
    }
}

/// Whether a replica that last renewed so long ago may still advance.
#[must_use]
pub fn may_advance(since_renewal: Duration) -> bool {
    since_renewal < RENEW_DEADLINE
}

#[cfg(test)]
mod tests;
