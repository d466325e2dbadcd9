use std::collections::BTreeMap;

use api::{Scalar, fleet::Format::Env};
use rstest::rstest;

use crate::format::{edit, read};

fn changes(path: &str, value: Option<&str>) -> BTreeMap<String, Option<Scalar>> {
    BTreeMap::from([(path.to_owned(), value.map(Scalar::from))])
}

#[rstest]
#[case("A=x", Some("x"))]
#[case("A=", Some(""))]
#[case("  export\tA = x y  # why", Some("x y"))]
#[case("A=x#y", Some("x#y"))]
#[case("A=# why", Some("# why"))]
#[case("A= # why", Some(""))]
#[case("A='x # \"y\\n'", Some("x # \"y\\n"))]
#[case("A=\"x 'y' \\\"z\\\" \\\\ \\$ \\n\" # why", Some("x 'y' \"z\" \\ $ \\n"))]
#[case("A='x\ny'\nB=z", Some("x\ny"))]
#[case("A=x\r\nB=y\r\n", Some("x"))]
#[case("A=it's", Some("it's"))]
#[case("A=x=y", Some("x=y"))]
#[case("exportA=x", None)]
#[case("# A=x", None)]
#[case("A", None)]
#[case("B='\nA=x\n'", None)]
#[case("# B='\nA=x\n", Some("x"))]
#[case("", None)]
fn a_variable_reads_as_a_shell_reads_it(#[case] text: &str, #[case] value: Option<&str>) {
    let expected = value.map(|value| ("A".to_owned(), Scalar::from(value)));
    assert_eq!(read(Env, text, ["A"]).unwrap(), expected.into_iter().collect());
}

#[rstest]
#[case("# about A\nexport A = 'x y' # why\nB=1\n", "# about A\nexport A = new # why\nB=1\n")]
#[case("A=x # why\r\nB=y\r\n", "A=new # why\r\nB=y\r\n")]
#[case("A=\nB=y", "A=new\nB=y")]
#[case("B=\"\nA=1\"\nA=x", "B=\"\nA=1\"\nA=new")]
#[case("\u{feff}A=x", "\u{feff}A=new")]
fn a_new_value_changes_no_other_byte(#[case] before: &str, #[case] after: &str) {
    assert_eq!(edit(Env, before, &changes("A", Some("new"))).unwrap(), after);
}

#[rstest]
#[case("", "A=new\n")]
#[case("B=1", "B=1\nA=new")]
#[case("B=1\r\n", "B=1\r\nA=new\r\n")]
#[case("export B=1\n# end\n", "export B=1\n# end\nexport A=new\n")]
#[case("AA=1\nB_A=1\n", "AA=1\nB_A=1\nA=new\n")]
fn a_new_variable_comes_last_and_goes_without_a_trace(#[case] before: &str, #[case] after: &str) {
    assert_eq!(edit(Env, before, &changes("A", Some("new"))).unwrap(), after);
    assert_eq!(edit(Env, after, &changes("A", None)).unwrap(), before);
}

#[rstest]
#[case("true", "A=true\n")]
#[case("-0.5", "A=-0.5\n")]
#[case("redis://host:6379/0", "A=redis://host:6379/0\n")]
#[case("", "A=\n")]
#[case("x y", "A='x y'\n")]
#[case("$HOME", "A='$HOME'\n")]
#[case("x\ty", "A='x\ty'\n")]
#[case("it's `$5\\`", "A=\"it's \\`\\$5\\\\\\`\"\n")]
fn a_value_is_quoted_where_it_needs_it(#[case] value: &str, #[case] text: &str) {
    assert_eq!(edit(Env, "", &changes("A", Some(value))).unwrap(), text);
}

#[rstest]
#[case("A=1\nA=2\n", "A", "1", "the path A stands twice in the file, again at line 2; remove one of them")]
#[case(
    "A='x'\"y\"\n",
    "A",
    "1",
    "the path A holds more than one quoted text; a setting is a boolean, a finite number or a text, so name another path"
)]
#[case(
    "B=1\nA='x\n",
    "A",
    "1",
    "the Env text does not parse at line 2: the quote is never closed; correct the file or the fleet's format"
)]
#[case(
    "",
    "a.b",
    "1",
    "a.b is no path of Env; write the name of a variable: letters, digits and underscores, the first no digit"
)]
#[case(
    "",
    "1A",
    "1",
    "1A is no path of Env; write the name of a variable: letters, digits and underscores, the first no digit"
)]
#[case(
    "",
    "A",
    "x\ny",
    "the path A cannot hold its value: a variable in an Env file holds no line break and no NUL character; choose another value"
)]
#[case(
    "",
    "A",
    "\0",
    "the path A cannot hold its value: a variable in an Env file holds no line break and no NUL character; choose another value"
)]
fn what_cannot_be_written_is_refused_in_a_sentence(
    #[case] text: &str,
    #[case] path: &str,
    #[case] value: &str,
    #[case] sentence: &str,
) {
    assert_eq!(edit(Env, text, &changes(path, Some(value))).unwrap_err().to_string(), sentence);
}
