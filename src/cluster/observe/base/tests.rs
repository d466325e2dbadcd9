use rstest::rstest;
use serde_json::{Value, json};

use super::*;

fn found(map: Option<Value>) -> Result<String, Problem> {
    let map: Option<ConfigMap> = map.map(|map| serde_json::from_value(map).unwrap());
    let base = Base { name: "node-base".to_owned(), key: "base.toml".to_owned() };
    read(&base, "qudag", map.as_ref())
}

fn map(annotations: Value, data: Value) -> Option<Value> {
    Some(json!({"metadata": {"name": "node-base", "annotations": annotations}, "data": data}))
}

#[test]
fn the_text_of_an_opted_in_map_is_the_base() {
    let text = found(map(json!({BASE_ANNOTATION: "true"}), json!({"base.toml": "a = 1\n", "other": "x"})));
    assert_eq!(text, Ok("a = 1\n".to_owned()));
}

#[rstest]
#[case::missing(None, Reason::ConfigMapMissing, "ConfigMap node-base with the base does not exist")]
#[case::without_consent(
    map(json!({}), json!({"base.toml": "a = 1"})),
    Reason::NotOptedIn,
    "kubectl --namespace qudag annotate --overwrite configmap node-base optimization.qudag.io/base=true"
)]
#[case::with_consent_taken_back(
    map(json!({BASE_ANNOTATION: "false"}), json!({"base.toml": "a = 1"})),
    Reason::NotOptedIn,
    "configmap node-base"
)]
#[case::without_the_key(
    map(json!({BASE_ANNOTATION: "true"}), json!({"other": "a = 1"})),
    Reason::ConfigUnreadable,
    "ConfigMap node-base has no key base.toml"
)]
fn a_base_that_cannot_be_used_is_a_problem_that_says_what_to_do(
    #[case] map: Option<Value>,
    #[case] reason: Reason,
    #[case] words: &str,
) {
    let problem = found(map).unwrap_err();
    assert_eq!(problem.reason, reason);
    assert!(problem.message.contains(words), "{}", problem.message);
}
