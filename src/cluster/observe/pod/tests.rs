use rstest::rstest;
use serde_json::{Value, json};

use super::*;

fn pod(value: Value) -> Pod {
    serde_json::from_value(value).unwrap()
}

/// A pod with one volume and one mount.
fn mounting(volume: Value, mount: Value) -> Pod {
    let mut volume = volume;
    volume["name"] = json!("v");
    let mut mount = mount;
    mount["name"] = json!("v");
    mount["mountPath"] = json!("/etc/x");
    pod(json!({"spec": {"containers": [{"name": "c", "volumeMounts": [mount]}], "volumes": [volume]}}))
}

#[rstest]
#[case::as_a_directory(json!({"configMap": {"name": "settings"}}), json!({}), true)]
#[case::projected(json!({"projected": {"sources": [{"configMap": {"name": "settings"}}]}}), json!({}), true)]
#[case::sub_path(json!({"configMap": {"name": "settings"}}), json!({"subPath": "a.toml"}), false)]
#[case::sub_path_expression(json!({"configMap": {"name": "settings"}}), json!({"subPathExpr": "$(X)"}), false)]
#[case::another_map(json!({"configMap": {"name": "other"}}), json!({}), false)]
#[case::chosen_keys(json!({"configMap": {"name": "settings", "items": [{"key": "a", "path": "a"}]}}), json!({}), false)]
#[case::chosen_items(
    json!({"projected": {"sources": [{"configMap": {"name": "settings", "items": [{"key": "a", "path": "a"}]}}]}}),
    json!({}),
    false
)]
fn only_a_mounted_directory_is_updated(#[case] volume: Value, #[case] mount: Value, #[case] expected: bool) {
    let pod = mounting(volume, mount);
    let mounted = Mounted { config_map: "settings".to_owned(), key: None };
    assert_eq!(mounts(pod.spec.as_ref().unwrap(), &mounted), expected);
}

fn spec() -> OptimizationRolloutSpec {
    let spec = json!({
        "fleet": {
            "selector": {},
            "config": {"rendered": {"name": "settings", "key": "{member}.toml"}},
        },
        "optimizations": [{"name": "a", "settings": [{"path": "a", "optimized": true}]}],
        "stages": [{"name": "full", "percent": 100, "bake": "1m"}],
    });
    serde_json::from_value(spec).unwrap()
}

#[rstest]
#[case::as_directories(json!({}), &["settings-1", "settings-12"])]
#[case::a_file_at_a_time(json!({"subPath": "a.toml"}), &[])]
fn further_maps_are_mounted(#[case] mount: Value, #[case] expected: &[&str]) {
    let maps = ["settings", "settings-1", "settings-12", "settings-x", "other-1"];
    let sources: Vec<Value> = maps.iter().map(|map| json!({"configMap": {"name": map, "optional": true}})).collect();
    let pod = mounting(json!({"projected": {"sources": sources}}), mount);
    let mounted = read(&pod, "a-0", &spec()).mounts_further;
    assert_eq!(mounted.iter().map(String::as_str).collect::<Vec<_>>(), expected);
}

#[rstest]
#[case::its_file("node.toml", true)]
#[case::another_file("other.toml", false)]
fn of_a_members_own_map_the_one_file_suffices(#[case] key: &str, #[case] expected: bool) {
    let volume = json!({"configMap": {"name": "a-config", "items": [{"key": key, "path": "x"}]}});
    let mounted = Mounted { config_map: "a-config".to_owned(), key: Some("node.toml".to_owned()) };
    assert_eq!(mounts(mounting(volume, json!({})).spec.as_ref().unwrap(), &mounted), expected);
}

#[rstest]
#[case::running(json!({"status": {"phase": "Running"}}), true)]
#[case::pending(json!({"status": {"phase": "Pending"}}), true)]
#[case::ended(json!({"status": {"phase": "Succeeded"}}), false)]
#[case::failed(json!({"status": {"phase": "Failed"}}), false)]
#[case::going(json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}}), false)]
fn a_pod_that_ends_is_nobody(#[case] value: Value, #[case] expected: bool) {
    assert_eq!(is_live(&pod(value)), expected);
}

#[test]
fn a_member_is_its_pod_or_its_node() {
    let pod = pod(json!({"metadata": {"name": "a-0"}, "spec": {"containers": [], "nodeName": "node-1"}}));
    assert_eq!(member_name(&pod, Identity::Pod).as_deref(), Some("a-0"));
    assert_eq!(member_name(&pod, Identity::Node).as_deref(), Some("node-1"));
}

#[test]
fn pruning_keeps_what_decisions_look_at() {
    let full = json!({
        "metadata": {
            "name": "a-0", "uid": "u", "labels": {"app": "x"},
            "annotations": {"optimization.qudag.io/touched": "t", "big": "x"},
            "managedFields": [{"manager": "kubelet"}],
            "ownerReferences": [
                {"apiVersion": "v1", "kind": "ConfigMap", "name": "x", "uid": "1"},
                {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "a", "uid": "2", "controller": true},
            ],
        },
        "spec": {
            "nodeName": "node-1",
            "containers": [{
                "name": "c", "image": "i", "env": [{"name": "A", "value": "b"}],
                "ports": [{"name": "metrics", "containerPort": 9090}],
                "volumeMounts": [{"name": "v", "mountPath": "/x"}],
            }],
            "volumes": [{"name": "v", "configMap": {"name": "settings"}}, {"name": "w", "emptyDir": {}}],
        },
        "status": {"podIP": "10.0.0.2"},
    });
    let mut pruned = pod(full);
    prune(&mut pruned);
    let spec = pruned.spec.as_ref().unwrap();
    let mounted = Mounted { config_map: "settings".to_owned(), key: None };
    assert!(mounts(spec, &mounted));
    assert_eq!(container_port(spec, "metrics"), Some(9090));
    assert_eq!(spec.node_name.as_deref(), Some("node-1"));
    assert_eq!(pruned.annotations().keys().collect::<Vec<_>>(), ["optimization.qudag.io/touched"]);
    assert_eq!(controller(&pruned).map(|owner| owner.kind.as_str()), Some("StatefulSet"));
    assert_eq!((spec.containers[0].image.as_deref(), spec.volumes.as_ref().unwrap().len()), (None, 1));
}

#[test]
fn of_several_containers_the_end_that_is_latest_counts_and_any_that_was_killed() {
    let ended = |code: i32, started: &str, ended: &str| json!({"lastState": {"terminated": {"exitCode": code, "startedAt": started, "finishedAt": ended}}});
    let container = |name: &str, state: Value| {
        let mut container = json!({
            "name": name, "image": "registry.example.com/node:1", "imageID": "", "ready": true, "restartCount": 1,
        });
        container.as_object_mut().unwrap().extend(state.as_object().unwrap().clone());
        container
    };
    let containers = [
        container("node", ended(132, "2026-01-01T00:00:00Z", "2026-01-01T00:10:00Z")),
        container("sidecar", ended(1, "2026-01-01T00:05:00Z", "2026-01-01T00:20:00Z")),
        container("well", json!({})),
    ];
    let pod = pod(json!({"metadata": {"name": "node-0"}, "status": {"containerStatuses": containers}}));
    let seen = read(&pod, "node-0", &spec());
    let at = |text: &str| text.parse().unwrap();
    let (started, ended) = (at("2026-01-01T00:05:00Z"), at("2026-01-01T00:20:00Z"));
    assert_eq!(seen.ended, Some(Lifetime { started, ended }));
    assert!(seen.killed);
    assert_eq!(seen.restarts, 3);
}

#[test]
fn a_container_that_could_not_even_start_ended_when_it_began() {
    let pod = pod(json!({
        "metadata": {"name": "node-0", "creationTimestamp": "2026-01-01T00:00:00Z"},
        "status": {"containerStatuses": [{
            "name": "node", "image": "registry.example.com/node:1", "imageID": "", "ready": false, "restartCount": 7,
            "lastState": {"terminated": {
                "exitCode": 128, "reason": "StartError", "startedAt": "1970-01-01T00:00:00Z",
                "finishedAt": "2026-01-01T00:20:00Z",
            }},
        }]},
    }));
    let at = "2026-01-01T00:20:00Z".parse().unwrap();
    assert_eq!(read(&pod, "node-0", &spec()).ended, Some(Lifetime { started: at, ended: at }));
}
