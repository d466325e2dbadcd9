//! What goes wrong while an optimization is on, when told to.

use std::time::Duration;

use serde::Deserialize;

use crate::settings::{OPTIMIZATIONS, Settings};

/// Kept connections beyond which the upstream refuses half of all requests.
pub const UPSTREAM_LIMIT: u64 = 500;
/// Connections that a pool opens in a second, up to its maximum: one that is too large hurts only after a while.
const OPENED_PER_SECOND: u64 = 25;

/// Faults; each by a flag or an environment variable, so that a pod template can ask for them, or while the member runs.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, clap::Args)]
#[serde(default, deny_unknown_fields)]
pub struct Faults {
    /// The optimization that brings the faults; any of them if left out
    #[arg(long = "fault-when", env = "FAULT_WHEN", value_parser = OPTIMIZATIONS)]
    pub when: Option<String>,
    /// They act without any optimization as well
    #[arg(long = "fault-always", env = "FAULT_ALWAYS")]
    pub always: bool,
    /// Percent of requests that fail
    #[arg(long = "fault-errors", env = "FAULT_ERRORS", default_value_t = 0, value_parser = clap::value_parser!(u8).range(..=100))]
    pub errors: u8,
    /// Milliseconds that each request takes longer
    #[arg(long = "fault-latency", env = "FAULT_LATENCY", default_value_t = 0)]
    pub latency: u64,
    /// MiB of memory lost each second
    #[arg(long = "fault-leak", env = "FAULT_LEAK", default_value_t = 0)]
    pub leak: usize,
    /// Seconds after which the process ends
    #[arg(long = "fault-crash", env = "FAULT_CRASH")]
    pub crash: Option<u64>,
    /// The metrics endpoint answers 503
    #[arg(long = "fault-silence", env = "FAULT_SILENCE")]
    pub silence: bool,
    /// The member is not ready
    #[arg(long = "fault-unready", env = "FAULT_UNREADY")]
    pub unready: bool,
}

/// The faults that act now.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Active {
    /// Percent of requests that fail.
    pub errors: u8,
    /// Time that each request takes longer.
    pub latency: Duration,
    /// MiB of memory lost each second.
    pub leak: usize,
    /// Time until the process ends.
    pub crash: Option<Duration>,
    /// The metrics endpoint answers 503.
    pub silence: bool,
    /// The health endpoint answers 503.
    pub unready: bool,
}

impl Faults {
    /// What acts with these settings, so long after they came. A pool that is too large for the upstream fails without
    /// being told to.
    pub fn active(&self, settings: &Settings, age: Duration) -> Active {
        let on = match &self.when {
            Some(optimization) => settings.is_on(optimization),
            None => OPTIMIZATIONS.iter().any(|optimization| settings.is_on(optimization)),
        };
        let mut active = if on || self.always {
            Active {
                errors: self.errors,
                latency: Duration::from_millis(self.latency),
                leak: self.leak,
                crash: self.crash.map(Duration::from_secs),
                silence: self.silence,
                unready: self.unready,
            }
        } else {
            Active::default()
        };
        let pool = &settings.network.pool;
        if pool.enabled && u64::from(pool.max).min(age.as_secs() * OPENED_PER_SECOND) > UPSTREAM_LIMIT {
            active.errors = active.errors.max(50);
        }
        active
    }
}

#[cfg(test)]
mod tests;
