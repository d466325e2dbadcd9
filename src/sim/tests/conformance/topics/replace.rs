//! Replacing.

use serde_json::json;

use super::objects::{config_map, lease, rollout, with};
use crate::session::Session;

pub async fn play(s: &mut Session) {
    s.behaviour("a replacement under the version that is there is carried out").await;
    let version = s.create("configmaps", config_map("a")).await.version();
    let other = json!({"metadata": {"resourceVersion": version}, "data": {"a": null, "b": "3"}});
    s.replace("configmaps/a", with(config_map("a"), other)).await;

    s.behaviour("a replacement under an older version is a conflict").await;
    let version = s.create("configmaps", config_map("a")).await.version();
    s.merge("configmaps/a", json!({"data": {"a": "3"}})).await;
    s.replace("configmaps/a", with(config_map("a"), json!({"metadata": {"resourceVersion": version}}))).await;

    s.behaviour("a replacement of a ConfigMap needs no version").await;
    s.create("configmaps", config_map("a")).await;
    s.replace("configmaps/a", with(config_map("a"), json!({"data": {"a": "3"}}))).await;

    s.behaviour("a replacement of a Lease needs no version").await;
    s.create("leases", lease("a")).await;
    s.replace("leases/a", with(lease("a"), json!({"spec": {"holderIdentity": "two"}}))).await;

    s.behaviour("a replacement of a rollout needs a version").await;
    let version = s.create("optimizationrollouts", rollout("a")).await.version();
    s.replace("optimizationrollouts/a", rollout("a")).await;
    let changed = json!({"metadata": {"resourceVersion": version}, "spec": {"paused": true}});
    s.replace("optimizationrollouts/a", with(rollout("a"), changed.clone())).await;
    s.replace("optimizationrollouts/a", with(rollout("a"), changed)).await;

    s.behaviour("a replacement that changes nothing is no new version").await;
    let created = s.create("configmaps", config_map("a")).await;
    s.replace("configmaps/a", created.body).await;

    s.behaviour("a replacement of nothing is not found").await;
    s.replace("configmaps/a", config_map("a")).await;

    s.behaviour("a replacement of a rollout that is gone is not found").await;
    s.replace("optimizationrollouts/a", with(rollout("a"), json!({"metadata": {"resourceVersion": "1"}}))).await;

    s.behaviour("a replacement keeps its name").await;
    s.create("configmaps", config_map("a")).await;
    s.replace("configmaps/a", config_map("b")).await;

    s.behaviour("a replacement keeps its namespace").await;
    s.create("configmaps", config_map("a")).await;
    s.replace("configmaps/a", with(config_map("a"), json!({"metadata": {"namespace": "default"}}))).await;

    s.behaviour("a replacement for another uid is a conflict").await;
    s.create("configmaps", config_map("a")).await;
    let other = "11111111-1111-1111-1111-111111111111";
    s.replace("configmaps/a", with(config_map("a"), json!({"metadata": {"uid": other}}))).await;

    s.behaviour("a replacement takes labels and annotations away").await;
    s.create("configmaps", with(config_map("a"), json!({"metadata": {"labels": {"x": "y"}}}))).await;
    s.replace("configmaps/a", config_map("a")).await;

    s.behaviour("a replacement of a rollout does not write its status").await;
    let version = s.create("optimizationrollouts", rollout("a")).await.version();
    let changed = json!({"metadata": {"resourceVersion": version}, "status": {"observedGeneration": 9}});
    s.replace("optimizationrollouts/a", with(rollout("a"), changed)).await;
}
