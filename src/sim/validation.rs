//! The checks of the real server that a careless writer would run into, in its words.

mod kinds;
mod names;

use serde_json::Value;

use crate::kind::Kind;
use crate::object::{is_being_deleted, text};
use crate::refusal::Refusal;

const MAX_ANNOTATIONS: usize = 256 * 1024;

/// Refuses maps of texts that hold something else; what says what was being done.
pub(crate) fn decode(kind: &Kind, object: &Value, is_patch: bool) -> Result<(), Refusal> {
    let metadata = if kind.custom || is_patch { "ObjectMeta" } else { "ObjectMeta.metadata" };
    let fields = [
        ("/metadata/labels", format!("{metadata}.labels")),
        ("/metadata/annotations", format!("{metadata}.annotations")),
        ("/data", format!("{}.data", kind.kind)),
    ];
    let of_the_kind = if kind.kind == "ConfigMap" { fields.len() } else { fields.len() - 1 };
    for (pointer, field) in fields.iter().take(of_the_kind) {
        let values = object.pointer(pointer).and_then(Value::as_object).into_iter().flatten();
        for (_, value) in values {
            let found = match value {
                Value::String(_) => continue,
                Value::Null => continue,
                Value::Bool(_) => "bool",
                Value::Number(_) => "number",
                Value::Array(_) => "array",
                Value::Object(_) => "object",
            };
            let what = format!("json: cannot unmarshal {found} into Go struct field {field} of type string");
            return Err(Refusal::undecodable(kind, &what, is_patch));
        }
    }
    kinds::decode(kind, object).map_err(|what| Refusal::undecodable(kind, &what, is_patch))
}

/// What of a new object, or of a changed one, is not right.
pub(crate) fn problems(kind: &Kind, object: &Value, before: Option<&Value>) -> Vec<String> {
    let mut causes = Vec::new();
    let mut add = |path: &str, value: &str, what: Vec<String>| {
        causes.extend(what.into_iter().map(|what| format!("{path}: Invalid value: \"{value}\": {what}")));
    };
    let name = text(object, "/metadata/name");
    if before.is_none() {
        add("metadata.name", name, kinds::name(kind, name));
    }
    for (key, value) in strings(object, "/metadata/labels") {
        add("metadata.labels", key, names::qualified("valid label key", key));
        add("metadata.labels", value, names::label_value(value));
    }
    let annotations = strings(object, "/metadata/annotations");
    for (key, _) in &annotations {
        add("metadata.annotations", key, names::qualified("qualified name", &key.to_lowercase()));
    }
    let finalizers = texts(object, "/metadata/finalizers");
    for (index, finalizer) in finalizers.iter().enumerate() {
        let what = names::qualified("qualified name", finalizer);
        if what.is_empty() && !finalizer.contains('/') && !["foregroundDeletion", "orphan"].contains(finalizer) {
            let what = "name is neither a standard finalizer name nor is it fully qualified".to_owned();
            add(&format!("metadata.finalizers[{index}]"), finalizer, vec![what]);
        }
        add("metadata.finalizers", finalizer, what);
    }
    if annotations.iter().map(|(key, value)| key.len() + value.len()).sum::<usize>() > MAX_ANNOTATIONS {
        causes.push(format!("metadata.annotations: Too long: may not be more than {MAX_ANNOTATIONS} bytes"));
    }
    if let Some(before) = before {
        let old = texts(before, "/metadata/finalizers");
        let added: Vec<&str> = finalizers.into_iter().filter(|finalizer| !old.contains(finalizer)).collect();
        if is_being_deleted(before) && !added.is_empty() {
            let what = "no new finalizers can be added if the object is being deleted";
            let added: Vec<String> = added.iter().map(|finalizer| format!("{finalizer:?}")).collect();
            let found = format!("found new finalizers []string{{{}}}", added.join(", "));
            causes.push(format!("metadata.finalizers: Forbidden: {what}, {found}"));
        }
    }
    causes.extend(kinds::problems(kind, object, before));
    causes
}

/// What of the metadata would change that never does.
pub(crate) fn immutable(before: &Value, object: &Value) -> Vec<String> {
    let mut causes = Vec::new();
    for field in ["uid", "deletionTimestamp"] {
        let pointer = format!("/metadata/{field}");
        let (old, new) = (text(before, &pointer), text(object, &pointer));
        if !new.is_empty() && new != old {
            causes.push(format!("metadata.{field}: Invalid value: \"{new}\": field is immutable"));
        }
    }
    causes
}

/// The entries of a map of texts.
fn strings<'a>(object: &'a Value, pointer: &str) -> Vec<(&'a str, &'a str)> {
    let entries = object.pointer(pointer).and_then(Value::as_object).into_iter().flatten();
    entries.filter_map(|(key, value)| Some((key.as_str(), value.as_str()?))).collect()
}

fn texts<'a>(object: &'a Value, pointer: &str) -> Vec<&'a str> {
    object.pointer(pointer).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect()
}

#[cfg(test)]
mod tests;
