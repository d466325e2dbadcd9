//! Reading the metadata alone.

use serde_json::json;

use super::objects::{config_map, rollout};
use crate::session::{METADATA, METADATA_LIST, Session};

pub async fn play(s: &mut Session) {
    s.behaviour("the metadata of one object").await;
    s.create("configmaps", config_map("a")).await;
    s.accept(METADATA);
    s.get("configmaps/a").await;

    s.behaviour("the metadata of a rollout").await;
    s.create("optimizationrollouts", rollout("a")).await;
    s.accept(METADATA);
    s.get("optimizationrollouts/a").await;

    s.behaviour("a list of metadata").await;
    s.create("configmaps", config_map("a")).await;
    s.create("configmaps", config_map("b")).await;
    s.accept(METADATA_LIST);
    s.get("configmaps").await;

    s.behaviour("a list of metadata of rollouts").await;
    s.create("optimizationrollouts", rollout("a")).await;
    s.accept(METADATA_LIST);
    s.get("optimizationrollouts").await;

    s.behaviour("a watch of metadata").await;
    let version = s.create("configmaps", config_map("a")).await.version();
    s.merge("configmaps/a", json!({"data": {"a": "3"}})).await;
    s.delete("configmaps/a").await;
    s.accept(METADATA);
    s.watch(&format!("configmaps?resourceVersion={version}")).await;

    s.behaviour("metadata of nothing are not found").await;
    s.accept(METADATA);
    s.get("configmaps/a").await;

    s.behaviour("a patch may be answered with the metadata").await;
    s.create("configmaps", config_map("a")).await;
    s.accept(METADATA);
    s.merge("configmaps/a", json!({"data": {"a": "3"}})).await;
}
