//! What a member reports of itself.

use std::{sync::atomic::AtomicU64, time::Duration};

use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};

use crate::settings::{OPTIMIZATIONS, Settings};

/// Growth from one latency bucket to the next: a quantile is then known to 9 %.
const GROWTH: f64 = 1.09;
/// The first bucket, and the one from which on there are no more, in seconds.
const FIRST: f64 = 0.001;
const LAST: f64 = 2.0;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Optimization {
    optimization: &'static str,
    revision: String,
}

/// Counters and gauges of one member.
pub struct Metrics {
    registry: Registry,
    requests: Counter,
    errors: Counter,
    duration: Histogram,
    enabled: Family<Optimization, Gauge>,
    pool: Gauge,
    memory: Gauge<u64, AtomicU64>,
    config_errors: Counter,
}

impl Metrics {
    /// Everything at zero: a counter that appears only with the first error would look like missing data until then.
    pub fn new() -> Self {
        let mut registry = Registry::default();
        let metrics = Self {
            requests: Counter::default(),
            errors: Counter::default(),
            duration: Histogram::new(buckets()),
            enabled: Family::default(),
            pool: Gauge::default(),
            memory: Gauge::default(),
            config_errors: Counter::default(),
            registry: Registry::default(),
        };
        // A counter's series has `_total` behind its name.
        registry.register("requests", "Requests", metrics.requests.clone());
        registry.register("errors", "Requests that failed", metrics.errors.clone());
        registry.register("request_duration_seconds", "Time of a request", metrics.duration.clone());
        registry.register("optimization_enabled", "1 for each optimization that is on", metrics.enabled.clone());
        registry.register("pool_size", "Connections that are kept at most", metrics.pool.clone());
        registry.register("process_resident_memory_bytes", "Memory", metrics.memory.clone());
        registry.register("config_errors", "Files that could not be used", metrics.config_errors.clone());
        Self { registry, ..metrics }
    }

    /// A request was answered.
    pub fn answered(&self, ok: bool, duration: Duration) {
        self.requests.inc();
        if !ok {
            self.errors.inc();
        }
        self.duration.observe(duration.as_secs_f64());
    }

    /// These settings are in use from now on.
    pub fn runs(&self, settings: &Settings) {
        self.enabled.clear();
        for optimization in OPTIMIZATIONS {
            let labels = Optimization { optimization, revision: settings.revision.clone() };
            self.enabled.get_or_create(&labels).set(settings.is_on(optimization).into());
        }
        self.pool.set(settings.network.pool.max.into());
    }

    /// A file could not be used.
    pub fn config_error(&self) {
        self.config_errors.inc();
    }

    /// Everything as OpenMetrics text.
    pub fn text(&self) -> String {
        self.memory.set(resident_memory().unwrap_or_default());
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

fn buckets() -> impl Iterator<Item = f64> {
    std::iter::successors(Some(FIRST), |bound| (*bound < LAST).then_some(bound * GROWTH))
}

/// Bytes that the process has in memory; unknown where there is no procfs.
fn resident_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

#[cfg(test)]
mod tests;
