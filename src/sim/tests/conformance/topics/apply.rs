//! Server-side apply by others, and who manages which fields. Argo CD, Flux and people apply; we do not.

use http::Method;
use serde_json::{Value, json};

use super::objects::{config_map, rollout, service, with};
use crate::session::{APPLY, MERGE, Session};

fn map(data: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": data})
}

async fn begin(s: &mut Session, name: &str) {
    s.behaviour(name).await;
    s.tell_managers();
}

pub async fn play(s: &mut Session) {
    begin(s, "whoever creates manages what is there").await;
    s.create("configmaps?fieldManager=one", with(config_map("a"), json!({"metadata": {"labels": {"x": "y"}}}))).await;

    begin(s, "whoever patches manages what the patch changed").await;
    s.create("configmaps?fieldManager=one", config_map("a")).await;
    s.merge("configmaps/a?fieldManager=two", json!({"data": {"a": "3", "c": "4"}})).await;
    s.merge("configmaps/a?fieldManager=three", json!({"data": {"b": "2"}, "metadata": {"annotations": {"x": "y"}}}))
        .await;

    begin(s, "whoever has nothing left is no manager").await;
    s.create("configmaps?fieldManager=one", map(json!({"a": "1"}))).await;
    s.merge("configmaps/a?fieldManager=two", json!({"data": {"b": "1"}})).await;
    s.merge("configmaps/a?fieldManager=one", json!({"data": {"b": null}})).await;

    begin(s, "an apply creates").await;
    s.apply("configmaps/a?fieldManager=one", map(json!({"a": "1"}))).await;

    begin(s, "an apply again is no new version").await;
    s.apply("configmaps/a?fieldManager=one", map(json!({"a": "1"}))).await;
    s.apply("configmaps/a?fieldManager=one", map(json!({"a": "1"}))).await;

    begin(s, "an apply takes away what it no longer says").await;
    s.apply("configmaps/a?fieldManager=one", map(json!({"a": "1", "b": "2"}))).await;
    s.apply("configmaps/a?fieldManager=one", map(json!({"b": "3"}))).await;

    begin(s, "an apply leaves what others manage").await;
    s.apply("configmaps/a?fieldManager=one", map(json!({"a": "1"}))).await;
    s.merge("configmaps/a?fieldManager=two", json!({"data": {"b": "2"}, "metadata": {"labels": {"x": "y"}}})).await;
    s.apply("configmaps/a?fieldManager=one", map(json!({"a": "3"}))).await;

    begin(s, "an apply of what somebody changed is a conflict").await;
    s.apply("configmaps/a?fieldManager=one", map(json!({"a": "1", "b": "1"}))).await;
    s.merge("configmaps/a?fieldManager=two", json!({"data": {"a": "2"}})).await;
    s.apply("configmaps/a?fieldManager=one", map(json!({"a": "1", "b": "1"}))).await;
    s.get("configmaps/a").await;

    begin(s, "an apply of what somebody applied is a conflict").await;
    s.apply("configmaps/a?fieldManager=one", map(json!({"a": "1", "b": "1"}))).await;
    s.apply("configmaps/a?fieldManager=two", map(json!({"a": "2", "b": "2"}))).await;

    begin(s, "an apply with force takes fields over").await;
    s.apply("configmaps/a?fieldManager=one", map(json!({"a": "1", "b": "1"}))).await;
    s.merge("configmaps/a?fieldManager=two", json!({"data": {"a": "2"}})).await;
    s.apply("configmaps/a?fieldManager=one&force=true", map(json!({"a": "1", "b": "1"}))).await;

    begin(s, "two may apply the same value").await;
    s.apply("configmaps/a?fieldManager=one", map(json!({"a": "1"}))).await;
    s.apply("configmaps/a?fieldManager=two", map(json!({"a": "1"}))).await;
    s.apply("configmaps/a?fieldManager=one", map(json!({}))).await;

    begin(s, "a value that two apply goes when the last one drops it").await;
    s.apply("configmaps/a?fieldManager=one", map(json!({"a": "1", "b": "1"}))).await;
    s.apply("configmaps/a?fieldManager=two", map(json!({"a": "1"}))).await;
    s.apply("configmaps/a?fieldManager=two", map(json!({"b": "1"}))).await;
    s.apply("configmaps/a?fieldManager=one", map(json!({"b": "1"}))).await;

    begin(s, "an apply needs a manager").await;
    s.apply("configmaps/a", map(json!({"a": "1"}))).await;

    begin(s, "an apply carries no managers").await;
    let managed = json!({"metadata": {"managedFields": [{"manager": "x"}]}});
    s.apply("configmaps/a?fieldManager=one", with(map(json!({"a": "1"})), managed)).await;

    begin(s, "an apply says its kind").await;
    s.apply("configmaps/a?fieldManager=one", json!({"metadata": {"name": "a"}, "data": {"a": "1"}})).await;

    begin(s, "an apply is for the name of its path").await;
    s.apply("configmaps/b?fieldManager=one", map(json!({"a": "1"}))).await;

    begin(s, "force belongs to an apply").await;
    s.create("configmaps", config_map("a")).await;
    s.send(Method::PATCH, "configmaps/a?fieldManager=one&force=true", MERGE, b"{}".to_vec()).await;

    begin(s, "an apply under an older version is a conflict").await;
    let version = s.apply("configmaps/a?fieldManager=one", map(json!({"a": "1"}))).await.version();
    s.apply("configmaps/a?fieldManager=one", map(json!({"a": "2"}))).await;
    let late = json!({"metadata": {"resourceVersion": version}});
    s.apply("configmaps/a?fieldManager=one", with(map(json!({"a": "3"})), late)).await;

    begin(s, "an apply may be YAML").await;
    let yaml = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\ndata:\n  a: '1'\n";
    s.send(Method::PATCH, "configmaps/a?fieldManager=one", APPLY, yaml.as_bytes().to_vec()).await;

    begin(s, "an apply of a rollout creates, with defaults that nobody manages").await;
    s.apply("optimizationrollouts/a?fieldManager=one", rollout("a")).await;

    begin(s, "an apply merges lists of a rollout by their keys").await;
    s.apply("optimizationrollouts/a?fieldManager=one", rollout("a")).await;
    let stage = json!({
        "apiVersion": "optimization.qudag.io/v1alpha1", "kind": "OptimizationRollout", "metadata": {"name": "a"},
        "spec": {"stages": [{"name": "canary", "bake": "5m"}]},
    });
    s.apply("optimizationrollouts/a?fieldManager=two", stage.clone()).await;
    s.apply("optimizationrollouts/a?fieldManager=two&force=true", stage).await;

    begin(s, "an apply pauses a rollout beside its owner").await;
    s.apply("optimizationrollouts/a?fieldManager=one", rollout("a")).await;
    s.merge("optimizationrollouts/a?fieldManager=cli", json!({"spec": {"paused": true}})).await;
    s.apply("optimizationrollouts/a?fieldManager=one", rollout("a")).await;

    begin(s, "whoever writes the status manages it apart").await;
    s.apply("optimizationrollouts/a?fieldManager=one", rollout("a")).await;
    s.merge("optimizationrollouts/a/status?fieldManager=two", json!({"status": {"observedGeneration": 1}})).await;
    s.apply("optimizationrollouts/a?fieldManager=one", rollout("a")).await;

    begin(s, "an apply puts the selector of a Service back as a whole").await;
    s.apply("services/a?fieldManager=one", service("a")).await;
    s.merge("services/a?fieldManager=two", json!({"spec": {"selector": {"cohort": "baseline"}}})).await;
    s.apply("services/a?fieldManager=one", service("a")).await;
    s.apply("services/a?fieldManager=one&force=true", service("a")).await;

    begin(s, "a finalizer is applied beside those of others").await;
    let with_finalizer = |name: &str| with(map(json!({"a": "1"})), json!({"metadata": {"finalizers": [name]}}));
    s.apply("configmaps/a?fieldManager=one", with_finalizer("example.com/a")).await;
    s.merge("configmaps/a?fieldManager=two", json!({"metadata": {"finalizers": ["example.com/a", "example.com/b"]}}))
        .await;
    s.apply("configmaps/a?fieldManager=one", map(json!({"a": "1"}))).await;

    begin(s, "an apply over what was created with an update").await;
    s.create("configmaps?fieldManager=one", map(json!({"a": "1", "b": "2"}))).await;
    s.apply("configmaps/a?fieldManager=one", map(json!({"a": "3"}))).await;
    s.apply("configmaps/a?fieldManager=one&force=true", map(json!({"a": "3"}))).await;
}
