//! The structural schema of the definition: what the API server checks before any rule.
//!
//! Only the words that our own definition uses are known; a test holds that.

use api::OptimizationRollout;
use kube::CustomResourceExt;
use regex::Regex;
use serde_json::{Map, Value, json};

use super::Problem;

/// The schema of the served version.
pub fn definition() -> Value {
    let definition = OptimizationRollout::crd();
    let schema = definition.spec.versions.into_iter().next().and_then(|version| version.schema);
    json!(schema.and_then(|schema| schema.open_api_v3_schema))
}

/// Drops what the API server drops before it looks: a null in a field that may not be one.
pub fn prune(object: &mut Value) {
    if let (Some(schema), Some(spec)) = (definition().pointer("/properties/spec"), object.get_mut("spec")) {
        prune_value(schema, spec);
    }
}

fn prune_value(schema: &Value, value: &mut Value) {
    match value {
        Value::Object(fields) => {
            let inner = |name: &str| schema.get("properties").and_then(|properties| properties.get(name));
            fields.retain(|name, value| {
                let may_be_null = inner(name).is_some_and(|schema| schema.get("nullable") == Some(&Value::Bool(true)));
                !value.is_null() || may_be_null
            });
            for (name, value) in fields.iter_mut() {
                prune_value(inner(name).unwrap_or(&Value::Null), value);
            }
        }
        Value::Array(items) => {
            let inner = schema.get("items").unwrap_or(&Value::Null);
            items.iter_mut().for_each(|item| prune_value(inner, item));
        }
        _ => {}
    }
}

/// Everything about an object that the schema does not allow. Its status is not looked at.
pub fn check(object: &Value) -> Vec<Problem> {
    let mut problems = Vec::new();
    let schema = definition();
    for (field, value) in object.as_object().into_iter().flatten() {
        match field.as_str() {
            "apiVersion" | "kind" | "metadata" | "status" => {}
            "spec" => {
                let schema = schema.pointer("/properties/spec").unwrap_or(&Value::Null);
                value_of(schema, value, "spec", &mut problems);
            }
            other => problems.push(Problem::new(other, "is no field of a rollout; remove it")),
        }
    }
    if object.get("spec").is_none() {
        problems.push(Problem::new("spec", "is missing"));
    }
    problems
}

fn value_of(schema: &Value, value: &Value, path: &str, problems: &mut Vec<Problem>) {
    let mut wrong = |message: String| problems.push(Problem::new(path, message));
    let wanted = schema.get("type").and_then(Value::as_str);
    let fits = match (wanted, value) {
        (Some("object"), Value::Object(_))
        | (Some("array"), Value::Array(_))
        | (Some("string"), Value::String(_))
        | (Some("boolean"), Value::Bool(_))
        | (Some("number"), Value::Number(_)) => true,
        (Some("integer"), Value::Number(number)) => number.as_f64().is_some_and(|number| number.fract() == 0.0),
        (None, Value::Object(_) | Value::Array(_)) => false,
        (None, _) => true,
        _ => false,
    };
    if !fits {
        let wanted = wanted.map_or("a boolean, a number or a text", article);
        wrong(format!("must be {wanted}, and is {}", described(value)));
        return;
    }
    let choices = schema.get("enum").and_then(Value::as_array);
    if let Some(choices) = choices.filter(|choices| !choices.contains(value)) {
        let choices: Vec<&str> = choices.iter().filter_map(Value::as_str).collect();
        wrong(format!("{} is unknown; choose one of {}", described(value), choices.join(", ")));
        return;
    }
    match value {
        Value::String(text) => text_of(schema, text, &mut wrong),
        Value::Number(number) => number_of(schema, number.as_f64().unwrap_or_default(), &mut wrong),
        Value::Array(items) => list_of(schema, items, path, problems),
        Value::Object(fields) => object_of(schema, fields, path, problems),
        Value::Null | Value::Bool(_) => {}
    }
}

fn text_of(schema: &Value, text: &str, wrong: &mut impl FnMut(String)) {
    let length = text.chars().count();
    if let Some(least) = count(schema, "minLength").filter(|least| length < *least) {
        wrong(if length == 0 {
            "may not be empty".to_owned()
        } else {
            format!("must have at least {least} characters, and has {length}")
        });
    } else if let Some(most) = count(schema, "maxLength").filter(|most| length > *most) {
        wrong(format!("may have at most {most} characters, and has {length}"));
    } else if let Some(pattern) = schema.get("pattern").and_then(Value::as_str)
        && Regex::new(pattern).is_ok_and(|pattern| !pattern.is_match(text))
    {
        wrong(format!("{text:?} does not have the form {pattern}"));
    }
}

fn number_of(schema: &Value, number: f64, wrong: &mut impl FnMut(String)) {
    let bound = |name: &str| schema.get(name).and_then(Value::as_f64);
    match (bound("minimum"), bound("maximum")) {
        (Some(least), _) if number < least => wrong(format!("must be at least {least}, and is {number}")),
        (_, Some(most)) if number > most => wrong(format!("may be at most {most}, and is {number}")),
        _ if schema["format"] == "int32" && number.abs() > f64::from(i32::MAX) => {
            wrong(format!("{number} is too large a number"));
        }
        _ => {}
    }
}

fn list_of(schema: &Value, items: &[Value], path: &str, problems: &mut Vec<Problem>) {
    if let Some(least) = count(schema, "minItems").filter(|least| items.len() < *least) {
        problems.push(Problem::new(path, format!("needs at least {least} items, and has {}", items.len())));
    }
    if let Some(most) = count(schema, "maxItems").filter(|most| items.len() > *most) {
        problems.push(Problem::new(path, format!("may have at most {most} items, and has {}", items.len())));
    }
    for (index, item) in items.iter().enumerate() {
        value_of(&schema["items"], item, &format!("{path}[{index}]"), problems);
    }
    let keys: Vec<&str> =
        schema["x-kubernetes-list-map-keys"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    if keys.is_empty() {
        return;
    }
    let identity = |item: &Value| keys.iter().map(|key| item.get(*key).cloned()).collect::<Vec<_>>();
    for (index, item) in items.iter().enumerate() {
        if items.iter().take(index).any(|other| identity(other) == identity(item)) {
            let shown: Vec<String> = identity(item).into_iter().flatten().map(|value| described(&value)).collect();
            let message = format!("{} {} stands there twice; keep one", keys.join(", "), shown.join(", "));
            problems.push(Problem::new(format!("{path}[{index}]"), message));
        }
    }
}

fn object_of(schema: &Value, fields: &Map<String, Value>, path: &str, problems: &mut Vec<Problem>) {
    let properties = schema.get("properties").and_then(Value::as_object);
    let others = schema.get("additionalProperties");
    let is_given = |name: &str| fields.get(name).is_some_and(|value| !value.is_null());
    for (name, value) in fields.iter().filter(|(_, value)| !value.is_null()) {
        let inner = format!("{path}.{name}");
        match (properties.and_then(|properties| properties.get(name)), others) {
            (Some(schema), _) => value_of(schema, value, &inner, problems),
            (None, Some(Value::Object(_))) => {
                value_of(others.unwrap_or(&Value::Null), value, &inner, problems);
            }
            (None, _) => {
                let known: Vec<&String> = properties.into_iter().flat_map(Map::keys).collect();
                problems.push(Problem::new(inner, unknown(name, &known)));
            }
        }
    }
    for required in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if !is_given(required) {
            problems.push(Problem::new(format!("{path}.{required}"), "is missing"));
        }
    }
    let choices: Vec<&str> = schema["oneOf"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|choice| choice.pointer("/required/0").and_then(Value::as_str))
        .collect();
    if !choices.is_empty() && choices.iter().filter(|choice| is_given(choice)).count() != 1 {
        problems.push(Problem::new(path, format!("must have exactly one of {}", choices.join(", "))));
    }
}

/// An unknown field, with the known one that was probably meant.
fn unknown(name: &str, known: &[&String]) -> String {
    let plain = |text: &str| text.to_lowercase().replace(['-', '_'], "");
    let near = known.iter().find(|known| {
        let (known, name) = (plain(known), plain(name));
        known == name || known.strip_suffix('s') == Some(&name) || name.strip_suffix('s') == Some(&known)
    });
    match near {
        Some(near) => format!("is unknown; did you mean {near}?"),
        None => {
            let known: Vec<&str> = known.iter().map(|name| name.as_str()).collect();
            format!("is unknown; known are {}", known.join(", "))
        }
    }
}

fn count(schema: &Value, name: &str) -> Option<usize> {
    usize::try_from(schema.get(name)?.as_u64()?).ok()
}

fn article(kind: &str) -> &'static str {
    match kind {
        "object" => "an object",
        "array" => "a list",
        "string" => "a text (in quotes if it looks like a number or a boolean)",
        "boolean" => "true or false",
        "integer" => "a whole number",
        _ => "a number",
    }
}

fn described(value: &Value) -> String {
    match value {
        Value::Object(_) => "an object".to_owned(),
        Value::Array(_) => "a list".to_owned(),
        Value::Null => "empty".to_owned(),
        other => other.to_string().chars().take(80).collect(),
    }
}

#[cfg(test)]
mod tests;
