//! An edit of every field of a spec.

use serde_json::{Value, json};

use super::Edit;

/// Edits that set each field of a spec at least once, those that are refused while a run is under way as well.
pub fn edits() -> Vec<Edit> {
    let single = [
        ("/abort", json!({"reason": "somebody says so"})),
        ("/attempt", json!(2)),
        ("/deletionPolicy", json!("Restore")),
        ("/deletionPolicy", json!("Retain")),
        ("/fleet/acknowledgement", json!({"timer": "20s"})),
        ("/fleet/acknowledgement/metric", json!("switched_on")),
        ("/fleet/acknowledgement/label", json!("name")),
        ("/fleet/config/format", json!("Json")),
        ("/fleet/config/reload", json!("RestartPod")),
        ("/fleet/config/patched/name", json!("{member}-other")),
        ("/fleet/config/patched/key", json!("absent.toml")),
        ("/fleet/config/rendered/name", json!("elsewhere")),
        ("/fleet/config/rendered/key", json!("{member}.conf")),
        ("/fleet/config/rendered/base", json!({"name": "qudag-base", "key": "node.toml"})),
        ("/fleet/config/rendered/base", Value::Null),
        ("/fleet/identity", json!("Node")),
        ("/fleet/nodeSelector", json!({"matchLabels": {"pool": "fast"}})),
        ("/fleet/nodeSelector", json!({"matchExpressions": [{"key": "pool", "operator": "In", "values": ["fast"]}]})),
        ("/fleet/selector", json!({"matchLabels": {"app": "other"}})),
        ("/fleet/selector/matchExpressions", json!([{"key": "app", "operator": "NotIn", "values": ["other"]}])),
        ("/holdoutPercent", json!(30)),
        ("/indicators", json!([])),
        ("/indicators/0/name", json!("failures")),
        ("/indicators/0/mode", json!("Observe")),
        ("/indicators/0/max", json!("5%")),
        ("/indicators/0/min", json!("0%")),
        ("/indicators/0/maxIncrease", json!("50%")),
        ("/indicators/0/maxDecrease", json!("90%")),
        ("/indicators/0/window", json!("30s")),
        ("/indicators/0/initialDelay", json!("20s")),
        ("/indicators/0/minRequests", json!(100)),
        ("/indicators/0/confirm", json!({"breaches": 1, "looks": 1})),
        ("/indicators/0/metric", json!({"event": {"counter": "crashes_total"}})),
        ("/indicators/0/metric", json!({"gauge": {"gauge": "errors_total"}})),
        ("/indicators/0/metric", json!({"growth": {"gauge": "errors_total"}})),
        ("/indicators/0/metric", json!({"histogram": {"name": "latency_seconds", "quantile": "0.99"}})),
        ("/indicators/0/metric", json!({"rate": {"counter": "errors_total"}})),
        ("/indicators/0/metric", json!({"ratio": {"numerator": "errors_total", "denominator": "errors_total"}})),
        ("/metrics/interval", json!("5s")),
        ("/metrics/silence", json!({"deadline": "120s", "action": "Hold"})),
        ("/metrics/source", json!({"connection": "prometheus"})),
        ("/metrics/source", json!({"pods": {"port": "metrics", "path": "/other"}})),
        ("/metrics/source", json!({"pods": {"port": "absent"}})),
        ("/optimizations", json!([])),
        ("/optimizations/0/name", json!("pooling")),
        ("/optimizations/0/settings/0/path", json!("network.pool.on")),
        ("/optimizations/0/settings/1/baseline", json!(20)),
        ("/optimizations/0/settings/1/optimized", json!(50)),
        ("/paused", json!(true)),
        ("/promoteThrough", json!("stage-0")),
        ("/readiness", json!("Completed")),
        ("/stages/0/name", json!("other")),
        ("/stages/0/percent", json!(9)),
        ("/stages/0/bake", json!("45s")),
        ("/traffic", Value::Null),
        ("/traffic/maxLoadIncrease", json!("60%")),
        ("/traffic/method", json!("Labels")),
        ("/traffic/services", json!([{"name": "absent"}])),
        ("/watchAfter", json!("20s")),
    ];
    let together = [
        vec![
            ("/fleet/acknowledgement/revisionLabel", json!("revision")),
            ("/fleet/config/revisionPath", json!("revision")),
        ],
        vec![
            ("/fleet/acknowledgement", json!({"timer": "20s"})),
            ("/indicators", Value::Null),
            ("/metrics", Value::Null),
        ],
        vec![
            ("/metrics/source", json!({"connection": "prometheus"})),
            ("/indicators/0/metric", json!({"promql": {"query": "errors_total{pod=\"{pod}\"}"}})),
        ],
    ];
    let owned = |(path, value): (&str, Value)| (path.to_owned(), value);
    let single = single.into_iter().map(|change| Edit(vec![owned(change)]));
    single.chain(together.into_iter().map(|changes| Edit(changes.into_iter().map(owned).collect()))).collect()
}
