//! What all objects have in common.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::kind::Kind;

/// The value at a JSON pointer. Where nothing is escaped nothing is copied: it is asked for so often that this counts.
pub(crate) fn at<'a>(object: &'a Value, pointer: &str) -> Option<&'a Value> {
    if pointer.contains('~') {
        return object.pointer(pointer);
    }
    pointer.split('/').skip(1).try_fold(object, |value, key| match value {
        Value::Array(list) => list.get(key.parse::<usize>().ok()?),
        value => value.get(key),
    })
}

/// The text at a JSON pointer; empty where there is none.
pub(crate) fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    at(object, pointer).and_then(Value::as_str).unwrap_or_default()
}

/// The map of texts at a JSON pointer; empty where there is none.
pub(crate) fn texts(object: &Value, pointer: &str) -> BTreeMap<String, String> {
    let entries = at(object, pointer).and_then(Value::as_object).into_iter().flatten();
    entries.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect()
}

pub(crate) fn labels(object: &Value) -> BTreeMap<String, String> {
    texts(object, "/metadata/labels")
}

pub(crate) fn has_finalizers(object: &Value) -> bool {
    at(object, "/metadata/finalizers").and_then(Value::as_array).is_some_and(|list| !list.is_empty())
}

pub(crate) fn is_being_deleted(object: &Value) -> bool {
    !text(object, "/metadata/deletionTimestamp").is_empty()
}

pub(crate) fn set_metadata(object: &mut Value, field: &str, value: impl Into<Value>) {
    if let Some(Value::Object(metadata)) = object.get_mut("metadata") {
        metadata.insert(field.to_owned(), value.into());
    }
}

/// Gives `field` of `to` the value that it has in `from`, also where that is none.
pub(crate) fn copy_field(to: &mut Value, from: &Value, field: &str) {
    let Some(fields) = to.as_object_mut() else { return };
    match from.get(field) {
        Some(value) => fields.insert(field.to_owned(), value.clone()),
        None => fields.shift_remove(field),
    };
}

/// What metadata can have.
const METADATA: [&str; 14] = [
    "name",
    "generateName",
    "namespace",
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "labels",
    "annotations",
    "ownerReferences",
    "finalizers",
    "managedFields",
];

/// Drops what the server never stores: unknown metadata and unknown parts of ConfigMaps, nulls of the metadata, and
/// lists and maps without entries.
///
/// Without this a patch that removes an annotation which is not there would be a change.
pub(crate) fn normalize(kind: &Kind, object: &mut Value) {
    if let Some(Value::Object(metadata)) = object.get_mut("metadata") {
        metadata.retain(|field, value| METADATA.contains(&field.as_str()) && !is_empty(value));
    }
    if kind.custom {
        return;
    }
    if let (true, Some(fields)) = (kind.kind == "ConfigMap", object.as_object_mut()) {
        let is_known =
            |field: &str| matches!(field, "apiVersion" | "kind" | "metadata" | "data" | "binaryData" | "immutable");
        fields.retain(|field, _| is_known(field));
    }
    for map in ["/data", "/spec/selector"] {
        if let Some(Value::Object(entries)) = object.pointer_mut(map) {
            entries.retain(|_, value| !value.is_null());
        }
    }
    if let Some(Value::Object(spec)) = object.get_mut("spec") {
        spec.retain(|field, value| field != "selector" || !is_empty(value));
    }
    if let Some(fields) = object.as_object_mut() {
        fields.retain(|_, value| !is_empty(value));
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
        _ => false,
    }
}
