use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Patch, PatchParams};
use serde_json::json;

use crate::fixture::{NAMESPACE, config_maps, labelled, rollout, rollout_key};
use crate::{ApiServer, Key, Verb};

#[tokio::test(start_paused = true)]
async fn put_replaces_and_keeps_the_identity() {
    let server = ApiServer::new();
    let first = server.put(rollout("a"));
    let mut changed = rollout("a");
    changed["spec"]["paused"] = json!(true);
    changed["status"] = json!({"observedGeneration": 9});
    let second = server.put(changed);
    assert_eq!(second["metadata"]["uid"], first["metadata"]["uid"]);
    assert_eq!(second["metadata"]["generation"], 2);
    assert_eq!(second["status"]["observedGeneration"], 9);
    assert_ne!(second["metadata"]["resourceVersion"], first["metadata"]["resourceVersion"]);
}

#[tokio::test(start_paused = true)]
async fn put_with_another_uid_is_another_object() {
    let server = ApiServer::new();
    server.put(rollout("a"));
    let mut other = rollout("a");
    other["metadata"]["uid"] = json!("mine");
    let stored = server.put(other);
    assert_eq!(stored["metadata"]["uid"], "mine");
    assert_eq!(stored["metadata"]["generation"], 1);
}

#[tokio::test(start_paused = true)]
async fn an_edit_of_the_last_finalizer_removes() {
    let server = ApiServer::new();
    let mut object = rollout("a");
    object["metadata"]["finalizers"] = json!(["x/a"]);
    object["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    server.put(object);
    server.edit(&rollout_key("a"), |object| object["metadata"]["finalizers"] = json!([]));
    assert_eq!(server.objects("optimizationrollouts").len(), 0);
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "an object that exists")]
async fn an_edit_of_nothing_fails_the_test() {
    ApiServer::new().edit(&rollout_key("a"), |_| ());
}

#[tokio::test(start_paused = true)]
async fn the_log_has_the_writes_of_clients_alone() {
    let server = ApiServer::new();
    server.put(labelled("a", "x"));
    server.edit(&Key::of::<ConfigMap>(NAMESPACE, "a"), |map| map["data"] = json!({"k": "1"}));
    let api = config_maps(&server);
    api.get("a").await.unwrap();
    api.patch("a", &PatchParams::default(), &Patch::Merge(json!({"data": {"k": "2"}}))).await.unwrap();
    let writes = server.writes();
    assert_eq!(writes.len(), 1);
    let write = &writes[0];
    assert_eq!((write.user.as_str(), write.verb, write.code), ("replica-1", Verb::Patch, 200));
    assert_eq!(write.key.to_string(), "configmaps qudag/a");
    assert_eq!(write.before.as_ref().unwrap()["data"]["k"], "1");
    assert_eq!(write.after.as_ref().unwrap()["data"]["k"], "2");
    assert_eq!(write.body, json!({"data": {"k": "2"}}));
}
