use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::StreamExt;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::api::{Patch, PatchParams, WatchParams};
use rstest::rstest;
use serde_json::json;
use tokio::time::{Instant, timeout};

use crate::fixture::{NAMESPACE, code, labelled};
use crate::{ApiServer, Fault, Key, Verb};

const LONG: Duration = Duration::from_secs(60);

fn api(server: &ApiServer, user: &str) -> Api<ConfigMap> {
    Api::namespaced(server.client_as(user), NAMESPACE)
}

async fn write(server: &ApiServer, user: &str, value: &str) -> Result<ConfigMap, kube::Error> {
    api(server, user).patch("a", &PatchParams::default(), &Patch::Merge(json!({"data": {"key": value}}))).await
}

fn stored(server: &ApiServer) -> Option<String> {
    let map = server.object(&Key::of::<ConfigMap>(NAMESPACE, "a")).unwrap();
    map.pointer("/data/key").and_then(|value| value.as_str()).map(str::to_owned)
}

/// A server with one object, on which one user's writes meet a fault.
fn faulty(fault: Fault) -> ApiServer {
    let server = ApiServer::new();
    server.put(labelled("a", "x"));
    server.on_request(
        move |request| {
            if request.user == "replica-1" && request.verb.writes() { fault.clone() } else { Fault::None }
        },
    );
    server
}

#[rstest]
#[case::crash_before(Fault::CrashBefore, false)]
#[case::crash_after(Fault::CrashAfter, true)]
#[tokio::test(start_paused = true)]
async fn a_crash_silences_the_user_until_it_is_revived(#[case] fault: Fault, #[case] done: bool) {
    let server = faulty(fault);
    assert!(timeout(LONG, write(&server, "replica-1", "1")).await.is_err());
    assert_eq!(stored(&server), done.then(|| "1".to_owned()));
    assert!(timeout(LONG, api(&server, "replica-1").get("a")).await.is_err(), "no later request is answered");
    write(&server, "replica-2", "2").await.unwrap();

    server.stop_faults();
    server.revive("replica-1");
    write(&server, "replica-1", "3").await.unwrap();
    assert_eq!(stored(&server).as_deref(), Some("3"));
}

#[tokio::test(start_paused = true)]
async fn what_a_crashed_user_had_on_the_way_is_lost() {
    let server = ApiServer::new();
    server.put(labelled("a", "x"));
    let requests = AtomicUsize::new(0);
    server.on_request(
        move |_| {
            if requests.fetch_add(1, Ordering::Relaxed) == 0 { Fault::CrashAfter } else { Fault::None }
        },
    );
    let both = async { tokio::join!(write(&server, "replica-1", "1"), write(&server, "replica-1", "2")) };
    assert!(timeout(LONG, both).await.is_err());
    assert_eq!(stored(&server).as_deref(), Some("1"));
    assert_eq!(server.writes().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_has_its_code_and_message() {
    let server = faulty(Fault::Refuse(429, "slow down".to_owned()));
    match write(&server, "replica-1", "1").await {
        Err(kube::Error::Api(status)) => {
            assert_eq!((status.code, status.message.as_str()), (429, "slow down"));
            assert_eq!(status.reason, "TooManyRequests");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(stored(&server), None);
    assert_eq!(server.writes()[0].code, 429);
}

#[tokio::test(start_paused = true)]
async fn a_delayed_write_happens_even_when_nobody_waits() {
    let server = faulty(Fault::Delay(Duration::from_secs(10)));
    assert!(timeout(Duration::from_secs(1), write(&server, "replica-1", "1")).await.is_err());
    assert_eq!(stored(&server), None);
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(stored(&server).as_deref(), Some("1"));
}

#[tokio::test(start_paused = true)]
async fn a_hanging_write_never_happens() {
    let server = faulty(Fault::Hang);
    assert!(timeout(LONG, write(&server, "replica-1", "1")).await.is_err());
    assert_eq!(stored(&server), None);
    assert!(api(&server, "replica-1").get("a").await.is_ok(), "other requests are answered");
}

#[tokio::test(start_paused = true)]
async fn a_lost_response_is_a_connection_error_after_the_write() {
    let server = faulty(Fault::LoseResponse);
    let error = write(&server, "replica-1", "1").await.unwrap_err();
    assert!(!matches!(error, kube::Error::Api(_)), "{error}");
    assert_eq!(stored(&server).as_deref(), Some("1"));
}

#[tokio::test(start_paused = true)]
async fn the_first_hook_that_wants_a_fault_gets_it() {
    let server = faulty(Fault::Refuse(503, "first".to_owned()));
    server.on_request(|_| Fault::Refuse(500, "second".to_owned()));
    assert_eq!(code(write(&server, "replica-1", "1").await), 503);
    assert_eq!(code(write(&server, "replica-2", "1").await), 500);
}

#[tokio::test(start_paused = true)]
async fn the_watches_of_a_cut_off_user_are_silent_and_go_on_later() {
    let server = ApiServer::new();
    server.put(labelled("a", "x"));
    let watch = api(&server, "replica-1").watch(&WatchParams::default(), "0").await.unwrap();
    let mut watch = std::pin::pin!(watch);
    assert!(watch.next().await.is_some());
    server.cut("replica-1");
    server.edit(&Key::of::<ConfigMap>(NAMESPACE, "a"), |map| map["data"] = json!({"key": "1"}));
    assert!(timeout(LONG, watch.next()).await.is_err());
    server.revive("replica-1");
    let start = Instant::now();
    assert!(watch.next().await.is_some());
    assert!(start.elapsed() < Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn hooks_see_each_successful_write_and_the_state_after_it() {
    let server = ApiServer::new();
    server.put(labelled("a", "x"));
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (log, observed) = (seen.clone(), server.clone());
    server.on_write(move |write| log.lock().unwrap().push((write.verb, stored(&observed))));
    write(&server, "replica-1", "1").await.unwrap();
    assert_eq!(code(api(&server, "a").patch("b", &PatchParams::default(), &Patch::Merge(json!({}))).await), 404);
    assert_eq!(*seen.lock().unwrap(), [(Verb::Patch, Some("1".to_owned()))]);
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "a law is broken")]
async fn a_hook_that_panics_fails_the_test() {
    let server = ApiServer::new();
    server.put(labelled("a", "x"));
    server.on_write(|_| panic!("a law is broken"));
    let _ = write(&server, "replica-1", "1").await;
}
