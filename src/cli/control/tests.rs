use rstest::rstest;

use super::*;

fn rollout(status: Value) -> OptimizationRollout {
    serde_json::from_value(json!({
        "apiVersion": "optimization.qudag.io/v1alpha1", "kind": "OptimizationRollout",
        "metadata": {"name": "tuning"},
        "spec": {
            "fleet": {
                "selector": {"matchLabels": {"app": "x"}},
                "config": {"rendered": {"name": "settings", "key": "{member}.toml"}},
            },
            "optimizations": [{"name": "a", "settings": [{"path": "a", "optimized": true}]}],
            "stages": [{"name": "half", "percent": 50, "bake": "1m"}, {"name": "full", "percent": 100, "bake": "1m"}],
        },
        "status": status,
    }))
    .unwrap()
}

fn running(fact: Option<&str>) -> OptimizationRollout {
    let plan = domain::run::plan_id(&rollout(json!({})));
    let mut run = json!({
        "id": format!("{plan}-1"), "plan": plan, "attempt": 1, "seed": "r-1", "eligible": 1, "holdout": 0,
        "startedAt": "2026-01-01T00:00:00Z",
    });
    if let Some(fact) = fact {
        run[fact] = json!("2026-01-01T01:00:00Z");
    }
    rollout(json!({"run": run, "stage": {
        "index": 0, "name": "half", "percent": 50, "quota": 1, "startedAt": "2026-01-01T00:00:00Z", "judgedBy": "x",
        "covered": "0s",
    }}))
}

#[rstest]
#[case::pause(Verb::Pause, json!({"paused": true}))]
#[case::resume(Verb::Resume, json!({"paused": false}))]
#[case::abort(Verb::Abort("slow".to_owned()), json!({"abort": {"reason": "slow"}}))]
#[case::promote_the_current_stage(Verb::Promote(None), json!({"promoteThrough": "half"}))]
#[case::promote_to_a_stage(Verb::Promote(Some("full".to_owned())), json!({"promoteThrough": "full"}))]
fn a_running_rollout_is_steered_by_its_spec(#[case] verb: Verb, #[case] expected: Value) {
    assert_eq!(change(&running(None), &verb).unwrap().0, expected);
}

#[rstest]
#[case::after_one_that_was_taken_back("abortedAt", Verb::Pause, json!({"paused": true}))]
#[case::after_one_that_has_settled("settledAt", Verb::Abort("slow".to_owned()), json!({"abort": {"reason": "slow"}}))]
fn a_run_that_is_about_to_start_is_steered(#[case] fact: &str, #[case] verb: Verb, #[case] expected: Value) {
    let mut next = running(Some(fact));
    next.spec.attempt = 2;
    assert_eq!(change(&next, &verb).unwrap().0, expected);
}

#[test]
fn a_run_that_is_about_to_start_is_in_no_stage_of_the_last_one() {
    let mut next = running(Some("settledAt"));
    next.spec.attempt = 2;
    assert!(change(&next, &Verb::Promote(None)).unwrap_err().contains("in no stage yet"));
}

#[test]
fn a_retry_is_the_next_attempt_without_what_stopped_the_last() {
    let (spec, _) = change(&running(Some("abortedAt")), &Verb::Retry).unwrap();
    assert_eq!(spec, json!({"attempt": 2, "abort": null, "paused": false, "promoteThrough": null}));
}

#[rstest]
#[case::retry_what_runs(running(None), Verb::Retry, "was not taken back")]
#[case::pause_what_is_settled(running(Some("settledAt")), Verb::Pause, "is settled")]
#[case::abort_what_is_aborted(running(Some("abortedAt")), Verb::Abort(String::new()), "taken back already")]
#[case::promote_before_the_start(rollout(json!({})), Verb::Promote(None), "in no stage yet")]
#[case::promote_to_no_stage(running(None), Verb::Promote(Some("all".to_owned())), "its stages are half, full")]
fn what_makes_no_sense_says_so(#[case] rollout: OptimizationRollout, #[case] verb: Verb, #[case] words: &str) {
    let error = change(&rollout, &verb).unwrap_err();
    assert!(error.contains(words), "{error}");
}
