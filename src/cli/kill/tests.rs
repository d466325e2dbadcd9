use std::sync::Arc;

use futures::{FutureExt, future::BoxFuture};
use k8s_openapi::api::core::v1::{ConfigMap, Pod, Service};
use operator::{Dependencies, options::Standby, telemetry::Telemetry};
use serde_json::json;
use sim::{ApiServer, Fleet, FleetSpec, Key};

use super::*;

const NAMESPACE: &str = "qudag";

/// Members without metrics.
struct Silent;

impl ::cluster::metrics::Scraper for Silent {
    fn scrape<'a>(
        &'a self,
        _: &'a domain::needs::Target,
        _: &'a str,
        _: &'a [String],
    ) -> BoxFuture<'a, Result<Vec<domain::series::Series>, String>> {
        async { Err("there are none".to_owned()) }.boxed()
    }
}

fn operator(server: &ApiServer) -> Dependencies {
    let clock = server.clock();
    Dependencies {
        client: server.client_as("operator"),
        scraper: Arc::new(Silent),
        connections: Arc::new(::cluster::metrics::each::EachMember::new(Arc::new(Silent))),
        clock: Arc::new(move || clock.now()),
        replica: "operator".to_owned(),
        namespace: "optimization-operator".to_owned(),
        namespaces: vec![NAMESPACE.to_owned()],
        standby: Standby::Sleep,
        telemetry: Arc::new(Telemetry::default()),
        planner: operator::server::plan::Planner::default(),
    }
}

/// Sets the labels that the command sets, on the pods that it selects.
fn label(server: &ApiServer, command: &str) {
    let words: Vec<&str> = command.split(' ').collect();
    let pair = |word: &str| word.split_once('=').map(|(key, value)| (key.to_owned(), value.to_owned())).unwrap();
    let (key, value) = pair(words[6]);
    for pod in server.objects("pods").into_iter().filter(|pod| pod["metadata"]["labels"][&key] == value) {
        let name = pod["metadata"]["name"].as_str().unwrap();
        server.edit(&Key::of::<Pod>(NAMESPACE, name), |pod| {
            for (key, value) in words[8..].iter().map(|word| pair(word)) {
                pod["metadata"]["labels"][key] = json!(value);
            }
        });
    }
}

#[tokio::test(start_paused = true)]
async fn the_command_that_is_printed_brings_traffic_back() {
    let server = ApiServer::new();
    let _fleet = half_optimized(&server).await;
    let selected = |server: &ApiServer| {
        let service = server.object(&Key::of::<Service>(NAMESPACE, "qudag-node")).unwrap();
        let selector = service["spec"]["selector"].as_object().unwrap().clone();
        let is_selected = |pod: &serde_json::Value| {
            selector.iter().all(|(key, value)| pod["metadata"]["labels"].get(key) == Some(value))
        };
        server.objects("pods").iter().filter(|pod| is_selected(pod)).count()
    };
    assert_eq!(selected(&server), 10);
    let clock = server.clock();
    sweep(server.client_as("person"), NAMESPACE, None, "ticket 42", move || clock.now()).await.unwrap();
    assert!(selected(&server) < 10, "traffic was moved");
    let command = way_back(NAMESPACE);
    assert!(command.starts_with("kubectl --namespace qudag label pod --selector "), "{command}");
    label(&server, &command);
    assert_eq!(selected(&server), 10);
}

fn optimized(server: &ApiServer) -> usize {
    let map = server.object(&Key::of::<ConfigMap>(NAMESPACE, "qudag-optimizations")).unwrap_or_default();
    let files = map["data"].as_object().into_iter().flatten();
    files.filter(|(_, file)| file.as_str().is_some_and(|file| file.contains("pool = true"))).count()
}

/// A run that has optimized half of its fleet, and lost its operator.
async fn half_optimized(server: &ApiServer) -> Fleet {
    let fleet = Fleet::start(server, FleetSpec::default());
    let running = tokio::spawn(operator::run(operator(server), std::future::pending()));
    server.put(json!({
        "apiVersion": "optimization.qudag.io/v1alpha1", "kind": "OptimizationRollout",
        "metadata": {"name": "pooling", "namespace": NAMESPACE, "generation": 1},
        "spec": {
            "fleet": {
                "selector": {"matchLabels": {"app": "qudag-node"}},
                "config": {"rendered": {"name": "qudag-optimizations", "key": "{member}.toml"}},
                "acknowledgement": {"timer": "1s"},
            },
            "optimizations": [{"name": "pool", "settings": [{"path": "pool", "optimized": true, "baseline": false}]}],
            "stages": [{"name": "half", "percent": 50, "bake": "1h"}],
            "holdoutPercent": 20,
            "traffic": {"services": [{"name": "qudag-node"}]},
        },
    }));
    while optimized(server) < 4 {
        sleep(Duration::from_millis(100)).await;
    }
    sleep(Duration::from_secs(5)).await;
    running.abort();
    server.cut("operator");
    fleet
}

#[tokio::test(start_paused = true)]
async fn without_an_operator_traffic_and_settings_go_back_and_the_run_stays_aborted() {
    let server = ApiServer::new();
    let _fleet = half_optimized(&server).await;
    let clock = server.clock();
    let swept = sweep(server.client_as("person"), NAMESPACE, None, "no operator", || clock.now()).await.unwrap();
    assert_eq!(swept.rollouts, ["pooling"]);
    assert_eq!((swept.left, swept.stalled), (BTreeSet::new(), BTreeSet::new()));
    assert_eq!(optimized(&server), 0);
    let service = server.object(&Key::of::<Service>(NAMESPACE, "qudag-node")).unwrap();
    assert_eq!(service["spec"]["selector"]["optimization.qudag.io/cohort"], "baseline");
    let out = |pod: &serde_json::Value| pod["metadata"]["labels"]["optimization.qudag.io/serving"] == "false";
    assert_eq!(server.objects("pods").iter().filter(|pod| out(pod)).count(), 4);
    let key = Key::of::<OptimizationRollout>(NAMESPACE, "pooling");
    assert_eq!(server.object(&key).unwrap()["spec"].get("abort"), None, "the spec belongs to its owner");

    server.revive("operator");
    let _running = tokio::spawn(operator::run(operator(&server), std::future::pending()));
    sleep(Duration::from_secs(120)).await;
    let rollout = server.object(&key).unwrap();
    assert_eq!(rollout["status"]["retreat"]["message"], "no operator");
    assert!(rollout["status"]["retreat"]["acknowledgedAt"].is_string());
    assert_eq!((optimized(&server), server.objects("pods").iter().filter(|pod| out(pod)).count()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn what_nobody_can_read_is_not_called_taken_back() {
    let server = ApiServer::new();
    let _fleet = half_optimized(&server).await;
    let key = Key::of::<ConfigMap>(NAMESPACE, "qudag-optimizations");
    server.edit(&key, |map| map["data"][".members.json"] = json!("{"));
    let clock = server.clock();
    let swept = sweep(server.client_as("person"), NAMESPACE, None, "no operator", || clock.now()).await.unwrap();
    let told: Vec<&String> = swept.stalled.iter().collect();
    assert!(told.len() == 1 && told[0].contains("members may still be optimized"), "{told:?}");
    assert_eq!(optimized(&server), 4);
}

#[tokio::test(start_paused = true)]
async fn nothing_that_runs_is_nothing_to_do() {
    let server = ApiServer::new();
    let swept = sweep(server.client_as("person"), NAMESPACE, None, "x", Timestamp::now).await.unwrap();
    assert!(swept.rollouts.is_empty() && server.writes().is_empty());
}
