use rstest::rstest;
use serde_json::{Value, json};

use super::*;

fn rollout(name: &str, map: &str, labels: &Value, status: &Value) -> OptimizationRollout {
    serde_json::from_value(json!({
        "apiVersion": "optimization.qudag.io/v1alpha1", "kind": "OptimizationRollout",
        "metadata": {"name": name, "namespace": "fleet", "creationTimestamp": "2026-01-01T00:00:00Z"},
        "spec": {
            "fleet": {
                "selector": {"matchLabels": labels},
                "config": {"rendered": {"name": map, "key": "{member}.toml"}},
            },
            "optimizations": [{"name": "a", "settings": [{"path": "a", "optimized": true}]}],
            "stages": [{"name": "full", "percent": 100, "bake": "1m"}],
        },
        "status": status,
    }))
    .unwrap()
}

fn neighbours(other: OptimizationRollout) -> Vec<Neighbour> {
    let own = rollout("own", "settings", &json!({"app": "x"}), &json!({}));
    let all = [own.clone(), other].map(|rollout| Arc::new(DeserializeGuard(Ok(rollout))));
    find(&all, &own, |_| false)
}

#[rstest]
#[case::same_map("settings", json!({"app": "y"}), true)]
#[case::same_labels("other", json!({"app": "x"}), true)]
#[case::more_labels("other", json!({"app": "x", "tier": "1"}), true)]
#[case::contradicting_labels("other", json!({"app": "y"}), false)]
#[case::nothing_in_common("other", json!({"tier": "1"}), false)]
fn rollouts_that_could_meet_on_a_member_are_neighbours(
    #[case] map: &str,
    #[case] labels: Value,
    #[case] expected: bool,
) {
    assert_eq!(!neighbours(rollout("other", map, &labels, &json!({}))).is_empty(), expected);
}

#[rstest]
#[case::of_labels_that_say_nothing_of_each_other(json!({"matchLabels": {"tier": "1"}}), true)]
#[case::of_expressions(json!({"matchExpressions": [{"key": "app", "operator": "In", "values": ["x"]}]}), true)]
#[case::of_expressions_that_find_nobody(json!({"matchExpressions": [{"key": "app", "operator": "DoesNotExist"}]}), false)]
#[case::of_labels_that_contradict(json!({"matchLabels": {"app": "y", "tier": "1"}}), false)]
fn rollouts_are_neighbours_where_a_pod_is_there_that_has(#[case] selector: Value, #[case] expected: bool) {
    let own = rollout("own", "settings", &json!({"app": "x"}), &json!({}));
    let mut other = rollout("other", "other", &json!({}), &json!({}));
    other.spec.fleet.selector = serde_json::from_value(selector).unwrap();
    let all = [own.clone(), other].map(|rollout| Arc::new(DeserializeGuard(Ok(rollout))));
    let pod = [("app", "x"), ("tier", "1")].map(|(key, value)| (key.to_owned(), value.to_owned())).into();
    assert_eq!(!find(&all, &own, |selector| selector.matches(&pod)).is_empty(), expected);
}

/// Which of two rollouts has had a run; the other one is older by its name, or came later.
#[derive(PartialEq)]
enum Started {
    Neither,
    Own,
    Other,
    Later,
}

#[rstest]
#[case::a_further_one_of_ours("settings", "settings-2", Started::Neither, true)]
#[case::one_whose_name_ours_begins_with("settings", "sett", Started::Neither, false)]
#[case::one_of_which_ours_may_be_a_further_one("own-1", "own", Started::Neither, true)]
#[case::another_one("own-1", "own-1-x", Started::Neither, false)]
#[case::the_same_for_another_fleet("settings", "settings", Started::Neither, true)]
#[case::a_further_one_of_ours_but_ours_had_a_run("settings", "settings-2", Started::Own, false)]
#[case::a_further_one_of_ours_and_came_later("settings", "settings-2", Started::Later, false)]
#[case::a_further_one_of_ours_and_had_a_run_before_ours("settings", "settings-2", Started::Other, true)]
fn a_rollout_does_not_start_beside_one_that_renders_into(
    #[case] mine: &str,
    #[case] map: &str,
    #[case] started: Started,
    #[case] expected: bool,
) {
    let status = |is: bool| if is { json!({"run": run(&[])}) } else { json!({}) };
    let own = rollout("own", mine, &json!({"app": "x"}), &status(started == Started::Own));
    let mut other = rollout("other", map, &json!({"app": "y"}), &status(started == Started::Other));
    if matches!(started, Started::Later | Started::Other) {
        other.metadata.creation_timestamp = serde_json::from_value(json!("2026-01-02T00:00:00Z")).unwrap();
    }
    let all = [own.clone(), other].map(|rollout| Arc::new(DeserializeGuard(Ok(rollout))));
    let problem = shared_name(&all, &own);
    assert_eq!(problem.is_some(), expected, "{problem:?}");
}

fn run(facts: &[&str]) -> Value {
    let mut run = json!({
        "id": "r-1", "plan": "r", "attempt": 1, "seed": "r-1", "eligible": 1, "holdout": 0,
        "startedAt": "2026-01-01T00:00:00Z",
    });
    for fact in facts {
        run[*fact] = json!("2026-01-01T01:00:00Z");
    }
    run
}

#[rstest]
#[case::no_run(json!({}), false, false)]
#[case::staging(json!({"run": run(&[])}), true, false)]
#[case::watching(json!({"run": run(&["succeededAt"])}), true, true)]
#[case::settling(json!({"run": run(&["succeededAt", "settlingAt"])}), true, false)]
#[case::settled(json!({"run": run(&["succeededAt", "settlingAt", "settledAt"])}), false, false)]
#[case::aborted_and_not_back(json!({"run": run(&["abortedAt"])}), true, false)]
#[case::aborted_and_back(
    json!({"run": run(&["abortedAt"]), "retreat": {
        "reason": "LimitBreached", "message": "", "decidedAt": "2026-01-01T01:00:00Z",
        "acknowledgedAt": "2026-01-01T01:00:00Z",
    }}),
    false,
    false
)]
fn a_neighbour_is_unfinished_until_everybody_is_settled_or_back(
    #[case] status: Value,
    #[case] unfinished: bool,
    #[case] watching: bool,
) {
    let neighbours = neighbours(rollout("other", "settings", &json!({"app": "x"}), &status));
    assert_eq!((neighbours[0].unfinished, neighbours[0].watching), (unfinished, watching));
}

#[test]
fn neighbours_come_in_the_order_of_their_claims_whatever_order_a_cache_has() {
    let named = |name| rollout(name, "settings", &json!({"app": "x"}), &json!({}));
    let mut older = named("z");
    older.metadata.creation_timestamp = serde_json::from_value(json!("2025-12-31T00:00:00Z")).unwrap();
    let own = named("own");
    let all = [named("c"), named("a"), own.clone(), older, named("b")].map(|one| Arc::new(DeserializeGuard(Ok(one))));
    let names: Vec<String> = find(&all, &own, |_| false).into_iter().map(|one| one.name).collect();
    assert_eq!(names, ["z", "a", "b", "c"]);
}

#[test]
fn of_two_that_wait_the_older_claim_comes_first() {
    let waiting = json!({"summary": {"stage": "-", "members": "0/1", "traffic": "-", "reason": "FleetBusy"}});
    let by_name = |name| neighbours(rollout(name, "settings", &json!({"app": "x"}), &waiting))[0].waits_before_us;
    assert!(by_name("a"), "created at the same time, so the name decides");
    assert!(!by_name("z"));
}

#[rstest]
#[case::nobody_deletes_it(false, "Restore", "Settled", false)]
#[case::it_goes_and_its_values_too(true, "Restore", "Deleted", true)]
#[case::its_values_stay(true, "RestoreUnfinished", "Deleted", false)]
#[case::it_waits_for_us(true, "Restore", "FleetBusy", false)]
fn a_rollout_that_is_deleted_takes_its_settled_values_back(
    #[case] deleted: bool,
    #[case] policy: &str,
    #[case] reason: &str,
    #[case] expected: bool,
) {
    let status = json!({"summary": {"stage": "", "members": "", "traffic": "Normal", "reason": reason}});
    let mut other = rollout("other", "settings", &json!({"app": "x"}), &status);
    other.spec.deletion_policy = serde_json::from_value(json!(policy)).unwrap();
    other.metadata.deletion_timestamp = deleted.then(|| serde_json::from_value(json!("2026-01-01T00:00:00Z")).unwrap());
    assert_eq!(neighbours(other)[0].restores, expected);
}
