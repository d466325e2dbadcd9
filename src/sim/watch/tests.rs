use std::pin::pin;
use std::time::Duration;

use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::api::{WatchEvent, WatchParams};
use kube::core::PartialObjectMeta;
use kube::{Api, ResourceExt};
use kube_runtime::reflector::{self, ObjectRef, Store};
use kube_runtime::{WatchStreamExt, watcher};
use serde_json::json;
use tokio::time::{sleep, timeout};

use crate::fixture::{NAMESPACE, config_maps, labelled};
use crate::{ApiServer, Key};

fn key(name: &str) -> Key {
    Key::of::<ConfigMap>(NAMESPACE, name)
}

fn set(server: &ApiServer, name: &str, value: &str) {
    server.edit(&key(name), |map| map["data"] = json!({"key": value}));
}

/// A reflector as the operator runs it.
fn reflect(server: &ApiServer, config: watcher::Config) -> Store<ConfigMap> {
    let (store, writer) = reflector::store();
    let stream = reflector::reflector(writer, watcher(config_maps(server), config).default_backoff());
    tokio::spawn(stream.for_each(|_| async {}));
    store
}

fn value(store: &Store<ConfigMap>, name: &str) -> Option<String> {
    let map = store.get(&ObjectRef::new(name).within(NAMESPACE))?;
    map.data.as_ref()?.get("key").cloned()
}

#[tokio::test(start_paused = true)]
async fn a_reflector_follows() {
    let server = ApiServer::new();
    server.put(labelled("a", "x"));
    let store = reflect(&server, watcher::Config::default());
    store.wait_until_ready().await.unwrap();
    assert_eq!(store.len(), 1);
    set(&server, "a", "1");
    server.put(labelled("b", "x"));
    sleep(Duration::from_millis(10)).await;
    assert_eq!(value(&store, "a").as_deref(), Some("1"));
    assert_eq!(store.len(), 2);
    server.remove(&key("a"));
    sleep(Duration::from_millis(10)).await;
    assert_eq!(store.len(), 1);
    assert_eq!(server.unsupported(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_reflector_lists_again_after_410() {
    let server = ApiServer::new();
    server.put(labelled("a", "x"));
    let store = reflect(&server, watcher::Config::default());
    store.wait_until_ready().await.unwrap();
    server.lag("replica-1", Duration::from_secs(3600));
    set(&server, "a", "1");
    server.put(labelled("b", "x"));
    server.compact();
    server.disconnect();
    sleep(Duration::from_secs(60)).await;
    assert_eq!(value(&store, "a").as_deref(), Some("1"));
    assert_eq!(store.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_watch_from_a_forgotten_revision_is_an_error_event() {
    let server = ApiServer::new();
    let old = server.put(labelled("a", "x"))["metadata"]["resourceVersion"].as_str().unwrap().to_owned();
    set(&server, "a", "1");
    server.compact();
    let watch = config_maps(&server).watch(&WatchParams::default(), &old).await.unwrap();
    let events: Vec<_> = watch.try_collect().await.unwrap();
    assert!(matches!(&events[..], [WatchEvent::Error(status)] if status.code == 410 && status.reason == "Expired"));
}

#[tokio::test(start_paused = true)]
async fn a_watch_resumes_where_it_ended() {
    let server = ApiServer::new();
    let seen = server.put(labelled("a", "x"))["metadata"]["resourceVersion"].as_str().unwrap().to_owned();
    server.compact();
    set(&server, "a", "1");
    set(&server, "a", "2");
    let watch = config_maps(&server).watch(&WatchParams::default().timeout(5), &seen).await.unwrap();
    let values: Vec<_> = watch
        .map_ok(|event| match event {
            WatchEvent::Modified(map) => map.data.unwrap()["key"].clone(),
            other => panic!("{other:?}"),
        })
        .try_collect()
        .await
        .unwrap();
    assert_eq!(values, ["1", "2"], "and then it ends by its timeout");
}

#[tokio::test(start_paused = true)]
async fn an_object_that_begins_or_ceases_to_be_selected_is_added_or_deleted() {
    let server = ApiServer::new();
    let start = server.put(labelled("a", "y"))["metadata"]["resourceVersion"].as_str().unwrap().to_owned();
    let relabel = |tier: &str| server.edit(&key("a"), |map| map["metadata"]["labels"]["tier"] = json!(tier));
    relabel("x");
    set(&server, "a", "1");
    let last = relabel("z")["metadata"]["resourceVersion"].as_str().unwrap().to_owned();
    set(&server, "a", "2");
    let params = WatchParams::default().labels("tier=x").timeout(5);
    let watch = config_maps(&server).watch(&params, &start).await.unwrap();
    let events: Vec<_> = watch.try_collect().await.unwrap();
    let [WatchEvent::Added(_), WatchEvent::Modified(_), WatchEvent::Deleted(deleted)] = &events[..] else {
        panic!("{events:?}")
    };
    assert_eq!(deleted.labels()["tier"], "x", "the state in which it was selected");
    assert_eq!(deleted.resource_version(), Some(last), "at the revision at which it ceased to be");
}

#[tokio::test(start_paused = true)]
async fn a_quiet_watch_is_kept_up_to_date_by_bookmarks() {
    let server = ApiServer::new();
    server.put(labelled("a", "x"));
    let watch = config_maps(&server).watch(&WatchParams::default(), "0").await.unwrap();
    let mut watch = pin!(watch);
    assert!(matches!(watch.next().await, Some(Ok(WatchEvent::Added(_)))));
    let pod = server.put(json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": NAMESPACE}}));
    let Some(Ok(WatchEvent::Bookmark(bookmark))) = watch.next().await else { panic!("no bookmark") };
    assert_eq!(bookmark.metadata.resource_version, pod["metadata"]["resourceVersion"]);
}

#[tokio::test(start_paused = true)]
async fn a_lagging_watch_sees_the_same_later() {
    let server = ApiServer::new();
    server.put(labelled("a", "x"));
    server.lag("replica-1", Duration::from_secs(5));
    let store = reflect(&server, watcher::Config::default());
    store.wait_until_ready().await.unwrap();
    set(&server, "a", "1");
    sleep(Duration::from_millis(4900)).await;
    assert_eq!(value(&store, "a"), None);
    sleep(Duration::from_millis(200)).await;
    assert_eq!(value(&store, "a").as_deref(), Some("1"));
}

#[tokio::test(start_paused = true)]
async fn a_lag_of_one_kind_is_no_lag_of_another_and_ends_with_the_lag_of_all() {
    let server = ApiServer::new();
    server.put(labelled("a", "x"));
    let store = reflect(&server, watcher::Config::default());
    store.wait_until_ready().await.unwrap();
    server.lag_of("replica-1", "pods", Duration::from_secs(3600));
    set(&server, "a", "1");
    sleep(Duration::from_millis(10)).await;
    assert_eq!(value(&store, "a").as_deref(), Some("1"));
    server.lag_of("replica-1", "configmaps", Duration::from_secs(3600));
    set(&server, "a", "2");
    sleep(Duration::from_secs(5)).await;
    assert_eq!(value(&store, "a").as_deref(), Some("1"));
    server.lag("replica-1", Duration::ZERO);
    sleep(Duration::from_millis(10)).await;
    assert_eq!(value(&store, "a").as_deref(), Some("2"));
}

#[tokio::test(start_paused = true)]
async fn a_reflector_follows_metadata_alone() {
    let server = ApiServer::new();
    let pod =
        |name: &str| json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": NAMESPACE}});
    server.put(pod("a"));
    let api: Api<PartialObjectMeta<Pod>> = Api::namespaced(server.client_as("replica-1"), NAMESPACE);
    let (store, writer) = reflector::store();
    let stream = reflector::reflector(writer, watcher(api, watcher::Config::default()));
    tokio::spawn(stream.for_each(|_| async {}));
    store.wait_until_ready().await.unwrap();
    server.put(pod("b"));
    server.edit(&Key::of::<Pod>(NAMESPACE, "a"), |pod| pod["metadata"]["labels"] = json!({"x": "y"}));
    sleep(Duration::from_millis(10)).await;
    assert_eq!(store.len(), 2);
    assert_eq!(store.get(&ObjectRef::new("a").within(NAMESPACE)).unwrap().labels()["x"], "y");
}

#[tokio::test(start_paused = true)]
async fn a_change_that_is_none_sends_nothing() {
    let server = ApiServer::new();
    server.put(labelled("a", "x"));
    let params = WatchParams::default().disable_bookmarks();
    let watch = config_maps(&server).watch(&params, "0").await.unwrap();
    let mut watch = pin!(watch);
    assert!(watch.next().await.is_some());
    server.edit(&key("a"), |_| ());
    assert!(timeout(Duration::from_secs(200), watch.next()).await.is_err());
}
