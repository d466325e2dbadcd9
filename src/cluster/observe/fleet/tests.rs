use api::names::{RECORD_ANNOTATION, SETTLED_BY_ANNOTATION};
use rstest::rstest;
use serde_json::{Value, json};

use super::*;
use crate::observe::snapshot::store;

fn rollout(name: &str, app: &str, run: &str) -> OptimizationRollout {
    serde_json::from_value(json!({
        "apiVersion": "optimization.qudag.io/v1alpha1", "kind": "OptimizationRollout",
        "metadata": {"name": name, "namespace": "fleet"},
        "spec": {
            "fleet": {
                "selector": {"matchLabels": {"app": app}},
                "config": {"patched": {"name": "{member}-config", "key": "node.toml"}},
            },
            "optimizations": [{"name": "a", "settings": [{"path": "a", "optimized": true}]}],
            "stages": [{"name": "full", "percent": 100, "bake": "1m"}],
        },
        "status": {"run": {
            "id": run, "plan": "p", "attempt": 1, "seed": "s", "eligible": 1, "holdout": 0,
            "startedAt": "2026-01-01T00:00:00Z",
        }},
    }))
    .unwrap()
}

fn record(run: &str) -> Value {
    json!({RECORD_ANNOTATION: json!({"run": run, "stage": 0, "members": {"m": {"c": "o", "s": 0, "u": ""}}}).to_string()})
}

fn settled_by(rollout: &str) -> Value {
    json!({SETTLED_BY_ANNOTATION: json!({"a": {"r": rollout, "o": "a"}}).to_string()})
}

#[rstest]
#[case::a_member("edge-0", json!({}), true)]
#[case::a_member_whatever_its_record_says("edge-0", record("core-1"), true)]
#[case::a_member_of_another_fleet("core-0", json!({}), false)]
#[case::a_member_of_another_fleet_in_its_run("core-0", record("core-1"), false)]
#[case::a_member_of_another_fleet_with_what_that_has_settled("core-0", settled_by("core"), false)]
#[case::a_member_of_another_fleet_with_a_record_that_nobody_can_read("core-0", json!({RECORD_ANNOTATION: "{"}), false)]
#[case::a_pod_that_the_run_has_written_to("core-0", record("edge-1"), true)]
#[case::a_pod_for_which_the_rollout_has_settled_something("core-0", settled_by("edge"), true)]
#[case::nobody("gone-0", json!({}), false)]
#[case::nobody_in_the_run_of_another_fleet("gone-0", record("core-1"), false)]
#[case::nobody_with_what_another_fleet_has_settled("gone-0", settled_by("core"), false)]
#[case::nobody_in_the_run("gone-0", record("edge-1"), true)]
#[case::nobody_in_a_run_of_which_nobody_knows("gone-0", record("lost-1"), true)]
#[case::nobody_with_a_record_that_nobody_can_read("gone-0", json!({RECORD_ANNOTATION: "{"}), true)]
fn a_map_is_one_of_the_fleet_where_it_is_that_of(
    #[case] member: &str,
    #[case] annotations: Value,
    #[case] expected: bool,
) {
    let pod = |name: &str| -> Pod {
        serde_json::from_value(json!({"metadata": {"name": name, "namespace": "fleet"}})).unwrap()
    };
    let name = format!("{member}-config");
    let map = json!({"metadata": {"name": name, "namespace": "fleet", "annotations": annotations}});
    let map: ConfigMap = serde_json::from_value(map).unwrap();
    let namespace = Namespace {
        pods: store(vec![pod("edge-0"), pod("core-0")]),
        services: store(Vec::new()),
        config_maps: store(Vec::new()),
        endpoint_slices: store(Vec::new()),
    };
    let (edge, core) = (rollout("edge", "edge", "edge-1"), rollout("core", "core", "core-1"));
    let all = [edge.clone(), core].map(|rollout| Arc::new(DeserializeGuard(Ok(rollout))));
    let member = serde_json::from_value(json!({
        "name": "edge-0", "zone": "", "unfit": null, "pod": json!(domain::observation::Pod::default()),
    }));
    let seen = Observation { members: vec![member.unwrap()], ..Observation::default() };
    let fleet = Fleet::new(&namespace, &all, &edge, &seen);
    let own = fleet.own([(name.clone(), Arc::new(map))].into());
    assert_eq!(own.contains_key(&name), expected);
}
