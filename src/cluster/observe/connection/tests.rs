use rstest::rstest;
use serde_json::json;

use super::*;

fn connection(allowed: &str) -> DeserializeGuard<Connection> {
    let spec = json!({"type": "Prometheus", "url": "http://prometheus:9090", "allowedNamespaces": [allowed]});
    serde_json::from_value(json!({
        "apiVersion": "optimization.qudag.io/v1alpha1", "kind": "Connection", "metadata": {"name": "prometheus"},
        "spec": spec,
    }))
    .unwrap()
}

#[rstest]
#[case::its_namespace("qudag", None)]
#[case::every_namespace("*", None)]
#[case::another("qudag-2", Some(Reason::ConnectionNotAllowed))]
fn a_connection_serves_the_namespaces_that_it_lists(#[case] allowed: &str, #[case] expected: Option<Reason>) {
    let found = read("prometheus", "qudag", Some(&connection(allowed)));
    assert_eq!(found.err().map(|problem| problem.reason), expected);
}

#[test]
fn a_connection_that_is_not_there_or_not_readable_is_a_problem() {
    let unreadable = serde_json::from_value(json!({
        "apiVersion": "optimization.qudag.io/v1alpha1", "kind": "Connection", "metadata": {"name": "prometheus"},
        "spec": {"type": "Oracle"},
    }))
    .unwrap();
    for found in [None, Some(&unreadable)] {
        let problem = read("prometheus", "qudag", found).unwrap_err();
        assert_eq!(problem.reason, Reason::ConnectionMissing);
        assert!(problem.message.contains("Connection prometheus"), "{}", problem.message);
    }
}
