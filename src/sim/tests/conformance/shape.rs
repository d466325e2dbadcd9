//! The part of an answer that is compared.

use serde_json::{Map, Value, json};

/// By kind: the fields beside the metadata that are compared. The rest are defaults that only the real server knows.
const FIELDS: &[(&str, &[&str])] = &[
    ("Pod", &["/spec/nodeName", "/status/phase", "/status/podIP"]),
    ("Service", &["/spec/selector"]),
    ("Node", &["/spec/unschedulable"]),
    ("Event", &["/eventTime", "/type", "/reason", "/action", "/note", "/reportingController", "/regarding"]),
    ("TokenReview", &["/status/authenticated", "/status/user/username"]),
    ("SubjectAccessReview", &["/status/allowed"]),
];

/// What is compared of an answer: of built-in kinds with many defaults a part, of refusals all but the causes, which
/// repeat the message.
pub fn shape(body: &Value, tells_managers: bool) -> Value {
    match body {
        Value::Array(events) => events.iter().map(|event| shape(event, tells_managers)).collect(),
        Value::Object(fields) if fields.contains_key("type") && fields.contains_key("object") => {
            json!({"type": body["type"], "object": shape(&body["object"], tells_managers)})
        }
        Value::Object(fields) if fields.get("kind") == Some(&json!("Status")) => status(body),
        Value::Object(fields) if fields.contains_key("items") => {
            let mut list = body.clone();
            let kind = body["kind"].as_str().unwrap_or_default().trim_end_matches("List").to_owned();
            let items = body["items"].as_array().into_iter().flatten();
            list["items"] = items.map(|item| object(item, &kind, tells_managers)).collect();
            list
        }
        Value::Object(_) => object(body, body["kind"].as_str().unwrap_or_default(), tells_managers),
        other => other.clone(),
    }
}

fn status(body: &Value) -> Value {
    let mut status = body.clone();
    for field in ["kind", "apiVersion", "metadata"] {
        status.as_object_mut().unwrap().shift_remove(field);
    }
    if let Some((before, _)) = body["message"].as_str().and_then(|message| message.split_once(" is invalid: [")) {
        // The real server tells several causes in any order.
        let causes = body.pointer("/details/causes").and_then(Value::as_array).into_iter().flatten();
        let text = |cause: &Value, field: &str| cause[field].as_str().unwrap_or_default().to_owned();
        let causes = causes.map(|cause| format!("{}: {}", text(cause, "field"), text(cause, "message")));
        let mut causes: Vec<String> = causes.collect();
        causes.sort();
        status["message"] = json!(format!("{before} is invalid: [{}]", causes.join(", ")));
    }
    if let Some(details) = status.pointer_mut("/details").and_then(Value::as_object_mut) {
        details.retain(|field, value| field != "causes" && *value != json!("") && *value != json!(0));
        if details.is_empty() {
            status.as_object_mut().unwrap().shift_remove("details");
        }
    }
    status
}

fn object(body: &Value, kind: &str, tells_managers: bool) -> Value {
    let mut object = match FIELDS.iter().find(|(of, _)| *of == kind) {
        None => body.clone(),
        Some((_, pointers)) => {
            let mut part = Map::new();
            for field in ["apiVersion", "kind", "metadata"] {
                part.extend(body.get(field).map(|value| (field.to_owned(), value.clone())));
            }
            for pointer in *pointers {
                if let Some(value) = body.pointer(pointer) {
                    part.insert(pointer.trim_start_matches('/').replace('/', "."), value.clone());
                }
            }
            Value::Object(part)
        }
    };
    let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) else { return object };
    match metadata.get_mut("managedFields").and_then(Value::as_array_mut) {
        Some(managers) if tells_managers => {
            managers.iter_mut().for_each(|entry| entry["time"] = json!("<time>"));
            managers.sort_by_key(|entry| ["manager", "operation", "subresource"].map(|field| entry[field].to_string()));
        }
        _ => {
            metadata.shift_remove("managedFields");
        }
    }
    object
}
