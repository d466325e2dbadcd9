//! Members' config files. Whatever is patched is given back to the byte; what nobody asked to change stays; a file that
//! cannot be read is refused.

use std::collections::BTreeMap;

use api::{Scalar, fleet::Format};
use domain::{
    format::{edit, read},
    patching::{self, Inverse},
    settings::Changes,
};

use super::{Outcome, sentence, source::Source};

const PATHS: [&str; 10] = ["a", "b", "c", "t.e", "t.v.w", "t.u.f", "i.k", "h.e.f.x", "list.g", "w.x.y"];
const VARIABLES: [&str; 6] = ["a", "B", "C_1", "PATH", "export", "_"];

const TOML: [&str; 24] = [
    "# about",
    "",
    "a = 1",
    "  c = \"x\" # why",
    "b.c = true",
    "i = { k = 1, l.m = \"y\" } # inline",
    "[t]",
    "e = -1.5",
    "  v.w = 2 # two",
    "[t.u] # header",
    "f = \"a = 1\"",
    "[[list]]",
    "g = 1",
    "[h.e.f]",
    "x = 1",
    "b = [1, 2,\n  3]",
    "'a' = 2",
    "\"t\".e = 3",
    "a = '''\nb = 1\n'''",
    "d = 1979-05-27",
    "c = 0x1F",
    "c = +1_000",
    "c = inf",
    "[h]",
];
const ENV: [&str; 16] = [
    "# a=1",
    "",
    "a=1",
    "export B=2",
    "C_1='x y'",
    "PATH=\"a\\\"b\"",
    "  _ = 1 # why",
    "B=$a",
    "export",
    "a='1\n2'",
    "C_1=\"x\" y",
    "=1",
    "a = ",
    "B=\"\\$\\`\"",
    "PATH=a#b",
    "C_1=ü",
];
const JSON: [&str; 6] = [
    "{\"a\": 1, \"t\": {\"e\": 2.50, \"v\": {\"w\": \"x\"}}}",
    "{\n\t\"b\": null,\n\t\"t\": {},\n\t\"list\": [{\"g\": 1}]\n}\n",
    "{\"a\":1e2,\"c\":\"\\u00fc\\n\",\"a.b\":{}}",
    "{}",
    "",
    " {\r\n \"i\" : {\"k\": true , \"z\": [1,2]} }\r\n",
];

pub fn toml(source: &mut Source) -> Outcome {
    check(source, Format::Toml)
}

pub fn json(source: &mut Source) -> Outcome {
    check(source, Format::Json)
}

pub fn env(source: &mut Source) -> Outcome {
    check(source, Format::Env)
}

fn check(source: &mut Source, format: Format) -> Outcome {
    let file = file(source, format);
    let changes = changes(source, format);
    let patched = patching::patch(format, &file, &changes);
    let outcome = Outcome { taken: patched.is_ok(), bytes: file.len() };
    match patched {
        Ok((patched, inverse)) => holds(source, format, &file, &changes, &patched, &inverse),
        Err(error) => sentence(&error.to_string()),
    }
    outcome
}

fn holds(source: &mut Source, format: Format, file: &str, changes: &Changes, patched: &str, inverse: &Inverse) {
    let declared = Changes::new();
    assert!(patching::says(format, patched, changes), "{changes:?} of {file:?} is {patched:?}");
    let others = others(format, file, changes);
    assert_eq!(others, self::others(format, patched, changes), "{changes:?} of {file:?} changed others: {patched:?}");
    let back = patching::undo(format, patched, changes, Some(inverse), &declared).unwrap();
    assert_eq!(back, file, "not given back from {patched:?}");
    let inverse: Inverse = serde_json::from_str(&serde_json::to_string(inverse).unwrap()).unwrap();
    let back = patching::undo(format, patched, changes, Some(&inverse), &declared).unwrap();
    assert_eq!(back, file, "not given back from {patched:?} after the record was read again");
    let again = edit(format, patched, changes).unwrap();
    assert_eq!(again, patched, "the same edit again");
    // Somebody else writes into it: then value by value, and what they wrote stays.
    let foreign = if source.one_in(2) { format!("{patched}\n# theirs\n") } else { source.damage(patched) };
    let Ok(theirs) = read(format, &foreign, changes.keys().map(String::as_str)) else { return };
    match patching::undo(format, &foreign, changes, Some(&inverse), &declared) {
        Err(error) => sentence(&error.to_string()),
        Ok(undone) => {
            assert_eq!(self::others(format, &foreign, changes), self::others(format, &undone, changes), "{foreign:?}");
            let ours = read(format, &undone, changes.keys().map(String::as_str)).unwrap();
            for (path, before) in &inverse.before {
                let stood = patching::says(format, &foreign, &BTreeMap::from([(path.clone(), changes[path].clone())]));
                let expected = if stood { before.as_ref() } else { theirs.get(path) };
                assert_eq!(ours.get(path), expected, "{path} in {undone:?}, which was {foreign:?}");
            }
        }
    }
}

/// What the file says at the paths that are none of these, each read by itself.
fn others(format: Format, file: &str, changes: &Changes) -> Vec<Option<Scalar>> {
    let names: &[&str] = if format == Format::Env { &VARIABLES } else { &PATHS };
    let related = |path: &str| {
        let within = |one: &str, other: &str| one == other || one.starts_with(&format!("{other}."));
        changes.keys().any(|change| within(change, path) || within(path, change))
    };
    let others = names.iter().filter(|path| !related(path));
    others.map(|path| read(format, file, [*path]).ok().and_then(|values| values.get(*path).cloned())).collect()
}

fn file(source: &mut Source, format: Format) -> String {
    let lines: &[&str] = match format {
        Format::Toml => &TOML,
        Format::Env => &ENV,
        Format::Json => {
            let text = source.pick(&JSON).to_owned();
            return if source.one_in(2) { source.damage(&text) } else { text };
        }
    };
    let end = source.pick(&["\n", "\r\n"]);
    let kept = lines.iter().filter(|_| source.one_in(4)).copied().collect::<Vec<_>>();
    let mut text: String = kept.iter().flat_map(|line| [*line, end]).collect();
    if source.one_in(300) {
        let comment = format!("# filler{end}").repeat(3000);
        text.insert_str(0, &comment);
    }
    match source.below(3) {
        0 => source.damage(&text),
        1 => text.trim_end().to_owned(),
        _ => text,
    }
}

fn changes(source: &mut Source, format: Format) -> Changes {
    let names: &[&str] = if format == Format::Env { &VARIABLES } else { &PATHS };
    let kept = names.iter().filter(|_| source.one_in(4)).copied().collect::<Vec<_>>();
    kept.into_iter().map(|path| (path.to_owned(), value(source))).collect()
}

fn value(source: &mut Source) -> Option<Scalar> {
    Some(match source.below(6) {
        0 => return None,
        1 => Scalar::Bool(source.one_in(2)),
        2 => Scalar::Int(source.int()),
        3 => Scalar::Float(source.float()),
        _ => Scalar::Text(source.text()),
    })
}
