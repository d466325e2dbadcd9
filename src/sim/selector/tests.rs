use rstest::rstest;
use serde_json::json;

use super::{Filter, parse_fields, parse_labels};

#[rstest]
#[case("", true)]
#[case("app=node", true)]
#[case("app==node,tier=a", true)]
#[case("app = node , tier = b", false)]
#[case("app!=node", false)]
#[case("missing!=x", true)]
#[case("app", true)]
#[case("missing", false)]
#[case("!missing", true)]
#[case("!app", false)]
#[case("app in (other, node),tier", true)]
#[case("app in (other)", false)]
#[case("missing in (x)", false)]
#[case("app notin (other)", true)]
#[case("app notin (other,node)", false)]
#[case("missing notin (x)", true)]
#[case("example.com/a.b=c", true)]
fn labels_are_selected_as_by_the_real_server(#[case] selector: &str, #[case] selected: bool) {
    let object = json!({"metadata": {"labels": {"app": "node", "tier": "a", "example.com/a.b": "c"}}});
    let filter = Filter { labels: parse_labels(selector).unwrap(), ..Filter::default() };
    assert_eq!(filter.matches(&object), selected);
}

#[rstest]
#[case("app>1")]
#[case("app within (a)")]
#[case("=a")]
#[case("in (a)")]
fn a_selector_that_is_none_is_refused(#[case] selector: &str) {
    assert_eq!(parse_labels(selector).unwrap_err().code(), 400);
}

#[rstest]
#[case("metadata.name=a", true)]
#[case("metadata.name==a,metadata.namespace=ns", true)]
#[case("metadata.name!=a", false)]
#[case("metadata.name=a,metadata.namespace!=ns", false)]
fn names_and_namespaces_are_selected(#[case] selector: &str, #[case] selected: bool) {
    let object = json!({"metadata": {"name": "a", "namespace": "ns"}});
    let filter = Filter { fields: parse_fields("ConfigMap", selector).unwrap(), ..Filter::default() };
    assert_eq!(filter.matches(&object), selected);
}

#[test]
fn other_fields_are_not_selected_by() {
    assert!(parse_fields("ConfigMap", "spec.nodeName=a").is_none());
}
