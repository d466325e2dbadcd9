use rstest::rstest;
use serde_json::{Value, json};

use super::validate;
use crate::kind::Kind;

fn check(changes: Value) -> Result<(), u16> {
    let mut object = json!({"metadata": {"name": "a"}});
    json_patch::merge(&mut object, &changes);
    validate(Kind::served("", "v1", "configmaps").unwrap(), &object).map_err(|refusal| refusal.code())
}

#[rstest]
#[case(json!({}))]
#[case(json!({"metadata": {"name": "node-0.example"}}))]
#[case(json!({"metadata": {"labels": {"a": "", "example.com/b_c": "D-1.x"}}}))]
#[case(json!({"metadata": {"annotations": {"Example.com/b": "anything, also { }"}}}))]
#[case(json!({"data": {".members.json": "", "node-0.toml": "x"}}))]
#[case(json!({"data": {"a": "x".repeat(1024 * 1024 - 1)}}))]
fn what_the_real_server_takes_is_taken(#[case] changes: Value) {
    assert_eq!(check(changes), Ok(()));
}

#[rstest]
#[case(json!({"metadata": {"name": "Node"}}), 422)]
#[case(json!({"metadata": {"name": "-a"}}), 422)]
#[case(json!({"metadata": {"name": "a..b"}}), 422)]
#[case(json!({"metadata": {"labels": {"a": "x".repeat(64)}}}), 422)]
#[case(json!({"metadata": {"labels": {"a": "x y"}}}), 422)]
#[case(json!({"metadata": {"labels": {"a": "x-"}}}), 422)]
#[case(json!({"metadata": {"labels": {"a/b/c": "x"}}}), 422)]
#[case(json!({"metadata": {"labels": {"a": true}}}), 400)]
#[case(json!({"metadata": {"annotations": {"a b": "x"}}}), 422)]
#[case(json!({"metadata": {"annotations": {"a": "x".repeat(256 * 1024)}}}), 422)]
#[case(json!({"data": {"a/b": "x"}}), 422)]
#[case(json!({"data": {"..a": "x"}}), 422)]
#[case(json!({"data": {"a": 1}}), 400)]
#[case(json!({"data": {"a": "x".repeat(1024 * 1024)}}), 422)]
fn what_the_real_server_refuses_is_refused(#[case] changes: Value, #[case] code: u16) {
    assert_eq!(check(changes), Err(code));
}
