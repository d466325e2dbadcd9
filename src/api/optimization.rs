//! What a rollout switches on: optimizations and their settings.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Scalar;

/// A named set of settings that are switched together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Optimization {
    /// name of the optimization, as members report it in the acknowledgement metric. Up to 63 characters.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?$"))]
    pub name: String,
    /// settings to change, at least one and at most 32. A path may stand in one optimization only.
    #[schemars(length(min = 1, max = 32))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["path".into()]))]
    pub settings: Vec<Setting>,
}

/// One setting and its two values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Setting {
    /// path of the setting in the member's file: keys joined by dots (`network.pool.max`), or the variable's name
    /// for format Env. Up to 256 characters.
    #[schemars(length(min = 1, max = 256), regex(pattern = r"^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$"))]
    pub path: String,
    /// optimized is the value of an optimized member: a boolean, a number or a text of up to 1,024 characters.
    pub optimized: Scalar,
    /// baseline is the value of all other members: a boolean, a number or a text of up to 1,024 characters. Left out:
    /// what was there before, or nothing at all. A patched file always gets back what was there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<Scalar>,
}
