//! Watching.

use serde_json::json;

use super::objects::{config_map, labelled, lease, placed, rollout, service, with};
use crate::session::Session;

pub async fn play(s: &mut Session) {
    s.behaviour("a watch from a version tells what came after it").await;
    let version = s.create("configmaps", config_map("a")).await.version();
    s.merge("configmaps/a", json!({"data": {"a": "3"}})).await;
    s.create("configmaps", config_map("b")).await;
    s.delete("configmaps/a").await;
    s.watch(&format!("configmaps?resourceVersion={version}")).await;

    s.behaviour("a watch of rollouts from a version tells what came after it").await;
    let version = s.create("optimizationrollouts", rollout("a")).await.version();
    s.merge("optimizationrollouts/a", json!({"spec": {"paused": true}})).await;
    s.merge("optimizationrollouts/a/status", json!({"status": {"observedGeneration": 2}})).await;
    s.delete("optimizationrollouts/a").await;
    s.watch(&format!("optimizationrollouts?resourceVersion={version}")).await;

    s.behaviour("a watch of Services from a version tells what came after it").await;
    let version = s.create("services", service("a")).await.version();
    s.merge("services/a", json!({"spec": {"selector": {"cohort": "baseline"}}})).await;
    s.watch(&format!("services?resourceVersion={version}")).await;

    s.behaviour("a watch of Leases from a version tells what came after it").await;
    let version = s.create("leases", lease("a")).await.version();
    s.merge("leases/a", json!({"spec": {"holderIdentity": "two"}})).await;
    s.watch(&format!("leases?resourceVersion={version}")).await;

    s.behaviour("a watch from the version of a list goes on where the list ended").await;
    s.create("configmaps", config_map("a")).await;
    let version = s.get("configmaps").await.version();
    s.create("configmaps", config_map("b")).await;
    s.watch(&format!("configmaps?resourceVersion={version}")).await;

    s.behaviour("a watch from now is silent when nothing happens").await;
    s.create("configmaps", config_map("a")).await;
    let version = s.get("configmaps").await.version();
    s.watch(&format!("configmaps?resourceVersion={version}")).await;

    s.behaviour("a watch without a version begins with what is there").await;
    s.create("configmaps", config_map("b")).await;
    s.create("configmaps", config_map("a")).await;
    s.watch("configmaps").await;

    s.behaviour("a watch from version 0 begins with what is there").await;
    s.create("configmaps", config_map("b")).await;
    s.create("configmaps", config_map("a")).await;
    s.watch("configmaps?resourceVersion=0").await;

    s.behaviour("a watch from 0 begins with the rollouts that are there").await;
    s.create("optimizationrollouts", rollout("a")).await;
    s.watch("optimizationrollouts?resourceVersion=0").await;

    s.behaviour("a write that changes nothing is no event").await;
    let version = s.create("configmaps", config_map("a")).await.version();
    s.merge("configmaps/a", json!({"data": {"a": "1"}})).await;
    s.merge("configmaps/a", json!({"data": {"a": "3"}})).await;
    s.watch(&format!("configmaps?resourceVersion={version}")).await;

    s.behaviour("a refused write is no event").await;
    let version = s.create("configmaps", config_map("a")).await.version();
    s.merge("configmaps/a", json!({"metadata": {"resourceVersion": "1"}, "data": {"a": "3"}})).await;
    s.merge("configmaps/a", json!({"metadata": {"labels": {"a": "x y"}}})).await;
    s.watch(&format!("configmaps?resourceVersion={version}")).await;

    s.behaviour("what begins or ceases to be selected is added or deleted").await;
    let version = s.create("configmaps", labelled("a", "y")).await.version();
    s.merge("configmaps/a", json!({"metadata": {"labels": {"tier": "x"}}})).await;
    s.merge("configmaps/a", json!({"data": {"a": "1"}})).await;
    s.merge("configmaps/a", json!({"metadata": {"labels": {"tier": "y"}}})).await;
    s.merge("configmaps/a", json!({"data": {"a": "2"}})).await;
    s.watch(&format!("configmaps?labelSelector=tier%3Dx&resourceVersion={version}")).await;

    s.behaviour("pods that begin or cease to be selected are added or deleted").await;
    let version = s.create("pods", placed("a")).await.version();
    s.merge("pods/a", json!({"metadata": {"labels": {"cohort": "optimized"}}})).await;
    s.merge("pods/a", json!({"metadata": {"labels": {"cohort": null}}})).await;
    s.watch(&format!("pods?labelSelector=cohort%3Doptimized&resourceVersion={version}")).await;

    s.behaviour("rollouts that begin or cease to be selected are added or deleted").await;
    let version = s.create("optimizationrollouts", rollout("a")).await.version();
    s.merge("optimizationrollouts/a", json!({"metadata": {"labels": {"tier": "x"}}})).await;
    s.merge("optimizationrollouts/a", json!({"metadata": {"labels": {"tier": null}}})).await;
    s.watch(&format!("optimizationrollouts?labelSelector=tier%3Dx&resourceVersion={version}")).await;

    s.behaviour("a selected object that is deleted is deleted").await;
    let version = s.create("configmaps", labelled("a", "x")).await.version();
    s.create("configmaps", labelled("b", "y")).await;
    s.delete("configmaps/b").await;
    s.delete("configmaps/a").await;
    s.watch(&format!("configmaps?labelSelector=tier%3Dx&resourceVersion={version}")).await;

    s.behaviour("a watch of one name").await;
    let version = s.create("configmaps", config_map("a")).await.version();
    s.create("configmaps", config_map("b")).await;
    s.merge("configmaps/a", json!({"data": {"a": "3"}})).await;
    s.merge("configmaps/b", json!({"data": {"a": "3"}})).await;
    s.watch(&format!("configmaps?fieldSelector=metadata.name%3Da&resourceVersion={version}")).await;

    s.behaviour("a watch of a namespace does not tell of others").await;
    let version = s.create("configmaps", config_map("a")).await.version();
    let elsewhere = s.namespace();
    s.create("/api/v1/namespaces/default/configmaps", config_map(&elsewhere)).await;
    s.merge("configmaps/a", json!({"data": {"a": "3"}})).await;
    s.watch(&format!("configmaps?resourceVersion={version}")).await;

    s.behaviour("a watch over all namespaces").await;
    let namespace = s.namespace();
    let version = s.create("configmaps", labelled("a", &namespace)).await.version();
    s.create(
        "/api/v1/namespaces/default/configmaps",
        with(labelled(&namespace, &namespace), json!({"data": {"a": "1"}})),
    )
    .await;
    s.watch(&format!("/api/v1/configmaps?labelSelector=tier%3D{namespace}&resourceVersion={version}")).await;

    s.behaviour("a deletion that waits for finalizers is a change, the last finalizer is the end").await;
    let held = with(rollout("a"), json!({"metadata": {"finalizers": ["example.com/a"]}}));
    let version = s.create("optimizationrollouts", held).await.version();
    s.delete("optimizationrollouts/a").await;
    s.merge("optimizationrollouts/a", json!({"metadata": {"finalizers": null}})).await;
    s.watch(&format!("optimizationrollouts?resourceVersion={version}")).await;

    s.behaviour("a pod that ends is changed and then deleted").await;
    let version = s.create("pods", placed("a")).await.version();
    s.delete("pods/a").await;
    s.delete_with("pods/a", json!({"gracePeriodSeconds": 0})).await;
    s.watch(&format!("pods?resourceVersion={version}")).await;

    s.behaviour("a watch of rollouts from a forgotten version is an error").await;
    s.create("optimizationrollouts", rollout("a")).await;
    s.forget_history();
    s.watch("optimizationrollouts?resourceVersion=1").await;

    s.behaviour("a watch from a version that is none is refused").await;
    s.watch("configmaps?resourceVersion=abc").await;

    s.behaviour("a short watch ends without a bookmark").await;
    let version = s.create("configmaps", config_map("a")).await.version();
    s.merge("configmaps/a", json!({"data": {"a": "3"}})).await;
    s.watch(&format!("configmaps?resourceVersion={version}&allowWatchBookmarks=true&timeoutSeconds=20")).await;

    s.behaviour("no bookmark comes where none is asked for").await;
    let version = s.create("configmaps", config_map("a")).await.version();
    s.watch(&format!("configmaps?resourceVersion={version}&timeoutSeconds=20")).await;

    s.behaviour("a short watch of rollouts ends without a bookmark").await;
    let version = s.create("optimizationrollouts", rollout("a")).await.version();
    s.watch(&format!("optimizationrollouts?resourceVersion={version}&allowWatchBookmarks=true&timeoutSeconds=20"))
        .await;

    s.behaviour("a list may be sent as a watch").await;
    s.create("configmaps", config_map("b")).await;
    s.create("configmaps", config_map("a")).await;
    let query = "sendInitialEvents=true&allowWatchBookmarks=true&resourceVersionMatch=NotOlderThan";
    s.watch(&format!("configmaps?{query}")).await;

    s.behaviour("a list that is sent as a watch needs its other options").await;
    s.watch("configmaps?sendInitialEvents=true").await;
}
