//! What a run leaves behind.

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
    json!({
        "files": files,
        "members' own": own,
        "settled values": map["metadata"]["annotations"]["optimization.qudag.io/settled"],
        "displaced": world.displaced(),
        "retreat": status.retreat.map(|retreat| retreat.reason.to_string()),
        "settled": status.run.is_some_and(|run| run.settled_at.is_some()),
        "finalizers": world.rollout("pooling").map(|rollout| rollout.metadata.finalizers.unwrap_or_default()),
    })
}
