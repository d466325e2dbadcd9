//! The status of a rollout, which is written apart from the rest.

use serde_json::json;

use super::objects::{config_map, placed, rollout, with};
use crate::session::Session;

pub async fn play(s: &mut Session) {
    s.behaviour("a status is written without a new generation").await;
    s.create("optimizationrollouts", rollout("a")).await;
    s.merge("optimizationrollouts/a/status", json!({"status": {"observedGeneration": 1}})).await;
    s.get("optimizationrollouts/a").await;

    s.behaviour("a status under the version that is there is carried out").await;
    let version = s.create("optimizationrollouts", rollout("a")).await.version();
    let patch = json!({"metadata": {"resourceVersion": version}, "status": {"observedGeneration": 1}});
    s.merge("optimizationrollouts/a/status", patch).await;

    s.behaviour("a status under an older version is a conflict").await;
    let version = s.create("optimizationrollouts", rollout("a")).await.version();
    s.merge("optimizationrollouts/a", json!({"metadata": {"annotations": {"mark": "run-1"}}})).await;
    let patch = json!({"metadata": {"resourceVersion": version}, "status": {"observedGeneration": 1}});
    s.merge("optimizationrollouts/a/status", patch).await;
    s.get("optimizationrollouts/a").await;

    s.behaviour("a write of the status leaves spec and metadata alone").await;
    s.create("optimizationrollouts", rollout("a")).await;
    let patch = json!({
        "metadata": {"annotations": {"mark": "1"}, "labels": {"a": "b"}, "finalizers": ["example.com/a"]},
        "spec": {"paused": true}, "status": {"observedGeneration": 1},
    });
    s.merge("optimizationrollouts/a/status", patch).await;

    s.behaviour("a write of the rest leaves the status alone").await;
    s.create("optimizationrollouts", rollout("a")).await;
    s.merge("optimizationrollouts/a/status", json!({"status": {"observedGeneration": 1}})).await;
    s.merge("optimizationrollouts/a", json!({"spec": {"paused": true}, "status": {"observedGeneration": 2}})).await;
    s.merge("optimizationrollouts/a", json!({"status": null})).await;

    s.behaviour("a status that is the same is no new version").await;
    s.create("optimizationrollouts", rollout("a")).await;
    s.merge("optimizationrollouts/a/status", json!({"status": {"observedGeneration": 1}})).await;
    s.merge("optimizationrollouts/a/status", json!({"status": {"observedGeneration": 1}})).await;

    s.behaviour("a write of the status alone through the rest is no new version").await;
    s.create("optimizationrollouts", rollout("a")).await;
    s.merge("optimizationrollouts/a", json!({"status": {"observedGeneration": 2}})).await;

    s.behaviour("fields of a status are taken away by null").await;
    s.create("optimizationrollouts", rollout("a")).await;
    let status = json!({"observedGeneration": 1, "summary": {"stage": "canary", "members": "1/8", "reason": "Baking"}});
    s.merge("optimizationrollouts/a/status", json!({"status": status})).await;
    s.merge("optimizationrollouts/a/status", json!({"status": {"summary": null}})).await;
    s.merge("optimizationrollouts/a/status", json!({"status": null})).await;

    s.behaviour("what the schema does not know is dropped from a status").await;
    s.create("optimizationrollouts", rollout("a")).await;
    let status = json!({"observedGeneration": 1, "unknown": {"a": 1}, "conditions": []});
    s.merge("optimizationrollouts/a/status", json!({"status": status})).await;

    s.behaviour("a status of the wrong type is refused").await;
    s.create("optimizationrollouts", rollout("a")).await;
    s.merge("optimizationrollouts/a/status", json!({"status": {"observedGeneration": "1"}})).await;
    s.merge("optimizationrollouts/a/status", json!({"status": {"conditions": "Ready"}})).await;

    s.behaviour("a condition has what it must have").await;
    s.create("optimizationrollouts", rollout("a")).await;
    let condition = json!({"type": "Ready", "status": "Maybe"});
    s.merge("optimizationrollouts/a/status", json!({"status": {"conditions": [condition]}})).await;
    let condition = json!({
        "type": "Ready", "status": "True", "reason": "Accepted", "message": "", "observedGeneration": 1,
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    });
    s.merge("optimizationrollouts/a/status", json!({"status": {"conditions": [condition, condition]}})).await;
    s.merge("optimizationrollouts/a/status", json!({"status": {"conditions": [condition]}})).await;

    s.behaviour("a status of nothing is not found").await;
    s.merge("optimizationrollouts/a/status", json!({"status": {"observedGeneration": 1}})).await;

    s.behaviour("a status is replaced").await;
    let version = s.create("optimizationrollouts", rollout("a")).await.version();
    let replacement = json!({
        "metadata": {"resourceVersion": version, "labels": {"a": "b"}}, "spec": {"paused": true},
        "status": {"observedGeneration": 1},
    });
    s.replace("optimizationrollouts/a/status", with(rollout("a"), replacement.clone())).await;
    s.replace("optimizationrollouts/a/status", with(rollout("a"), replacement)).await;
    s.replace("optimizationrollouts/a/status", rollout("a")).await;

    s.behaviour("the status of a pod is written apart").await;
    s.create("pods", placed("a")).await;
    let patch = json!({"metadata": {"annotations": {"a": "b"}}, "status": {"phase": "Running", "podIP": "10.0.0.1"}});
    s.merge("pods/a/status", patch).await;
    s.merge("pods/a", json!({"metadata": {"labels": {"x": "y"}}, "status": {"phase": "Failed"}})).await;

    s.behaviour("a ConfigMap has no status").await;
    s.create("configmaps", config_map("a")).await;
    s.merge("configmaps/a/status", json!({"status": {}})).await;

    s.behaviour("the status is read on its own").await;
    s.create("optimizationrollouts", rollout("a")).await;
    s.get("optimizationrollouts/a/status").await;

    s.behaviour("a status may be written while a rollout is being deleted").await;
    let finalizer = json!({"metadata": {"finalizers": ["example.com/a"]}});
    s.create("optimizationrollouts", with(rollout("a"), finalizer)).await;
    s.delete("optimizationrollouts/a").await;
    s.merge("optimizationrollouts/a/status", json!({"status": {"observedGeneration": 2}})).await;
}
