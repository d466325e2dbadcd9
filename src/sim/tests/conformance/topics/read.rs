//! Getting and listing.

use serde_json::json;

use super::objects::{config_map, connection, lease, pod, rollout, service, with};
use crate::session::Session;

pub async fn play(s: &mut Session) {
    s.behaviour("what is not there is not found").await;
    for path in ["configmaps/a", "pods/a", "services/a", "leases/a", "optimizationrollouts/a", "connections/a"] {
        s.get(path).await;
    }

    s.behaviour("what was created is read").await;
    s.create("configmaps", config_map("a")).await;
    s.get("configmaps/a").await;
    s.create("optimizationrollouts", rollout("a")).await;
    s.get("optimizationrollouts/a").await;

    s.behaviour("an object is read from a cache as well").await;
    s.create("configmaps", config_map("a")).await;
    s.get("configmaps/a?resourceVersion=0").await;

    s.behaviour("an empty list is a list").await;
    s.get("configmaps").await;
    s.get("optimizationrollouts").await;
    s.get("leases").await;

    s.behaviour("a list is in the order of names").await;
    for name in ["b", "a-b", "a", "c", "a.b"] {
        s.create("configmaps", config_map(name)).await;
    }
    s.get("configmaps").await;

    s.behaviour("the entries of a list of rollouts say their kind").await;
    s.create("optimizationrollouts", rollout("b")).await;
    s.create("optimizationrollouts", rollout("a")).await;
    s.get("optimizationrollouts").await;

    s.behaviour("a list of pods, of Services and of Leases").await;
    s.create("pods", pod("a")).await;
    s.create("services", service("a")).await;
    s.create("leases", lease("a")).await;
    s.get("pods").await;
    s.get("services").await;
    s.get("leases").await;

    s.behaviour("a list over all namespaces").await;
    let namespace = s.namespace();
    s.create("configmaps", with(config_map("a"), json!({"metadata": {"labels": {"of": namespace}}}))).await;
    s.get(&format!("/api/v1/configmaps?labelSelector=of%3D{namespace}")).await;

    s.behaviour("a list of what has no namespace").await;
    let name = s.namespace();
    s.create("connections", with(connection(&name), json!({"metadata": {"labels": {"of": name}}}))).await;
    s.get(&format!("connections?labelSelector=of%3D{name}")).await;
    s.get(&format!("connections/{name}")).await;

    s.behaviour("a list from a cache is a list").await;
    s.create("configmaps", config_map("a")).await;
    s.get("configmaps?resourceVersion=0").await;
    let version = s.create("configmaps", config_map("b")).await.version();
    s.get(&format!("configmaps?resourceVersion={version}&resourceVersionMatch=NotOlderThan")).await;
    s.get(&format!("configmaps?resourceVersion={version}")).await;

    s.behaviour("a list at a version shows what was there").await;
    let version = s.create("configmaps", config_map("a")).await.version();
    s.create("configmaps", config_map("b")).await;
    s.merge("configmaps/a", json!({"data": {"a": "3"}})).await;
    s.get(&format!("configmaps?resourceVersion={version}&resourceVersionMatch=Exact")).await;

    s.behaviour("a way to match a version needs a version").await;
    s.get("configmaps?resourceVersionMatch=Exact").await;
    s.get("configmaps?resourceVersion=0&resourceVersionMatch=Exact").await;

    s.behaviour("a list comes in pages").await;
    for name in ["a", "b", "c", "d", "e"] {
        s.create("configmaps", config_map(name)).await;
    }
    let token = s.get("configmaps?limit=2").await.text("/metadata/continue");
    let token = s.get(&format!("configmaps?limit=2&continue={token}")).await.text("/metadata/continue");
    s.get(&format!("configmaps?limit=2&continue={token}")).await;

    s.behaviour("the pages of a list are of one moment").await;
    for name in ["a", "b", "c"] {
        s.create("optimizationrollouts", rollout(name)).await;
    }
    let token = s.get("optimizationrollouts?limit=1").await.text("/metadata/continue");
    s.create("optimizationrollouts", rollout("b-later")).await;
    s.delete("optimizationrollouts/c").await;
    s.merge("optimizationrollouts/b", json!({"spec": {"paused": true}})).await;
    s.get(&format!("optimizationrollouts?limit=10&continue={token}")).await;

    s.behaviour("a page that holds all needs no other").await;
    s.create("configmaps", config_map("a")).await;
    s.create("configmaps", config_map("b")).await;
    s.get("configmaps?limit=2").await;
    s.get("configmaps?limit=100").await;

    s.behaviour("pages of what is selected").await;
    for (name, tier) in [("a", "x"), ("b", "y"), ("c", "x"), ("d", "x")] {
        s.create("configmaps", super::objects::labelled(name, tier)).await;
    }
    let token = s.get("configmaps?limit=1&labelSelector=tier%3Dx").await.text("/metadata/continue");
    s.get(&format!("configmaps?limit=5&labelSelector=tier%3Dx&continue={token}")).await;

    s.behaviour("a next page from a cache is a page").await;
    s.create("configmaps", config_map("a")).await;
    s.create("configmaps", config_map("b")).await;
    s.get("configmaps?limit=1&resourceVersion=0").await;

    s.behaviour("a continuation that is none is refused").await;
    s.get("configmaps?limit=1&continue=abc").await;
}
