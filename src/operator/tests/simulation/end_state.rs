//! What a run leaves behind.

use api::names::MEMBERS_KEY;
use k8s_openapi::api::core::v1::ConfigMap;
use serde_json::{Map, Value, json};

use crate::world::{CONFIG_MAP, World};

/// What the run of a rollout leaves behind, without what a crash may change: times and versions.
pub fn end_state(world: &World) -> Value {
    let map = world.object::<ConfigMap>(CONFIG_MAP).unwrap_or_default();
    let status = world.status("pooling");
    let files: Map<String, Value> = map["data"]
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(key, _)| !key.starts_with('.'))
        .map(|(key, file)| (key.clone(), file.clone()))
        .collect();
    let own: Vec<Value> = world
        .server
        .objects("configmaps")
        .iter()
        .filter(|map| map["metadata"]["name"] != CONFIG_MAP)
        .map(|map| json!({"data": map["data"], "annotations": map["metadata"]["annotations"]}))
        .collect();
    unnamed(
        world,
        &json!({
            "files": files,
            "members' own": own,
            "settled values": map["metadata"]["annotations"]["optimization.qudag.io/settled"],
            "displaced": world.displaced(),
            "retreat": status.retreat.map(|retreat| retreat.reason.to_string()),
            "settled": status.run.is_some_and(|run| run.settled_at.is_some()),
            "finalizers": world.rollout("pooling").map(|rollout| rollout.metadata.finalizers.unwrap_or_default()),
        }),
    )
}

/// The same once nothing is done any more, with all that says so.
pub fn rested_state(world: &World) -> Value {
    let mut left = end_state(world);
    let map = world.object::<ConfigMap>(CONFIG_MAP).unwrap_or_default();
    // Somebody may have broken it.
    let record = map["data"][MEMBERS_KEY].as_str().and_then(|text| serde_json::from_str::<Value>(text).ok());
    let conditions = world.status("pooling").conditions.into_iter();
    let conditions =
        conditions.map(|condition| format!("{} {} {}", condition.type_, condition.status, condition.reason));
    left["record"] = json!(record.map(|record| record["members"].clone()));
    left["marks"] = unnamed(world, &json!(world.marks()));
    left["conditions"] = json!(conditions.collect::<Vec<_>>());
    left["history"] = json!(world.history("pooling"));
    left
}

/// A state without the names of runs: they come from the UIDs of rollouts, and these depend on what was created before.
fn unnamed(world: &World, state: &Value) -> Value {
    let mut text = state.to_string();
    for rollout in world.server.objects("optimizationrollouts") {
        if let (Some(name), Some(run)) = (rollout["metadata"]["name"].as_str(), rollout["status"]["run"]["id"].as_str())
        {
            text = text.replace(run, &format!("the run of {name}"));
        }
    }
    serde_json::from_str(&text).unwrap()
}
