use rstest::rstest;
use serde_json::{Value, json};

use super::*;
use crate::view::table::width as columns;

fn rollout(acknowledgement: Value, status: Value) -> OptimizationRollout {
    serde_json::from_value(json!({
        "apiVersion": "optimization.qudag.io/v1alpha1", "kind": "OptimizationRollout",
        "metadata": {"name": "tuning", "namespace": "qudag"},
        "spec": {
            "fleet": {
                "selector": {"matchLabels": {"app": "x"}},
                "config": {"rendered": {"name": "settings", "key": "{member}.toml"}},
                "acknowledgement": acknowledgement,
            },
            "optimizations": [{"name": "a", "settings": [{"path": "a", "optimized": true}]}],
            "stages": [{"name": "full", "percent": 100, "bake": "20s"}],
        },
        "status": status,
    }))
    .unwrap()
}

fn running(acknowledged: i32) -> OptimizationRollout {
    rollout(
        json!({"metric": "enabled"}),
        json!({
            "run": {
                "id": "r-1", "plan": "r", "attempt": 1, "seed": "r-1", "eligible": 20, "holdout": 3,
                "startedAt": "2026-01-01T00:00:00Z",
            },
            "members": {
                "fleet": 20, "eligible": 20, "optimized": 2, "acknowledged": acknowledged, "baseline": 9, "holdout": 3,
                "returning": 0, "overridden": 0,
            },
        }),
    )
}

fn member(name: &str, cohort: Option<CohortName>) -> MemberStanding {
    let name = name.to_owned();
    MemberStanding { name, cohort, acknowledged: false, overridden: false, ready: true, eligible: true }
}

#[test]
fn members_stand_in_the_order_of_their_names() {
    let mut members: Vec<MemberStanding> =
        (0..20).rev().map(|index| member(&format!("node-{index}"), Some(CohortName::Baseline))).collect();
    for member in &mut members {
        match member.name.as_str() {
            "node-2" | "node-3" => member.cohort = Some(CohortName::Optimized),
            "node-10" => member.cohort = Some(CohortName::Holdout),
            "node-7" => member.ready = false,
            "node-19" => member.cohort = None,
            _ => {}
        }
    }
    let expected = "\
node-0   ..##...!.. h........-
# 2 optimized   ! 1 not ready   . 15 baseline   h 1 holdout   - 1 not in the run
not ready: node-7
";
    assert_eq!(cells(&running(2), &members, 80, Paint::default()), expected);
}

#[rstest]
#[case::small(20, 1)]
#[case::several_hundred(480, 8)]
fn a_fleet_fits_the_terminal(#[case] size: usize, #[case] rows: usize) {
    let members: Vec<MemberStanding> =
        (0..size).map(|index| member(&format!("node-{index}"), Some(CohortName::Baseline))).collect();
    let text = cells(&running(0), &members, 80, Paint { colour: true });
    let drawn: Vec<&str> = text.lines().filter(|line| line.contains("node-")).collect();
    assert_eq!(drawn.len(), rows, "{text}");
    assert!(drawn.iter().all(|line| columns(line) <= 80), "{text}");
}

#[test]
fn names_that_are_too_long_leave_room_for_cells() {
    let members: Vec<MemberStanding> = (0..100).map(|index| member(&"a".repeat(60 + index % 3), None)).collect();
    let text = cells(&running(0), &members, 80, Paint::default());
    assert!(text.starts_with("---------- ----------"), "{text}");
}

#[rstest]
#[case::optimized(Some(CohortName::Optimized), |_: &mut MemberStanding| {}, 2, Cell::Optimized)]
#[case::pending(Some(CohortName::Optimized), |_: &mut MemberStanding| {}, 1, Cell::Pending)]
#[case::unready(Some(CohortName::Optimized), |member: &mut MemberStanding| member.ready = false, 2, Cell::Unready)]
#[case::overridden(Some(CohortName::Optimized), |member: &mut MemberStanding| member.overridden = true, 2, Cell::Overridden)]
#[case::back(Some(CohortName::Returning), |_: &mut MemberStanding| {}, 0, Cell::Baseline)]
#[case::joined(None, |_: &mut MemberStanding| {}, 0, Cell::Outside)]
#[case::ineligible(None, |member: &mut MemberStanding| member.eligible = false, 0, Cell::Ineligible)]
fn a_cell_says_where_a_member_stands(
    #[case] cohort: Option<CohortName>,
    #[case] change: fn(&mut MemberStanding),
    #[case] acknowledged: i32,
    #[case] expected: Cell,
) {
    let mut member = member("node-0", cohort);
    change(&mut member);
    assert_eq!(cell(&running(acknowledged), &member), expected);
}

#[test]
fn members_that_an_edit_of_the_stage_sends_back_are_shown_going_until_all_are_there() {
    let mut rollout = running(2);
    let returning = member("node-0", Some(CohortName::Returning));
    rollout.status.as_mut().unwrap().members.as_mut().unwrap().returning = 1;
    assert_eq!(cell(&rollout, &returning), Cell::Returning);
    rollout.status.as_mut().unwrap().members.as_mut().unwrap().returning = 0;
    assert_eq!(cell(&rollout, &returning), Cell::Baseline);
}

#[test]
fn before_and_after_a_run_everybody_runs_the_same() {
    let mut run = json!({
        "id": "r-1", "plan": "r", "attempt": 1, "seed": "r-1", "eligible": 1, "holdout": 0,
        "startedAt": "2026-01-01T00:00:00Z",
    });
    let ended = |status: Value| cell(&rollout(json!({"timer": "1s"}), status), &member("node-0", None));
    assert_eq!(ended(json!({})), Cell::Baseline);
    run["settledAt"] = json!("2026-01-01T00:00:00Z");
    assert_eq!(ended(json!({"run": run})), Cell::Optimized);
}

#[test]
fn where_members_may_not_be_read_their_numbers_are_drawn_to_scale() {
    let members =
        Members { fleet: 5000, optimized: 2500, acknowledged: 100, baseline: 2400, holdout: 100, ..Members::default() };
    let text = counts(&members, 80, Paint::default());
    let row = text.lines().next().unwrap();
    assert!(columns(row) <= 80 && row.contains('#') && row.contains('+') && row.contains('h'), "{text}");
    let few = Members { fleet: 4, optimized: 2, acknowledged: 2, baseline: 1, ..Members::default() };
    assert_eq!(counts(&few, 80, Paint::default()), "##.-\n# 2 optimized   . 1 baseline   - 1 not in the run\n");
}
