use std::collections::BTreeMap;

use api::{Scalar, fleet::Format::Json};
use rstest::rstest;

use crate::format::{edit, read};

fn changes(path: &str, value: Option<Scalar>) -> BTreeMap<String, Option<Scalar>> {
    BTreeMap::from([(path.to_owned(), value)])
}

#[rstest]
#[case::one_line(r#"{"a":1,"b":[1 , 2]}"#, "a", r#"{"a":5,"b":[1 , 2]}"#)]
#[case::deep(
    "{\n  \"t\": {\n    \"a\": 1.50,\n    \"b\": 12345678901234567890123\n  }\n}\n",
    "t.a",
    "{\n  \"t\": {\n    \"a\": 5,\n    \"b\": 12345678901234567890123\n  }\n}\n"
)]
#[case::escaped_key(r#"{"\u0061": 1}"#, "a", r#"{"\u0061": 5}"#)]
#[case::null(r#"{"a": null}"#, "a", r#"{"a": 5}"#)]
#[case::in_a_text(r#"{"x": "{\"a\": 1, ", "a": 1}"#, "a", r#"{"x": "{\"a\": 1, ", "a": 5}"#)]
#[case::blanks_around(" {\"a\" :\t1} ", "a", " {\"a\" :\t5} ")]
#[case::windows("{\r\n  \"a\": 1\r\n}\r\n", "a", "{\r\n  \"a\": 5\r\n}\r\n")]
#[case::byte_order_mark("\u{feff}{\"a\": 1}", "a", "\u{feff}{\"a\": 5}")]
fn a_new_value_changes_no_other_byte(#[case] before: &str, #[case] path: &str, #[case] after: &str) {
    assert_eq!(edit(Json, before, &changes(path, Some(Scalar::Int(5)))).unwrap(), after);
}

#[rstest]
#[case::tight(r#"{"a":1}"#, "b", r#"{"a":1,"b":5}"#)]
#[case::loose(r#"{"a": 1, "c": 2}"#, "b", r#"{"a": 1, "c": 2, "b": 5}"#)]
#[case::braces_apart(r#"{ "a": 1 }"#, "b", r#"{ "a": 1, "b": 5 }"#)]
#[case::lines("{\n\t\"a\": 1\n}\n", "b", "{\n\t\"a\": 1,\n\t\"b\": 5\n}\n")]
#[case::lines_and_new_objects(
    "{\n \"a\": 1\n}\n",
    "t.u.b",
    "{\n \"a\": 1,\n \"t\": {\n  \"u\": {\n   \"b\": 5\n  }\n }\n}\n"
)]
#[case::a_line_and_new_objects(r#"{"a":1}"#, "t.u.b", r#"{"a":1,"t":{"u":{"b":5}}}"#)]
#[case::into_an_object(
    "{\n  \"t\": {\n    \"a\": 1\n  },\n  \"c\": 1\n}\n",
    "t.b",
    "{\n  \"t\": {\n    \"a\": 1,\n    \"b\": 5\n  },\n  \"c\": 1\n}\n"
)]
#[case::windows("{\r\n  \"a\": 1\r\n}", "t.b", "{\r\n  \"a\": 1,\r\n  \"t\": {\r\n    \"b\": 5\r\n  }\r\n}")]
fn a_new_key_comes_last_and_goes_without_a_trace(#[case] before: &str, #[case] path: &str, #[case] after: &str) {
    assert_eq!(edit(Json, before, &changes(path, Some(Scalar::Int(5)))).unwrap(), after);
    assert_eq!(edit(Json, after, &changes(path, None)).unwrap(), before);
}

#[rstest]
#[case::nothing("", "{\n  \"t\": {\n    \"a\": 5\n  }\n}\n")]
#[case::blanks(" \n", " \n{\n  \"t\": {\n    \"a\": 5\n  }\n}\n")]
#[case::braces("{}\n", "{\n  \"t\": {\n    \"a\": 5\n  }\n}\n")]
#[case::empty_object(
    "{\n    \"t\": {},\n    \"b\": 1\n}",
    "{\n    \"t\": {\n        \"a\": 5\n    },\n    \"b\": 1\n}"
)]
#[case::empty_object_in_a_line("{\"t\": {}}", "{\"t\": {\"a\": 5}}")]
fn an_empty_object_is_laid_out_like_the_file(#[case] before: &str, #[case] after: &str) {
    assert_eq!(edit(Json, before, &changes("t.a", Some(Scalar::Int(5)))).unwrap(), after);
}

#[rstest]
#[case::first(r#"{ "a": 1, "b": 2 }"#, "a", r#"{ "b": 2 }"#)]
#[case::first_line("{\n  \"a\": 1,\n  \"b\": 2\n}\n", "a", "{\n  \"b\": 2\n}\n")]
#[case::middle(r#"{"a": 1, "b": 2, "c": 3}"#, "b", r#"{"a": 1, "c": 3}"#)]
#[case::only(r#"{ "a": 1 }"#, "a", "{}")]
#[case::the_last_of_all(r#"{ "t": { "u": { "a": 1 } } }"#, "t.u.a", "{}")]
#[case::the_last_of_an_object(r#"{ "t": { "u": { "a": 1 } }, "b": 2 }"#, "t.u.a", r#"{ "b": 2 }"#)]
#[case::absent(r#"{ "a": 1 }"#, "b", r#"{ "a": 1 }"#)]
#[case::null(r#"{ "a": null }"#, "a", r#"{ "a": null }"#)]
#[case::nothing("", "a.b", "")]
fn a_removal_takes_the_key_and_the_objects_it_empties(#[case] before: &str, #[case] path: &str, #[case] after: &str) {
    assert_eq!(edit(Json, before, &changes(path, None)).unwrap(), after);
}

#[rstest]
#[case("1.0", Scalar::Int(1))]
#[case("1e3", Scalar::Int(1000))]
#[case("7", Scalar::Float(7.0))]
#[case("-0", Scalar::Int(0))]
#[case("-7.580237653727407e230", Scalar::Float(-7.580_237_653_727_407e230))]
#[case("1.50", Scalar::Float(1.5))]
#[case(r#""\u0061""#, Scalar::Text("a".to_owned()))]
fn a_value_that_means_the_same_keeps_its_spelling(#[case] spelling: &str, #[case] value: Scalar) {
    let text = format!("{{\"a\": {spelling}}}");
    assert_eq!(edit(Json, &text, &changes("a", Some(value))).unwrap(), text);
}

#[rstest]
#[case::value(r#"{"a": 1}"#, "a.b", "the path a.b does not fit the file: a is no table there; correct the path")]
#[case::list(
    r#"{"t": {"a": [{"b": 1}]}}"#,
    "t.a.b",
    "the path t.a.b does not fit the file: t.a is no table there; correct the path"
)]
#[case::null(r#"{"a": null}"#, "a.b", "the path a.b does not fit the file: a is no table there; correct the path")]
#[case::object(
    r#"{"a": {}}"#,
    "a",
    "the path a holds a table; a setting is a boolean, a finite number or a text, so name another path"
)]
#[case::a_list(
    r#"{"a": []}"#,
    "a",
    "the path a holds a list; a setting is a boolean, a finite number or a text, so name another path"
)]
#[case::huge(
    r#"{"a": 12345678901234567890}"#,
    "a",
    "the path a holds a number of more than 64 bits; a setting is a boolean, a finite number or a text, so name another path"
)]
#[case::infinite(
    r#"{"a": 1e999}"#,
    "a",
    "the path a holds a number of more than 64 bits; a setting is a boolean, a finite number or a text, so name another path"
)]
#[case::twice("{\"a\": 1,\n\"a\": 2}", "a", "the path a stands twice in the file, again at line 2; remove one of them")]
#[case::twice_above(
    "{\"t\": {},\n\"t\": {}}",
    "t.a",
    "the path t.a stands twice in the file, again at line 2; remove one of them"
)]
#[case::no_object(
    "[1]",
    "a",
    "the Json text does not parse at line 1: invalid type: sequence, expected an object; correct the file or the fleet's format"
)]
#[case::broken(
    "{\n\"a\" 1}",
    "a",
    "the Json text does not parse at line 2: expected `:`; correct the file or the fleet's format"
)]
#[case::two(
    "{}\n{}",
    "a",
    "the Json text does not parse at line 2: trailing characters; correct the file or the fleet's format"
)]
#[case::half_a_character(
    "{\n\"t\": {\n\"a\": \"\\ud800\"}}",
    "t.a",
    "the Json text does not parse at line 3: unexpected end of hex escape; correct the file or the fleet's format"
)]
fn what_is_no_setting_is_refused_in_a_sentence(#[case] text: &str, #[case] path: &str, #[case] sentence: &str) {
    assert_eq!(read(Json, text, [path]).unwrap_err().to_string(), sentence);
    assert_eq!(edit(Json, text, &changes(path, Some(Scalar::Int(5)))).unwrap_err().to_string(), sentence);
    assert_eq!(edit(Json, text, &changes(path, None)).unwrap_err().to_string(), sentence);
}
