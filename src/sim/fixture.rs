//! Objects that the tests of this crate share.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{ApiResource, DynamicObject};
use kube::core::{GroupVersionKind, ObjectMeta};
use kube::{Api, Client};
use serde_json::{Value, json};

use crate::{ApiServer, Key};

pub(crate) const NAMESPACE: &str = "qudag";

pub(crate) fn config_map(name: &str, value: &str) -> ConfigMap {
    ConfigMap {
        metadata: ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() },
        data: Some(BTreeMap::from([("key".to_owned(), value.to_owned())])),
        ..ConfigMap::default()
    }
}

pub(crate) fn labelled(name: &str, tier: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": NAMESPACE, "labels": {"tier": tier}},
    })
}

/// A rollout with nothing but what it must have.
pub(crate) fn rollout(name: &str) -> Value {
    json!({
        "apiVersion": "optimization.qudag.io/v1alpha1", "kind": "OptimizationRollout",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "fleet": {
                "selector": {"matchLabels": {"app": "node"}},
                "config": {"rendered": {"name": "optimizations", "key": "{member}.toml"}},
            },
            "optimizations": [{"name": "pool", "settings": [{"path": "pool.on", "optimized": true}]}],
            "stages": [{"name": "all", "percent": 100, "bake": "1m"}],
        },
        "status": {"observedGeneration": 1},
    })
}

pub(crate) fn rollout_key(name: &str) -> Key {
    Key {
        group: "optimization.qudag.io".to_owned(),
        plural: "optimizationrollouts".to_owned(),
        namespace: NAMESPACE.to_owned(),
        name: name.to_owned(),
    }
}

pub(crate) fn rollouts(client: Client) -> Api<DynamicObject> {
    let kind = GroupVersionKind::gvk("optimization.qudag.io", "v1alpha1", "OptimizationRollout");
    Api::namespaced_with(client, NAMESPACE, &ApiResource::from_gvk(&kind))
}

pub(crate) fn config_maps(server: &ApiServer) -> Api<ConfigMap> {
    Api::namespaced(server.client_as("replica-1"), NAMESPACE)
}

/// The `Status` code of a refused request.
pub(crate) fn code<T: std::fmt::Debug>(result: Result<T, kube::Error>) -> u16 {
    match result {
        Err(kube::Error::Api(status)) => status.code,
        other => panic!("expected a refusal, got {other:?}"),
    }
}
