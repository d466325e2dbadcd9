use std::{collections::BTreeMap, fmt::Write};

use proptest::prelude::*;
use rstest::rstest;

use super::{Page, ParseError, Series};

/// Hands every wanted sample line of a page on.
fn parse<'a>(text: &'a str, wanted: &dyn Fn(&str) -> bool, sink: &mut dyn FnMut(Series<'a>)) -> Result<(), ParseError> {
    let mut page = Page::default();
    for line in text.split('\n') {
        page.line(line, wanted)?.into_iter().for_each(&mut *sink);
    }
    Ok(())
}

fn read(text: &str) -> Result<Vec<Series<'_>>, ParseError> {
    let mut found = Vec::new();
    parse(text, &|_| true, &mut |series| found.push(series)).map(|()| found)
}

fn names(text: &str, wanted: &dyn Fn(&str) -> bool) -> Vec<String> {
    let mut found = Vec::new();
    parse(text, wanted, &mut |series| found.push(series.name.into_owned())).unwrap();
    found
}

#[rstest]
#[case("up 1", "up", &[], 1.0)]
#[case("  up\t 1  ", "up", &[], 1.0)]
#[case("up 1\r", "up", &[], 1.0)]
#[case("a:b_c 1.5e3", "a:b_c", &[], 1500.0)]
#[case("x +Inf", "x", &[], f64::INFINITY)]
#[case("x -Inf", "x", &[], f64::NEG_INFINITY)]
#[case("x -0.25", "x", &[], -0.25)]
#[case("x{} 1", "x", &[], 1.0)]
#[case("x {} 1", "x", &[], 1.0)]
#[case("x{}1", "x", &[], 1.0)]
#[case(r#"x{a="1",b="2"} 3"#, "x", &[("a", "1"), ("b", "2")], 3.0)]
#[case(r#"x { a = "1" , b = "2" , } 3"#, "x", &[("a", "1"), ("b", "2")], 3.0)]
#[case(r#"x{a="1",} 3"#, "x", &[("a", "1")], 3.0)]
#[case(r#"x{a=""} 3"#, "x", &[("a", "")], 3.0)]
#[case(r#"x{a="C:\\d\n\"q\""} 3"#, "x", &[("a", "C:\\d\n\"q\"")], 3.0)]
#[case(r#"x{a="\d"} 3"#, "x", &[("a", "\\d")], 3.0)]
#[case(r##"x{a="} # {"} 3"##, "x", &[("a", "} # {")], 3.0)]
#[case(r#"x{a="größe ☃"} 3"#, "x", &[("a", "größe ☃")], 3.0)]
#[case("x 3 1712345678901", "x", &[], 3.0)]
#[case("x 3 -5", "x", &[], 3.0)]
#[case("x_total 3 1712345678.901", "x_total", &[], 3.0)]
#[case(r#"x_bucket{le="0.1"} 8 # {trace_id="a b"} 0.054"#, "x_bucket", &[("le", "0.1")], 8.0)]
#[case(r#"x_bucket{le="0.1"} 8 171.5 # {} 0.054 171.25"#, "x_bucket", &[("le", "0.1")], 8.0)]
#[case(r#"{"my.metric"} 1"#, "my.metric", &[], 1.0)]
#[case(r#"{ "my.metric" , label="x" } 1"#, "my.metric", &[("label", "x")], 1.0)]
#[case(r#"{"my.metric",} 1"#, "my.metric", &[], 1.0)]
#[case(r#"{"my \"metric\"", "a.b"="x"} 1"#, "my \"metric\"", &[("a.b", "x")], 1.0)]
#[case(r#"x{"a.b"="x"} 1"#, "x", &[("a.b", "x")], 1.0)]
fn a_valid_line_is_read(#[case] line: &str, #[case] name: &str, #[case] labels: &[(&str, &str)], #[case] value: f64) {
    let labels = labels.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    assert_eq!(read(line), Ok(vec![Series { name: name.into(), labels, value }]));
}

#[test]
fn not_a_number_is_a_value() {
    assert!(read("x NaN").unwrap()[0].value.is_nan());
}

#[rstest]
#[case("x", r#""" is no number"#)]
#[case("x one", r#""one" is no number"#)]
#[case("x 1e999", r#""1e999" is no number"#)]
#[case("x 1#", r##""1#" is no number"##)]
#[case("x 1 soon", r#""soon" is no number"#)]
#[case("x 1 NaN", r#""NaN" is no timestamp"#)]
#[case("x 1 2 3", r#"expected the end of the line at "3""#)]
#[case("x 1 # exemplar", r##"expected the end of the line at "#""##)]
#[case("x 1 2 #", r##"expected the end of the line at "#""##)]
#[case("<html>", r#""<html>" is no metric name"#)]
#[case("9x 1", r#""9x" is no metric name"#)]
#[case("my.metric 1", r#""my.metric" is no metric name"#)]
#[case("= 1", r#""=" is no metric name"#)]
#[case("{} 1", "the sample has no name")]
#[case("{", "the sample has no name")]
#[case(r#"{""} 1"#, "the sample has no name")]
#[case(r#"{a="1"} 1"#, "the sample has no name")]
#[case(r#"{"a"="1"} 1"#, "the sample has no name")]
#[case(r#"{"a" 1"#, r#"expected a comma or a closing brace at "1""#)]
#[case(r#"x{a="1" b="2"} 1"#, r#"expected a comma or a closing brace at "b=\"2\"} 1""#)]
#[case(r#"x{a="1""#, r#"expected a comma or a closing brace at """#)]
#[case(r#"x{a="1"#, "a quote is not closed")]
#[case(r#"x{a="1\"#, "a quote is not closed")]
#[case(r#"{"a"#, "a quote is not closed")]
#[case(r#"x{,} 1"#, r#""" is no label name"#)]
#[case(r#"x{a="1",,} 1"#, r#""" is no label name"#)]
#[case(r#"x{a:b="1"} 1"#, r#""a:b" is no label name"#)]
#[case(r#"x{a} 1"#, r#"expected a label's value in quotes at "} 1""#)]
#[case(r#"x{a=1} 1"#, r#"expected a label's value in quotes at "1} 1""#)]
#[case(r#"x{a="1",a="2"} 1"#, r#"the label "a" stands twice"#)]
fn a_broken_line_is_refused_with_its_number(#[case] line: &str, #[case] what: &str) {
    let page = format!("# TYPE y gauge\r\ny 1\n\n{line}\nz 1\n");
    assert_eq!(read(&page), Err(ParseError { line: 4, what: what.to_owned() }));
}

#[test]
fn comments_and_blank_lines_are_passed_over() {
    let page = "# HELP x \\n {\n# TYPE x counter\n# UNIT x seconds\n#free text\n\n \t\n  # x 5\nx 1\n# EOF\n\n";
    assert_eq!(names(page, &|_| true), ["x"]);
}

#[test]
fn text_after_the_end_is_refused() {
    assert_eq!(read("# EOF\nx 1\n").unwrap_err().to_string(), "line 2: there is text after # EOF");
}

#[test]
fn an_empty_page_has_no_series() {
    assert_eq!(read(""), Ok(Vec::new()));
}

#[test]
fn only_wanted_names_are_read_and_the_rest_of_other_lines_is_not_looked_at() {
    let page = "a{broken 1\n{\"b.c\" broken\nd{e=\"f\"} 1\n";
    assert_eq!(names(page, &|name| name == "d"), ["d"]);
}

#[test]
fn an_error_shows_forty_characters_at_most_and_no_control_character() {
    let broken = format!("x \u{1b}[31m\u{202e}{}", "☃".repeat(10_000));
    let text = read(&broken).unwrap_err().to_string();
    assert!(!text.contains(['\u{1b}', '\u{202e}']), "{text}");
    assert_eq!(text.matches('☃').count(), 34, "{text}");
}

#[rstest]
#[case(65_536, true)]
#[case(65_537, false)]
fn a_line_has_at_most_64_kib_even_when_it_is_not_wanted(#[case] length: usize, #[case] fits: bool) {
    for start in ["# ", "x "] {
        let page = format!("{start}{}", "1".repeat(length - start.len()));
        let outcome = parse(&page, &|_| false, &mut |_| {});
        assert_eq!(
            outcome.map_err(|error| error.to_string()),
            match fits {
                true => Ok(()),
                false => Err("line 1: the line is longer than 65536 bytes".to_owned()),
            }
        );
    }
}

#[rstest]
#[case(64, true)]
#[case(65, false)]
fn a_wanted_line_has_at_most_64_labels(#[case] count: usize, #[case] fits: bool) {
    let labels: Vec<String> = (0..count).map(|label| format!("l{label}=\"\"")).collect();
    let page = format!("x{{{}}} 1", labels.join(","));
    match read(&page) {
        Ok(found) => assert!(fits && found[0].labels.len() == count),
        Err(error) => assert!(!fits && error.what == "the sample has more than 64 labels", "{error}"),
    }
}

#[rstest]
#[case(50_000, true)]
#[case(50_001, false)]
fn a_page_has_at_most_50000_wanted_series(#[case] count: usize, #[case] fits: bool) {
    let page = format!("{}{}", "y 1\n".repeat(50_001), "x 1\n".repeat(count));
    let mut kept = 0;
    let outcome = parse(&page, &|name| name == "x", &mut |_| kept += 1);
    assert_eq!((outcome.is_ok(), kept), (fits, 50_000));
}

fn quote(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('\n', "\\n").replace('"', "\\\""))
}

fn print(name: &str, labels: &BTreeMap<String, String>, value: f64) -> String {
    let mut line = format!("{{{}", quote(name));
    for (name, value) in labels {
        write!(line, ",{}={}", quote(name), quote(value)).unwrap();
    }
    format!("{line}}} {value:?}\n")
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = read(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn nearly_valid_lines_never_panic(page in r#"([a-c{}="\\,# \t\r\n\u{e9}0-9.]{0,12}[ \n])*"#) {
        let _ = read(&page);
    }

    #[test]
    fn what_is_printed_is_read_again(
        name in any::<String>().prop_filter("a name", |name| !name.is_empty()),
        labels in prop::collection::btree_map(any::<String>(), any::<String>(), 0..6),
        value in prop::num::f64::ANY,
    ) {
        let page = print(&name, &labels, value);
        let found = read(&page).unwrap();
        prop_assert_eq!(found.len(), 1);
        prop_assert_eq!(&found[0].name, &name);
        let read_again: BTreeMap<String, String> =
            found[0].labels.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
        prop_assert_eq!(read_again, labels);
        prop_assert!(found[0].value == value || (found[0].value.is_nan() && value.is_nan()));
    }
}
