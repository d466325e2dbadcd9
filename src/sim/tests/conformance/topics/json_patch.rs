//! JSON patches: for lists, whose entries a merge patch cannot name.

use http::Method;
use serde_json::{Value, json};

use super::objects::{config_map, rollout, with};
use crate::session::{JSON_PATCH, Session};

pub async fn play(s: &mut Session) {
    let good: &[(&str, Value)] = &[
        ("a JSON patch replaces", json!([{"op": "replace", "path": "/data/a", "value": "3"}])),
        ("a JSON patch adds", json!([{"op": "add", "path": "/data/c", "value": "3"}])),
        ("a JSON patch adds over what is there", json!([{"op": "add", "path": "/data/a", "value": "3"}])),
        ("a JSON patch removes", json!([{"op": "remove", "path": "/data/a"}])),
        ("a JSON patch moves", json!([{"op": "move", "from": "/data/a", "path": "/data/c"}])),
        ("a JSON patch copies", json!([{"op": "copy", "from": "/data/a", "path": "/data/c"}])),
        (
            "a JSON patch tests before it changes",
            json!([{"op": "test", "path": "/data/a", "value": "1"}, {"op": "remove", "path": "/data/a"}]),
        ),
        (
            "a JSON patch escapes slashes and tildes",
            json!([
                {"op": "add", "path": "/metadata/annotations", "value": {}},
                {"op": "add", "path": "/metadata/annotations/example.com~1a", "value": "~0"},
            ]),
        ),
        ("a JSON patch without operations changes nothing", json!([])),
        (
            "a JSON patch that changes nothing is no new version",
            json!([{"op": "add", "path": "/data/a", "value": "1"}]),
        ),
    ];
    for (name, patch) in good {
        s.behaviour(name).await;
        s.create("configmaps", config_map("a")).await;
        s.json_patch("configmaps/a", patch.clone()).await;
    }
    let bad: &[(&str, Value)] = &[
        (
            "a JSON patch whose test fails changes nothing",
            json!([
                {"op": "replace", "path": "/data/b", "value": "3"},
                {"op": "test", "path": "/data/a", "value": "2"},
            ]),
        ),
        ("a JSON patch that tests what is missing fails", json!([{"op": "test", "path": "/data/c", "value": "2"}])),
        ("a JSON patch does not replace what is missing", json!([{"op": "replace", "path": "/data/c", "value": "3"}])),
        ("a JSON patch does not remove what is missing", json!([{"op": "remove", "path": "/data/c"}])),
        (
            "a JSON patch does not add to what is missing",
            json!([{"op": "add", "path": "/metadata/annotations/a", "value": "3"}]),
        ),
        ("a JSON patch has known operations", json!([{"op": "change", "path": "/data/a", "value": "3"}])),
        ("a JSON patch is a list", json!({"data": {"a": "3"}})),
        (
            "a JSON patch is checked like a new object",
            json!([{"op": "add", "path": "/metadata/labels", "value": {"a": "x y"}}]),
        ),
        (
            "a JSON patch that tests an older version fails",
            json!([
                {"op": "test", "path": "/metadata/resourceVersion", "value": "1"},
                {"op": "replace", "path": "/data/a", "value": "3"},
            ]),
        ),
        (
            "a JSON patch that sets an older version is a conflict",
            json!([
                {"op": "replace", "path": "/metadata/resourceVersion", "value": "1"},
                {"op": "replace", "path": "/data/a", "value": "3"},
            ]),
        ),
    ];
    for (name, patch) in bad {
        s.behaviour(name).await;
        s.create("configmaps", config_map("a")).await;
        s.json_patch("configmaps/a", patch.clone()).await;
        s.get("configmaps/a").await;
    }

    s.behaviour("a JSON patch that tests the version that is there is carried out").await;
    let version = s.create("configmaps", config_map("a")).await.version();
    let test = json!({"op": "test", "path": "/metadata/resourceVersion", "value": version});
    s.json_patch("configmaps/a", json!([test, {"op": "remove", "path": "/data/a"}])).await;

    s.behaviour("a JSON patch changes one entry of a list").await;
    s.create("optimizationrollouts", rollout("a")).await;
    s.json_patch(
        "optimizationrollouts/a",
        json!([
            {"op": "test", "path": "/spec/stages/0/name", "value": "canary"},
            {"op": "replace", "path": "/spec/stages/0/bake", "value": "2m"},
            {"op": "add", "path": "/spec/stages/1", "value": {"name": "half", "percent": 50, "bake": "1m"}},
            {"op": "add", "path": "/metadata/finalizers", "value": ["example.com/a"]},
            {"op": "add", "path": "/metadata/finalizers/-", "value": "example.com/b"},
        ]),
    )
    .await;

    s.behaviour("a JSON patch of a rollout is checked by its rules").await;
    s.create("optimizationrollouts", with(rollout("a"), json!({"spec": {"attempt": 2}}))).await;
    s.json_patch("optimizationrollouts/a", json!([{"op": "replace", "path": "/spec/attempt", "value": 1}])).await;

    s.behaviour("a JSON patch whose test fails changes nothing of a rollout").await;
    s.create("optimizationrollouts", rollout("a")).await;
    s.json_patch("optimizationrollouts/a", json!([{"op": "test", "path": "/spec/attempt", "value": 7}])).await;

    s.behaviour("a JSON patch of the status leaves the spec alone").await;
    s.create("optimizationrollouts", rollout("a")).await;
    s.json_patch(
        "optimizationrollouts/a/status",
        json!([
            {"op": "add", "path": "/status", "value": {"observedGeneration": 1}},
            {"op": "replace", "path": "/spec/attempt", "value": 5},
        ]),
    )
    .await;

    s.behaviour("a JSON patch of nothing is not found").await;
    s.json_patch("configmaps/a", json!([])).await;

    s.behaviour("a JSON patch that is no JSON is refused").await;
    s.create("configmaps", config_map("a")).await;
    s.send(Method::PATCH, "configmaps/a", JSON_PATCH, b"[{".to_vec()).await;
}
