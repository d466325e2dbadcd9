use rstest::rstest;

use super::{Selector, Series};

#[rstest]
#[case("requests_total", "requests_total", &[])]
#[case("job:requests:rate", "job:requests:rate", &[])]
#[case(r#"requests_total{code="500"}"#, "requests_total", &[("code", "500")])]
#[case(r#"requests_total { code = "500" , path="a\"b\\c," , }"#, "requests_total", &[("code", "500"), ("path", "a\"b\\c,")])]
#[case("requests_total{}", "requests_total", &[])]
fn a_name_with_matchers_is_read(#[case] text: &str, #[case] name: &str, #[case] labels: &[(&str, &str)]) {
    let selector: Selector = text.parse().unwrap();
    assert_eq!(selector.name, name);
    let read: Vec<_> = selector.labels.iter().map(|(label, value)| (label.as_str(), value.as_str())).collect();
    assert_eq!(read, labels);
}

#[rstest]
#[case("")]
#[case("5xx_total")]
#[case("requests total")]
#[case("rate(requests_total[5m])")]
#[case(r#"requests_total{code=~"5.."}"#)]
#[case(r#"requests_total{code="500""#)]
#[case(r#"requests_total{code="500}"#)]
#[case(r#"requests_total{code="5" path="x"}"#)]
#[case(r#"requests_total{="5"}"#)]
#[case(r#"requests_total{code=5}"#)]
fn anything_else_is_refused_with_an_example(#[case] text: &str) {
    let error = text.parse::<Selector>().unwrap_err();
    assert!(error.contains("http_requests_total"), "{error}");
}

#[test]
fn a_selector_means_the_series_that_have_all_its_labels() {
    let selector: Selector = r#"requests_total{code="500"}"#.parse().unwrap();
    let series = |name: &str, labels: &[(&str, &str)]| Series {
        taken: None,
        name: name.to_owned(),
        labels: labels.iter().map(|(label, value)| ((*label).to_owned(), (*value).to_owned())).collect(),
        value: 1.0,
    };
    assert!(selector.matches(&series("requests_total", &[("path", "/"), ("code", "500")])));
    assert!(!selector.matches(&series("requests_total", &[("code", "200")])));
    assert!(!selector.matches(&series("requests_total", &[])));
    assert!(!selector.matches(&series("other_total", &[("code", "500")])));
}
