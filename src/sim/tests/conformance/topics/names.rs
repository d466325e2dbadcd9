//! Names, labels, annotations and the data of ConfigMaps: what is taken and what is not.

use serde_json::{Value, json};

use super::objects::{config_map, lease, rollout, service, with};
use crate::session::Session;

pub async fn play(s: &mut Session) {
    let long = |length: usize| "x".repeat(length);
    let metadata: &[(&str, Value)] = &[
        ("a name may have dots", json!({"name": "node-0.example"})),
        ("a name has no capitals", json!({"name": "Node"})),
        ("a name does not begin with a dash", json!({"name": "-a"})),
        ("a name has no two dots in a row", json!({"name": "a..b"})),
        ("a name has no underscore", json!({"name": "a_b"})),
        ("a name may have 253 characters", json!({"name": long(253)})),
        ("a name has at most 253 characters", json!({"name": long(254)})),
        ("labels may have a prefix and be empty", json!({"labels": {"a": "", "example.com/b_c": "D-1.x"}})),
        ("the value of a label may have 63 characters", json!({"labels": {"a": long(63)}})),
        ("the value of a label has at most 63 characters", json!({"labels": {"a": long(64)}})),
        ("the value of a label has no space", json!({"labels": {"a": "x y"}})),
        ("the value of a label does not end with a dash", json!({"labels": {"a": "x-"}})),
        ("the key of a label has one slash at most", json!({"labels": {"a/b/c": "x"}})),
        ("the key of a label has something after the slash", json!({"labels": {"example.com/": "x"}})),
        ("the prefix of a label is a domain", json!({"labels": {"Example_/a": "x"}})),
        ("the key of a label has at most 63 characters", json!({"labels": {long(64): "x"}})),
        ("the value of a label is a string", json!({"labels": {"a": true}})),
        ("the value of an annotation is a string", json!({"annotations": {"a": 1}})),
        ("the value of an annotation may be anything", json!({"annotations": {"Example.com/b": "any, { }\n"}})),
        ("the key of an annotation has no space", json!({"annotations": {"a b": "x"}})),
        ("annotations have at most 256 KiB", json!({"annotations": {"a": long(256 * 1024)}})),
        ("annotations may have 256 KiB", json!({"annotations": {"a": long(256 * 1024 - 1)}})),
        ("a finalizer has a prefix", json!({"finalizers": ["a"]})),
        ("a finalizer is a qualified name", json!({"finalizers": ["example.com/a b"]})),
    ];
    for (name, change) in metadata {
        s.behaviour(name).await;
        s.create("configmaps", with(config_map("a"), json!({"metadata": change}))).await;
    }
    let data: &[(&str, Value)] = &[
        ("a key of a ConfigMap may begin with a dot", json!({".members.json": "", "node-0.toml": "x"})),
        ("a key of a ConfigMap has no slash", json!({"a/b": "x"})),
        ("a key of a ConfigMap does not begin with two dots", json!({"..a": "x"})),
        ("a key of a ConfigMap is not one dot", json!({".": "x"})),
        ("a key of a ConfigMap is not empty", json!({"": "x"})),
        ("a key of a ConfigMap has at most 253 characters", json!({long(254): "x"})),
        ("the value of a ConfigMap is a string", json!({"a": 1})),
        ("a ConfigMap may have 1 MiB", json!({"a": long(1024 * 1024), "b": null})),
        ("a ConfigMap has at most 1 MiB", json!({"a": long(1024 * 1024 + 1), "b": null})),
    ];
    for (name, change) in data {
        s.behaviour(name).await;
        s.create("configmaps", with(config_map("a"), json!({"data": change}))).await;
    }

    s.behaviour("a patch is checked like a new object").await;
    s.create("configmaps", config_map("a")).await;
    s.merge("configmaps/a", json!({"metadata": {"labels": {"a": "x y"}}})).await;
    s.merge("configmaps/a", json!({"metadata": {"annotations": {"a b": "x"}}})).await;
    s.merge("configmaps/a", json!({"data": {"a/b": "x"}})).await;
    s.merge("configmaps/a", json!({"data": {"a": true}})).await;
    s.get("configmaps/a").await;

    s.behaviour("an immutable ConfigMap keeps its data").await;
    s.create("configmaps", with(config_map("a"), json!({"immutable": true}))).await;
    s.merge("configmaps/a", json!({"data": {"a": "3"}})).await;
    s.merge("configmaps/a", json!({"immutable": false})).await;
    s.merge("configmaps/a", json!({"metadata": {"labels": {"a": "b"}}})).await;

    s.behaviour("the name of a Service is a DNS label").await;
    s.create("services", service("a.b")).await;
    s.create("services", service("1a")).await;

    s.behaviour("the name of a Lease may have dots").await;
    s.create("leases", lease("a.b")).await;
    s.create("leases", lease("A")).await;

    s.behaviour("the name of a rollout has at most 63 characters").await;
    s.create("optimizationrollouts", rollout(&long(63))).await;
    s.create("optimizationrollouts", rollout(&long(64))).await;

    s.behaviour("labels of a rollout are checked as well").await;
    s.create("optimizationrollouts", with(rollout("a"), json!({"metadata": {"labels": {"a": "x y"}}}))).await;
    s.create("optimizationrollouts", with(rollout("a"), json!({"metadata": {"labels": {"a": 1}}}))).await;
    s.create("optimizationrollouts", with(rollout("A"), json!({}))).await;
}
