//! `OptimizationRollout`: switches optimizations on across a fleet in stages.

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    Duration, fleet::Fleet, indicator::Indicator, metrics::Metrics, optimization::Optimization, stage::Stage,
    status::OptimizationRolloutStatus, traffic::Traffic,
};

/// What is switched on which members, in which stages, and what takes it back.
#[derive(Clone, Debug, PartialEq, CustomResource, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "optimization.qudag.io",
    version = "v1alpha1",
    kind = "OptimizationRollout",
    plural = "optimizationrollouts",
    shortname = "optr",
    category = "optimization",
    doc = "OptimizationRollout switches optimizations on across a fleet in stages, compares optimized with baseline members while it happens, and takes the optimizations back when they hurt.",
    namespaced,
    status = "OptimizationRolloutStatus",
    derive = "PartialEq",
    printcolumn(json_path = ".status.summary.stage", name = "Stage", type_ = "string"),
    printcolumn(json_path = ".status.summary.members", name = "Members", type_ = "string"),
    printcolumn(json_path = ".status.summary.traffic", name = "Traffic", type_ = "string"),
    printcolumn(json_path = ".status.summary.reason", name = "Reason", type_ = "string"),
    printcolumn(json_path = ".metadata.creationTimestamp", name = "Age", type_ = "date"),
    validation = Rule::new("self.metadata.name.size() <= 63")
        .message("metadata.name: at most 63 characters, because it becomes the value of a label"),
    validation = Rule::new("!has(oldSelf.status) || !has(oldSelf.status.run) || has(oldSelf.status.run.settledAt) || (has(oldSelf.status.retreat) && has(oldSelf.status.retreat.acknowledgedAt)) || (self.spec.fleet.selector == oldSelf.spec.fleet.selector && self.spec.fleet.identity == oldSelf.spec.fleet.identity && self.spec.fleet.config == oldSelf.spec.fleet.config)")
        .message("spec.fleet: selector, identity and config stay while a run is under way, which is taken back by them; revert it, or set spec.abort first")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    cel,
    validation = Rule::new("self.stages.map(s, s.percent).isSorted() && self.stages.all(s, self.stages.exists_one(t, t.percent == s.percent))")
        .message("stages: percent must rise from stage to stage"),
    validation = Rule::new("!has(self.indicators) || self.indicators.size() == 0 || has(self.metrics)")
        .message("metrics: indicators need a source of measurements; set spec.metrics"),
    validation = Rule::new("!has(self.fleet.acknowledgement) || !has(self.fleet.acknowledgement.metric) || has(self.metrics)")
        .message("metrics: an acknowledgement metric needs a source of measurements; set spec.metrics"),
    validation = Rule::new("!has(self.indicators) || !self.indicators.exists(i, has(i.metric.promql)) || (has(self.metrics) && has(self.metrics.source.connection))")
        .message("indicators: promql needs a Connection as the source; set spec.metrics.source.connection"),
    validation = Rule::new("!has(self.promoteThrough) || self.stages.exists(s, s.name == self.promoteThrough)")
        .message("promoteThrough: names no stage of this rollout"),
    validation = Rule::new("!has(oldSelf.attempt) || (has(self.attempt) && self.attempt >= oldSelf.attempt)")
        .message("attempt: only rises; a retry is the next number")
)]
pub struct OptimizationRolloutSpec {
    /// fleet names the members and says how settings reach them. A change starts a new run.
    pub fleet: Fleet,
    /// optimizations to switch on, up to 16. A change starts a new run; one that was settled and is taken out is
    /// switched off in the same stages.
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub optimizations: Vec<Optimization>,
    /// stages in order, 1 to 16, with rising percentages.
    #[schemars(length(min = 1, max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub stages: Vec<Stage>,
    /// holdoutPercent of the eligible members stay baseline until the run is settled, 0 to 50. Default: 5 % but at
    /// least 3, and never more than half of the fleet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 50))]
    pub holdout_percent: Option<i32>,
    /// metrics says where measurements come from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metrics: Option<Metrics>,
    /// indicators to watch, at most 32. Restarts, out-of-memory kills and unreadiness are always watched.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub indicators: Vec<Indicator>,
    /// traffic says how optimized members are taken out of traffic. Left out: only settings are taken back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traffic: Option<Traffic>,
    /// watchAfter is how long the fleet is watched against the holdout after the last stage; default 24h.
    #[serde(default = "a_day")]
    pub watch_after: Duration,
    /// deletionPolicy: RestoreUnfinished (default) takes back what is not settled, Restore takes back everything,
    /// Retain leaves everything.
    #[serde(default)]
    pub deletion_policy: DeletionPolicy,
    /// readiness says when the condition Ready turns true: Accepted (default) once the plan is accepted, Completed
    /// once it is settled.
    #[serde(default)]
    pub readiness: Readiness,
    /// paused stops advances. A retreat is always possible.
    #[serde(default)]
    pub paused: bool,
    /// abort takes the optimizations back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub abort: Option<Abort>,
    /// attempt numbers the runs of one plan, from 1 (default). Raise it to retry after an abort. It only rises.
    #[serde(default = "first_attempt")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub attempt: i32,
    /// promoteThrough names a stage: the bakes of the stages up to and with it are skipped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub promote_through: Option<String>,
}

/// A person's wish to take the optimizations back.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Abort {
    /// reason for people, 1 to 512 characters.
    #[schemars(length(min = 1, max = 512))]
    pub reason: String,
}

/// What deleting a rollout does to the members.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DeletionPolicy {
    /// What is not settled is taken back first.
    #[default]
    RestoreUnfinished,
    /// Everything is taken back first, also what is settled.
    Restore,
    /// Everything stays as it is.
    Retain,
}

/// When a rollout counts as ready.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Readiness {
    /// Once the plan is accepted.
    #[default]
    Accepted,
    /// Once the run is settled.
    Completed,
}

fn a_day() -> Duration {
    Duration::from_secs(86_400)
}

fn first_attempt() -> i32 {
    1
}
