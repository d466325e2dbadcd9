//! `Connection`: a place that the operator may talk to.
// Columns of one type are no duplicates.
#![allow(clippy::duplicated_attributes)]

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Duration;

/// A Connection is a place that the operator may talk to. Rollouts name it and never write a URL themselves: who may
/// write Connections decides where requests go, with which secret, and for which namespaces.
#[derive(Clone, Debug, PartialEq, CustomResource, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "optimization.qudag.io",
    version = "v1alpha1",
    kind = "Connection",
    plural = "connections",
    shortname = "conn",
    category = "optimization",
    doc = "Connection is a place that the operator may talk to. Rollouts name it and never write a URL themselves: who may write Connections decides where requests go, with which secret, and for which namespaces.",
    derive = "PartialEq",
    printcolumn(json_path = ".spec.type", name = "Type", type_ = "string"),
    printcolumn(json_path = ".spec.url", name = "URL", type_ = "string"),
    printcolumn(json_path = ".spec.allowedNamespaces", name = "Namespaces", type_ = "string"),
    printcolumn(json_path = ".metadata.creationTimestamp", name = "Age", type_ = "date")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    cel,
    validation = Rule::new("!self.url.startsWith('https:') || has(self.ca)")
        .message("ca: https needs the certificates of the authority that signed the server's, in PEM; no others are trusted"),
    validation = Rule::new("!has(self.secret) || self.url.startsWith('https:')")
        .message("secret: a token is only sent over https")
)]
pub struct ConnectionSpec {
    /// type of the server: Prometheus, for everything that has its HTTP API.
    #[serde(rename = "type")]
    pub kind: ConnectionType,
    /// url of the server: scheme, host, port, and the prefix of its paths if there is one, for example
    /// http://prometheus.monitoring.svc:9090. No user, query or fragment. Up to 512 characters.
    #[schemars(length(min = 8, max = 512))]
    #[x_kube(
        validation = Rule::new("self.startsWith('http://') || self.startsWith('https://')")
            .message("url: begins with http:// or https://"),
        validation = Rule::new("!self.contains('@')").message("url: no user and no password; use secret"),
        validation = Rule::new("!self.contains('?') && !self.contains('#')").message("url: no query and no fragment"),
        validation = Rule::new(r"self.matches('^https?://([a-z0-9]([a-z0-9.-]*[a-z0-9])?|\\[[0-9a-f:]+\\])(:[0-9]{1,5})?(/[A-Za-z0-9._~/-]*)?$') || !(self.startsWith('http://') || self.startsWith('https://')) || self.contains('@') || self.contains('?') || self.contains('#')")
            .message("url: write it as http://host:port/prefix, with the host in lower case")
    )]
    pub url: String,
    /// allowedNamespaces lists the namespaces whose rollouts may use this Connection, 1 to 256; "*" means all.
    #[schemars(
        length(min = 1, max = 256),
        inner(length(max = 63), regex(pattern = r"^(\*|[a-z0-9]([-a-z0-9]*[a-z0-9])?)$"))
    )]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub allowed_namespaces: Vec<String>,
    /// allowAddresses lists networks, as 127.0.0.0/8, that the url may lead to although they are refused otherwise:
    /// loopback, link-local, multicast and unspecified addresses, those of cloud metadata, and IPv6 addresses that hide
    /// an IPv4 address. At most 16.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(max = 43)))]
    #[x_kube(
        merge_strategy = ListMerge::Set,
        validation = Rule::new("self.all(network, isCIDR(network))")
            .message("allowAddresses: write each network as address/bits, for example 127.0.0.0/8")
    )]
    pub allow_addresses: Vec<String>,
    /// ca holds the certificates, in PEM, by which the server's is checked. Needed for https. Up to 64 KiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 65_536))]
    #[x_kube(validation = Rule::new("self.contains('-----BEGIN CERTIFICATE-----')")
        .message("ca: certificates in PEM, from -----BEGIN CERTIFICATE----- on"))]
    pub ca: Option<String>,
    /// secret holds a bearer token that is sent with every request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<SecretKey>,
    /// labels by which a series names its member.
    #[serde(default)]
    pub labels: MemberLabels,
    /// staleAfter is the age from which a sample counts as missing; default 1m, 1s to 1h. At least twice the server's
    /// scrape interval, or healthy members have gaps.
    #[serde(default = "a_minute")]
    #[x_kube(validation = Rule::new("duration(self) >= duration('1s') && duration(self) <= duration('1h')")
        .message("staleAfter: between 1s and 1h"))]
    pub stale_after: Duration,
    /// timeout of one request; default 2s, 100ms to 30s.
    #[serde(default = "two_seconds")]
    #[x_kube(validation = Rule::new("duration(self) >= duration('100ms') && duration(self) <= duration('30s')")
        .message("timeout: between 100ms and 30s"))]
    pub timeout: Duration,
}

impl ConnectionSpec {
    /// Whether rollouts of a namespace may use it.
    #[must_use]
    pub fn allows(&self, namespace: &str) -> bool {
        self.allowed_namespaces.iter().any(|allowed| allowed == "*" || allowed == namespace)
    }
}

/// What kind of server it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ConnectionType {
    /// The HTTP API of Prometheus.
    Prometheus,
}

/// A key of a Secret in the namespace of the operator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretKey {
    /// name of the Secret, in the operator's own namespace. The chart's value connections.secrets has to list it.
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$"))]
    pub name: String,
    /// key of the Secret under which the token stands.
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[-._a-zA-Z0-9]+$"))]
    pub key: String,
}

/// The labels by which a series names its member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MemberLabels {
    /// namespace is the label with the pod's namespace; default namespace.
    #[serde(default = "namespace")]
    #[schemars(length(min = 1, max = 128), regex(pattern = r"^[a-zA-Z_][a-zA-Z0-9_]*$"))]
    pub namespace: String,
    /// pod is the label with the pod's name; default pod. It is used for fleets of either identity.
    #[serde(default = "pod")]
    #[schemars(length(min = 1, max = 128), regex(pattern = r"^[a-zA-Z_][a-zA-Z0-9_]*$"))]
    pub pod: String,
}

impl Default for MemberLabels {
    fn default() -> Self {
        Self { namespace: namespace(), pod: pod() }
    }
}

fn namespace() -> String {
    "namespace".to_owned()
}

fn pod() -> String {
    "pod".to_owned()
}

fn a_minute() -> Duration {
    Duration::from_secs(60)
}

fn two_seconds() -> Duration {
    Duration::from_secs(2)
}
