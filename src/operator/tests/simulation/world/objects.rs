//! What people apply: rollouts, and the files of a fleet.

use serde_json::{Value, json};
use sim::laws::CANARY;

use super::{CONFIG_MAP, NAMESPACE};

/// A file as its owner wrote it.
pub const OWN_FILE: &str =
    "# tuned by hand\nlog = \"info\"\n\n[network.pool]\nenabled = false   # see the runbook\nmax = 20\n";

/// The ConfigMap of one member.
pub fn own_config_map(member: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {
            "name": format!("{member}-config"), "namespace": NAMESPACE,
            "annotations": {"optimization.qudag.io/member": member},
        },
        "data": {"node.toml": OWN_FILE, "other.toml": format!("password = \"{CANARY}\"")},
    })
}

/// The same rollout, into the members' own ConfigMaps.
pub fn patched_rollout(name: &str) -> Value {
    let mut rollout = rollout(name);
    rollout["spec"]["fleet"]["config"] =
        json!({"patched": {"name": "{member}-config", "key": "node.toml"}, "format": "Toml"});
    rollout
}

/// Name of the ConfigMap with the base.
pub const BASE_MAP: &str = "qudag-base";

/// The ConfigMap with the base, which its owner lets us read.
pub fn base_config_map() -> Value {
    json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {
            "name": BASE_MAP, "namespace": NAMESPACE, "annotations": {"optimization.qudag.io/base": "true"},
        },
        "data": {"node.toml": OWN_FILE},
    })
}

/// The same rollout, with files that are made from a base.
pub fn based_rollout(name: &str) -> Value {
    let mut rollout = rollout(name);
    rollout["spec"]["fleet"]["config"]["rendered"]["base"] = json!({"name": BASE_MAP, "key": "node.toml"});
    rollout
}

/// A rollout of connection pooling in three stages, judged by errors.
pub fn rollout(name: &str) -> Value {
    json!({
        "apiVersion": "optimization.qudag.io/v1alpha1", "kind": "OptimizationRollout",
        "metadata": {"name": name, "namespace": NAMESPACE, "generation": 1},
        "spec": {
            "fleet": {
                "selector": {"matchLabels": {"app": "qudag-node"}},
                "config": {"rendered": {"name": CONFIG_MAP, "key": "{member}.toml"}, "format": "Toml"},
                "acknowledgement": {"metric": "optimization_enabled"},
            },
            "optimizations": [{"name": "connection_pooling", "settings": [
                {"path": "network.pool.enabled", "optimized": true, "baseline": false},
                {"path": "network.pool.max", "optimized": 100},
            ]}],
            "stages": [
                {"name": "canary", "percent": 10, "bake": "20s"},
                {"name": "half", "percent": 50, "bake": "20s"},
                {"name": "full", "percent": 100, "bake": "20s"},
            ],
            "holdoutPercent": 20,
            "metrics": {"interval": "2s", "source": {"pods": {"port": "metrics"}}},
            "indicators": [{
                "name": "errors", "max": "1%",
                "metric": {"ratio": {"numerator": "errors_total", "denominator": "requests_total"}},
            }],
            "traffic": {"services": [{"name": "qudag-node"}]},
            "watchAfter": "30s",
        },
    })
}
