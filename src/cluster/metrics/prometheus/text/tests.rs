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
    let queries = samples(&names, &MemberLabels::default(), "qudag", &targets, Duration::from_secs(60));
    let expected =
        "{__name__=~\"errors_total|requests_total\",namespace=\"qudag\",pod=~\"node-0|node\\\\.1\"}[60000ms]";
    assert_eq!(queries, [expected]);
}

#[test]
fn members_that_fit_into_no_query_are_asked_for_in_several() {
    let names = ["requests_total".to_owned()];
    let name = |number: usize| format!("cache-of-a-large-fleet-with-a-long-name-{number:04}");
    let targets: Vec<Target> = (0..2000).map(|number| target(&name(number))).collect();
    let queries = samples(&names, &MemberLabels::default(), "qudag", &targets, Duration::from_secs(60));
    assert!(queries.iter().all(|query| query.len() <= 16 * 1024), "what VictoriaMetrics accepts");
    let pods = |query: &String| query.split("pod=~\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let asked: Vec<String> =
        queries.iter().flat_map(|query| pods(query).split('|').map(str::to_owned).collect::<Vec<_>>()).collect();
    assert_eq!(asked, (0..2000).map(name).collect::<Vec<_>>());
    assert_eq!(queries.len(), (2000 * 45_usize).div_ceil(12 * 1024), "and in as few as there can be");
}

#[rstest]
#[case::a_quote(r#"a"} or up{x=""#)]
#[case::a_backslash_and_a_quote(r#"a\"} or up{x="\"#)]
#[case::a_line("a\"}\nor up")]
#[case::everything(".*|.+")]
fn a_name_stays_a_value(#[case] hostile: &str) {
    let queries =
        samples(&[hostile.to_owned()], &MemberLabels::default(), "qudag", &[target("p")], Duration::from_secs(1));
    let [query] = queries.as_slice() else { panic!("{queries:?}") };
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
