use std::collections::BTreeSet;

use super::*;

/// The words that this file acts on, or that mean nothing for a value.
const KNOWN: [&str; 23] = [
    "type",
    "enum",
    "minLength",
    "maxLength",
    "pattern",
    "minimum",
    "maximum",
    "format",
    "minItems",
    "maxItems",
    "items",
    "x-kubernetes-list-map-keys",
    "x-kubernetes-list-type",
    "properties",
    "additionalProperties",
    "required",
    "oneOf",
    "description",
    "default",
    "nullable",
    "x-kubernetes-validations",
    "title",
    "x-kubernetes-map-type",
];
/// What says that a value is a boolean, a number or a text.
const SCALAR: [&str; 4] = ["maxProperties", "not", "x-kubernetes-preserve-unknown-fields", "maxItems"];

fn words<'a>(schema: &'a Value, found: &mut BTreeSet<&'a str>) {
    let Some(fields) = schema.as_object() else { return };
    let is_scalar = !fields.contains_key("type");
    found.extend(fields.keys().map(String::as_str).filter(|word| !(is_scalar && SCALAR.contains(word))));
    for inner in schema["properties"].as_object().into_iter().flatten().map(|(_, inner)| inner) {
        words(inner, found);
    }
    words(&schema["items"], found);
    words(&schema["additionalProperties"], found);
}

#[test]
fn the_definition_uses_no_word_that_is_not_checked() {
    let schema = definition();
    let mut found = BTreeSet::new();
    words(&schema["properties"]["spec"], &mut found);
    let unknown: Vec<&str> = found.into_iter().filter(|word| !KNOWN.contains(word)).collect();
    assert_eq!(unknown, Vec::<&str>::new());
}

#[test]
fn every_pattern_of_the_definition_compiles() {
    fn patterns(schema: &Value, found: &mut Vec<String>) {
        match schema {
            Value::Object(fields) => {
                found.extend(fields.get("pattern").and_then(Value::as_str).map(str::to_owned));
                fields.values().for_each(|inner| patterns(inner, found));
            }
            Value::Array(items) => items.iter().for_each(|inner| patterns(inner, found)),
            _ => {}
        }
    }
    let mut found = Vec::new();
    patterns(&definition(), &mut found);
    assert!(found.len() > 5);
    found.iter().for_each(|pattern| assert!(Regex::new(pattern).is_ok(), "{pattern}"));
}
