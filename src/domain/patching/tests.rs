use proptest::prelude::*;
use rstest::rstest;

use super::*;

fn values(entries: &[(&str, Scalar)]) -> Changes {
    entries.iter().map(|(path, value)| ((*path).to_owned(), Some(value.clone()))).collect()
}

#[rstest]
#[case::toml(Format::Toml, "# note\n[pool]\nmax = 20\n")]
#[case::toml_without_the_table(Format::Toml, "a = 1")]
#[case::json(Format::Json, "{\n  \"pool\": {\"max\": 20},\n  \"x\": [1, 2]\n}\n")]
#[case::json_of_one_line(Format::Json, "{\"x\":1}")]
fn a_file_comes_back_to_the_byte(#[case] format: Format, #[case] file: &str) {
    let values = values(&[("pool.max", Scalar::Int(100)), ("pool.on", Scalar::Bool(true))]);
    let (patched, inverse) = patch(format, file, &values).unwrap();
    assert!(says(format, &patched, &values), "{patched}");
    assert_eq!(undo(format, &patched, &values, Some(&inverse), &Changes::new()).unwrap(), file);
    let kept: Inverse = serde_json::from_str(&serde_json::json!(inverse).to_string()).unwrap();
    assert_eq!(kept, inverse, "an annotation holds it");
}

#[test]
fn what_was_written_is_taken_back_although_the_rollout_asks_for_something_else_by_now() {
    let wrote = values(&[("a", Scalar::Int(2)), ("b", Scalar::Int(2))]);
    let (patched, inverse) = patch(Format::Toml, "a = 1\n", &wrote).unwrap();
    let edited = format!("{patched}c = 3\n");
    let wants = values(&[("a", Scalar::Int(4))]);
    assert_eq!(undo(Format::Toml, &edited, &wants, Some(&inverse), &Changes::new()).unwrap(), "a = 1\nc = 3\n");
    let of_an_older_version = Inverse { wrote: Changes::new(), ..inverse };
    let undone = undo(Format::Toml, &edited, &wrote, Some(&of_an_older_version), &Changes::new()).unwrap();
    assert_eq!(undone, "a = 1\nc = 3\n");
}

#[rstest]
#[case::is_there_twice(Format::Env, "a=1\n", |file: &str| format!("{file}\nb=3\n"))]
#[case::is_a_list(Format::Json, "{\"a\":1}", |file: &str| file.replace("2}", "[3]}"))]
#[case::is_a_table(Format::Toml, "a = 1\n", |file: &str| file.replace("b = 2", "b = {c = 3}"))]
fn what_was_written_is_taken_back_although_another_value(
    #[case] format: Format,
    #[case] file: &str,
    #[case] edit: fn(&str) -> String,
) {
    let wrote = values(&[("a", Scalar::Int(2)), ("b", Scalar::Int(2))]);
    let (patched, inverse) = patch(format, file, &wrote).unwrap();
    let edited = edit(&patched);
    assert_ne!(edited, patched);
    let undone = undo(format, &edited, &wrote, Some(&inverse), &Changes::new()).unwrap();
    let found = format::read(format, &undone, std::iter::once("a")).unwrap();
    assert!(stands(format, found.get("a"), Some(&Scalar::Int(1))), "{undone}");
    assert!(undone.contains('3'), "{undone}");
}

#[test]
fn without_an_inverse_declared_values_come_back_and_others_go() {
    let wrote = values(&[("a", Scalar::Int(2)), ("b", Scalar::Int(2))]);
    let declared = values(&[("a", Scalar::Int(1))]);
    assert_eq!(undo(Format::Toml, "a = 2\nb = 2\nc = 2\n", &wrote, None, &declared).unwrap(), "a = 1\nc = 2\n");
}

#[rstest]
#[case::same_number(Format::Json, "{\"a\": 1.0}", true)]
#[case::text(Format::Env, "a=1", true)]
#[case::absent(Format::Toml, "b = 1", false)]
#[case::broken(Format::Toml, "a = ", false)]
fn a_file_says_a_value_in_the_way_of_its_format(#[case] format: Format, #[case] file: &str, #[case] expected: bool) {
    assert_eq!(says(format, file, &values(&[("a", Scalar::Int(1))])), expected);
}

proptest! {
    #[test]
    fn any_lines_come_back_to_the_byte(lines in proptest::collection::vec("[A-Z]{1,3}=[a-z0-9 #]{0,6}", 0..8)) {
        let file = lines.join("\n");
        let values = values(&[("POOL", Scalar::Int(100)), ("A", Scalar::Text("x y".to_owned()))]);
        if let Ok((patched, inverse)) = patch(Format::Env, &file, &values) {
            prop_assert_eq!(undo(Format::Env, &patched, &values, Some(&inverse), &Changes::new()).unwrap(), file);
        }
    }
}
