//! Deleting, and finalizers.

use serde_json::{Value, json};

use super::objects::{config_map, lease, placed, pod, rollout, service, with};
use crate::session::Session;

fn held(object: Value) -> Value {
    with(object, json!({"metadata": {"finalizers": ["example.com/a", "example.com/b"]}}))
}

pub async fn play(s: &mut Session) {
    s.behaviour("a deleted ConfigMap is gone").await;
    s.create("configmaps", config_map("a")).await;
    s.delete("configmaps/a").await;
    s.get("configmaps/a").await;
    s.delete("configmaps/a").await;

    s.behaviour("a deleted rollout is gone").await;
    s.create("optimizationrollouts", rollout("a")).await;
    s.delete("optimizationrollouts/a").await;
    s.get("optimizationrollouts/a").await;
    s.delete("optimizationrollouts/a").await;

    s.behaviour("a deleted Lease is gone").await;
    s.create("leases", lease("a")).await;
    s.delete("leases/a").await;

    s.behaviour("a deleted Service is gone").await;
    s.create("services", service("a")).await;
    s.delete("services/a").await;
    s.get("services/a").await;

    s.behaviour("a name that is free again gets another uid").await;
    s.create("configmaps", config_map("a")).await;
    s.delete("configmaps/a").await;
    s.create("configmaps", config_map("a")).await;

    s.behaviour("a deletion under the uid and version that are there is carried out").await;
    let created = s.create("configmaps", config_map("a")).await;
    let preconditions = json!({"uid": created.uid(), "resourceVersion": created.version()});
    s.delete_with("configmaps/a", json!({"preconditions": preconditions})).await;

    s.behaviour("a deletion under another uid is a conflict").await;
    s.create("configmaps", config_map("a")).await;
    let other = json!({"uid": "11111111-1111-1111-1111-111111111111"});
    s.delete_with("configmaps/a", json!({"preconditions": other})).await;
    s.get("configmaps/a").await;

    s.behaviour("a deletion under another version is a conflict").await;
    s.create("configmaps", config_map("a")).await;
    s.delete_with("configmaps/a", json!({"preconditions": {"resourceVersion": "1"}})).await;

    s.behaviour("a deletion of a rollout under another uid is a conflict").await;
    s.create("optimizationrollouts", held(rollout("a"))).await;
    s.delete_with("optimizationrollouts/a", json!({"preconditions": other})).await;

    s.behaviour("a finalizer holds a rollout").await;
    s.create("optimizationrollouts", held(rollout("a"))).await;
    s.delete("optimizationrollouts/a").await;
    s.get("optimizationrollouts/a").await;
    s.merge("optimizationrollouts/a", json!({"metadata": {"finalizers": ["example.com/b"]}})).await;
    s.merge("optimizationrollouts/a", json!({"metadata": {"finalizers": null}})).await;
    s.get("optimizationrollouts/a").await;

    s.behaviour("a finalizer holds a ConfigMap").await;
    s.create("configmaps", held(config_map("a"))).await;
    s.delete("configmaps/a").await;
    s.merge("configmaps/a", json!({"data": {"a": "3"}})).await;
    s.merge("configmaps/a", json!({"metadata": {"finalizers": []}})).await;
    s.get("configmaps/a").await;

    s.behaviour("a second deletion changes nothing").await;
    s.create("optimizationrollouts", held(rollout("a"))).await;
    s.delete("optimizationrollouts/a").await;
    s.delete("optimizationrollouts/a").await;

    s.behaviour("a name is taken until its finalizers are gone").await;
    s.create("optimizationrollouts", held(rollout("a"))).await;
    s.delete("optimizationrollouts/a").await;
    s.create("optimizationrollouts", rollout("a")).await;

    s.behaviour("no finalizer is added while an object is being deleted").await;
    s.create("optimizationrollouts", held(rollout("a"))).await;
    s.create("configmaps", held(config_map("a"))).await;
    s.delete("optimizationrollouts/a").await;
    s.delete("configmaps/a").await;
    let more = json!({"metadata": {"finalizers": ["example.com/a", "example.com/b", "example.com/c"]}});
    s.merge("optimizationrollouts/a", more.clone()).await;
    s.merge("configmaps/a", more).await;

    s.behaviour("the spec may change while a rollout is being deleted").await;
    s.create("optimizationrollouts", held(rollout("a"))).await;
    s.delete("optimizationrollouts/a").await;
    s.merge("optimizationrollouts/a", json!({"spec": {"paused": true}})).await;

    s.behaviour("the time of a deletion cannot be taken back").await;
    s.create("optimizationrollouts", held(rollout("a"))).await;
    s.delete("optimizationrollouts/a").await;
    s.merge("optimizationrollouts/a", json!({"metadata": {"deletionTimestamp": null}})).await;

    s.behaviour("the last finalizer under an older version is a conflict").await;
    let version = s.create("optimizationrollouts", held(rollout("a"))).await.version();
    s.delete("optimizationrollouts/a").await;
    let late = json!({"metadata": {"resourceVersion": version, "finalizers": null}});
    s.merge("optimizationrollouts/a", late).await;

    s.behaviour("finalizers without a deletion take nothing away").await;
    s.create("optimizationrollouts", held(rollout("a"))).await;
    s.merge("optimizationrollouts/a", json!({"metadata": {"finalizers": null}})).await;
    s.get("optimizationrollouts/a").await;

    s.behaviour("a pod that no Node has is gone at once").await;
    s.create("pods", pod("a")).await;
    s.delete("pods/a").await;
    s.get("pods/a").await;

    s.behaviour("a pod on a Node ends in its time").await;
    s.create("pods", placed("a")).await;
    s.delete("pods/a").await;
    s.get("pods/a").await;

    s.behaviour("a pod on a Node is gone at once when no time is left to it").await;
    s.create("pods", placed("a")).await;
    s.delete_with("pods/a", json!({"gracePeriodSeconds": 0})).await;
    s.get("pods/a").await;

    s.behaviour("a kubelet ends a pod that is being deleted").await;
    s.create("pods", placed("a")).await;
    s.delete("pods/a").await;
    s.delete("pods/a").await;
    s.delete_with("pods/a", json!({"gracePeriodSeconds": 0})).await;
    s.get("pods/a").await;

    s.behaviour("a deletion in the foreground waits for the garbage collector").await;
    s.create("configmaps", config_map("a")).await;
    s.delete_with("configmaps/a", json!({"propagationPolicy": "Foreground"})).await;
    s.get("configmaps/a").await;

    s.behaviour("a deletion in the background does not wait").await;
    s.create("optimizationrollouts", rollout("a")).await;
    s.delete_with("optimizationrollouts/a", json!({"propagationPolicy": "Background"})).await;
    s.get("optimizationrollouts/a").await;
}
