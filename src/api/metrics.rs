//! Where measurements come from.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Duration;

/// Where measurements come from and how often they are taken.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Metrics {
    /// interval between two looks; default 2s, at least 500ms.
    #[serde(default = "default_interval")]
    #[x_kube(validation = Rule::new("duration(self) >= duration('500ms') && duration(self) <= duration('10m')")
        .message("interval: between 500ms and 10m"))]
    pub interval: Duration,
    /// source of the measurements.
    pub source: Source,
    /// silence says what happens when measurements stay away.
    #[serde(default)]
    pub silence: Silence,
}

/// A source of measurements.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Source {
    /// pods reads each member's own metrics endpoint.
    Pods(PodSource),
    /// connection names a Connection: a Prometheus that scrapes the members.
    Connection(#[schemars(length(min = 1, max = 253), regex(pattern = r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$"))] String),
}

/// The members' own metrics endpoints.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PodSource {
    /// port is the name of a container port that the pods declare.
    #[schemars(length(min = 1, max = 15), regex(pattern = r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$"))]
    pub port: String,
    /// path of the endpoint; default /metrics.
    #[serde(default = "default_path")]
    #[schemars(length(min = 1, max = 256), regex(pattern = r"^/[^?#\s]*$"))]
    pub path: String,
}

/// What happens when no sufficient measurement arrives.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Silence {
    /// deadline without one sufficient look at every required indicator; default 30m.
    #[serde(default = "default_deadline")]
    #[x_kube(validation = Rule::new("duration(self) >= duration('5s')").message("deadline: at least 5s"))]
    pub deadline: Duration,
    /// action at the deadline: Retreat (default) takes the optimization back, Hold waits for a person.
    #[serde(default)]
    pub action: SilenceAction,
}

impl Default for Silence {
    fn default() -> Self {
        Self { deadline: default_deadline(), action: SilenceAction::default() }
    }
}

/// What happens at the deadline of a silence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum SilenceAction {
    /// Take the optimization back.
    #[default]
    Retreat,
    /// Stay as it is and say so.
    Hold,
}

fn default_interval() -> Duration {
    Duration::from_secs(2)
}

fn default_path() -> String {
    "/metrics".to_owned()
}

fn default_deadline() -> Duration {
    Duration::from_secs(1800)
}
