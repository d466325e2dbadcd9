//! The order of writes. What a real API server would make of another one, the laws tell in simulation.

use std::sync::{Arc, Mutex};

use api::fleet::Config;
use domain::{
    acknowledgement::Touch,
    observation::Shard,
    plan::{Advance, Restoration, ShardWrite, TouchPod},
    record::{Cohort, Entry, Record},
    settings::Settings,
};
use rstest::rstest;

use super::*;

/// Which kinds of object an API server was asked to write, and when.
type Asked = Arc<Mutex<Vec<(String, Instant)>>>;

/// An API server that takes so long for writes to this kind, and no time for others.
fn slow_with(plural: &'static str, delay: Duration) -> (Writer, Asked) {
    let asked = Asked::default();
    let log = asked.clone();
    let answer = move |request: http::Request<Body>| {
        let path = request.uri().path().to_owned();
        let written =
            path.split('/').find(|part| ["pods", "configmaps", "services", "optimizationrollouts"].contains(part));
        let written = written.unwrap().to_owned();
        let slow = written == plural;
        let log = log.clone();
        async move {
            if slow {
                tokio::time::sleep(delay).await;
            }
            let kind = match written.as_str() {
                "pods" => "Pod",
                "configmaps" => "ConfigMap",
                "services" => "Service",
                _ => "OptimizationRollout",
            };
            log.lock().unwrap().push((written, Instant::now()));
            let mut object = json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": "name"}});
            if kind == "OptimizationRollout" {
                object = json!(rollout());
            }
            Ok::<_, Infallible>(http::Response::new(Body::from(object.to_string().into_bytes())))
        }
    };
    (Writer::new(Client::new(tower::service_fn(answer), "qudag")), asked)
}

fn pod() -> PodTarget {
    PodTarget { name: "pod-1".to_owned(), uid: "uid".to_owned() }
}

fn touch() -> TouchPod {
    let touch = Touch { at: Timestamp::UNIX_EPOCH, count: 1, file: "file".to_owned() };
    TouchPod { pod: pod(), touch, after: "files".to_owned() }
}

/// A retreat of one member.
fn retreat() -> Vec<Withdraw> {
    let rollout = rollout();
    let config: Config = rollout.spec.fleet.config.clone();
    let entry = Entry { cohort: Cohort::Optimized, stage: 0, pod: "uid".to_owned(), restarts: 0, reverted: false };
    let record =
        Record { run: mark().run, stage: 0, members: [("pod-1".to_owned(), entry)].into(), ..Record::default() };
    let seen = Shard { name: "files".to_owned(), resource_version: "1".to_owned(), record, ..Shard::default() };
    let settings = Settings::new(&rollout.spec.optimizations, &Default::default());
    let restoration = Restoration { seen, config, settings, pods: Default::default(), mark: mark() };
    vec![
        Withdraw::MarkRollout(mark()),
        Withdraw::RerouteService { service: "qudag".to_owned(), mark: mark() },
        Withdraw::Restore(Box::new(restoration)),
        Withdraw::StopServing { pod: pod(), mark: mark() },
    ]
}

fn shard_write() -> ShardWrite {
    ShardWrite {
        name: "files".to_owned(),
        resource_version: Some("1".to_owned()),
        data: Default::default(),
        labels: Default::default(),
        annotations: Default::default(),
    }
}

/// All kinds but the slow one, and those that wait for it on purpose, are written at once.
#[rstest]
#[case::of_pods("pods", &["configmaps", "optimizationrollouts", "services"])]
#[case::of_files("configmaps", &["optimizationrollouts", "pods", "services"])]
#[case::of_the_mark("optimizationrollouts", &["configmaps", "pods", "services"])]
#[case::of_services("services", &["configmaps", "optimizationrollouts"])]
#[tokio::test(start_paused = true)]
async fn an_outage_of_one_kind_delays_no_other_write_of_a_retreat(#[case] slow: &'static str, #[case] others: &[&str]) {
    let (writer, asked) = slow_with(slow, Duration::from_secs(60));
    let began = Instant::now();
    writer.withdraw(&rollout(), &retreat()).await;
    let prompt = |at: &Instant| at.duration_since(began) < Duration::from_millis(500);
    let mut written: Vec<String> =
        asked.lock().unwrap().iter().filter(|(_, at)| prompt(at)).map(|(plural, _)| plural.clone()).collect();
    written.sort();
    assert_eq!(written, others, "L15 independence: with slow {slow}");
}

#[tokio::test(start_paused = true)]
async fn labels_follow_the_services_up_to_a_deadline() {
    let (writer, asked) = slow_with("services", Duration::from_secs(60));
    let began = Instant::now();
    writer.withdraw(&rollout(), &retreat()).await;
    let labelled = asked.lock().unwrap().iter().find(|(plural, _)| plural == "pods").map(|(_, at)| *at).unwrap();
    let waited = labelled.duration_since(began);
    assert!(waited >= DEADLINE && waited < DEADLINE * 2, "L15 independence: the labels waited for {waited:?}");
}

#[tokio::test(start_paused = true)]
async fn a_member_is_told_to_read_its_file_after_the_file_is_back() {
    let (writer, asked) = slow_with("configmaps", Duration::from_millis(300));
    let mut items = retreat();
    items.retain(|item| matches!(item, Withdraw::Restore(_)));
    items.insert(0, Withdraw::Touch(touch()));
    let withdrawn = writer.withdraw(&rollout(), &items).await;
    assert!(withdrawn.errors.is_empty(), "{:?}", withdrawn.errors);
    let order: Vec<String> = asked.lock().unwrap().iter().map(|(plural, _)| plural.clone()).collect();
    assert_eq!(order, ["configmaps", "pods"], "L3 abort deadline: a touch before its file is lost");
}

#[tokio::test(start_paused = true)]
async fn a_member_is_told_to_read_its_file_after_the_file_is_written() {
    let (writer, asked) = slow_with("configmaps", Duration::from_millis(300));
    let write = shard_write();
    let items = [Advance::Touch(touch()), Advance::WriteShard(write)];
    writer.advance(&rollout(), &items, &|| true).await.unwrap();
    let order: Vec<String> = asked.lock().unwrap().iter().map(|(plural, _)| plural.clone()).collect();
    assert_eq!(order, ["configmaps", "pods"], "a touch before its file is lost");
}

#[tokio::test(start_paused = true)]
async fn nothing_goes_on_once_the_rollout_is_another_one() {
    let (writer, asked) = slow_with("", Duration::ZERO);
    let mut seen = rollout();
    seen.metadata.resource_version = Some("another".to_owned());
    let write = shard_write();
    let outcome = writer.advance(&seen, &[Advance::Confirm, Advance::WriteShard(write)], &|| true).await;
    let written: Vec<String> = asked.lock().unwrap().iter().map(|(plural, _)| plural.clone()).collect();
    assert_eq!(written, ["optimizationrollouts"], "L14 one advances: on a rollout that has changed since");
    assert!(matches!(outcome.as_ref().unwrap_err().as_slice(), [WriteError::Conflict(_)]), "{outcome:?}");
}

#[tokio::test(start_paused = true)]
async fn no_write_is_begun_any_more_when_another_replica_may_lead() {
    let (writer, asked) = slow_with("configmaps", Duration::from_millis(300));
    let items = [Advance::Confirm, Advance::WriteShard(shard_write()), Advance::Touch(touch())];
    let began = tokio::time::Instant::now();
    let outcome = writer.advance(&rollout(), &items, &|| began.elapsed() < Duration::from_millis(200)).await;
    let is_left = |error: &WriteError| matches!(error, WriteError::NotLeading);
    let order: Vec<String> = asked.lock().unwrap().iter().map(|(plural, _)| plural.clone()).collect();
    assert_eq!(order, ["optimizationrollouts", "configmaps"], "L14 one advances: by a Lease that has run out");
    assert!(outcome.as_ref().unwrap_err().iter().all(is_left), "{outcome:?}");
    let outcome = writer.advance(&rollout(), &items, &|| false).await;
    assert!(outcome.as_ref().unwrap_err().iter().all(is_left), "{outcome:?}");
    assert_eq!(asked.lock().unwrap().len(), 2);
}
