//! The operator's own metrics.

use std::{
    sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering},
    time::Duration,
};

use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::{Registry, Unit},
};

/// Counters and gauges of one replica.
pub struct Telemetry {
    registry: Registry,
    ready: AtomicBool,
    leads: Gauge<i64, AtomicI64>,
    passes: Histogram,
    scrapes: Family<Outcome, Counter>,
    retreats: Family<Because, Counter>,
    refused: Family<Because, Counter<u64, AtomicU64>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Because {
    reason: String,
}

impl Default for Telemetry {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("optimization");
        let telemetry = Self {
            ready: AtomicBool::new(false),
            leads: Gauge::default(),
            passes: Histogram::new(exponential_buckets(0.001, 2.0, 14)),
            scrapes: Family::default(),
            retreats: Family::default(),
            refused: Family::default(),
            registry: Registry::default(),
        };
        registry.register("leader", "1 on the replica that leads", telemetry.leads.clone());
        registry.register_with_unit(
            "pass_duration",
            "Time of one pass over one rollout",
            Unit::Seconds,
            telemetry.passes.clone(),
        );
        registry.register("scrapes", "Members asked for their metrics", telemetry.scrapes.clone());
        registry.register("retreats", "Retreats begun by this replica", telemetry.retreats.clone());
        registry.register("failed_writes", "Writes that did not go through", telemetry.refused.clone());
        Self { registry, ..telemetry }
    }
}

impl Telemetry {
    /// All caches have been filled.
    pub fn set_ready(&self) {
        self.ready.store(true, Ordering::Relaxed);
    }

    /// Whether all caches have been filled.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Relaxed)
    }

    /// Whether this replica leads.
    pub fn leads(&self, leads: bool) {
        self.leads.set(i64::from(leads));
    }

    /// A pass took this long.
    pub fn passed(&self, time: Duration) {
        self.passes.observe(time.as_secs_f64());
    }

    /// A member was asked.
    pub fn scraped(&self, answered: bool) {
        let outcome = if answered { "answered" } else { "failed" };
        self.scrapes.get_or_create(&Outcome { outcome }).inc();
    }

    /// A retreat began.
    pub fn retreated(&self, reason: &str) {
        self.retreats.get_or_create(&Because { reason: reason.to_owned() }).inc();
    }

    /// A write failed.
    pub fn write_failed(&self, reason: &str) {
        self.refused.get_or_create(&Because { reason: reason.to_owned() }).inc();
    }

    /// Everything in OpenMetrics text.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing into a string does not fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}
