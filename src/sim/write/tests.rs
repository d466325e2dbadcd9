use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::Api;
use kube::api::{DeleteParams, EvictParams, Patch, PatchParams, PostParams, Preconditions};
use rstest::rstest;
use serde_json::{Value, json};

use crate::fixture::{NAMESPACE, code, config_map, config_maps, labelled, rollout, rollout_key, rollouts};
use crate::{ApiServer, Key};

fn merge(patch: Value) -> Patch<Value> {
    Patch::Merge(patch)
}

#[tokio::test(start_paused = true)]
async fn a_created_object_has_what_the_server_assigns() {
    let server = ApiServer::new();
    let created = config_maps(&server).create(&PostParams::default(), &config_map("a", "1")).await.unwrap();
    let metadata = created.metadata;
    assert_eq!(metadata.namespace.as_deref(), Some(NAMESPACE));
    assert!(metadata.uid.is_some_and(|uid| uid.len() == 36));
    assert_eq!(metadata.creation_timestamp.unwrap().0, "2026-01-01T00:00:00Z".parse().unwrap());
    assert!(metadata.resource_version.is_some());
    assert_eq!(metadata.generation, None, "ConfigMaps have none");
}

#[tokio::test(start_paused = true)]
async fn generated_names_differ() {
    let server = ApiServer::new();
    let mut map = config_map("", "1");
    map.metadata.name = None;
    map.metadata.generate_name = Some("map-".to_owned());
    let api = config_maps(&server);
    let first = api.create(&PostParams::default(), &map).await.unwrap().metadata.name.unwrap();
    let second = api.create(&PostParams::default(), &map).await.unwrap().metadata.name.unwrap();
    assert!(first.starts_with("map-") && second.starts_with("map-") && first != second, "{first} {second}");
    assert_eq!(server.writes().last().unwrap().key.name, second);
}

#[tokio::test(start_paused = true)]
async fn a_second_object_of_the_same_name_is_refused() {
    let server = ApiServer::new();
    let api = config_maps(&server);
    api.create(&PostParams::default(), &config_map("a", "1")).await.unwrap();
    match api.create(&PostParams::default(), &config_map("a", "2")).await {
        Err(kube::Error::Api(status)) => assert!(status.code == 409 && status.is_already_exists(), "{status}"),
        other => panic!("{other:?}"),
    }
    assert_eq!(server.object(&Key::of::<ConfigMap>(NAMESPACE, "a")).unwrap()["data"]["key"], "1");
}

#[tokio::test(start_paused = true)]
async fn a_merge_patch_merges() {
    let server = ApiServer::new();
    server.put(labelled("a", "x"));
    let patch = json!({"metadata": {"labels": {"tier": null, "app": "node"}}, "data": {"key": "1"}});
    let patched = config_maps(&server).patch("a", &PatchParams::default(), &merge(patch)).await.unwrap();
    assert_eq!(patched.metadata.labels.unwrap().into_iter().collect::<Vec<_>>(), [("app".into(), "node".into())]);
    assert_eq!(patched.data.unwrap()["key"], "1");
}

#[rstest]
#[case::nothing(json!({}))]
#[case::what_is_there(json!({"metadata": {"labels": {"tier": "x"}}}))]
#[case::removal_of_what_is_not_there(json!({"metadata": {"annotations": {"a": null}}, "data": {"b": null}}))]
#[case::fields_of_the_server(json!({"metadata": {"creationTimestamp": null, "generation": 7}}))]
#[tokio::test(start_paused = true)]
async fn a_patch_that_changes_nothing_is_no_revision(#[case] patch: Value) {
    let server = ApiServer::new();
    let before = server.put(labelled("a", "x"));
    config_maps(&server).patch("a", &PatchParams::default(), &merge(patch)).await.unwrap();
    assert_eq!(server.object(&Key::of::<ConfigMap>(NAMESPACE, "a")), Some(before));
    assert_eq!(server.writes().last().unwrap().code, 200);
}

#[rstest]
#[case::stale_revision(json!({"metadata": {"resourceVersion": "1"}}), 409)]
#[case::another_uid(json!({"metadata": {"uid": "b"}}), 422)]
#[case::another_name(json!({"metadata": {"name": "b"}}), 400)]
#[case::bad_label(json!({"metadata": {"labels": {"a": "-"}}}), 422)]
#[tokio::test(start_paused = true)]
async fn a_bad_patch_is_refused_and_changes_nothing(#[case] patch: Value, #[case] expected: u16) {
    let server = ApiServer::new();
    let before = server.put(rollout("a"));
    let mut with_data = patch;
    with_data["spec"]["paused"] = json!(true);
    with_data["status"] = json!({"observedGeneration": 2});
    let api = rollouts(server.client_as("replica-1"));
    assert_eq!(code(api.patch("a", &PatchParams::default(), &merge(with_data.clone())).await), expected);
    if expected == 409 {
        assert_eq!(code(api.patch_status("a", &PatchParams::default(), &merge(with_data)).await), expected);
    }
    assert_eq!(server.object(&rollout_key("a")), Some(before));
}

#[tokio::test(start_paused = true)]
async fn a_patch_with_the_current_revision_and_uid_is_taken() {
    let server = ApiServer::new();
    let metadata = server.put(labelled("a", "x"))["metadata"].clone();
    let patch = json!({"metadata": {"resourceVersion": metadata["resourceVersion"], "uid": metadata["uid"]}, "data": {"key": "1"}});
    let api = config_maps(&server);
    api.patch("a", &PatchParams::default(), &merge(patch.clone())).await.unwrap();
    assert_eq!(code(api.patch("a", &PatchParams::default(), &merge(patch)).await), 409, "the revision is old now");
}

#[tokio::test(start_paused = true)]
async fn a_missing_object_is_not_found() {
    let server = ApiServer::new();
    let api = config_maps(&server);
    assert_eq!(code(api.patch("a", &PatchParams::default(), &merge(json!({}))).await), 404);
    assert_eq!(code(api.delete("a", &DeleteParams::default()).await), 404);
    assert_eq!(code(api.get("a").await), 404);
}

#[tokio::test(start_paused = true)]
async fn status_and_the_rest_are_written_apart() {
    let server = ApiServer::new();
    server.put(rollout("a"));
    let api = rollouts(server.client_as("replica-1"));
    let patch = json!({"metadata": {"annotations": {"mark": "1"}}, "spec": {"paused": true}, "status": {"observedGeneration": 2}});

    let after = api.patch_status("a", &PatchParams::default(), &merge(patch.clone())).await.unwrap();
    assert_eq!(after.data["status"], json!({"observedGeneration": 2}));
    assert_eq!(after.data["spec"]["paused"], false);
    assert_eq!((after.metadata.annotations, after.metadata.generation), (None, Some(1)));

    server.edit(&rollout_key("a"), |rollout| rollout["status"]["observedGeneration"] = json!(3));
    let after = api.patch("a", &PatchParams::default(), &merge(patch)).await.unwrap();
    assert_eq!(after.data["status"], json!({"observedGeneration": 3}));
    assert_eq!(after.data["spec"]["paused"], true);
    assert_eq!(after.metadata.annotations.unwrap()["mark"], "1");
    assert_eq!(after.metadata.generation, Some(2), "the spec changed once");
}

#[tokio::test(start_paused = true)]
async fn metadata_alone_is_no_generation() {
    let server = ApiServer::new();
    server.put(rollout("a"));
    let patch = json!({"metadata": {"labels": {"a": "b"}}});
    let api = rollouts(server.client_as("replica-1"));
    let after = api.patch("a", &PatchParams::default(), &merge(patch)).await.unwrap();
    assert_eq!(after.metadata.generation, Some(1));
}

#[tokio::test(start_paused = true)]
async fn a_created_custom_object_has_no_status_yet() {
    let server = ApiServer::new();
    let rollout = serde_json::from_value(rollout("a")).unwrap();
    let created = rollouts(server.client_as("a")).create(&PostParams::default(), &rollout).await.unwrap();
    assert_eq!((created.data.get("status"), created.metadata.generation), (None, Some(1)));
}

#[tokio::test(start_paused = true)]
async fn a_replacement_needs_the_current_revision() {
    let server = ApiServer::new();
    server.put(rollout("a"));
    let api = rollouts(server.client_as("replica-1"));
    let mut object = api.get("a").await.unwrap();
    object.data["spec"]["paused"] = json!(true);
    api.replace("a", &PostParams::default(), &object).await.unwrap();
    assert_eq!(code(api.replace("a", &PostParams::default(), &object).await), 409);
    object.metadata.resource_version = None;
    assert_eq!(code(api.replace("a", &PostParams::default(), &object).await), 422);
    assert_eq!(server.object(&rollout_key("a")).unwrap()["metadata"]["generation"], 2);
}

#[tokio::test(start_paused = true)]
async fn a_finalizer_holds_an_object_until_it_is_gone() {
    let server = ApiServer::new();
    server.put(rollout("a"));
    let api = rollouts(server.client_as("replica-1"));
    let finalizers = |list: Value| merge(json!({"metadata": {"finalizers": list}}));
    api.patch("a", &PatchParams::default(), &finalizers(json!(["x/a", "x/b"]))).await.unwrap();

    let deleted = api.delete("a", &DeleteParams::default()).await.unwrap().left().unwrap();
    assert!(deleted.metadata.deletion_timestamp.is_some());
    assert_eq!(deleted.metadata.generation, Some(2));
    let revision = deleted.metadata.resource_version;
    let again = api.delete("a", &DeleteParams::default()).await.unwrap().left().unwrap();
    assert_eq!(again.metadata.resource_version, revision, "a second deletion changes nothing");

    let added = finalizers(json!(["x/a", "x/b", "x/c"]));
    assert_eq!(code(api.patch("a", &PatchParams::default(), &added).await), 422);
    api.patch("a", &PatchParams::default(), &finalizers(json!(["x/a"]))).await.unwrap();
    assert!(server.object(&rollout_key("a")).is_some());
    api.patch("a", &PatchParams::default(), &finalizers(json!(null))).await.unwrap();
    assert_eq!(server.object(&rollout_key("a")), None);
    assert!(server.writes().last().unwrap().after.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_deletion_meant_for_another_object_is_refused() {
    let server = ApiServer::new();
    let metadata = server.put(labelled("a", "x"))["metadata"].clone();
    let api = config_maps(&server);
    let only = |uid: &str, revision: &Value| {
        DeleteParams::default().preconditions(Preconditions {
            uid: Some(uid.to_owned()),
            resource_version: Some(revision.as_str().unwrap().to_owned()),
        })
    };
    let uid = metadata["uid"].as_str().unwrap();
    assert_eq!(code(api.delete("a", &only("other", &metadata["resourceVersion"])).await), 409);
    assert_eq!(code(api.delete("a", &only(uid, &json!("1"))).await), 409);
    assert!(api.delete("a", &only(uid, &metadata["resourceVersion"])).await.unwrap().is_right());
    assert!(server.objects("configmaps").is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_evicted_pod_is_gone() {
    let server = ApiServer::new();
    server.put(json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "namespace": NAMESPACE}}));
    let pods: Api<Pod> = Api::namespaced(server.client_as("replica-1"), NAMESPACE);
    pods.evict("a", &EvictParams::default()).await.unwrap();
    assert_eq!(server.object(&Key::of::<Pod>(NAMESPACE, "a")), None);
    assert_eq!(server.writes().last().unwrap().code, 201);
    assert_eq!(code(pods.evict("a", &EvictParams::default()).await), 404);
}
