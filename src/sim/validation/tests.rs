use rstest::rstest;
use serde_json::{Value, json};

use super::{decode, problems};
use crate::kind::Kind;

fn check(changes: Value) -> Result<usize, u16> {
    let mut object = json!({"metadata": {"name": "a"}});
    json_patch::merge(&mut object, &changes);
    let kind = Kind::served("", "v1", "configmaps").unwrap();
    decode(kind, &object, false).map_err(|refusal| refusal.code())?;
    Ok(problems(kind, &object, None).len())
}

#[rstest]
#[case(json!({}))]
#[case(json!({"metadata": {"name": "node-0.example"}}))]
#[case(json!({"metadata": {"labels": {"a": "", "example.com/b_c": "D-1.x"}}}))]
#[case(json!({"metadata": {"annotations": {"Example.com/b": "anything, also { }"}}}))]
#[case(json!({"data": {".members.json": "", "node-0.toml": "x"}}))]
#[case(json!({"data": {"a": "x".repeat(1024 * 1024)}}))]
fn what_the_real_server_takes_is_taken(#[case] changes: Value) {
    assert_eq!(check(changes), Ok(0));
}

#[rstest]
#[case(json!({"metadata": {"name": "Node"}}))]
#[case(json!({"metadata": {"name": "-a"}}))]
#[case(json!({"metadata": {"name": "a..b"}}))]
#[case(json!({"metadata": {"labels": {"a": "x".repeat(64)}}}))]
#[case(json!({"metadata": {"labels": {"a": "x y"}}}))]
#[case(json!({"metadata": {"labels": {"a": "x-"}}}))]
#[case(json!({"metadata": {"labels": {"a/b/c": "x"}}}))]
#[case(json!({"metadata": {"annotations": {"a b": "x"}}}))]
#[case(json!({"metadata": {"annotations": {"a": "x".repeat(256 * 1024)}}}))]
#[case(json!({"data": {"a/b": "x"}}))]
#[case(json!({"data": {"..a": "x"}}))]
#[case(json!({"data": {"a": "x".repeat(1024 * 1024 + 1)}}))]
fn what_the_real_server_refuses_is_refused(#[case] changes: Value) {
    assert_eq!(check(changes), Ok(1));
}

#[rstest]
#[case(json!({"metadata": {"labels": {"a": true}}}))]
#[case(json!({"data": {"a": 1}}))]
fn what_the_real_server_cannot_read_is_refused(#[case] changes: Value) {
    assert_eq!(check(changes), Err(400));
}
