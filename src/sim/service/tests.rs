use std::collections::BTreeSet;
use std::time::Duration;

use k8s_openapi::api::core::v1::{ConfigMap, Node, Secret};
use kube::api::{ListParams, Patch, PatchParams};
use kube::{Api, ResourceExt};
use rstest::rstest;
use serde_json::json;
use tokio::time::{Instant, timeout};

use crate::ApiServer;
use crate::fixture::{NAMESPACE, code, config_maps, labelled, rollout, rollouts};

fn names(list: impl IntoIterator<Item = ConfigMap>) -> BTreeSet<String> {
    list.into_iter().map(|map| map.name_any()).collect()
}

#[rstest]
#[case::all(ListParams::default(), &["a", "b", "c"])]
#[case::from_a_cache(ListParams::default().match_any(), &["a", "b", "c"])]
#[case::by_label(ListParams::default().labels("tier in (x,z)"), &["a", "c"])]
#[case::by_name(ListParams::default().fields("metadata.name=b"), &["b"])]
#[case::by_both(ListParams::default().labels("tier!=x").fields("metadata.name!=b"), &["c"])]
#[tokio::test(start_paused = true)]
async fn a_list_has_what_is_selected(#[case] params: ListParams, #[case] expected: &[&str]) {
    let server = ApiServer::new();
    for (name, tier) in [("a", "x"), ("b", "y"), ("c", "z")] {
        server.put(labelled(name, tier));
    }
    server.put(rollout("d"));
    let mut elsewhere = labelled("e", "x");
    elsewhere["metadata"]["namespace"] = json!("other");
    server.put(elsewhere);

    let list = config_maps(&server).list(&params).await.unwrap();
    assert!(list.metadata.resource_version.is_some());
    assert_eq!(names(list), expected.iter().map(ToString::to_string).collect());
}

#[tokio::test(start_paused = true)]
async fn a_list_over_all_namespaces_has_all() {
    let server = ApiServer::new();
    server.put(labelled("a", "x"));
    let mut elsewhere = labelled("b", "x");
    elsewhere["metadata"]["namespace"] = json!("other");
    server.put(elsewhere);
    let all: Api<ConfigMap> = Api::all(server.client_as("replica-1"));
    assert_eq!(names(all.list(&ListParams::default()).await.unwrap()).len(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_object_without_a_namespace_is_found() {
    let server = ApiServer::new();
    server.put(json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1", "labels": {"zone": "a"}}}));
    let nodes: Api<Node> = Api::all(server.client_as("replica-1"));
    assert_eq!(nodes.get("n1").await.unwrap().labels()["zone"], "a");
    assert_eq!(nodes.list(&ListParams::default()).await.unwrap().items.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn metadata_alone_come_without_data() {
    let server = ApiServer::new();
    let mut map = labelled("a", "x");
    map["data"] = json!({"key": "value"});
    server.put(map);
    let api = config_maps(&server);
    let one = api.get_metadata("a").await.unwrap();
    assert_eq!(one.types.unwrap().kind, "PartialObjectMetadata");
    assert_eq!(one.metadata.labels.unwrap()["tier"], "x");
    let list = api.list_metadata(&ListParams::default()).await.unwrap();
    assert_eq!(list.items[0].name_any(), "a");

    let request = http::Request::get(format!("/api/v1/namespaces/{NAMESPACE}/configmaps"))
        .header("accept", "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1");
    let text = server.client_as("a").request_text(request.body(Vec::new()).unwrap()).await.unwrap();
    assert!(text.contains("PartialObjectMetadataList") && !text.contains("value"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_request_takes_the_latency_and_its_turn() {
    let server = ApiServer::new();
    let start = Instant::now();
    assert_eq!(code(config_maps(&server).get("a").await), 404);
    assert_eq!(start.elapsed(), Duration::from_millis(3));
    server.set_latency(Duration::from_millis(50));
    assert_eq!(code(config_maps(&server).get("a").await), 404);
    assert_eq!(start.elapsed(), Duration::from_millis(54));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_gives_up_does_not_stop_the_server() {
    let server = ApiServer::new();
    server.put(rollout("a"));
    let api = rollouts(server.client_as("replica-1"));
    server.set_latency(Duration::from_secs(2));
    let patch = Patch::Merge(json!({"spec": {"paused": true}}));
    let impatient = async { api.patch("a", &PatchParams::default(), &patch).await };
    assert!(timeout(Duration::from_millis(500), impatient).await.is_err());
    assert!(server.writes().is_empty());
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(server.writes()[0].code, 200);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_simulated_is_refused_and_recorded() {
    let server = ApiServer::new();
    let client = server.client_as("replica-1");
    let secrets: Api<Secret> = Api::namespaced(client.clone(), NAMESPACE);
    assert_eq!(code(secrets.get("a").await), 501);
    let api = config_maps(&server);
    server.put(labelled("a", "x"));
    assert_eq!(code(api.list(&ListParams::default().fields("spec.x=1")).await), 501);
    let strategic = Patch::Strategic(labelled("a", "y"));
    assert_eq!(code(api.patch("a", &PatchParams::default(), &strategic).await), 501);
    let merge = Patch::Merge(json!({"data": {"a": "b"}}));
    assert_eq!(code(api.patch("a", &PatchParams::default().dry_run(), &merge).await), 501);
    assert_eq!(code(api.patch_status("a", &PatchParams::default(), &merge).await), 501, "ConfigMaps have no status");
    let unsupported = server.unsupported();
    assert_eq!(unsupported.len(), 5);
    assert!(unsupported[0].ends_with("GET /api/v1/namespaces/qudag/secrets/a"), "{}", unsupported[0]);
}

#[tokio::test(start_paused = true)]
async fn a_good_request_is_not_recorded_as_unsupported() {
    let server = ApiServer::new();
    assert_eq!(code(config_maps(&server).get("a").await), 404);
    assert_eq!(server.unsupported(), Vec::<String>::new());
}
