//! What a run leaves behind.

use api::names::MEMBERS_KEY;
use k8s_openapi::api::core::v1::ConfigMap;
use serde_json::{Map, Value, json};

use crate::world::{CONFIG_MAP, World};

/// What the run of a rollout leaves behind, without what a crash may change: times and versions.
pub fn end_state(world: &World) -> Value {
    let map = world.object::<ConfigMap>(CONFIG_MAP).unwrap_or_default();
    let status = world.status("pooling");
    let conditions = status
        .conditions
        .iter()
        .map(|condition| format!("{} {} {}", condition.type_, condition.status, condition.reason));
    let record = map["data"][MEMBERS_KEY].as_str().map(|text| serde_json::from_str::<Value>(text).unwrap());
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
    let left = json!({
        "files": files,
        "members' own": own,
        "settled values": map["metadata"]["annotations"]["optimization.qudag.io/settled"],
        "displaced": world.displaced(),
        "record": record.map(|record| record["members"].clone()),
        "marks": world.marks(),
        "conditions": conditions.collect::<Vec<_>>(),
        "history": world.history("pooling"),
        "retreat": status.retreat.map(|retreat| retreat.reason.to_string()),
        "settled": status.run.is_some_and(|run| run.settled_at.is_some()),
        "finalizers": world.rollout("pooling").map(|rollout| rollout.metadata.finalizers.unwrap_or_default()),
    });
    // A rollout's UID, which its run is named by, depends on what was created before it.
    let mut text = left.to_string();
    for rollout in world.server.objects("optimizationrollouts") {
        if let (Some(name), Some(run)) = (rollout["metadata"]["name"].as_str(), rollout["status"]["run"]["id"].as_str())
        {
            text = text.replace(run, &format!("the run of {name}"));
        }
    }
    serde_json::from_str(&text).unwrap()
}
