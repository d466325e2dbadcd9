//! Refusals of access rules and of admission policies.

use serde_json::json;

use super::objects::{config_map, lease, rollout, with};
use crate::session::Session;

const DATA: &str = "the value of a is not bad";

pub async fn play(s: &mut Session) {
    s.behaviour("who may only read may not write").await;
    s.create("configmaps", config_map("a")).await;
    s.grant("ann", "get", "", "configmaps").await;
    s.act_as("ann");
    s.get("configmaps/a").await;
    s.merge("configmaps/a", json!({"data": {"a": "3"}})).await;
    s.create("configmaps", config_map("b")).await;
    s.get("configmaps").await;
    s.get("configmaps?watch=true").await;
    s.delete("configmaps/a").await;
    s.replace("configmaps/a", config_map("a")).await;

    s.behaviour("a refusal of a custom kind names its group").await;
    s.create("optimizationrollouts", rollout("a")).await;
    s.grant("ann", "patch", "optimization.qudag.io", "optimizationrollouts").await;
    s.act_as("ann");
    s.merge("optimizationrollouts/a", json!({"spec": {"paused": true}})).await;
    s.merge("optimizationrollouts/a/status", json!({"status": {"observedGeneration": 1}})).await;
    s.get("optimizationrollouts/a").await;

    s.behaviour("a refusal outweighs that nothing is there").await;
    s.grant("ann", "get", "", "configmaps").await;
    s.act_as("ann");
    s.merge("configmaps/missing", json!({"data": {"a": "3"}})).await;
    s.get("leases/missing").await;
    s.create("leases", lease("a")).await;

    s.behaviour("an eviction has a right of its own").await;
    s.grant("ann", "create", "", "pods").await;
    s.act_as("ann");
    let eviction = json!({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "a"}});
    s.create("pods/a/eviction", eviction).await;

    s.behaviour("a kind without namespaces is refused in the whole cluster").await;
    s.grant("ann", "get", "", "configmaps").await;
    s.act_as("ann");
    s.get("nodes").await;
    s.get("connections").await;

    s.behaviour("a list over all namespaces is refused in the whole cluster").await;
    s.grant("ann", "list", "", "configmaps").await;
    s.act_as("ann");
    s.get("/api/v1/configmaps").await;

    s.behaviour("a policy refuses a new object").await;
    s.refuse_bad(DATA, "").await;
    s.create("configmaps", with(config_map("a"), json!({"data": {"a": "bad"}}))).await;
    s.create("configmaps", config_map("a")).await;

    s.behaviour("a policy refuses a change").await;
    s.refuse_bad(DATA, "").await;
    s.create("configmaps", config_map("a")).await;
    s.merge("configmaps/a", json!({"data": {"a": "bad"}})).await;
    s.merge("configmaps/a", json!({"data": {"a": "good"}})).await;
    s.get("configmaps/a").await;

    s.behaviour("a policy refuses with its own reason").await;
    s.refuse_bad(DATA, "Forbidden").await;
    s.create("configmaps", config_map("a")).await;
    s.merge("configmaps/a", json!({"data": {"a": "bad"}})).await;

    s.behaviour("a conflict and a wrong label come before a policy").await;
    s.refuse_bad(DATA, "").await;
    s.create("configmaps", config_map("a")).await;
    s.merge("configmaps/a", json!({"metadata": {"resourceVersion": "1"}, "data": {"a": "bad"}})).await;
    s.merge("configmaps/a", json!({"metadata": {"labels": {"a": "x y"}}, "data": {"a": "bad"}})).await;
}
