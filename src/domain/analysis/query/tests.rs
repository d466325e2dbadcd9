use rstest::rstest;
use serde_json::{Value, json};

use super::*;

fn query(metric: Value) -> Result<Query, String> {
    Query::new(&serde_json::from_value(metric).unwrap())
}

fn histogram(quantile: Option<&str>) -> Value {
    let mut histogram = json!({"name": "latency{path=\"/\"}"});
    histogram.as_object_mut().unwrap().extend(quantile.map(|quantile| ("quantile".to_owned(), json!(quantile))));
    json!({"histogram": histogram})
}

#[rstest]
#[case::a_quantile("0.99", Some(0.99))]
#[case::all("1", None)]
#[case::none("0", None)]
#[case::less_than_none("-0.5", None)]
#[case::more_than_all("99", None)]
#[case::no_number("p99", None)]
#[case::not_a_number("NaN", None)]
fn a_quantile_lies_between_none_and_all(#[case] text: &str, #[case] expected: Option<f64>) {
    match (query(histogram(Some(text))), expected) {
        (Ok(Query::Histogram { quantile, .. }), Some(_)) => assert_eq!(quantile, expected),
        (Err(error), None) => {
            assert!(error.starts_with(&format!("quantile {text:?} lies outside of (0, 1)")), "{error}")
        }
        (found, _) => panic!("{found:?}"),
    }
}

#[rstest]
#[case::ratio(json!({"ratio": {"numerator": "bad", "denominator": "all"}}), &["bad", "all"])]
#[case::quantile(histogram(Some("0.5")), &["latency_bucket"])]
#[case::mean(histogram(None), &["latency_sum", "latency_count"])]
#[case::rate(json!({"rate": {"counter": "done"}}), &["done"])]
#[case::gauge(json!({"gauge": {"gauge": "load"}}), &["load"])]
#[case::growth(json!({"growth": {"gauge": "memory"}}), &["memory"])]
#[case::event(json!({"event": {"counter": "died"}}), &["died"])]
#[case::promql(json!({"promql": {"query": "sum(x)"}}), &[])]
fn a_metric_names_what_a_scrape_has_to_bring(#[case] metric: Value, #[case] names: &[&str]) {
    assert_eq!(query(metric).unwrap().names(), names);
}

#[test]
fn what_a_query_of_the_users_returns_is_read_by_a_name_that_no_metric_has() {
    let query = query(json!({"promql": {"query": "sum(x)"}})).unwrap();
    let names: Vec<_> = query.selectors().into_iter().map(|selector| selector.name.as_str()).collect();
    assert_eq!(names, ["promql sum(x)"]);
}
