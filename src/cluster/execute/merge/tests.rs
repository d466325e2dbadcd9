use rstest::rstest;
use serde_json::{Value, json};

use super::patch;

#[rstest]
#[case::equal(json!({"a": 1}), json!({"a": 1}), json!({}))]
#[case::changed(json!({"a": 1, "b": 2}), json!({"a": 3, "b": 2}), json!({"a": 3}))]
#[case::added(json!({}), json!({"a": {"b": 1}}), json!({"a": {"b": 1}}))]
#[case::removed(json!({"a": 1, "b": 2}), json!({"b": 2}), json!({"a": null}))]
#[case::deep(json!({"a": {"b": 1, "c": 2}}), json!({"a": {"b": 1}}), json!({"a": {"c": null}}))]
#[case::lists_are_whole(json!({"a": [1, 2]}), json!({"a": [1]}), json!({"a": [1]}))]
#[case::another_type(json!({"a": {"b": 1}}), json!({"a": "text"}), json!({"a": "text"}))]
fn a_patch_says_what_changed_and_nothing_else(#[case] from: Value, #[case] to: Value, #[case] expected: Value) {
    assert_eq!(patch(&from, &to), expected);
}
