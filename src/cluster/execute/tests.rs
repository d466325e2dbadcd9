use std::convert::Infallible;

use api::{
    names::{COHORT_LABEL, SERVING_LABEL},
    reason::Reason,
};
use domain::{
    mark::{Cause, Mark},
    plan::{Advance, PodTarget, Withdraw},
};
use jiff::Timestamp;
use kube::client::Body;
use rstest::rstest;
use tokio::time::Instant;

use super::*;

mod order;
mod refused;

fn rollout() -> OptimizationRollout {
    let spec = json!({
        "fleet": {
            "selector": {"matchLabels": {SERVING_LABEL: "true"}},
            "config": {"rendered": {"name": "files", "key": "{member}.toml"}},
        },
        "optimizations": [{"name": "cache", "settings": [{"path": "cache", "optimized": true, "baseline": false}]}],
        "stages": [{"name": "all", "percent": 100, "bake": "1m"}],
    });
    let mut rollout = OptimizationRollout::new("tuning", serde_json::from_value(spec).unwrap());
    rollout.metadata.namespace = Some("qudag".to_owned());
    rollout
}

fn mark() -> Mark {
    Mark { run: "run".to_owned(), cause: Cause::new(Reason::LimitBreached, "errors", Timestamp::UNIX_EPOCH) }
}

/// An answer that holds an object of this kind.
fn object(kind: &str) -> http::Response<Body> {
    let object = json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": "name"}}).to_string();
    http::Response::new(Body::from(object.into_bytes()))
}

/// An API server that takes 50 ms for each write.
fn slow() -> Client {
    let answer = |_: http::Request<Body>| async move {
        tokio::time::sleep(Duration::from_millis(50)).await;
        Ok::<_, Infallible>(object("Pod"))
    };
    Client::new(tower::service_fn(answer), "qudag")
}

fn leaving(number: usize) -> Withdraw {
    Withdraw::StopServing { pod: PodTarget { name: format!("pod-{number}"), uid: "uid".to_owned() }, mark: mark() }
}

/// An API server that takes writes to Services at once and never answers for pods.
fn stuck_with_pods() -> Client {
    let answer = |request: http::Request<Body>| async move {
        if request.uri().path().contains("/pods/") {
            std::future::pending::<()>().await;
        }
        Ok::<_, Infallible>(object("Service"))
    };
    Client::new(tower::service_fn(answer), "qudag")
}

#[tokio::test(start_paused = true)]
async fn moving_traffic_does_not_wait_for_the_labels_of_other_runs() {
    let writer = Writer::new(stuck_with_pods());
    let labels: Vec<_> = (0..1000).map(leaving).collect();
    let other = tokio::spawn({
        let writer = writer.clone();
        async move { writer.withdraw(&rollout(), &labels).await }
    });
    tokio::task::yield_now().await;
    let began = Instant::now();
    let reroute = Withdraw::RerouteService { service: "qudag".to_owned(), mark: mark() };
    let withdrawn = writer.withdraw(&rollout(), &[reroute]).await;
    assert!(withdrawn.errors.is_empty(), "{:?}", withdrawn.errors);
    assert!(began.elapsed() < Duration::from_millis(10), "{:?}", began.elapsed());
    assert_eq!(other.await.unwrap().errors.len(), 1000);
}

#[tokio::test(start_paused = true)]
async fn a_thousand_members_are_written_in_one_pass_and_let_another_run_in_between() {
    let writer = Writer::new(slow());
    let many: Vec<_> = (0..1000).map(leaving).collect();
    let many = tokio::spawn({
        let writer = writer.clone();
        async move { writer.withdraw(&rollout(), &many).await }
    });
    tokio::task::yield_now().await;
    let began = Instant::now();
    let one = writer.withdraw(&rollout(), &[leaving(1000)]).await;
    assert!(one.errors.is_empty(), "{:?}", one.errors);
    assert!(began.elapsed() <= Duration::from_millis(150), "{:?}", began.elapsed());
    let errors = many.await.unwrap().errors;
    assert!(errors.is_empty(), "{} of a thousand failed: {:?}", errors.len(), errors.first());
}

#[tokio::test(start_paused = true)]
async fn a_conflict_on_a_service_is_tried_again_before_the_labels_follow() {
    let written: std::sync::Arc<std::sync::Mutex<Vec<String>>> = std::sync::Arc::default();
    let log = written.clone();
    let answer = move |request: http::Request<Body>| {
        let path = request.uri().path().to_owned();
        let kind = if path.contains("/services/") { "Service" } else { "Pod" };
        let conflicts = {
            let mut log = log.lock().unwrap();
            log.push(path.rsplit('/').next().unwrap().to_owned());
            path.contains("/services/") && log.len() == 1
        };
        async move {
            let mut answer = object(kind);
            if conflicts {
                let refusal =
                    json!({"kind": "Status", "status": "Failure", "reason": "Conflict", "code": 409, "message": ""});
                *answer.status_mut() = http::StatusCode::CONFLICT;
                *answer.body_mut() = Body::from(refusal.to_string().into_bytes());
            }
            Ok::<_, Infallible>(answer)
        }
    };
    let writer = Writer::new(Client::new(tower::service_fn(answer), "qudag"));
    let reroute = Withdraw::RerouteService { service: "qudag".to_owned(), mark: mark() };
    let withdrawn = writer.withdraw(&rollout(), &[reroute, leaving(1)]).await;
    assert!(withdrawn.errors.is_empty(), "{:?}", withdrawn.errors);
    assert_eq!(*written.lock().unwrap(), ["qudag", "qudag", "pod-1"]);
}

#[rstest]
#[case::it_is_wide(json!({}), json!({"app": "node"}), true)]
#[case::this_run_has_narrowed_it(
    json!({"optimization.qudag.io/retreat": "run"}), json!({"app": "node", COHORT_LABEL: "baseline"}), false
)]
#[case::another_run_has_narrowed_it(
    json!({"optimization.qudag.io/retreat": "another"}), json!({"app": "node", COHORT_LABEL: "baseline"}), true
)]
#[tokio::test]
async fn a_deleted_rollout_keeps_its_finalizer_while_a_service_is_narrowed_that_no_watch_shows_yet(
    #[case] annotations: Value,
    #[case] selector: Value,
    #[case] released: bool,
) {
    let patched: std::sync::Arc<std::sync::Mutex<usize>> = std::sync::Arc::default();
    let log = patched.clone();
    let answer = move |request: http::Request<Body>| {
        let is_read = request.method() == http::Method::GET;
        *log.lock().unwrap() += usize::from(!is_read);
        let service = json!({
            "apiVersion": "v1", "kind": "Service",
            "metadata": {"name": "qudag", "annotations": annotations}, "spec": {"selector": selector},
        });
        let mut answered = json!(rollout());
        answered["metadata"]["name"] = json!("tuning");
        let body = if is_read { service } else { answered };
        async move { Ok::<_, Infallible>(http::Response::new(Body::from(body.to_string().into_bytes()))) }
    };
    let writer = Writer::new(Client::new(tower::service_fn(answer), "qudag"));
    let mut deleted = rollout();
    deleted.metadata.deletion_timestamp =
        Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(Timestamp::UNIX_EPOCH));
    deleted.spec.traffic = serde_json::from_value(json!({"services": [{"name": "qudag"}]})).unwrap();
    deleted.status = serde_json::from_value(json!({"run": {
        "id": "run", "plan": "plan", "attempt": 1, "seed": "s", "eligible": 6, "holdout": 1,
        "startedAt": "2026-01-01T00:00:00Z",
    }}))
    .unwrap();
    let outcome = writer.advance(&deleted, &[Advance::ReleaseFinalizer], &|| true).await;
    assert_eq!(outcome.is_ok(), released, "{outcome:?}");
    assert_eq!(*patched.lock().unwrap(), usize::from(released));
}

#[rstest]
#[case::its_run_is_settled(json!({"settledAt": "2026-01-01T00:00:00Z"}), true)]
#[case::its_run_goes_on(json!({}), false)]
#[tokio::test]
async fn labels_of_a_run_that_is_over_stay_where_another_rollout_has_a_run_that_no_watch_shows_yet(
    #[case] facts: Value,
    #[case] written: bool,
) {
    let mut other = json!(rollout());
    other["metadata"]["name"] = json!("other");
    let run = json!({
        "id": "run", "plan": "plan", "attempt": 1, "seed": "s", "eligible": 6, "holdout": 1,
        "startedAt": "2026-01-01T00:00:00Z",
    });
    other["status"] = json!({"run": run});
    other["status"]["run"].as_object_mut().unwrap().extend(facts.as_object().unwrap().clone());
    let patched: std::sync::Arc<std::sync::Mutex<usize>> = std::sync::Arc::default();
    let log = patched.clone();
    let list = json!({
        "apiVersion": "optimization.qudag.io/v1alpha1", "kind": "OptimizationRolloutList", "metadata": {},
        "items": [rollout(), other],
    });
    let answer = move |request: http::Request<Body>| {
        let is_read = request.method() == http::Method::GET;
        *log.lock().unwrap() += usize::from(!is_read);
        let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "pod-1"}});
        let body = if is_read { list.to_string() } else { pod.to_string() };
        async move { Ok::<_, Infallible>(http::Response::new(Body::from(body.into_bytes()))) }
    };
    let writer = Writer::new(Client::new(tower::service_fn(answer), "qudag"));
    let label = Advance::LabelPod {
        pod: PodTarget { name: "pod-1".to_owned(), uid: "uid".to_owned() },
        resource_version: "1".to_owned(),
        cohort: "baseline",
        serving: Some(true),
    };
    let outcome = writer.advance(&rollout(), &[Advance::ConfirmAlone, label], &|| true).await;
    assert_eq!(outcome.is_ok(), written, "{outcome:?}");
    assert_eq!(*patched.lock().unwrap(), usize::from(written));
}

#[tokio::test(start_paused = true)]
async fn a_process_that_was_stopped_for_longer_than_a_lease_does_not_go_on_taking_pods_out_of_traffic() {
    let written: std::sync::Arc<std::sync::Mutex<Vec<String>>> = std::sync::Arc::default();
    let log = written.clone();
    let answer = move |request: http::Request<Body>| {
        log.lock().unwrap().push(request.uri().path().rsplit('/').next().unwrap().to_owned());
        async { Ok::<_, Infallible>(object("Service")) }
    };
    let writer = Writer::new(Client::new(tower::service_fn(answer), "qudag"));
    let withdrawal = tokio::spawn(async move {
        let reroute = Withdraw::RerouteService { service: "qudag".to_owned(), mark: mark() };
        writer.withdraw(&rollout(), &[reroute, leaving(0)]).await
    });
    // The labels follow the Service after a moment; in it the process is stopped.
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert_eq!(*written.lock().unwrap(), ["qudag"]);
    tokio::time::advance(domain::election::LEASE_DURATION).await;
    let withdrawn = withdrawal.await.unwrap();
    assert_eq!(*written.lock().unwrap(), ["qudag"]);
    assert_eq!(withdrawn.errors.len(), 1, "{:?}", withdrawn.errors);
}
