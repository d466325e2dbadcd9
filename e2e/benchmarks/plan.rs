//! The rollouts that are measured.

use serde_json::{Value, json};

/// How a rollout judges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judging {
    /// Like the peers were measured: one bad look decides, on the data of that look alone.
    OneBadLook,
    /// Everything at its defaults but the interval of 1 s.
    Defaults,
}

/// What a rollout works on.
#[derive(Clone, Debug)]
pub struct Target {
    /// The members' value of the label `app.kubernetes.io/name`.
    pub members: String,
    /// The rendered ConfigMap.
    pub config_map: String,
    /// The Service in front.
    pub service: String,
    /// How members acknowledge.
    pub acknowledgement: Value,
}

impl Target {
    /// The example fleet.
    #[must_use]
    pub fn example() -> Self {
        Self {
            members: "qudag-node".to_owned(),
            config_map: "qudag-optimizations".to_owned(),
            service: "qudag".to_owned(),
            acknowledgement: json!({"metric": "optimization_enabled"}),
        }
    }
}

/// A rollout of one stage that optimizes half of a fleet and watches it for an hour.
#[must_use]
pub fn rollout(name: &str, target: &Target, judging: Judging) -> Value {
    let mut errors = json!({
        "name": "errors",
        "metric": {"ratio": {"numerator": "errors_total", "denominator": "requests_total"}},
        "max": "1%",
    });
    if judging == Judging::OneBadLook {
        set(&mut errors, "", "window", json!("1s"));
        set(&mut errors, "", "confirm", json!({"breaches": 1, "looks": 1}));
    }
    json!({
        "apiVersion": "optimization.qudag.io/v1alpha1",
        "kind": "OptimizationRollout",
        "metadata": {"name": name},
        "spec": {
            "fleet": {
                "selector": {"matchLabels": {"app.kubernetes.io/name": target.members}},
                "config": {"rendered": {"name": target.config_map, "key": "{member}.toml"}, "format": "Toml"},
                "acknowledgement": target.acknowledgement,
            },
            "optimizations": [{
                "name": "dns_cache",
                "settings": [{"path": "dns.cache.enabled", "optimized": true, "baseline": false}],
            }],
            "stages": [{"name": "half", "percent": 100, "bake": "1h"}],
            "holdoutPercent": 50,
            "metrics": {"interval": "1s", "source": {"pods": {"port": "metrics"}}},
            "indicators": [errors],
            "traffic": {"services": [{"name": target.service}]},
        },
    })
}

/// Sets a field of the object at this place (a JSON pointer).
pub fn set(object: &mut Value, place: &str, field: &str, value: Value) {
    if let Some(fields) = object.pointer_mut(place).and_then(Value::as_object_mut) {
        fields.insert(field.to_owned(), value);
    }
}
