//! What the operator reports, and the least memory that it cannot observe.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Duration, reason::Reason};

/// Status of a rollout.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct OptimizationRolloutStatus {
    /// observedGeneration is the generation of the spec that this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// conditions: Ready, Reconciling and Stalled as kstatus reads them; Progressing, Aborted, Succeeded, Settled and
    /// TrafficRetreatReady of our own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
    /// run is the current or last run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<Run>,
    /// stage is the stage that the run is in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<StageStatus>,
    /// retreat is the retreat of this run, with its four clocks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retreat: Option<Retreat>,
    /// members counts the members by what they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub members: Option<Members>,
    /// summary is one line for printer columns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<Summary>,
    /// indicators as measured at the last report.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 40))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub indicators: Vec<IndicatorStatus>,
    /// history of the last 20 transitions, newest last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub history: Vec<Transition>,
    /// ineligible members with the reason, at most 20 of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub ineligible: Vec<Ineligible>,
}

/// One pass through the stages of one plan. Times are facts: an absent one has not happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Run {
    /// id of the run; marks on other objects name it.
    pub id: String,
    /// plan identifies the fleet and the optimizations.
    pub plan: String,
    /// attempt of this plan.
    pub attempt: i32,
    /// seed of the order in which members are optimized.
    pub seed: String,
    /// eligible members when the run started.
    pub eligible: i32,
    /// holdout members, which stay baseline until the run is settled.
    pub holdout: i32,
    /// startedAt is when the run started.
    pub started_at: Time,
    /// abortedAt is when the retreat was decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aborted_at: Option<Time>,
    /// succeededAt is when the last stage had baked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub succeeded_at: Option<Time>,
    /// settlingAt is when the watch ended and the holdout followed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settling_at: Option<Time>,
    /// closingAt is when every member had followed, and the values began to be settled: nothing takes the run back after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closing_at: Option<Time>,
    /// settledAt is when the optimized values became the baseline of every member.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settled_at: Option<Time>,
}

/// Progress of one stage.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StageStatus {
    /// index of the stage, from 0.
    pub index: i32,
    /// name of the stage.
    pub name: String,
    /// percent of the stage.
    pub percent: i32,
    /// quota is how many members the stage allows to be optimized.
    pub quota: i32,
    /// startedAt is when the stage started, or when its bake started anew because stages or indicators were edited.
    pub started_at: Time,
    /// edited: the stage was edited after members had been optimized; members that joined wait for the next stage.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub edited: bool,
    /// judgedBy identifies the stages and indicators that this bake is judged by.
    #[serde(default)]
    pub judged_by: String,
    /// covered is how much of the bake was watched with sufficient, passing looks, to the last report.
    #[serde(default)]
    pub covered: Duration,
}

/// A retreat, with the clocks by which it is judged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Retreat {
    /// reason of the retreat.
    pub reason: Reason,
    /// message says what was measured.
    pub message: String,
    /// decidedAt is when the retreat was decided.
    pub decided_at: Time,
    /// reroutedAt is when no endpoint led to a member that still had to go back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rerouted_at: Option<Time>,
    /// offAt is when every member's settings were back in the API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub off_at: Option<Time>,
    /// acknowledgedAt is when every member ran its baseline again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledged_at: Option<Time>,
}

/// Counts of members.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Members {
    /// fleet: all members that the selector names.
    pub fleet: i32,
    /// eligible members of the run.
    pub eligible: i32,
    /// optimized members.
    pub optimized: i32,
    /// acknowledged: optimized members that reported the optimized values themselves.
    pub acknowledged: i32,
    /// baseline members, without the holdout.
    pub baseline: i32,
    /// holdout members.
    pub holdout: i32,
    /// returning: members that go back and have not acknowledged it.
    pub returning: i32,
    /// overridden: members whose value somebody else set to the baseline.
    #[serde(default)]
    pub overridden: i32,
}

/// One line for printer columns.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// stage as position and name: `2/3 half`.
    pub stage: String,
    /// members as optimized by eligible: `10/20`.
    pub members: String,
    /// traffic: Normal, or what the routes do during a retreat.
    pub traffic: String,
    /// reason of the current state.
    pub reason: String,
}

/// The last report of an indicator.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct IndicatorStatus {
    /// name of the indicator.
    pub name: String,
    /// verdict: Pass, Breach or Inconclusive.
    pub verdict: Verdict,
    /// message explains the verdict with the numbers.
    pub message: String,
    /// optimized is the value of the optimized members, as text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub optimized: Option<String>,
    /// baseline is the value of the baseline members, as text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<String>,
}

/// What an indicator says of the optimized members.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Verdict {
    /// Within its limits, on fresh and sufficient data.
    Pass,
    /// Beyond a limit.
    Breach,
    /// Not enough, not fresh or not finite data. Never counts as a pass.
    Inconclusive,
}

/// One transition of the run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Transition {
    /// time of the transition.
    pub time: Time,
    /// reason of the transition.
    pub reason: Reason,
    /// message with the numbers.
    pub message: String,
}

/// A member that is left alone, and why.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Ineligible {
    /// member's name.
    pub member: String,
    /// reason why it is left alone.
    pub reason: Reason,
    /// message says what is not right and what to do about it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 1024))]
    pub message: String,
}
