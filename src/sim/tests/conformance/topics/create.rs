//! Creating.

use http::Method;
use serde_json::json;

use super::objects::{config_map, connection, lease, pod, rollout, service, with};
use crate::session::{JSON, Session};

pub async fn play(s: &mut Session) {
    s.behaviour("a created ConfigMap has what the server assigns").await;
    s.create("configmaps", config_map("a")).await;

    s.behaviour("a created Lease has what the server assigns").await;
    s.create("leases", lease("a")).await;

    s.behaviour("a created Service has what the server assigns").await;
    s.create("services", service("a")).await;

    s.behaviour("a created pod has what the server assigns").await;
    s.create("pods", pod("a")).await;

    s.behaviour("a created rollout has defaults, a generation and no status").await;
    s.create("optimizationrollouts", with(rollout("a"), json!({"status": {"observedGeneration": 1}}))).await;

    s.behaviour("a created Connection has defaults and a generation").await;
    let name = s.namespace();
    s.create("connections", connection(&name)).await;

    s.behaviour("a name that is taken is refused").await;
    s.create("configmaps", config_map("a")).await;
    s.create("configmaps", config_map("a")).await;

    s.behaviour("a name that a rollout has is refused to another").await;
    s.create("optimizationrollouts", rollout("a")).await;
    s.create("optimizationrollouts", rollout("a")).await;

    s.behaviour("a name that a Lease has is refused to another").await;
    s.create("leases", lease("a")).await;
    s.create("leases", lease("a")).await;

    s.behaviour("a name is generated").await;
    let unnamed = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": "map-"}});
    s.create("configmaps", unnamed).await;

    s.behaviour("a name is needed").await;
    s.create("configmaps", json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {}})).await;

    s.behaviour("a rollout needs a name").await;
    s.create("optimizationrollouts", with(rollout("a"), json!({"metadata": {"name": null}}))).await;

    s.behaviour("metadata are not needed to be refused").await;
    s.create("configmaps", json!({"apiVersion": "v1", "kind": "ConfigMap"})).await;

    s.behaviour("a new object has no resourceVersion of its own").await;
    s.create("configmaps", with(config_map("a"), json!({"metadata": {"resourceVersion": "5"}}))).await;

    s.behaviour("a new rollout has no resourceVersion of its own").await;
    s.create("optimizationrollouts", with(rollout("a"), json!({"metadata": {"resourceVersion": "5"}}))).await;

    s.behaviour("the namespaces of object and request have to be equal").await;
    s.create("configmaps", with(config_map("a"), json!({"metadata": {"namespace": "default"}}))).await;

    s.behaviour("an object of another kind is refused").await;
    s.create("configmaps", with(config_map("a"), json!({"kind": "Secret"}))).await;

    s.behaviour("a custom object of another kind is refused").await;
    s.create("optimizationrollouts", with(rollout("a"), json!({"kind": "Other"}))).await;

    s.behaviour("a custom object of another version is refused").await;
    s.create("optimizationrollouts", with(rollout("a"), json!({"apiVersion": "optimization.qudag.io/v9"}))).await;

    s.behaviour("a built-in object need not say its kind").await;
    s.create("configmaps", json!({"metadata": {"name": "a"}, "data": {"a": "1"}})).await;

    s.behaviour("a custom object says its kind").await;
    s.create("optimizationrollouts", with(rollout("a"), json!({"apiVersion": null, "kind": null}))).await;

    s.behaviour("what the server assigns is not taken from the client").await;
    let assigned = json!({"metadata": {
        "uid": "11111111-1111-1111-1111-111111111111", "creationTimestamp": "2020-01-01T00:00:00Z", "generation": 7,
        "deletionTimestamp": "2020-01-01T00:00:00Z", "deletionGracePeriodSeconds": 5,
    }});
    s.create("configmaps", with(config_map("a"), assigned.clone())).await;
    s.create("optimizationrollouts", with(rollout("a"), assigned)).await;

    s.behaviour("a body that is no JSON is refused").await;
    s.send(Method::POST, "optimizationrollouts", JSON, b"{\"kind\":".to_vec()).await;

    s.behaviour("empty maps are not stored for built-in kinds").await;
    let empty =
        json!({"metadata": {"labels": {}, "annotations": {}, "finalizers": []}, "data": {"a": null, "b": null}});
    s.create("configmaps", with(config_map("a"), empty)).await;

    s.behaviour("empty metadata are not stored for custom kinds").await;
    let empty = json!({"metadata": {"labels": {}, "annotations": {}, "finalizers": []}});
    s.create("optimizationrollouts", with(rollout("a"), empty)).await;

    s.behaviour("an owner is kept as it is given").await;
    let owner = json!([{"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "1", "controller": true}]);
    s.create("configmaps", with(config_map("a"), json!({"metadata": {"ownerReferences": owner}}))).await;
}
