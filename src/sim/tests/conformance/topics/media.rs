//! Types of content, and requests that nobody serves.

use http::Method;
use serde_json::json;

use super::objects::{config_map, rollout};
use crate::session::{JSON, Session};

pub async fn play(s: &mut Session) {
    s.behaviour("a patch says of which type it is").await;
    s.create("configmaps", config_map("a")).await;
    s.send(Method::PATCH, "configmaps/a", JSON, json!({"data": {"a": "3"}}).to_string().into_bytes()).await;

    s.behaviour("a patch of a rollout says of which type it is").await;
    s.create("optimizationrollouts", rollout("a")).await;
    s.send(Method::PATCH, "optimizationrollouts/a", JSON, json!({"spec": {}}).to_string().into_bytes()).await;

    s.behaviour("a rollout has no strategic merge patch").await;
    s.create("optimizationrollouts", rollout("a")).await;
    let patch = json!({"spec": {"paused": true}}).to_string().into_bytes();
    s.send(Method::PATCH, "optimizationrollouts/a", "application/strategic-merge-patch+json", patch).await;

    s.behaviour("a collection is not replaced").await;
    s.replace("configmaps", config_map("a")).await;

    s.behaviour("an object is not created under its own name").await;
    s.create("configmaps/a", config_map("a")).await;

    s.behaviour("an unknown resource is not found").await;
    s.get("/apis/optimization.qudag.io/v1alpha1/others").await;
    s.get("/apis/other.example.com/v1/others").await;
}
