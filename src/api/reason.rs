//! The closed vocabulary of conditions and reasons.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Types of conditions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::Display, strum::IntoStaticStr, strum::EnumIter)]
pub enum ConditionType {
    /// kstatus: the plan is accepted, or completed with `readiness: Completed`.
    Ready,
    /// kstatus: work is under way that needs nobody.
    Reconciling,
    /// kstatus: nothing goes on until somebody acts.
    Stalled,
    /// A run is under way.
    Progressing,
    /// The last run was taken back.
    Aborted,
    /// The last stage has baked.
    Succeeded,
    /// The optimized values are the baseline of every member.
    Settled,
    /// Traffic can be taken away from optimized members.
    TrafficRetreatReady,
}

/// Why something is as it is. Conditions, events, history and metrics use no other reason.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    JsonSchema,
    strum::Display,
    strum::IntoStaticStr,
    strum::EnumIter,
)]
pub enum Reason {
    /// A run has started.
    RunStarted,
    /// A stage has started.
    StageStarted,
    /// Members have been told and have not all acknowledged.
    AwaitingAcknowledgement,
    /// The stage is watched.
    Baking,
    /// The stage is watched, but measurements are missing or not sufficient.
    AwaitingMeasurements,
    /// Optimized members are not ready; the stage does not end before they are.
    MembersUnready,
    /// Measurements stayed away to the deadline and the rollout holds.
    Silence,
    /// Every stage has baked; the fleet is watched against the holdout.
    Watching,
    /// The holdout follows.
    Settling,
    /// The optimized values are the baseline of every member.
    Settled,
    /// `spec.paused` is set.
    Paused,
    /// A stage was promoted by `spec.promoteThrough`.
    Promoted,
    /// An indicator was beyond its limit.
    LimitBreached,
    /// A sample was far beyond doubt while the baseline was healthy.
    Catastrophe,
    /// Measurements stayed away to the deadline.
    SilenceDeadline,
    /// `spec.abort` is set.
    AbortRequested,
    /// The fleet or the optimizations changed during a run.
    PlanChanged,
    /// The rollout is being deleted.
    Deleted,
    /// The retreat is under way.
    Retreating,
    /// The retreat is done: every member has its baseline again.
    Restored,
    /// Members do not acknowledge their baseline.
    Unreachable,
    /// Somebody else gave members the values of another cohort, or deleted their ConfigMap.
    Overridden,
    /// Another rollout with members in common has not finished.
    FleetBusy,
    /// The selector matches no pod.
    NoMembers,
    /// No member is eligible.
    NoEligibleMembers,
    /// The fleet is too small for a holdout and a stage.
    FleetTooSmall,
    /// A path stands in more than one optimization.
    DuplicatePath,
    /// The ConfigMap exists and is not ours.
    ConfigMapNotOwned,
    /// The member's ConfigMap does not exist.
    ConfigMapMissing,
    /// The owner of the member's ConfigMap does not let the operator edit it.
    NotOptedIn,
    /// The member runs the optimized values without us.
    AlreadyOptimized,
    /// The ConfigMap is immutable.
    ConfigMapImmutable,
    /// A member's file or our record does not parse.
    ConfigUnreadable,
    /// Pods do not mount the ConfigMap as a directory.
    NotMounted,
    /// Pods do not declare the metrics port.
    NoMetricsPort,
    /// The Connection does not exist, or cannot be read.
    ConnectionMissing,
    /// The Connection does not allow this namespace.
    ConnectionNotAllowed,
    /// The Connection's url leads where the operator may not go.
    AddressRefused,
    /// The Connection's Secret does not exist, or the operator may not read it.
    SecretMissing,
    /// A Service cannot be rerouted.
    ServiceRefused,
    /// The pods or Services lack the labels by which traffic is moved.
    LabelsMissing,
    /// Traffic can be taken away.
    TrafficReady,
    /// No traffic is declared: the settings are the retreat.
    NoTraffic,
    /// The operator may not act in this namespace.
    NamespaceNotServed,
    /// The API refuses a write that the run needs.
    WriteRefused,
    /// The spec asks for something that the operator cannot read.
    InvalidSpec,
    /// The plan is accepted.
    Accepted,
    /// The member's Node has not the labels asked for.
    NodeNotSelected,
    /// Several pods of the fleet run on the member's Node.
    NodeShared,
}
