use api::{
    Scalar,
    fleet::Format::{self, Env, Json, Toml},
};
use proptest::prelude::*;
use rstest::rstest;

use super::{
    Values, edit, read, same,
    splice::{apply, inverse},
};
use crate::settings::Changes;

#[rstest]
#[case(Toml, Scalar::Int(1), Scalar::Float(1.0), false)]
#[case(Toml, Scalar::Bool(true), Scalar::from("true"), false)]
#[case(Toml, Scalar::Float(0.5), Scalar::Float(0.5), true)]
#[case(Json, Scalar::Int(1), Scalar::Float(1.0), true)]
#[case(Json, Scalar::Float(-3.0), Scalar::Int(-3), true)]
#[case(Json, Scalar::Int(1), Scalar::Float(1.5), false)]
#[case(Json, Scalar::Int(i64::MAX), Scalar::Float(9_223_372_036_854_775_808.0), false)]
#[case(Json, Scalar::Int(1), Scalar::from("1"), false)]
#[case(Env, Scalar::Bool(true), Scalar::from("true"), true)]
#[case(Env, Scalar::Int(1), Scalar::from("1"), true)]
#[case(Env, Scalar::Int(1), Scalar::from("01"), false)]
fn values_mean_the_same_by_the_types_of_the_format(
    #[case] format: Format,
    #[case] a: Scalar,
    #[case] b: Scalar,
    #[case] expected: bool,
) {
    assert_eq!(same(format, &a, &b), expected);
}

#[rstest]
#[case(Toml, "a..b")]
#[case(Toml, "")]
#[case(Json, "a.")]
#[case(Json, "a\"b")]
fn a_path_that_is_none_is_refused(#[case] format: Format, #[case] path: &str) {
    let rule = "keys of letters, digits, underscores and dashes, joined by dots";
    let sentence = format!("{path} is no path of {format:?}; write {rule}");
    assert_eq!(read(format, "", [path]).unwrap_err().to_string(), sentence);
    assert_eq!(edit(format, "", &Changes::from([(path.to_owned(), None)])).unwrap_err().to_string(), sentence);
}

#[rstest]
fn a_number_that_no_format_knows_is_refused(#[values(Toml, Json, Env)] format: Format) {
    let changes = Changes::from([("a".to_owned(), Some(Scalar::Float(f64::NAN)))]);
    assert_eq!(
        edit(format, "", &changes).unwrap_err().to_string(),
        "the path a cannot hold its value: a number must be finite; choose another value"
    );
}

#[rstest]
fn a_value_and_a_table_of_one_name_exclude_each_other(#[values(Toml, Json)] format: Format) {
    let changes = Changes::from([("a".to_owned(), Some(Scalar::Int(1))), ("a.b".to_owned(), Some(Scalar::Int(2)))]);
    assert_eq!(
        edit(format, "", &changes).unwrap_err().to_string(),
        "the path a.b does not fit the file: a is no table there; correct the path"
    );
}

/// Paths that fit the documents below; those without a dot serve format Env as well.
const PATHS: [&str; 20] = [
    "a", "b", "c", "d", "b.c", "b.d", "i.k", "i.l.m", "i.z", "i.y.x", "t.e", "t.v.w", "t.v.x", "t.u.f", "t.u.n.o",
    "h.x", "h.e.x", "h.e.f.x", "w.x.y", "w.z",
];

fn scalars() -> impl Strategy<Value = Scalar> {
    prop_oneof![
        any::<bool>().prop_map(Scalar::Bool),
        any::<i64>().prop_map(Scalar::Int),
        any::<f64>().prop_filter("finite", |float| float.is_finite()).prop_map(Scalar::Float),
        any::<String>().prop_map(Scalar::Text),
        "[a'\"\\\\$`# \t\r\n\u{7f}\u{1}ü]{0,8}".prop_map(Scalar::Text),
    ]
}

/// Values that format Env can hold.
fn variables() -> impl Strategy<Value = Scalar> {
    scalars().prop_filter("line break", |value| !value.to_string().contains(['\n', '\0']))
}

fn paths(format: Format) -> Vec<&'static str> {
    PATHS.into_iter().filter(|path| if format == Env { !path.contains('.') } else { *path != "b" }).collect()
}

fn values(format: Format, values: impl Strategy<Value = Scalar>) -> impl Strategy<Value = Values> {
    prop::collection::btree_map(prop::sample::select(paths(format)).prop_map(str::to_owned), values, 0..8)
}

fn changes(format: Format, values: impl Strategy<Value = Scalar>) -> impl Strategy<Value = Changes> {
    let path = prop::sample::select(paths(format)).prop_map(str::to_owned);
    prop::collection::btree_map(path, prop::option::weighted(0.8, values), 0..8)
}

/// TOML in which every value is spelled as we spell it, with every kind of table, comments and mixed line ends. No key
/// stands in two lines, so any choice of lines is a document.
fn documents() -> impl Strategy<Value = String> {
    const LINES: [&str; 22] = [
        "# about the file",
        "",
        "a = 1",
        "  c = \"x\" # why",
        "b.c = true",
        "",
        "i = { k = 1, l.m = \"y\" } # inline",
        "# about t",
        "[t]",
        "e = -1.5",
        "  v.w = 2 # two",
        "# left over",
        "",
        "[t.u] # header",
        "f = \"a = 1\"",
        "[[list]]",
        "g = 1",
        "[[list]]",
        "[h.e.f]",
        "x = 1",
        "",
        "# end",
    ];
    let line_ends = prop::collection::vec(prop::sample::select(vec!["\n", "\r\n"]), LINES.len());
    let kept = prop::collection::vec(prop::bool::weighted(0.7), LINES.len());
    (kept, line_ends, any::<bool>()).prop_map(|(kept, line_ends, finished)| {
        let lines = LINES.iter().zip(kept).zip(line_ends).filter(|((_, kept), _)| *kept);
        let text: String = lines.flat_map(|((line, _), end)| [*line, end]).collect();
        if finished { text } else { text.trim_end().to_owned() }
    })
}

fn nested(values: &Values) -> serde_json::Value {
    let mut root = serde_json::json!({});
    for (path, value) in values {
        let mut at = &mut root;
        for key in path.split('.') {
            at = &mut at[key];
        }
        *at = serde_json::json!(value);
    }
    root
}

/// What the paths hold after these changes of what they held before.
fn changed(format: Format, before: &Values, changes: &Changes) -> Values {
    let mut after = before.clone();
    for (path, change) in changes {
        match change {
            Some(value) if format == Env => after.insert(path.clone(), Scalar::Text(value.to_string())),
            Some(value) => after.insert(path.clone(), value.clone()),
            None => after.remove(path),
        };
    }
    after
}

/// Edits the text and checks what holds for every format.
fn check(format: Format, before: &str, changes: &Changes) -> Result<(), TestCaseError> {
    let old = read(format, before, paths(format)).unwrap();
    let after = edit(format, before, changes).unwrap();
    let new = read(format, &after, paths(format)).unwrap();
    let expected = changed(format, &old, changes);
    prop_assert!(new.keys().eq(expected.keys()), "{}", after);
    prop_assert!(new.iter().all(|(path, value)| same(format, value, &expected[path])), "{}", after);

    prop_assert_eq!(&edit(format, &after, changes).unwrap(), &after, "the same edit again changes nothing");
    prop_assert_eq!(apply(&after, &inverse(before, &after)).unwrap(), before);

    let undo: Changes = changes.keys().map(|path| (path.clone(), old.get(path).cloned())).collect();
    let removes = undo.iter().any(|(path, old)| old.is_some() && changes[path].is_none());
    if !removes {
        prop_assert_eq!(edit(format, &after, &undo).unwrap(), before, "undone from\n{}", after);
    }
    Ok(())
}

/// Whether every line of the text that assigns none of these paths is still there, byte for byte and in its order.
fn keeps_lines(before: &str, after: &str, changes: &Changes) -> bool {
    let touched = |line: &str| match line.trim_start_matches("export ").split_once('=') {
        Some((keys, _)) => {
            changes.keys().flat_map(|path| path.split('.')).any(|key| keys.split('.').any(|k| k.trim() == key))
        }
        None => false,
    };
    let mut left = after.split_inclusive('\n').map(str::trim_end);
    before
        .split_inclusive('\n')
        .map(str::trim_end)
        .filter(|line| !touched(line))
        .all(|line| left.any(|other| other == line))
}

proptest! {
    #[test]
    fn an_edit_of_toml_does_what_it_says_and_no_more(before in documents(), changes in changes(Toml, scalars())) {
        check(Toml, &before, &changes)?;
        prop_assert!(keeps_lines(&before, &edit(Toml, &before, &changes).unwrap(), &changes));
    }

    #[test]
    fn an_edit_of_json_does_what_it_says_and_no_more(
        before in values(Json, scalars()),
        changes in changes(Json, scalars()),
        pretty in any::<bool>(),
    ) {
        let before = nested(&before);
        let before = if pretty { serde_json::to_string_pretty(&before).unwrap() } else { before.to_string() };
        check(Json, &before, &changes)?;
    }

    #[test]
    fn an_edit_of_variables_does_what_it_says_and_no_more(
        before in values(Env, variables()),
        changes in changes(Env, variables()),
        export in any::<bool>(),
        line_end in prop::sample::select(vec!["\n", "\r\n", "\n# d=1\n\n"]),
    ) {
        let export = if export { "export " } else { "" };
        let before: String = before
            .iter()
            .flat_map(|(name, value)| {
                let line = edit(Env, "", &Changes::from([(name.clone(), Some(value.clone()))])).unwrap();
                [export.to_owned(), line.trim_end_matches('\n').to_owned(), line_end.to_owned()]
            })
            .collect();
        check(Env, &before, &changes)?;
        prop_assert!(keeps_lines(&before, &edit(Env, &before, &changes).unwrap(), &changes));
    }

    #[test]
    fn any_text_is_edited_or_refused(
        format in prop::sample::select(vec![Toml, Json, Env]),
        text in prop_oneof![
            any::<String>(),
            "([ab.=,:1#'\"\\\\ \t\r\nü\u{feff}{}\\[\\]]|\n\\[a\\]|\"a\":|a = |\\{ ?\"?a|export |null){0,16}",
        ],
        changes in prop_oneof![changes(Toml, scalars()), changes(Env, variables())],
    ) {
        if let Ok(edited) = edit(format, &text, &changes) {
            let values = read(format, &edited, changes.keys().map(String::as_str)).unwrap();
            for (path, change) in &changes {
                prop_assert_eq!(values.contains_key(path), change.is_some());
            }
        }
    }
}
