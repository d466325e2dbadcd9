//! Evicting pods, as for a restart that reads the settings.

use serde_json::{Value, json};

use super::objects::{placed, pod};
use crate::session::Session;

fn eviction(name: &str, preconditions: Value) -> Value {
    json!({
        "apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name},
        "deleteOptions": {"preconditions": preconditions},
    })
}

pub async fn play(s: &mut Session) {
    s.behaviour("an evicted pod that no Node has is gone").await;
    s.create("pods", pod("a")).await;
    s.create("pods/a/eviction", eviction("a", Value::Null)).await;
    s.get("pods/a").await;

    s.behaviour("an evicted pod on a Node ends in its time").await;
    let uid = s.create("pods", placed("a")).await.uid();
    s.create("pods/a/eviction", eviction("a", json!({"uid": uid}))).await;
    s.get("pods/a").await;

    s.behaviour("an eviction of another pod of that name is a conflict").await;
    s.create("pods", placed("a")).await;
    let other = "11111111-1111-1111-1111-111111111111";
    s.create("pods/a/eviction", eviction("a", json!({"uid": other}))).await;
    s.get("pods/a").await;

    s.behaviour("an eviction of nothing is not found").await;
    s.create("pods/a/eviction", eviction("a", Value::Null)).await;

    s.behaviour("an eviction names its pod").await;
    s.create("pods", placed("a")).await;
    s.create("pods/a/eviction", eviction("b", Value::Null)).await;

    s.behaviour("a second eviction of a pod that is ending says yes").await;
    s.create("pods", placed("a")).await;
    s.create("pods/a/eviction", eviction("a", Value::Null)).await;
    s.create("pods/a/eviction", eviction("a", Value::Null)).await;

    s.behaviour("an eviction is seen by a watch as a change").await;
    let version = s.create("pods", placed("a")).await.version();
    s.create("pods/a/eviction", eviction("a", Value::Null)).await;
    s.watch(&format!("pods?resourceVersion={version}")).await;
}
