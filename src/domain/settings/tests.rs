use rstest::rstest;
use serde_json::json;

use super::*;

fn optimization(name: &str, settings: serde_json::Value) -> Optimization {
    serde_json::from_value(json!({"name": name, "settings": settings})).unwrap()
}

fn values(values: serde_json::Value) -> Values {
    serde_json::from_value(values).unwrap()
}

fn pool() -> Optimization {
    optimization(
        "pool",
        json!([{"path": "on", "optimized": true, "baseline": false}, {"path": "max", "optimized": 100}]),
    )
}

#[test]
fn what_is_settled_is_the_baseline_and_outranks_a_declared_one() {
    let settings = Settings::new(&[pool()], &values(json!({"on": true, "other": 1})));
    assert_eq!(settings.baseline, values(json!({"on": true, "other": 1})));
    assert_eq!(settings.optimized, values(json!({"on": true, "max": 100, "other": 1})));
    assert_eq!(settings.switched, values(json!({"on": true, "max": 100})));
    let fresh = Settings::new(&[pool()], &Values::new());
    assert_eq!(fresh.baseline, values(json!({"on": false})));
}

#[test]
fn what_is_taken_out_is_gone_from_optimized_members_alone() {
    let settled = values(json!({"on": true, "max": 100}));
    let settings = Settings::new(&[], &settled).releasing([("max".to_owned(), "pool".to_owned())].into());
    assert_eq!((settings.optimized, settings.baseline), (values(json!({"on": true})), settled));
}

#[rstest]
#[case::nothing(json!({}), &[], false)]
#[case::some(json!({"on": true}), &[], false)]
#[case::another_value(json!({"on": true, "max": 50}), &[], false)]
#[case::all(json!({"on": true, "max": 100}), &[], true)]
#[case::all_but_one_goes(json!({"on": true, "max": 100, "min": 1}), &["min"], false)]
fn there_is_nothing_to_switch_when_everything_is_settled(
    #[case] settled: serde_json::Value,
    #[case] released: &[&str],
    #[case] expected: bool,
) {
    let released = released.iter().map(|path| ((*path).to_owned(), "pool".to_owned())).collect();
    let settings = Settings::new(&[pool()], &values(settled)).releasing(released);
    assert_eq!(settings.is_settled(), expected);
}

#[rstest]
#[case::it_comes(json!({}), &[], true)]
#[case::it_is_on_already(json!({"on": true, "max": 100}), &[], true)]
#[case::a_value_changes(json!({"on": true, "max": 50}), &[], false)]
#[case::it_flips(json!({"on": false, "max": 50}), &[], true)]
#[case::it_loses_a_value(json!({"on": true, "max": 100, "min": 1}), &["min"], false)]
fn a_switch_tells_what_it_switches(
    #[case] settled: serde_json::Value,
    #[case] released: &[&str],
    #[case] expected: bool,
) {
    let settled = values(settled);
    let released = released.iter().map(|path| ((*path).to_owned(), "pool".to_owned())).collect();
    let settings = Settings::new(&[pool()], &settled).releasing(released);
    assert_eq!(settings.is_told_by_switch(&pool(), &settled), expected);
}

#[test]
fn a_path_stands_in_one_optimization() {
    let cache = optimization("cache", json!([{"path": "max", "optimized": 1}]));
    assert_eq!(check_paths(&[pool()]), Ok(()));
    let problem = check_paths(&[pool(), cache]).unwrap_err();
    assert_eq!(problem.reason, Reason::DuplicatePath);
    assert!(problem.message.contains("path max stands in pool and in cache"), "{}", problem.message);
    assert!(declares(&[pool()], "max") && !declares(&[pool()], "min"));
}
