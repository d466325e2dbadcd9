//! The checks of the real server that a careless writer would run into.

use serde_json::Value;

use crate::kind::Kind;
use crate::object::text;
use crate::refusal::Refusal;

const MAX_ANNOTATIONS: usize = 256 * 1024;
const MAX_CONFIG_MAP: usize = 1024 * 1024;

/// Refuses names, labels, annotations and ConfigMap data that the real server refuses.
pub(crate) fn validate(kind: &Kind, object: &Value) -> Result<(), Refusal> {
    let name = text(object, "/metadata/name");
    let invalid = |cause: &str| Err(Refusal::invalid(kind, name, cause));
    if !is_subdomain(name) {
        return invalid("metadata.name: Invalid value: a lowercase RFC 1123 subdomain is required");
    }
    let labels = strings(object, "/metadata/labels")?;
    if !labels.iter().all(|(key, value)| is_qualified_name(key) && is_label_value(value)) {
        return invalid("metadata.labels: Invalid value: not a valid label");
    }
    let annotations = strings(object, "/metadata/annotations")?;
    if !annotations.iter().all(|(key, _)| is_qualified_name(&key.to_lowercase())) {
        return invalid("metadata.annotations: Invalid value: not a valid key");
    }
    if size(&annotations) > MAX_ANNOTATIONS {
        return invalid("metadata.annotations: Too long: may not be more than 262144 bytes");
    }
    if kind.plural == "configmaps" {
        let data = strings(object, "/data")?;
        if !data.iter().all(|(key, _)| is_config_key(key)) {
            return invalid(
                "data: Invalid value: a valid config key consists of alphanumeric characters, '-', '_' or '.'",
            );
        }
        if size(&data) > MAX_CONFIG_MAP {
            return invalid("[]: Too long: may not be more than 1048576 bytes");
        }
    }
    Ok(())
}

/// The entries of a map whose values have to be strings.
fn strings<'a>(object: &'a Value, pointer: &str) -> Result<Vec<(&'a str, &'a str)>, Refusal> {
    let entries = object.pointer(pointer).and_then(Value::as_object).into_iter().flatten();
    entries
        .map(|(key, value)| match value.as_str() {
            Some(value) => Ok((key.as_str(), value)),
            None => Err(Refusal::new(400, &format!("cannot unmarshal {pointer}/{key} into a value of type string"))),
        })
        .collect()
}

fn size(entries: &[(&str, &str)]) -> usize {
    entries.iter().map(|(key, value)| key.len() + value.len()).sum()
}

fn is_subdomain(text: &str) -> bool {
    let is_label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    };
    text.len() <= 253 && text.split('.').all(is_label)
}

fn is_qualified_name(text: &str) -> bool {
    match text.split_once('/') {
        Some((prefix, name)) => is_subdomain(prefix) && !name.is_empty() && is_label_value(name),
        None => !text.is_empty() && is_label_value(text),
    }
}

fn is_label_value(text: &str) -> bool {
    let is_inner = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let is_end = |byte: Option<u8>| byte.is_none_or(|byte| byte.is_ascii_alphanumeric());
    text.len() <= 63 && text.bytes().all(is_inner) && is_end(text.bytes().next()) && is_end(text.bytes().last())
}

fn is_config_key(text: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    !text.is_empty() && text.len() <= 253 && text != "." && !text.starts_with("..") && text.bytes().all(is_allowed)
}

#[cfg(test)]
mod tests;
