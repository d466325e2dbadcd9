use std::collections::BTreeMap;

use api::{Scalar, fleet::Format::Toml};
use rstest::rstest;

use crate::format::{edit, read};

fn changes(path: &str, value: Option<Scalar>) -> BTreeMap<String, Option<Scalar>> {
    BTreeMap::from([(path.to_owned(), value)])
}

#[rstest]
#[case::comment_behind("a = 1 # why\n", "a", "a = 5 # why\n")]
#[case::odd_blanks("a=1\n  b   =\t2\n", "b", "a=1\n  b   =\t5\n")]
#[case::in_a_table("[t]\na = 1\n[u]\na = 2\n", "u.a", "[t]\na = 1\n[u]\na = 5\n")]
#[case::in_a_deep_table("[t.u]\na = 1\n", "t.u.a", "[t.u]\na = 5\n")]
#[case::dotted_key("t.u.a = 1\n", "t.u.a", "t.u.a = 5\n")]
#[case::dotted_key_in_a_table("[t]\nu.a = 1\n", "t.u.a", "[t]\nu.a = 5\n")]
#[case::quoted_key("\"t\" . 'a' = 1\n", "t.a", "\"t\" . 'a' = 5\n")]
#[case::inline_table("t = { a = 1, b = [1, 2] }\n", "t.a", "t = { a = 5, b = [1, 2] }\n")]
#[case::dotted_key_in_an_inline_table("t = {u.a = 1}\n", "t.u.a", "t = {u.a = 5}\n")]
#[case::text_over_lines("a = \"\"\"\nx\n\"\"\"\nb = 1\n", "a", "a = 5\nb = 1\n")]
#[case::windows("a = 1\r\nb = 2\r\n", "a", "a = 5\r\nb = 2\r\n")]
#[case::mixed_line_ends("a = 1\r\nb = 2\n", "a", "a = 5\r\nb = 2\n")]
#[case::byte_order_mark("\u{feff}a = 1\n", "a", "\u{feff}a = 5\n")]
#[case::no_line_end("a = 1", "a", "a = 5")]
#[case::a_list_of_tables_beside(
    "[[l]]\na = 1\n[[l]]\na = 2\n[t]\na = 3\n",
    "t.a",
    "[[l]]\na = 1\n[[l]]\na = 2\n[t]\na = 5\n"
)]
fn a_new_value_changes_no_other_byte(#[case] before: &str, #[case] path: &str, #[case] after: &str) {
    assert_eq!(edit(Toml, before, &changes(path, Some(Scalar::Int(5)))).unwrap(), after);
}

#[rstest]
#[case::empty("", "a", "a = 5\n")]
#[case::empty_and_deep("", "t.u.a", "t.u.a = 5\n")]
#[case::comments_alone("# c\n", "a", "# c\na = 5\n")]
#[case::no_line_end("a = 1", "b", "a = 1\nb = 5")]
#[case::before_the_first_table("a = 1\n\n[t]\n", "b", "a = 1\nb = 5\n\n[t]\n")]
#[case::behind_the_license("# license\n\n# about t\n[t]\n", "b", "# license\n\nb = 5\n# about t\n[t]\n")]
#[case::no_license("# about t\n[t]\n", "b", "b = 5\n# about t\n[t]\n")]
#[case::table("[t]\na = 1 # why\n\n[u]\n", "t.b", "[t]\na = 1 # why\nb = 5\n\n[u]\n")]
#[case::empty_table("[t] # why\n\n[u]\n", "t.b", "[t] # why\nb = 5\n\n[u]\n")]
#[case::indented("[t]\n\ta = 1\n", "t.b", "[t]\n\ta = 1\n\tb = 5\n")]
#[case::a_table_less("[t]\na = 1\n", "t.u.v.b", "[t]\na = 1\nu.v.b = 5\n")]
#[case::a_table_in_a_header_only("[t.u]\na = 1\n", "t.b", "t.b = 5\n[t.u]\na = 1\n")]
#[case::a_table_in_a_list_header_only("[[t.u]]\na = 1\n", "t.b", "t.b = 5\n[[t.u]]\na = 1\n")]
#[case::dotted("[t]\nu.a = 1\nc = 2\n", "t.u.b", "[t]\nu.a = 1\nc = 2\nu.b = 5\n")]
#[case::dotted_with_a_header_below(
    "[t]\nu.a = 1\n[t.u.v]\na = 1\n",
    "t.u.v.b",
    "[t]\nu.a = 1\n[t.u.v]\na = 1\nb = 5\n"
)]
#[case::windows("a = 1\r\n[t]\r\n", "b", "a = 1\r\nb = 5\r\n[t]\r\n")]
#[case::byte_order_mark("\u{feff}", "a", "\u{feff}a = 5\n")]
#[case::inline("t = { a = 1 } # why\n", "t.b", "t = { a = 1, b = 5 } # why\n")]
#[case::tight_inline("t = {a = 1}\n", "t.b", "t = {a = 1, b = 5}\n")]
#[case::deep_inline("t = { a = 1 }\n", "t.u.b", "t = { a = 1, u.b = 5 }\n")]
#[case::inline_in_inline("t = { u = { a = 1 }, c = 1 }\n", "t.u.b", "t = { u = { a = 1, b = 5 }, c = 1 }\n")]
#[case::empty_inline("t = {}\n", "t.b", "t = { b = 5 }\n")]
#[case::blank_inline("t = { }\n", "t.b", "t = { b = 5 }\n")]
#[case::brackets_in_a_comment("# [x]\n\n[t]\n", "a", "# [x]\n\na = 5\n[t]\n")]
fn a_new_key_comes_last_in_its_table_and_goes_without_a_trace(
    #[case] before: &str,
    #[case] path: &str,
    #[case] after: &str,
) {
    assert_eq!(edit(Toml, before, &changes(path, Some(Scalar::Int(5)))).unwrap(), after);
    let removed = edit(Toml, after, &changes(path, None)).unwrap();
    assert_eq!(removed, before.replace("{ }", "{}"));
}

#[rstest]
#[case::first("a = 1\nb = 2\n", "a", "b = 2\n")]
#[case::only("a = 1\n", "a", "")]
#[case::comment_above("# about a\na = 1\nb = 2\n", "a", "# about a\nb = 2\n")]
#[case::comment_behind("a = 1 # why\nb = 2\n", "a", "b = 2\n")]
#[case::text_over_lines("a = '''\nx\ny'''\nb = 2\n", "a", "b = 2\n")]
#[case::the_last_of_a_table("[t]\na = 1\n# end\n", "t.a", "[t]\n# end\n")]
#[case::first_inline("t = { a = 1, b = 2 }\n", "t.a", "t = { b = 2 }\n")]
#[case::middle_inline("t = { a = 1, b = 2, c = 3 }\n", "t.b", "t = { a = 1, c = 3 }\n")]
#[case::dotted_inline("t = { u.a = 1, b = 2, u.c = 3 }\n", "t.u.c", "t = { u.a = 1, b = 2 }\n")]
#[case::first_inline_with_a_comment("t = { a = 1, # a, b\n b = 2 }\n", "t.a", "t = { # a, b\n b = 2 }\n")]
#[case::comma_behind_a_comment("t = { a = 1 # a, b\n , b = 2 }\n", "t.a", "t = { b = 2 }\n")]
#[case::only_with_a_comma("t = { a = 1, }\n", "t.a", "t = {}\n")]
#[case::absent("a = 1\n", "b", "a = 1\n")]
#[case::absent_table("a = 1\n", "t.b", "a = 1\n")]
fn a_removal_takes_the_key_alone(#[case] before: &str, #[case] path: &str, #[case] after: &str) {
    assert_eq!(edit(Toml, before, &changes(path, None)).unwrap(), after);
}

#[rstest]
#[case("true", Scalar::Bool(true))]
#[case("1_000", Scalar::Int(1000))]
#[case("0xff", Scalar::Int(255))]
#[case("-9223372036854775808", Scalar::Int(i64::MIN))]
#[case("1e3", Scalar::Float(1000.0))]
#[case("'a\\b'", Scalar::Text("a\\b".to_owned()))]
#[case("\"\"\"\n  a\\\n  b\"\"\"", Scalar::Text("  ab".to_owned()))]
fn a_value_that_is_right_keeps_its_spelling(#[case] spelling: &str, #[case] value: Scalar) {
    let text = format!("a = {spelling}\n");
    assert_eq!(read(Toml, &text, ["a"]).unwrap(), BTreeMap::from([("a".to_owned(), value.clone())]));
    assert_eq!(edit(Toml, &text, &changes("a", Some(value))).unwrap(), text);
}

#[rstest]
#[case::value("a = 1\n", "a.b", "the path a.b does not fit the file: a is no table there; correct the path")]
#[case::list(
    "[t]\na = [{ b = 1 }]\n",
    "t.a.b",
    "the path t.a.b does not fit the file: t.a is no table there; correct the path"
)]
#[case::list_of_tables(
    "[[t]]\na = 1\n",
    "t.a",
    "the path t.a does not fit the file: t is no table there; correct the path"
)]
#[case::table(
    "[t]\n",
    "t",
    "the path t holds a table; a setting is a boolean, a finite number or a text, so name another path"
)]
#[case::inline(
    "t = {}\n",
    "t",
    "the path t holds a table; a setting is a boolean, a finite number or a text, so name another path"
)]
#[case::header(
    "[t.u]\n",
    "t",
    "the path t holds a table; a setting is a boolean, a finite number or a text, so name another path"
)]
#[case::tables(
    "[[t]]\n",
    "t",
    "the path t holds a list of tables; a setting is a boolean, a finite number or a text, so name another path"
)]
#[case::values(
    "t = [1]\n",
    "t",
    "the path t holds a list; a setting is a boolean, a finite number or a text, so name another path"
)]
#[case::date(
    "t = 2026-11-24\n",
    "t",
    "the path t holds a date or a time; a setting is a boolean, a finite number or a text, so name another path"
)]
#[case::not_a_number(
    "t = nan\n",
    "t",
    "the path t holds a number that is not finite; a setting is a boolean, a finite number or a text, so name another path"
)]
#[case::twice(
    "a = 1\na = 2\n",
    "a",
    "the Toml text does not parse at line 2: duplicate key; correct the file or the fleet's format"
)]
#[case::broken(
    "a = 1\nb = = 2\n",
    "a",
    "the Toml text does not parse at line 2: extra `=`, expected nothing; correct the file or the fleet's format"
)]
fn what_is_no_setting_is_refused_in_a_sentence(#[case] text: &str, #[case] path: &str, #[case] sentence: &str) {
    assert_eq!(read(Toml, text, [path]).unwrap_err().to_string(), sentence);
    assert_eq!(edit(Toml, text, &changes(path, Some(Scalar::Int(5)))).unwrap_err().to_string(), sentence);
    assert_eq!(edit(Toml, text, &changes(path, None)).unwrap_err().to_string(), sentence);
}

#[test]
fn a_key_that_not_every_parser_would_accept_is_left_to_people() {
    let text = "[t.u.v]\na = 1\n[t]\nb = 2\n";
    assert_eq!(
        edit(Toml, text, &changes("t.u.c", Some(Scalar::Int(5)))).unwrap_err().to_string(),
        "the path t.u.c cannot be edited where the file would need it; write it into the file by hand once"
    );
    assert_eq!(edit(Toml, text, &changes("t.c", Some(Scalar::Int(5)))).unwrap(), format!("{text}c = 5\n"));
}

#[test]
fn several_changes_of_one_inline_table_fit_together() {
    let several = BTreeMap::from([
        ("t.a".to_owned(), None),
        ("t.b".to_owned(), None),
        ("t.c".to_owned(), Some(Scalar::Bool(true))),
        ("t.u.d".to_owned(), Some(Scalar::Float(1.0))),
        ("t.e".to_owned(), Some(Scalar::Int(7))),
    ]);
    let edited = edit(Toml, "t = { a = 1, b = 2, e = 3 }\n", &several).unwrap();
    assert_eq!(edited, "t = { e = 7, c = true, u.d = 1.0 }\n");
}
