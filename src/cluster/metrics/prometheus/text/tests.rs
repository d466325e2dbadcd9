use rstest::rstest;

use super::*;

fn target(name: &str) -> Target {
    let text = || name.to_owned();
    Target { member: text(), name: text(), pod: "uid".to_owned(), ip: String::new(), port: 0, measured: true }
}

#[test]
fn one_query_names_every_metric_and_every_member() {
    let names = ["errors_total".to_owned(), "requests_total".to_owned()];
    let targets = [target("node-0"), target("node.1")];
    let query = samples(&names, &MemberLabels::default(), "qudag", &targets, Duration::from_secs(60));
    let expected =
        "{__name__=~\"errors_total|requests_total\",namespace=\"qudag\",pod=~\"node-0|node\\\\.1\"}[60000ms]";
    assert_eq!(query, expected);
}

#[rstest]
#[case::a_quote(r#"a"} or up{x=""#)]
#[case::a_backslash_and_a_quote(r#"a\"} or up{x="\"#)]
#[case::a_line("a\"}\nor up")]
#[case::everything(".*|.+")]
fn a_name_stays_a_value(#[case] hostile: &str) {
    let query =
        samples(&[hostile.to_owned()], &MemberLabels::default(), "qudag", &[target("p")], Duration::from_secs(1));
    let rest = query.strip_prefix("{__name__=~\"").unwrap();
    // The first quote that is not escaped ends the value, and only what we wrote follows.
    let mut escaped = false;
    let end = rest
        .char_indices()
        .find_map(|(at, symbol)| {
            let ends = symbol == '"' && !escaped;
            escaped = symbol == '\\' && !escaped;
            ends.then_some(at)
        })
        .unwrap();
    assert_eq!(&rest[end..], "\",namespace=\"qudag\",pod=~\"p\"}[1000ms]");
    assert!(!query.contains('\n') && !rest.contains("=~\".*"), "{query}");
}
