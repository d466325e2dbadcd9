use serde_json::json;

use super::*;

fn preview(withdraw: usize) -> Preview {
    let step = |index: usize| json!({"action": "StopServing", "object": format!("Pod node-{index}"), "change": "taken out of traffic"});
    serde_json::from_value(json!({
        "namespace": "qudag", "name": "pooling", "at": "2026-01-01T00:00:00Z", "leads": true, "replica": "operator-1",
        "measured": true, "state": "Working", "reason": "Retreating", "message": "errors: 55% on node-1",
        "withdraw": (0..withdraw).map(step).collect::<Vec<_>>(),
        "transitions": ["Catastrophe: errors: 55% on node-1"],
        "status": {"summary": {"stage": "aborted", "members": "0/3", "traffic": "Reduced", "reason": "Retreating"}},
        "advance": [],
        "members": [
            {"name": "node-1", "cohort": "Optimized", "acknowledged": true, "overridden": false, "ready": false, "eligible": true},
            {"name": "node-2", "cohort": "Holdout", "acknowledged": false, "overridden": false, "ready": true, "eligible": true},
            {"name": "node-3", "acknowledged": false, "overridden": false, "ready": true, "eligible": true},
        ],
        "requeue": "1s",
    }))
    .unwrap()
}

#[test]
fn a_plan_reads_in_the_order_of_what_happens() {
    let expected = "\
qudag/pooling   decided by operator-1, which leads
note: a note

Retreating: errors: 55% on node-1

1. takes away:
    Pod node-0  taken out of traffic
2. status: aborted, 0/3 optimized
   Catastrophe: errors: 55% on node-1
3. goes on: nothing

Looks again after 1s, or when something changes.
Members: 1 optimized (1 acknowledged), 1 holdout, 1 not in the run, 1 not ready
";
    assert_eq!(plan(&preview(1), &["a note".to_owned()]), expected);
}

#[test]
fn hundreds_of_writes_of_one_kind_are_counted() {
    let text = plan(&preview(200), &[]);
    assert!(text.contains("and 192 more of StopServing") && text.lines().count() < 24, "{text}");
}
