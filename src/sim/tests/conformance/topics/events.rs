//! Events, by which the operator tells people what it did.

use serde_json::{Value, json};

use super::objects::with;
use crate::session::Session;

fn event(namespace: &str) -> Value {
    json!({
        "apiVersion": "events.k8s.io/v1", "kind": "Event", "metadata": {"name": "a.1"},
        "eventTime": "2026-01-01T00:00:00.000000Z", "type": "Normal", "reason": "StageStarted",
        "action": "StageStarted", "note": "Stage canary started.",
        "reportingController": "optimization.qudag.io/operator", "reportingInstance": "operator-0",
        "regarding": {
            "apiVersion": "optimization.qudag.io/v1alpha1", "kind": "OptimizationRollout", "name": "a",
            "namespace": namespace, "uid": "1",
        },
    })
}

pub async fn play(s: &mut Session) {
    s.behaviour("an event is created once").await;
    let namespace = s.namespace();
    s.create("events.k8s.io", event(&namespace)).await;
    s.create("events.k8s.io", event(&namespace)).await;

    let changes: &[(&str, Value)] = &[
        ("an event says when", json!({"eventTime": null})),
        ("an event says who reports it", json!({"reportingController": null})),
        ("an event says which instance reports it", json!({"reportingInstance": null})),
        ("an event says what was done", json!({"action": null})),
        ("an event says why", json!({"reason": null})),
        ("an event is normal or a warning", json!({"type": "Error"})),
        ("the note of an event has at most 1024 bytes", json!({"note": "x".repeat(1025)})),
        ("the reason of an event has at most 128 characters", json!({"reason": "x".repeat(129)})),
        ("the action of an event has at most 128 characters", json!({"action": "x".repeat(129)})),
        ("the reporter of an event is a qualified name", json!({"reportingController": "a b"})),
        ("an event may be about what is in another namespace", json!({"regarding": {"namespace": "default"}})),
    ];
    for (name, change) in changes {
        s.behaviour(name).await;
        let namespace = s.namespace();
        s.create("events.k8s.io", with(event(&namespace), change.clone())).await;
    }

    s.behaviour("the note of an event may have 1024 bytes").await;
    let namespace = s.namespace();
    s.create("events.k8s.io", with(event(&namespace), json!({"note": "x".repeat(1024)}))).await;
}
