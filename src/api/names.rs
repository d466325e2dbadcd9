//! The names that we put on other people's objects, and on our own.

/// API group of every kind.
pub const GROUP: &str = "optimization.qudag.io";

/// Pod label: which values this pod runs, `optimized` or `baseline`. Templates carry `baseline`.
pub const COHORT_LABEL: &str = "optimization.qudag.io/cohort";
/// Pod label: whether this pod may get traffic, `"true"` or `"false"`. Templates carry `"true"`.
pub const SERVING_LABEL: &str = "optimization.qudag.io/serving";
/// Label of a ConfigMap that we own: the name of the rollout that wrote it last.
pub const ROLLOUT_LABEL: &str = "optimization.qudag.io/rollout";

/// Mark of a retreat, on every object that it changes: the id of the run that is aborted.
pub const RETREAT_ANNOTATION: &str = "optimization.qudag.io/retreat";
/// Why the run retreats, as JSON, beside the mark.
pub const RETREAT_REASON_ANNOTATION: &str = "optimization.qudag.io/retreat-reason";
/// Pod annotation that makes the kubelet project changed ConfigMaps at once; its value is of no meaning.
pub const TOUCH_ANNOTATION: &str = "optimization.qudag.io/touched";
/// Annotation of a per-member ConfigMap: its owner lets us edit it, on behalf of the member named.
pub const MEMBER_ANNOTATION: &str = "optimization.qudag.io/member";
/// Annotation of the ConfigMap with a base: `"true"`, its owner lets us make members' files from it.
pub const BASE_ANNOTATION: &str = "optimization.qudag.io/base";
/// Annotation of a per-member ConfigMap: its member's cohort and since which stage, as JSON.
pub const RECORD_ANNOTATION: &str = "optimization.qudag.io/record";
/// Annotation of a per-member ConfigMap: how to give its file back as it was, as JSON.
pub const INVERSE_ANNOTATION: &str = "optimization.qudag.io/inverse";
/// Annotation of a ConfigMap that we write: the settled values, as JSON from path to value.
pub const SETTLED_ANNOTATION: &str = "optimization.qudag.io/settled";
/// Annotation of a ConfigMap that we write: whose the settled values are, as JSON by path.
pub const SETTLED_BY_ANNOTATION: &str = "optimization.qudag.io/settled-by";

/// Key of a rendered ConfigMap that records who is a member and since which stage.
pub const MEMBERS_KEY: &str = ".members.json";
/// Key of a rendered ConfigMap with a copy of the base that its members' files were made from.
pub const BASE_KEY: &str = ".base";
/// What a key template says in place of the member's name.
pub const MEMBER_PLACEHOLDER: &str = "{member}";

/// Finalizer of a rollout whose deletion would have to restore something.
pub const FINALIZER: &str = "optimization.qudag.io/restore";
/// Field manager of every write.
pub const FIELD_MANAGER: &str = "optimization-operator";
/// Name of the Lease that elects the replica that advances.
pub const LEASE: &str = "optimization-operator";

/// Values of [`COHORT_LABEL`].
pub mod cohort {
    /// Runs the optimized values, or is about to.
    pub const OPTIMIZED: &str = "optimized";
    /// Runs the baseline values.
    pub const BASELINE: &str = "baseline";
}
