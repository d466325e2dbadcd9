//! The stages of a rollout.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use crate::Duration;

/// A share of the members, and how long it is watched before the next stage.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Stage {
    /// name of the stage, unique in the rollout. Up to 63 characters.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$"))]
    pub name: String,
    /// percent of the eligible members without the holdout that are optimized in this stage, rounded down but at
    /// least one member. 1 to 100; must rise from stage to stage. In the running stage an edit acts at once: the last
    /// members go back, or more are switched.
    #[schemars(range(min = 1, max = 100))]
    pub percent: i32,
    /// bake is how long the stage must be watched with sufficient, passing measurements before the next one starts.
    /// Time without measurements does not count. More than zero, for example 30m.
    #[x_kube(validation = Rule::new("duration(self) > duration('0s')")
        .message("bake: a stage needs time to be watched; write for example 30m"))]
    pub bake: Duration,
}
