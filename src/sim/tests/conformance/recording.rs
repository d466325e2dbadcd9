//! The recorded answers of the real server, and how others are compared with them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::PathBuf;

use serde_json::Value;

use crate::transcript::Behaviour;

/// The file of a topic.
pub fn file(topic: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/conformance/recorded/{topic}.txt"))
}

/// The recorded behaviours of a topic, by name.
pub fn read(topic: &str) -> BTreeMap<String, String> {
    let text = std::fs::read_to_string(file(topic)).unwrap_or_default();
    let behaviours = text.split("## ").skip(1);
    let named = behaviours.filter_map(|behaviour| behaviour.split_once('\n'));
    named.map(|(name, steps)| (name.to_owned(), steps.trim_end().to_owned())).collect()
}

/// Writes the recording of a topic.
pub fn write(topic: &str, played: &[Behaviour]) {
    let behaviours: Vec<String> =
        played.iter().map(|behaviour| format!("## {}\n{}", behaviour.name, behaviour.steps_text())).collect();
    std::fs::write(file(topic), behaviours.join("\n")).unwrap();
}

/// What differs between two transcripts of a behaviour, one line each; empty where they are equal.
pub fn differences(recorded: &str, played: &str) -> String {
    let mut text = String::new();
    let (mut recorded, mut played) = (recorded.trim_end().lines(), played.trim_end().lines());
    let mut request = "";
    loop {
        let (recorded, played) = match (recorded.next(), played.next()) {
            (None, None) => return text,
            (recorded, played) => (recorded.unwrap_or_default(), played.unwrap_or_default()),
        };
        if recorded.starts_with(|first: char| first.is_ascii_uppercase()) {
            request = recorded;
        }
        if recorded != played {
            writeln!(text, "  {request}").unwrap();
            let parsed = |line: &str| serde_json::from_str::<Value>(line.trim());
            match (parsed(recorded), parsed(played)) {
                (Ok(recorded), Ok(played)) => fields("", Some(&recorded), Some(&played), &mut text),
                _ => writeln!(text, "    recorded: {}\n    got:      {}", recorded.trim(), played.trim()).unwrap(),
            }
        }
    }
}

fn fields(path: &str, recorded: Option<&Value>, played: Option<&Value>, text: &mut String) {
    if recorded == played {
        return;
    }
    if let (Some(Value::Object(recorded)), Some(Value::Object(played))) = (recorded, played) {
        let names: BTreeSet<&String> = recorded.keys().chain(played.keys()).collect();
        for name in names {
            fields(&format!("{path}.{name}"), recorded.get(name), played.get(name), text);
        }
        return;
    }
    let told = |value: Option<&Value>| value.map_or("nothing".to_owned(), Value::to_string);
    let path = path.trim_start_matches('.');
    writeln!(text, "    {path}\n      recorded: {}\n      got:      {}", told(recorded), told(played)).unwrap();
}
