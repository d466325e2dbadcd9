//! What the definition of our kinds makes of an object: defaults, pruning, the schema and its rules.

use serde_json::{Value, json};

use super::objects::{connection, rollout, with};
use crate::session::Session;

fn indicator(limit: Value) -> Value {
    let mut indicator = json!({"name": "errors", "metric": {"gauge": {"gauge": "errors"}}});
    json_patch::merge(&mut indicator, &limit);
    let source = json!({"pods": {"port": "metrics"}});
    json!({"metrics": {"source": source}, "indicators": [indicator]})
}

pub async fn play(s: &mut Session) {
    let taken: &[(&str, Value)] = &[
        ("defaults stand in what was left out", indicator(json!({"max": "1"}))),
        (
            "defaults stand in an empty map",
            json!({"traffic": {"services": [{"name": "a"}]}, "metrics": {
                "source": {"pods": {"port": "metrics"}}, "silence": {},
            }}),
        ),
        (
            "unknown fields are dropped at any depth",
            json!({
                "unknown": 1, "fleet": {"unknown": {"a": []}}, "stages": [
                    {"name": "all", "percent": 100, "bake": "1m", "unknown": true},
                ],
            }),
        ),
        ("null in a field that may be null is kept", json!({"abort": null})),
        ("a whole number may be written with a point", json!({"attempt": 3.0})),
        (
            "settings have values of any simple type",
            json!({"optimizations": [{"name": "a", "settings": [
                {"path": "a", "optimized": 1}, {"path": "b", "optimized": "x", "baseline": "y"}, {"path": "c", "optimized": 0.5},
            ]}]}),
        ),
    ];
    for (name, spec) in taken {
        s.behaviour(name).await;
        s.create("optimizationrollouts", with(rollout("a"), json!({"spec": spec}))).await;
    }

    let refused: &[(&str, Value)] = &[
        ("a field that must be there", json!({"stages": null})),
        ("a list must have entries", json!({"stages": []})),
        ("a number below its least", json!({"attempt": 0})),
        ("a number above its most", json!({"attempt": 2_000_000})),
        ("a text that is too long", json!({"abort": {"reason": "x".repeat(513)}})),
        ("a text that is empty", json!({"abort": {"reason": ""}})),
        ("a text of another form", json!({"watchAfter": "soon"})),
        ("a value that is none of the choices", json!({"deletionPolicy": "Forget"})),
        ("a text where a number belongs", json!({"attempt": "two"})),
        ("a number where a boolean belongs", json!({"paused": 1})),
        ("a text where a list belongs", json!({"stages": "all"})),
        ("a fraction where a whole number belongs", json!({"attempt": 1.5})),
        (
            "a map where a value belongs",
            json!({"optimizations": [{"name": "a", "settings": [
                {"path": "a", "optimized": {"b": 1}},
            ]}]}),
        ),
        (
            "an entry of a list twice",
            json!({"stages": [
                {"name": "all", "percent": 10, "bake": "1m"}, {"name": "all", "percent": 100, "bake": "1m"},
            ]}),
        ),
        ("two of which one is asked for", json!({"fleet": {"config": {"patched": {"name": "{member}", "key": "a"}}}})),
        ("none of which one is asked for", json!({"fleet": {"config": {"rendered": null}}})),
        ("a rule between fields", json!({"fleet": {"acknowledgement": {"metric": "m", "timer": "1m"}}})),
        (
            "a rule over a list",
            json!({"stages": [
                {"name": "a", "percent": 50, "bake": "1m"}, {"name": "b", "percent": 10, "bake": "1m"},
            ]}),
        ),
        ("a rule in an entry of a list", indicator(json!({"maxIncrease": "10"}))),
        ("a rule about a name elsewhere", json!({"promoteThrough": "nowhere"})),
        (
            "several rules at once",
            json!({"promoteThrough": "nowhere", "fleet": {"acknowledgement": {
                "metric": "m", "timer": "1m",
            }}}),
        ),
        ("several fields at once", json!({"attempt": 0, "deletionPolicy": "Forget", "watchAfter": "soon"})),
        ("a wrong field hides the rules", json!({"attempt": 0, "promoteThrough": "nowhere"})),
    ];
    for (name, spec) in refused {
        s.behaviour(&format!("refused: {name}")).await;
        s.create("optimizationrollouts", with(rollout("a"), json!({"spec": spec}))).await;
    }

    s.behaviour("a rollout needs a spec").await;
    s.create("optimizationrollouts", with(rollout("a"), json!({"spec": null}))).await;

    s.behaviour("a rule compares with what was there").await;
    s.create("optimizationrollouts", with(rollout("a"), json!({"spec": {"attempt": 2}}))).await;
    s.merge("optimizationrollouts/a", json!({"spec": {"attempt": 1}})).await;
    s.merge("optimizationrollouts/a", json!({"spec": {"attempt": null}})).await;
    s.merge("optimizationrollouts/a", json!({"spec": {"attempt": 3}})).await;

    s.behaviour("a patch is checked by schema and rules").await;
    s.create("optimizationrollouts", rollout("a")).await;
    s.merge("optimizationrollouts/a", json!({"spec": {"promoteThrough": "nowhere"}})).await;
    s.merge("optimizationrollouts/a", json!({"spec": {"deletionPolicy": "Forget"}})).await;
    s.merge("optimizationrollouts/a", json!({"spec": {"stages": null}})).await;
    s.merge("optimizationrollouts/a", json!({"spec": {"deletionPolicy": null, "unknown": 1}})).await;
    s.merge("optimizationrollouts/a", json!({"spec": {"abort": {"reason": "enough"}}})).await;
    s.merge("optimizationrollouts/a", json!({"spec": {"abort": null}})).await;

    s.behaviour("an unknown field beside the spec is dropped").await;
    s.create("optimizationrollouts", with(rollout("a"), json!({"unknown": 1, "metadata": {"unknown": 1}}))).await;

    s.behaviour("refused: a Connection that breaks its rules").await;
    let name = s.namespace();
    for url in ["ftp://a", "http://a:b@c", "http://a?b"] {
        s.create("connections", with(connection(&name), json!({"spec": {"url": url}}))).await;
    }
}
