//! The fleet: who its members are, and how settings reach them.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Duration;

/// The members and their configuration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new(
        "!has(self.acknowledgement) || has(self.acknowledgement.revisionLabel) == has(self.config.revisionPath)")
        .message("fleet: set both of config.revisionPath and acknowledgement.revisionLabel, or none of them")
)]
pub struct Fleet {
    /// selector names the pods of the fleet, in the namespace of the rollout. It may not be empty.
    #[x_kube(validation = Rule::new(
        "(has(self.matchLabels) && self.matchLabels.size() > 0) || (has(self.matchExpressions) && self.matchExpressions.size() > 0)")
        .message("selector: an empty selector would name every pod of the namespace; give it matchLabels"))]
    pub selector: LabelSelector,
    /// identity says what a member is called: Pod (default) by its pod's name, for StatefulSets; Node by the name of
    /// the Node that it runs on, for DaemonSets.
    #[serde(default)]
    pub identity: Identity,
    /// nodeSelector restricts the eligible members to those on Nodes with these labels. Others are never touched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node_selector: Option<LabelSelector>,
    /// config is where the members' settings are kept.
    pub config: Config,
    /// acknowledgement is how a member reports which values it really runs. Left out: assumed after 60s.
    #[serde(default)]
    pub acknowledgement: Acknowledgement,
}

/// What identifies a member.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Identity {
    /// The name of the pod.
    #[default]
    Pod,
    /// The name of the Node that the pod runs on.
    Node,
}

/// Where the members' settings are kept, and in which format. One of rendered and patched.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.format != 'Env' || !has(self.rendered) || !self.rendered.key.endsWith('.toml')")
        .message("config: a key that ends in .toml contradicts format Env")
)]
pub struct Config {
    #[serde(flatten)]
    #[allow(missing_docs)]
    pub delivery: Delivery,
    /// format of the files: Toml (default), Json or Env (`NAME=value` lines).
    #[serde(default)]
    pub format: Format,
    /// reload says how members come to read a changed file: Watch (default), they notice it themselves; RestartPod,
    /// they read it only at start, so that their pods are evicted one after the other.
    #[serde(default, skip_serializing_if = "Reload::is_default")]
    pub reload: Reload,
    /// revisionPath is a setting that the operator adds to each file: a short text that changes with the others. A
    /// member that repeats it in acknowledgement.revisionLabel tells one value from another. Up to 256 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256), regex(pattern = r"^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$"))]
    pub revision_path: Option<String>,
}

impl Config {
    /// The base that members' files are made from, where there is one.
    #[must_use]
    pub fn base(&self) -> Option<&Base> {
        match &self.delivery {
            Delivery::Rendered(rendered) => rendered.base.as_ref(),
            Delivery::Patched(_) => None,
        }
    }
}

/// How settings are delivered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Delivery {
    /// rendered is a ConfigMap that the operator owns, with one small file per member.
    Rendered(Rendered),
    /// patched are the members' own ConfigMaps, which exist already and are edited in place: comments, order and what
    /// others change stay. Their owner allows it by the annotation
    /// `optimization.qudag.io/member: <member>` on each.
    Patched(Patched),
}

/// A ConfigMap that the operator writes: one file per member.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!has(self.base) || !self.base.name.matches('^' + self.name + '(-[0-9]+)?$')")
        .message("base: the operator writes this ConfigMap; choose another")
)]
pub struct Rendered {
    /// name of the ConfigMap, in the namespace of the rollout. The pods mount it as a directory (never by subPath:
    /// such mounts are not updated), `optional: true`. The operator creates it.
    #[schemars(length(min = 1, max = 200), regex(pattern = r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$"))]
    pub name: String,
    /// key is the name of a member's file; it contains `{member}`, for example `{member}.toml`.
    #[schemars(length(min = 8, max = 128), regex(pattern = r"^[-._a-zA-Z0-9{}]+$"))]
    #[x_kube(validation = Rule::new("self.contains('{member}')")
        .message("key: must contain {member}, so that each member has a file of its own"))]
    pub key: String,
    /// base is a file that each member's own is made from, for applications that read only one. Its owner allows it by
    /// the annotation `optimization.qudag.io/base: "true"` on its ConfigMap, which is only read. Left out: files hold
    /// the settings alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<Base>,
}

/// A file that every member's own is made from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Base {
    /// name of the ConfigMap, in the namespace of the rollout.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// key of the file, up to 200000 bytes.
    #[schemars(length(min = 1, max = 253))]
    pub key: String,
}

/// ConfigMaps that exist already, one for each member, and are edited in place.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Patched {
    /// name of a member's ConfigMap, in the namespace of the rollout; it contains `{member}`, for example
    /// `{member}-config`. The pod mounts it as a directory, never by subPath: such mounts are not updated.
    #[schemars(length(min = 8, max = 200), regex(pattern = r"^[a-z0-9{]([a-z0-9.{}-]*[a-z0-9}])?$"))]
    #[x_kube(validation = Rule::new("self.contains('{member}')")
        .message("name: must contain {member}, because each member has a ConfigMap of its own"))]
    pub name: String,
    /// key is the name of the file in that ConfigMap, for example `node.toml`.
    #[schemars(length(min = 1, max = 128), regex(pattern = r"^[-._a-zA-Z0-9]+$"))]
    pub key: String,
}

/// How members come to read a changed file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Reload {
    /// They notice that the file has changed.
    #[default]
    Watch,
    /// They read it only at start: their pods are evicted.
    RestartPod,
}

impl Reload {
    // A field that says nothing new must not change the identity of a plan.
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// The format of a member's file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Format {
    /// TOML 1.0. Comments and order are kept.
    #[default]
    Toml,
    /// JSON.
    Json,
    /// `NAME=value` lines.
    Env,
}

/// How a member reports which values it runs. One of metric and timer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("has(self.metric) != has(self.timer)")
        .message("acknowledgement: set exactly one of metric and timer")
)]
pub struct Acknowledgement {
    /// metric is the name of a gauge on the members' metrics endpoint: 1 for each optimization that is on, 0 for each
    /// that is off, with the optimization's name in a label.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub metric: Option<String>,
    /// label of the metric that holds the optimization's name; default `optimization`.
    #[serde(default = "optimization_label")]
    #[schemars(length(min = 1, max = 128), regex(pattern = r"^[a-zA-Z_][a-zA-Z0-9_]*$"))]
    pub label: String,
    /// revisionLabel is the label of the metric that repeats what stands at config.revisionPath. Needed where an
    /// optimization only changes a value (a pool of 200 instead of 100), because 1 before and 1 after tell nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128), regex(pattern = r"^[a-zA-Z_][a-zA-Z0-9_]*$"))]
    pub revision_label: Option<String>,
    /// timer is how long after its pod was told a member is assumed to run the new values, for applications that
    /// cannot report it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timer: Option<Duration>,
}

impl Default for Acknowledgement {
    fn default() -> Self {
        Self { metric: None, label: optimization_label(), revision_label: None, timer: Some(Duration::from_secs(60)) }
    }
}

fn optimization_label() -> String {
    "optimization".to_owned()
}
