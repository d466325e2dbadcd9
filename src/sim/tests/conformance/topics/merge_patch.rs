//! Merge patches, the operator's way to write.

use http::Method;
use serde_json::json;

use super::objects::{config_map, lease, placed, rollout, service, with};
use crate::session::{MERGE, Session};

pub async fn play(s: &mut Session) {
    s.behaviour("a merge patch changes, adds and removes").await;
    s.create("configmaps", config_map("a")).await;
    s.merge("configmaps/a", json!({"data": {"a": "3", "b": null, "c": "4"}})).await;
    s.get("configmaps/a").await;

    s.behaviour("a merge patch that changes nothing is no new version").await;
    s.create("configmaps", config_map("a")).await;
    s.merge("configmaps/a", json!({"data": {"a": "1"}})).await;
    s.merge("configmaps/a", json!({"metadata": {"annotations": {"x": null}}, "data": {"c": null}})).await;
    s.merge("configmaps/a", json!({})).await;
    s.get("configmaps/a").await;

    s.behaviour("a merge patch that changes nothing of a rollout is no new version").await;
    s.create("optimizationrollouts", rollout("a")).await;
    s.merge("optimizationrollouts/a", json!({"spec": {"paused": false}})).await;
    s.merge("optimizationrollouts/a", json!({"metadata": {"annotations": {"x": null}}})).await;
    s.merge("optimizationrollouts/a", json!({"metadata": {"annotations": {}}})).await;

    s.behaviour("a merge patch under the version that is there is carried out").await;
    let version = s.create("configmaps", config_map("a")).await.version();
    s.merge("configmaps/a", json!({"metadata": {"resourceVersion": version}, "data": {"a": "3"}})).await;

    s.behaviour("a merge patch under an older version is a conflict").await;
    let version = s.create("configmaps", config_map("a")).await.version();
    s.merge("configmaps/a", json!({"data": {"a": "3"}})).await;
    s.merge("configmaps/a", json!({"metadata": {"resourceVersion": version}, "data": {"a": "4"}})).await;
    s.get("configmaps/a").await;

    s.behaviour("a merge patch of a rollout under an older version is a conflict").await;
    let version = s.create("optimizationrollouts", rollout("a")).await.version();
    s.merge("optimizationrollouts/a", json!({"spec": {"paused": true}})).await;
    let late = json!({"metadata": {"resourceVersion": version}, "spec": {"paused": false}});
    s.merge("optimizationrollouts/a", late).await;

    s.behaviour("a merge patch of a Service under an older version is a conflict").await;
    let version = s.create("services", service("a")).await.version();
    s.merge("services/a", json!({"spec": {"selector": {"cohort": "baseline"}}})).await;
    let late = json!({"metadata": {"resourceVersion": version}, "spec": {"selector": {"cohort": null}}});
    s.merge("services/a", late).await;

    s.behaviour("a conflict outweighs that nothing would change").await;
    let version = s.create("configmaps", config_map("a")).await.version();
    s.merge("configmaps/a", json!({"data": {"a": "3"}})).await;
    s.merge("configmaps/a", json!({"metadata": {"resourceVersion": version}, "data": {"a": "3"}})).await;

    s.behaviour("a version of null in a merge patch is none").await;
    s.create("configmaps", config_map("a")).await;
    s.merge("configmaps/a", json!({"metadata": {"resourceVersion": null}, "data": {"a": "3"}})).await;

    s.behaviour("a merge patch of nothing is not found").await;
    s.merge("configmaps/a", json!({"data": {"a": "3"}})).await;
    s.merge("optimizationrollouts/a", json!({"spec": {"paused": true}})).await;
    s.merge("pods/a", json!({"metadata": {"annotations": {"a": "1"}}})).await;
    s.merge("services/a", json!({"spec": {"selector": {"a": "1"}}})).await;
    s.merge("leases/a", json!({"spec": {"holderIdentity": "two"}})).await;

    s.behaviour("a merge patch for another uid is a conflict").await;
    s.create("configmaps", config_map("a")).await;
    let other = "11111111-1111-1111-1111-111111111111";
    s.merge("configmaps/a", json!({"metadata": {"uid": other}, "data": {"a": "3"}})).await;

    s.behaviour("a merge patch of a rollout for another uid is a conflict").await;
    s.create("optimizationrollouts", rollout("a")).await;
    s.merge("optimizationrollouts/a", json!({"metadata": {"uid": other}, "spec": {"paused": true}})).await;

    s.behaviour("a merge patch for the uid that is there is carried out").await;
    let uid = s.create("configmaps", config_map("a")).await.uid();
    s.merge("configmaps/a", json!({"metadata": {"uid": uid}, "data": {"a": "3"}})).await;

    s.behaviour("a merge patch does not rename").await;
    s.create("configmaps", config_map("a")).await;
    s.merge("configmaps/a", json!({"metadata": {"name": "b"}})).await;
    s.merge("configmaps/a", json!({"metadata": {"namespace": "default"}})).await;

    s.behaviour("a merge patch does not rename a rollout").await;
    s.create("optimizationrollouts", rollout("a")).await;
    s.merge("optimizationrollouts/a", json!({"metadata": {"name": "b"}})).await;
    s.merge("optimizationrollouts/a", json!({"metadata": {"namespace": "default"}})).await;

    s.behaviour("a merge patch does not write what the server assigns").await;
    s.create("optimizationrollouts", rollout("a")).await;
    let assigned = json!({"creationTimestamp": "2020-01-01T00:00:00Z", "generation": 7, "selfLink": "x"});
    s.merge("optimizationrollouts/a", json!({"metadata": assigned})).await;
    s.merge("optimizationrollouts/a", json!({"metadata": {"deletionTimestamp": "2020-01-01T00:00:00Z"}})).await;

    s.behaviour("a merge patch replaces lists as a whole").await;
    s.create("optimizationrollouts", rollout("a")).await;
    s.merge("optimizationrollouts/a", json!({"spec": {"stages": [{"name": "all", "percent": 100, "bake": "2h"}]}}))
        .await;

    s.behaviour("a merge patch with nulls in a new map stores none of them").await;
    s.create("configmaps", with(config_map("a"), json!({"data": null}))).await;
    s.merge("configmaps/a", json!({"data": {"a": "1", "b": null}, "metadata": {"labels": {"x": null}}})).await;

    s.behaviour("the spec of a rollout counts generations, metadata do not").await;
    s.create("optimizationrollouts", rollout("a")).await;
    s.merge("optimizationrollouts/a", json!({"metadata": {"labels": {"a": "b"}, "annotations": {"c": "d"}}})).await;
    s.merge("optimizationrollouts/a", json!({"spec": {"paused": true}})).await;
    s.merge("optimizationrollouts/a", json!({"metadata": {"labels": {"a": null}}, "spec": {"paused": false}})).await;

    s.behaviour("a merge patch adds a key to the selector of a Service and takes it away").await;
    s.create("services", service("a")).await;
    let mark = json!({"metadata": {"annotations": {"mark": "run-1"}}, "spec": {"selector": {"cohort": "baseline"}}});
    s.merge("services/a", mark).await;
    s.merge("services/a", json!({"spec": {"selector": {"cohort": null}}})).await;
    s.merge("services/a", json!({"spec": {"selector": null}})).await;

    s.behaviour("a merge patch labels a pod").await;
    s.create("pods", placed("a")).await;
    s.merge("pods/a", json!({"metadata": {"labels": {"cohort": "optimized"}, "annotations": {"touched": "1"}}})).await;
    s.merge("pods/a", json!({"metadata": {"labels": {"cohort": null}}})).await;

    s.behaviour("a merge patch renews a Lease").await;
    let version = s.create("leases", lease("a")).await.version();
    let renewal = json!({"holderIdentity": "one", "renewTime": "2026-01-01T00:00:05.000000Z"});
    s.merge("leases/a", json!({"metadata": {"resourceVersion": version}, "spec": renewal})).await;

    s.behaviour("a merge patch is an object").await;
    s.create("configmaps", config_map("a")).await;
    s.create("optimizationrollouts", rollout("a")).await;
    s.merge("configmaps/a", json!(["data"])).await;
    s.merge("optimizationrollouts/a", json!(["spec"])).await;

    s.behaviour("a merge patch is JSON").await;
    s.create("configmaps", config_map("a")).await;
    s.create("optimizationrollouts", rollout("a")).await;
    s.send(Method::PATCH, "configmaps/a", MERGE, b"{\"data\":".to_vec()).await;
    s.send(Method::PATCH, "optimizationrollouts/a", MERGE, b"{\"spec\":".to_vec()).await;

    s.behaviour("a merge patch does not change the kind").await;
    s.create("configmaps", config_map("a")).await;
    s.create("optimizationrollouts", rollout("a")).await;
    s.merge("configmaps/a", json!({"kind": "Secret"})).await;
    s.merge("optimizationrollouts/a", json!({"kind": "Other"})).await;

    s.behaviour("a field that a ConfigMap does not have is dropped").await;
    s.create("configmaps", config_map("a")).await;
    s.merge("configmaps/a", json!({"unknown": 1, "metadata": {"labels": {"a": "b"}, "unknown": {"a": "b"}}})).await;
}
