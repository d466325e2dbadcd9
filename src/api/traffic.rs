//! How traffic is taken away from optimized members.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::threshold::Threshold;

/// The routes to the fleet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Traffic {
    /// services that route to the fleet, 1 to 8. Their selector must contain
    /// `optimization.qudag.io/serving: "true"`, and the pod template the labels
    /// `optimization.qudag.io/serving: "true"` and `optimization.qudag.io/cohort: baseline`.
    #[schemars(length(min = 1, max = 8))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub services: Vec<ServiceReference>,
    /// method of taking traffic away: Selector (default) narrows the Services' selectors to the baseline cohort in one
    /// write and relabels the pods after it, unless one leads to pods of others as well; Labels only relabels the pods,
    /// for Services that may not be written.
    #[serde(default)]
    pub method: TrafficMethod,
    /// maxLoadIncrease bounds how much more load the remaining members get when optimized ones are taken out of
    /// traffic; default 100%. Beyond it the worst members leave and the others stay until their settings are back.
    #[serde(default = "hundred_percent")]
    #[x_kube(validation = Rule::new("self.endsWith('%')").message("maxLoadIncrease: write a percentage, for example 100%"))]
    pub max_load_increase: Threshold,
}

fn hundred_percent() -> Threshold {
    Threshold::percent(100)
}

/// A Service in the rollout's namespace.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServiceReference {
    /// name of the Service, in the namespace of the rollout. Headless Services, and those whose internal or
    /// external traffic policy is Local, cannot be rerouted.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$"))]
    pub name: String,
}

/// How traffic is taken away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum TrafficMethod {
    /// One patch of the Service's selector, then the labels of the pods.
    #[default]
    Selector,
    /// Only the labels of the pods.
    Labels,
}
