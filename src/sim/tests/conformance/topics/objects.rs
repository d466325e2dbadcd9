//! Objects that behaviours send.

use serde_json::{Value, json};

pub fn config_map(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"a": "1", "b": "2"}})
}

pub fn labelled(name: &str, tier: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "labels": {"tier": tier}}})
}

pub fn pod(name: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"app": "node"}},
        "spec": {"containers": [{"name": "node", "image": "node"}]},
    })
}

/// A pod that was given to a Node, whose kubelet has to end it.
pub fn placed(name: &str) -> Value {
    let mut pod = pod(name);
    pod["spec"]["nodeName"] = json!("n1");
    pod
}

pub fn service(name: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": name},
        "spec": {"clusterIP": "None", "selector": {"app": "node", "serving": "true"}, "ports": [{"port": 80}]},
    })
}

pub fn lease(name: &str) -> Value {
    json!({
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": name},
        "spec": {
            "holderIdentity": "one", "leaseDurationSeconds": 15, "acquireTime": "2026-01-01T00:00:00.000001Z",
            "renewTime": "2026-01-01T00:00:00.000001Z",
        },
    })
}

/// A rollout with nothing but what it must have.
pub fn rollout(name: &str) -> Value {
    json!({
        "apiVersion": "optimization.qudag.io/v1alpha1", "kind": "OptimizationRollout", "metadata": {"name": name},
        "spec": {
            "fleet": {
                "selector": {"matchLabels": {"app": "node"}},
                "config": {"rendered": {"name": "optimizations", "key": "{member}.toml"}},
            },
            "optimizations": [{"name": "pool", "settings": [{"path": "pool.on", "optimized": true, "baseline": false}]}],
            "stages": [{"name": "canary", "percent": 10, "bake": "1m"}, {"name": "full", "percent": 100, "bake": "1h"}],
        },
    })
}

pub fn connection(name: &str) -> Value {
    json!({
        "apiVersion": "optimization.qudag.io/v1alpha1", "kind": "Connection", "metadata": {"name": name},
        "spec": {"type": "Prometheus", "url": "http://prometheus.monitoring:9090", "allowedNamespaces": ["qudag"]},
    })
}

/// An object with some of its fields changed, as by a merge patch.
pub fn with(mut object: Value, change: Value) -> Value {
    json_patch::merge(&mut object, &change);
    object
}
