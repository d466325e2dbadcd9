use rstest::rstest;
use serde_json::Value;
use sim::{ApiServer, Fault, Fleet, FleetSpec};

use super::*;

fn rollout(name: &str, attempt: i32) -> Value {
    json!({
        "apiVersion": "optimization.qudag.io/v1alpha1", "kind": "OptimizationRollout",
        "metadata": {"name": name, "namespace": "qudag"},
        "spec": {
            "fleet": {
                "selector": {"matchLabels": {"app": "qudag-node"}},
                "config": {"rendered": {"name": "qudag-optimizations", "key": "{member}.toml"}},
                "acknowledgement": {"timer": "1s"},
            },
            "optimizations": [{"name": "pool", "settings": [{"path": "pool", "optimized": true, "baseline": false}]}],
            "stages": [{"name": "half", "percent": 50, "bake": "1h"}],
            "attempt": attempt,
        },
    })
}

fn file(name: &str, attempt: i32) -> OptimizationRollout {
    serde_json::from_value(rollout(name, attempt)).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_file_is_decided_on_as_if_it_were_applied_and_nothing_is_written() {
    let server = ApiServer::new();
    let _fleet = Fleet::start(&server, FleetSpec::default());
    server.on_request(|request| match request.key.plural.as_str() {
        "nodes" => Fault::Refuse(403, "no".to_owned()),
        _ => Fault::None,
    });
    tokio::time::sleep(std::time::Duration::from_secs(5)).await;
    let cluster = Cluster::of(server.client_as("person"), "qudag");
    let applied = changed(&cluster, vec![file("pooling", 1)], None).await.unwrap();
    let (preview, notes) = here(&cluster, &applied, Vec::new()).await.unwrap();
    assert_eq!(preview.reason.to_string(), "RunStarted", "{preview:#?}");
    assert_eq!((preview.replica, preview.members.len()), (None, 10));
    assert!(notes.iter().any(|note| note.contains("may not list Nodes")), "{notes:?}");
    assert!(server.writes().iter().all(|write| write.user != "person"));
}

#[tokio::test(start_paused = true)]
async fn a_changed_file_keeps_what_runs() {
    let server = ApiServer::new();
    let live = server.put(rollout("pooling", 2));
    let cluster = Cluster::of(server.client_as("person"), "qudag");
    let mut changed_file = file("pooling", 2);
    changed_file.spec.paused = true;
    let applied = changed(&cluster, vec![changed_file], None).await.unwrap();
    assert_eq!(applied.metadata.uid.as_deref(), live["metadata"]["uid"].as_str());
    assert!(applied.spec.paused);
}

#[rstest]
#[case::an_attempt_that_falls(vec![file("pooling", 1)], None, "attempt: only rises")]
#[case::several(vec![file("a", 1), file("b", 1)], None, "several rollouts; name one of a, b")]
#[case::another_name(vec![file("a", 1)], Some("b"), "the file has no rollout b")]
#[case::nothing(Vec::new(), None, "the file has no rollout")]
#[tokio::test(start_paused = true)]
async fn a_file_that_cannot_be_meant_says_why(
    #[case] files: Vec<OptimizationRollout>,
    #[case] name: Option<&str>,
    #[case] words: &str,
) {
    let server = ApiServer::new();
    server.put(rollout("pooling", 2));
    let cluster = Cluster::of(server.client_as("person"), "qudag");
    let error = changed(&cluster, files, name).await.unwrap_err();
    assert!(error.contains(words), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_file_of_another_namespace_says_which() {
    let cluster = Cluster::of(ApiServer::new().client_as("person"), "default");
    let error = changed(&cluster, vec![file("pooling", 1)], None).await.unwrap_err();
    assert!(error.contains("repeat with --namespace qudag"), "{error}");
}
