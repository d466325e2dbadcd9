//! Indicators: measured quantities with limits.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Duration, threshold::Threshold};

/// A measured quantity with a limit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("has(self.max) || has(self.min) || has(self.maxIncrease) || has(self.maxDecrease)")
        .message("indicator: set a limit: max, min, maxIncrease or maxDecrease"),
    validation = Rule::new("!has(self.metric.event) || (has(self.max) && !has(self.min) && !has(self.maxIncrease) && !has(self.maxDecrease))")
        .message("indicator: an event has one limit, max")
)]
pub struct Indicator {
    /// name of the indicator, unique in the rollout. Up to 63 characters.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?$"))]
    pub name: String,
    /// metric says what is measured.
    pub metric: Metric,
    /// max is an absolute upper limit on the optimized members: `1%`, `250ms`, `512Mi`, `0.5`. While the baseline was
    /// beyond it within the window as well, and is at least half as bad, this is inconclusive: something else is wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<Threshold>,
    /// min is an absolute lower limit on the optimized members; inconclusive like max.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<Threshold>,
    /// maxIncrease is how much higher the optimized members may be than the baseline members at the same time, for
    /// example 10%. Needs at least two baseline members.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self.endsWith('%')").message("maxIncrease: write a percentage, for example 10%"))]
    pub max_increase: Option<Threshold>,
    /// maxDecrease is how much lower the optimized members may be than the baseline members at the same time, for
    /// example 5%. Needs at least two baseline members.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self.endsWith('%')").message("maxDecrease: write a percentage, for example 5%"))]
    pub max_decrease: Option<Threshold>,
    /// mode: Enforce (default) retreats on a breach and is required for an advance; Observe only reports.
    #[serde(default)]
    pub mode: Mode,
    /// window over which counters and histograms are evaluated; default 10s, never less than one interval.
    #[serde(default = "default_window")]
    pub window: Duration,
    /// initialDelay after a stage starts, while this indicator neither breaches nor passes; default 0s.
    #[serde(default)]
    pub initial_delay: Duration,
    /// minRequests in the window, in each cohort, below which a ratio or histogram is inconclusive; default 20.
    #[serde(default = "default_min_requests")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub min_requests: i32,
    /// confirm says how many looks must agree before a limit counts as breached; default 2 of 3.
    #[serde(default)]
    pub confirm: Confirm,
}

/// How many looks must agree.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self.breaches <= self.looks").message("confirm: breaches may not exceed looks"))]
pub struct Confirm {
    /// breaches needed among the last looks, 1 to 20; default 2.
    #[serde(default = "default_breaches")]
    #[schemars(range(min = 1, max = 20))]
    pub breaches: i32,
    /// looks that are counted, 1 to 20; default 3.
    #[serde(default = "default_looks")]
    #[schemars(range(min = 1, max = 20))]
    pub looks: i32,
}

impl Default for Confirm {
    fn default() -> Self {
        Self { breaches: default_breaches(), looks: default_looks() }
    }
}

/// What is measured. Series are written as a metric name with optional equality matchers, for example
/// `http_requests_total{code="500"}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Metric {
    /// ratio of two counters' growth: failed requests by all requests.
    Ratio(RatioMetric),
    /// histogram of durations or sizes: a quantile, or the mean.
    Histogram(HistogramMetric),
    /// rate of a counter, per second and member.
    Rate(CounterMetric),
    /// gauge, as the mean of the members.
    Gauge(GaugeMetric),
    /// growth of a gauge per hour and member, for leaks.
    Growth(GaugeMetric),
    /// event counter that should stay still: its growth in the window, over all members.
    Event(CounterMetric),
    /// promql is a query of your own, for a Connection as the source; what it returns is judged as a gauge.
    Promql(PromqlMetric),
}

/// Two counters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RatioMetric {
    /// numerator: the counter of what is limited, for example errors_total.
    #[schemars(length(min = 1, max = 512))]
    pub numerator: String,
    /// denominator: the counter of everything, for example requests_total.
    #[schemars(length(min = 1, max = 512))]
    pub denominator: String,
}

/// A histogram.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HistogramMetric {
    /// name of the histogram, without _bucket, _sum or _count.
    #[schemars(length(min = 1, max = 512))]
    pub name: String,
    /// quantile between 0 and 1, both excluded, as text: "0.99". Left out: the mean.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 8), regex(pattern = r"^0?\.[0-9]*[1-9][0-9]*$"))]
    pub quantile: Option<String>,
}

/// A counter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CounterMetric {
    /// counter to read.
    #[schemars(length(min = 1, max = 512))]
    pub counter: String,
}

/// A gauge.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GaugeMetric {
    /// gauge to read.
    #[schemars(length(min = 1, max = 512))]
    pub gauge: String,
}

/// A query.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PromqlMetric {
    /// query in PromQL that returns one series per pod, with the pod's name in the label that the Connection says. How
    /// old its data may be is up to the query: without new samples, rate() and last_over_time() still return values.
    #[schemars(length(min = 1, max = 2048))]
    pub query: String,
}

/// Whether an indicator acts or only reports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Mode {
    /// A breach retreats; a pass is needed to advance.
    #[default]
    Enforce,
    /// Only reported.
    Observe,
}

fn default_window() -> Duration {
    Duration::from_secs(10)
}

fn default_min_requests() -> i32 {
    20
}

fn default_breaches() -> i32 {
    2
}

fn default_looks() -> i32 {
    3
}
