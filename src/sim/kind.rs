//! The kinds that the server knows, and the keys of its objects.

use std::fmt;

use kube::Resource;
use serde_json::Value;

use crate::object::text;

/// A kind of objects, as discovery would describe it.
#[derive(Debug)]
pub(crate) struct Kind {
    pub(crate) group: &'static str,
    pub(crate) version: &'static str,
    pub(crate) plural: &'static str,
    pub(crate) kind: &'static str,
    pub(crate) namespaced: bool,
    /// Whether the status is written at `/status` only.
    pub(crate) has_status: bool,
    /// Whether a CustomResourceDefinition stands behind it.
    pub(crate) custom: bool,
    /// Whether it counts the changes of its spec.
    pub(crate) generations: bool,
    /// Whether it says who manages which fields: the kinds that several people write.
    pub(crate) managed: bool,
}

const fn kind(group: &'static str, version: &'static str, plural: &'static str, kind: &'static str) -> Kind {
    Kind {
        group,
        version,
        plural,
        kind,
        namespaced: true,
        has_status: false,
        custom: false,
        generations: false,
        managed: false,
    }
}

const KINDS: &[Kind] = &[
    Kind { has_status: true, generations: true, ..kind("", "v1", "pods", "Pod") },
    Kind { has_status: true, managed: true, ..kind("", "v1", "services", "Service") },
    Kind { managed: true, ..kind("", "v1", "configmaps", "ConfigMap") },
    Kind { has_status: true, namespaced: false, ..kind("", "v1", "nodes", "Node") },
    Kind { has_status: true, namespaced: false, ..kind("", "v1", "namespaces", "Namespace") },
    kind("", "v1", "events", "Event"),
    kind("events.k8s.io", "v1", "events", "Event"),
    kind("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice"),
    kind("coordination.k8s.io", "v1", "leases", "Lease"),
    Kind {
        custom: true,
        generations: true,
        namespaced: false,
        ..kind("optimization.qudag.io", "v1alpha1", "connections", "Connection")
    },
    Kind { namespaced: false, ..kind("authentication.k8s.io", "v1", "tokenreviews", "TokenReview") },
    Kind { namespaced: false, ..kind("authorization.k8s.io", "v1", "subjectaccessreviews", "SubjectAccessReview") },
    Kind {
        has_status: true,
        custom: true,
        generations: true,
        managed: true,
        ..kind("optimization.qudag.io", "v1alpha1", "optimizationrollouts", "OptimizationRollout")
    },
];

impl Kind {
    /// The kind that is served under a group, a version and a plural name.
    pub(crate) fn served(group: &str, version: &str, plural: &str) -> Option<&'static Self> {
        KINDS.iter().find(|kind| kind.group == group && kind.version == version && kind.plural == plural)
    }

    /// The kind that an object says it has.
    pub(crate) fn of(object: &Value) -> Option<&'static Self> {
        KINDS
            .iter()
            .find(|kind| kind.kind == text(object, "/kind") && kind.api_version() == text(object, "/apiVersion"))
    }

    /// The plural names of all kinds.
    pub(crate) fn plurals() -> impl Iterator<Item = &'static str> {
        KINDS.iter().map(|kind| kind.plural)
    }

    pub(crate) fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.to_owned() } else { format!("{}/{}", self.group, self.version) }
    }

    pub(crate) fn key(&self, namespace: &str, name: &str) -> Key {
        Key {
            group: self.group.to_owned(),
            plural: self.plural.to_owned(),
            namespace: if self.namespaced { namespace.to_owned() } else { String::new() },
            name: name.to_owned(),
        }
    }

    /// Whether a replacement has to say of which revision.
    pub(crate) fn needs_version(&self) -> bool {
        self.custom || self.kind == "Lease"
    }

    /// Whether the server checks it as the kind of the core group that it once was.
    pub(crate) fn is_checked_as_core(&self) -> bool {
        self.kind == "Event"
    }

    /// Whether a deletion is answered with what was deleted.
    pub(crate) fn returns_what_it_deletes(&self) -> bool {
        matches!(self.kind, "Pod" | "Service")
    }

    /// How messages name the kind: `Pod`, `Lease.coordination.k8s.io`.
    pub(crate) fn qualified(&self) -> String {
        if self.group.is_empty() || self.is_checked_as_core() {
            self.kind.to_owned()
        } else {
            format!("{}.{}", self.kind, self.group)
        }
    }

    /// How messages name the resource: `pods`, `leases.coordination.k8s.io`.
    pub(crate) fn resource(&self) -> String {
        if self.group.is_empty() { self.plural.to_owned() } else { format!("{}.{}", self.plural, self.group) }
    }
}

/// Where an object lies in the server.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// API group; empty for the core group.
    pub group: String,
    /// Plural name of the kind, such as `pods`.
    pub plural: String,
    /// Namespace; empty for kinds without one.
    pub namespace: String,
    /// Name.
    pub name: String,
}

impl Key {
    /// The key of an object; none where its kind is not one that the server knows.
    pub fn from_object(object: &Value) -> Option<Self> {
        let metadata = |field| text(object, field);
        Some(Kind::of(object)?.key(metadata("/metadata/namespace"), metadata("/metadata/name")))
    }

    /// The key of an object of kind `K`. `namespace` is empty for kinds without one.
    pub fn of<K: Resource<DynamicType = ()>>(namespace: &str, name: &str) -> Self {
        Self {
            group: K::group(&()).into_owned(),
            plural: K::plural(&()).into_owned(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        }
    }

    /// Whether it is the key of an object of this kind.
    pub(crate) fn is_of(&self, kind: &Kind) -> bool {
        self.group == kind.group && self.plural == kind.plural
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.namespace.as_str() {
            "" => write!(f, "{} {}", self.plural, self.name),
            namespace => write!(f, "{} {namespace}/{}", self.plural, self.name),
        }
    }
}
