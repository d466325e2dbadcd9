use rstest::rstest;
use serde_json::{Value, json};

use super::*;

fn with(status: Value) -> OptimizationRollout {
    serde_json::from_value(json!({
        "apiVersion": "optimization.qudag.io/v1alpha1", "kind": "OptimizationRollout",
        "metadata": {"name": "tuning", "namespace": "qudag"},
        "spec": {
            "fleet": {
                "selector": {"matchLabels": {"app": "x"}},
                "config": {"rendered": {"name": "settings", "key": "{member}.toml"}},
            },
            "optimizations": [{"name": "a", "settings": [{"path": "a", "optimized": true}]}],
            "stages": [
                {"name": "canary", "percent": 10, "bake": "20s"},
                {"name": "half", "percent": 50, "bake": "20s"},
                {"name": "full", "percent": 100, "bake": "20s"},
            ],
        },
        "status": status,
    }))
    .unwrap()
}

fn condition(kind: &str, holds: &str, message: &str) -> Value {
    json!({
        "type": kind, "status": holds, "reason": "Baking", "message": message,
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    })
}

#[test]
fn a_run_in_its_second_stage_is_drawn() {
    let rollout = with(json!({
        "conditions": [condition("Ready", "True", "stage half: 5s of 20s watched")],
        "run": {
            "id": "r-1", "plan": "r", "attempt": 1, "seed": "r-1", "eligible": 20, "holdout": 3,
            "startedAt": "2026-01-01T00:00:00Z",
        },
        "stage": {
            "index": 1, "name": "half", "percent": 50, "quota": 8, "startedAt": "2026-01-01T00:00:30Z",
            "judgedBy": "x", "covered": "5s",
        },
        "members": {
            "fleet": 21, "eligible": 20, "optimized": 8, "acknowledged": 8, "baseline": 9, "holdout": 3, "returning": 0,
            "overridden": 0,
        },
        "summary": {"stage": "2/3 half", "members": "8/20", "traffic": "Normal", "reason": "Baking"},
        "indicators": [{
            "name": "errors", "verdict": "Pass", "message": "0.1% against 0.1%, within max 1%", "optimized": "0.1%",
            "baseline": "0.1%",
        }],
        "history": [{"time": "2026-01-01T00:00:30Z", "reason": "StageStarted", "message": "stage half starts"}],
    }));
    let expected = "\
qudag/tuning   2/3 half   8/20 optimized   traffic Normal
Baking: stage half: 5s of 20s watched

✓  canary   10 %
>  half     50 %   [#####...............] 5s of 20s
   full     100 %
   (watch)

########.........hhh-
# 8 optimized   . 9 baseline   h 3 holdout   - 1 not in the run

INDICATOR      OPTIMIZED    BASELINE
errors     ok  0.1%         0.1%
  0.1% against 0.1%, within max 1%

15s ago  StageStarted  stage half starts
";
    assert_eq!(drawn(&rollout, "2026-01-01T00:00:45Z"), expected);
}

fn drawn(rollout: &OptimizationRollout, now: &str) -> String {
    let (tracks, paint) = (Tracks::default(), Paint::default());
    super::rollout(&Frame { rollout, members: None, tracks: &tracks, now: now.parse().unwrap(), width: 80, paint })
}

#[test]
fn the_watch_after_the_stages_is_a_row_of_its_own() {
    let text = drawn(
        &with(json!({
            "run": {
                "id": "r-1", "plan": "r", "attempt": 1, "seed": "r-1", "eligible": 20, "holdout": 3,
                "startedAt": "2026-01-01T00:00:00Z", "succeededAt": "2026-01-01T01:00:00Z",
            },
            "stage": {
                "index": 2, "name": "full", "percent": 100, "quota": 17, "startedAt": "2026-01-01T00:00:30Z",
                "judgedBy": "x", "covered": "12h",
            },
        })),
        "2026-01-01T02:00:00Z",
    );
    assert!(text.contains("✓  full     100 %\n>  (watch)         [##########..........] 12h of 24h\n"), "{text}");
}

#[test]
fn a_rollout_that_nobody_has_seen_says_so() {
    let text = drawn(&with(json!({})), "2026-01-01T00:00:00Z");
    assert!(text.contains("no operator has seen it yet"), "{text}");
}

#[test]
fn traffic_that_cannot_be_taken_away_is_a_warning() {
    let mut condition = condition("TrafficRetreatReady", "False", "Service qudag does not select it");
    condition["reason"] = json!("LabelsMissing");
    let text = drawn(&with(json!({"conditions": [condition]})), "2026-01-01T00:00:00Z");
    assert!(text.contains("warning: Service qudag does not select it"), "{text}");
}

#[rstest]
#[case::not_seen(json!({}), State::Running, false)]
#[case::stalled(json!({"conditions": [condition("Stalled", "True", "")]}), State::Stalled, false)]
#[case::settled(json!({"conditions": [condition("Settled", "True", "")]}), State::Settled, true)]
#[case::going_back(
    json!({"conditions": [condition("Aborted", "True", "")]}),
    State::Aborted { restored: false },
    false
)]
#[case::back(
    json!({"conditions": [condition("Stalled", "True", ""), condition("Aborted", "True", "")], "retreat": {
        "reason": "LimitBreached", "message": "", "decidedAt": "2026-01-01T00:00:00Z",
        "acknowledgedAt": "2026-01-01T00:00:00Z",
    }}),
    State::Aborted { restored: true },
    true
)]
fn the_conditions_say_where_it_stands(#[case] status: Value, #[case] expected: State, #[case] is_end: bool) {
    let state = state(&with(status));
    assert_eq!((state, state.is_end()), (expected, is_end));
}
