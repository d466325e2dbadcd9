//! The structural schema of a definition, with the words that our own definitions use.

use std::collections::BTreeMap;
use std::sync::{LazyLock, Mutex, PoisonError};

use regex::Regex;
use serde_json::{Map, Value};

/// Drops fields that a schema does not know, and nulls where it allows none. Whole numbers lose their point.
pub(crate) fn prune(schema: &Value, value: &mut Value) {
    if let (Some("integer"), Some(number)) = (schema.get("type").and_then(Value::as_str), value.as_f64())
        && let (false, Ok(whole)) = (value.is_i64(), format!("{number}").parse::<i64>())
    {
        *value = whole.into();
    }
    if schema.get("x-kubernetes-preserve-unknown-fields") == Some(&Value::Bool(true)) {
        return;
    }
    match value {
        Value::Object(fields) => {
            fields.retain(|name, value| match field(schema, name) {
                Some(schema) => !value.is_null() || schema.get("nullable") == Some(&Value::Bool(true)),
                None => false,
            });
            for (name, value) in fields.iter_mut() {
                prune(field(schema, name).unwrap_or(&Value::Null), value);
            }
        }
        Value::Array(items) => {
            let schema = schema.get("items").unwrap_or(&Value::Null);
            items.iter_mut().for_each(|item| prune(schema, item));
        }
        _ => {}
    }
}

fn field<'s>(schema: &'s Value, name: &str) -> Option<&'s Value> {
    let declared = schema.get("properties").and_then(|all| all.get(name));
    declared.or_else(|| schema.get("additionalProperties").filter(|other| other.is_object()))
}

/// Whether a field has to be there.
pub(crate) fn requires(schema: &Value, name: &str) -> bool {
    list(schema, "required").iter().any(|required| required == name)
}

fn list<'s>(schema: &'s Value, word: &str) -> &'s [Value] {
    schema.get(word).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// Adds everything about a value that a schema does not allow, in the words of the real server.
pub(crate) fn check(schema: &Value, value: &Value, path: &str, causes: &mut Vec<String>) {
    if value.is_null() && schema.get("nullable") == Some(&Value::Bool(true)) {
        return;
    }
    // The status is checked on its own.
    let inner = path.strip_prefix("status.").unwrap_or(path);
    let invalid = |what: &str| format!("{path}: Invalid value: {}: {inner} in body {what}", shown(value));
    let wanted = schema.get("type").and_then(Value::as_str);
    if let Some(wanted) = wanted.filter(|wanted| !is_of_type(wanted, value)) {
        let found = type_of(value);
        causes
            .push(format!("{path}: Invalid value: \"{found}\": {inner} in body must be of type {wanted}: \"{found}\""));
        return;
    }
    if list(schema.get("not").unwrap_or(&Value::Null), "enum").contains(value) {
        causes.push(format!("<nil>: Invalid value: \"\": \"{path}\" must not validate the schema (not)"));
    }
    let choices = list(schema, "enum");
    if !choices.is_empty() && !choices.contains(value) {
        let choices: Vec<String> = choices.iter().map(Value::to_string).collect();
        causes.push(format!("{path}: Unsupported value: {}: supported values: {}", shown(value), choices.join(", ")));
    }
    let count = |word: &str| schema.get(word).and_then(Value::as_u64).and_then(|count| usize::try_from(count).ok());
    match value {
        Value::String(text) => {
            let length = text.chars().count();
            if count("maxLength").is_some_and(|most| length > most) {
                let most = count("maxLength").unwrap_or_default();
                causes.push(format!("{path}: Too long: may not be more than {most} bytes"));
            }
            if let Some(least) = count("minLength").filter(|least| length < *least) {
                causes.push(invalid(&format!("should be at least {least} chars long")));
            }
            if let Some(pattern) = schema.get("pattern").and_then(Value::as_str)
                && !has_form(text, pattern)
            {
                causes.push(invalid(&format!("should match '{pattern}'")));
            }
        }
        Value::Number(number) => {
            let number = number.as_f64().unwrap_or_default();
            let bound = |word: &str| schema.get(word).and_then(Value::as_f64);
            if let Some(least) = bound("minimum").filter(|least| number < *least) {
                causes.push(invalid(&format!("should be greater than or equal to {}", least)));
            }
            if let Some(most) = bound("maximum").filter(|most| number > *most) {
                causes.push(invalid(&format!("should be less than or equal to {}", most)));
            }
        }
        Value::Array(items) => entries(schema, items, path, causes),
        Value::Object(fields) => {
            if let Some(most) = count("maxProperties").filter(|most| fields.len() > *most) {
                causes.push(format!("{path}: Too many: {}: must have at most {most} items", fields.len()));
            }
            inside(schema, fields, path, causes);
        }
        Value::Null | Value::Bool(_) => {}
    }
}

/// Whether a text matches a pattern. Patterns are compiled once.
fn has_form(text: &str, pattern: &str) -> bool {
    static COMPILED: LazyLock<Mutex<BTreeMap<String, Option<Regex>>>> = LazyLock::new(Mutex::default);
    let mut compiled = COMPILED.lock().unwrap_or_else(PoisonError::into_inner);
    let regex = compiled.entry(pattern.to_owned()).or_insert_with(|| Regex::new(pattern).ok());
    regex.as_ref().is_none_or(|regex| regex.is_match(text))
}

fn entries(schema: &Value, items: &[Value], path: &str, causes: &mut Vec<String>) {
    let count = |word: &str| schema.get(word).and_then(Value::as_u64).and_then(|count| usize::try_from(count).ok());
    if let Some(most) = count("maxItems").filter(|most| items.len() > *most) {
        causes.push(format!("{path}: Too many: {}: must have at most {most} items", items.len()));
    }
    if let Some(least) = count("minItems").filter(|least| items.len() < *least) {
        let what = format!("should have at least {least} items");
        causes.push(format!("{path}: Invalid value: {}: {path} in body {what}", items.len()));
    }
    let keys: Vec<&str> = list(schema, "x-kubernetes-list-map-keys").iter().filter_map(Value::as_str).collect();
    let identity = |item: &Value| keys.iter().map(|key| item.get(*key).cloned()).collect::<Vec<_>>();
    for (index, item) in items.iter().enumerate() {
        let path = format!("{path}[{index}]");
        check(schema.get("items").unwrap_or(&Value::Null), item, &path, causes);
        if !keys.is_empty() && items.iter().take(index).any(|other| identity(other) == identity(item)) {
            let keys: Map<String, Value> =
                keys.iter().filter_map(|key| Some(((*key).to_owned(), item.get(*key)?.clone()))).collect();
            causes.push(format!("{path}: Duplicate value: {}", Value::Object(keys)));
        }
    }
}

fn inside(schema: &Value, fields: &Map<String, Value>, path: &str, causes: &mut Vec<String>) {
    for required in list(schema, "required").iter().filter_map(Value::as_str) {
        if !fields.contains_key(required) {
            causes.push(format!("{path}.{required}: Required value"));
        }
    }
    for (name, value) in fields {
        if let Some(schema) = field(schema, name) {
            check(schema, value, &format!("{path}.{name}"), causes);
        }
    }
    let choices = list(schema, "oneOf");
    let given = choices.iter().filter(|choice| {
        list(choice, "required").iter().filter_map(Value::as_str).all(|required| fields.contains_key(required))
    });
    let given = given.count();
    if !choices.is_empty() && given != 1 {
        let found = if given == 0 { "Found none valid" } else { "Found 2 valid alternatives" };
        let must = format!("\"{path}\" must validate one and only one schema (oneOf). {found}");
        causes.push(format!("<nil>: Invalid value: \"\": {must}"));
        let first = choices.first().filter(|_| given == 0).map(|choice| list(choice, "required"));
        for required in first.into_iter().flatten().filter_map(Value::as_str) {
            causes.push(format!("{path}.{required}: Required value"));
        }
    }
}

fn is_of_type(wanted: &str, value: &Value) -> bool {
    match (wanted, value) {
        ("integer", Value::Number(number)) => number.as_f64().is_some_and(|number| number.fract() == 0.0),
        (wanted, value) => wanted == type_of(value),
    }
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// A value as a refusal repeats it.
pub(crate) fn shown(value: &Value) -> String {
    match value {
        Value::Object(_) => "\"object\"".to_owned(),
        Value::Array(_) => "\"array\"".to_owned(),
        value => value.to_string(),
    }
}
