//! What is checked of one kind alone.

use jiff::Timestamp;
use serde_json::Value;

use super::{names, strings};
use crate::kind::Kind;
use crate::object::text;

const MAX_CONFIG_MAP: usize = 1024 * 1024;
const MAX_NOTE: usize = 1024;
const MAX_WORD: usize = 128;

/// What cannot be read.
pub(super) fn decode(kind: &Kind, object: &Value) -> Result<(), String> {
    let pointers: &[&str] = match kind.kind {
        "Lease" => &["/spec/acquireTime", "/spec/renewTime"],
        "Event" => &["/eventTime"],
        _ => &[],
    };
    pointers.iter().map(|pointer| text(object, pointer)).filter(|time| !time.is_empty()).try_for_each(micro_time)
}

/// Refuses a time that does not have six digits after the seconds.
fn micro_time(time: &str) -> Result<(), String> {
    let seconds = "2006-01-02T15:04:05".len();
    let (rest, form) = match time.split_at_checked(seconds) {
        _ if time.parse::<Timestamp>().is_err() => (time, "2006"),
        Some((_, rest)) => (rest, ".000000"),
        None => (time, "2006"),
    };
    let digits = rest.strip_prefix('.').map(|rest| rest.bytes().take_while(u8::is_ascii_digit).count());
    if form == ".000000" && digits == Some(6) {
        return Ok(());
    }
    let layout = "2006-01-02T15:04:05.000000Z07:00";
    Err(format!("parsing time \"{time}\" as \"{layout}\": cannot parse \"{rest}\" as \"{form}\""))
}

/// What is wrong with a name.
pub(super) fn name(kind: &Kind, name: &str) -> Vec<String> {
    if kind.kind == "Service" && name.contains('.') {
        return vec!["must not contain dots".to_owned()];
    }
    names::subdomain(name)
}

pub(super) fn problems(kind: &Kind, object: &Value, before: Option<&Value>) -> Vec<String> {
    match (kind.group, kind.kind) {
        (_, "ConfigMap") => config_map(object, before),
        (_, "Lease") => lease(object),
        ("events.k8s.io", _) => event(object),
        _ => Vec::new(),
    }
}

fn config_map(map: &Value, before: Option<&Value>) -> Vec<String> {
    let mut causes = Vec::new();
    let data = strings(map, "/data");
    for (key, _) in &data {
        let problems = names::config_key(key).into_iter();
        causes.extend(problems.map(|problem| format!("data[{key}]: Invalid value: \"{key}\": {problem}")));
    }
    if data.iter().map(|(_, value)| value.len()).sum::<usize>() > MAX_CONFIG_MAP {
        causes.push(format!("[]: Too long: may not be more than {MAX_CONFIG_MAP} bytes"));
    }
    let immutable = before.filter(|before| before.get("immutable") == Some(&Value::Bool(true)));
    for field in ["immutable", "data", "binaryData"] {
        if immutable.is_some_and(|before| before.get(field) != map.get(field)) {
            causes.push(format!("{field}: Forbidden: field is immutable when `immutable` is set"));
        }
    }
    causes
}

fn lease(lease: &Value) -> Vec<String> {
    let number = |field: &str| lease.pointer(&format!("/spec/{field}")).and_then(Value::as_i64);
    let mut causes = Vec::new();
    if let Some(seconds) = number("leaseDurationSeconds").filter(|seconds| *seconds <= 0) {
        causes.push(format!("spec.leaseDurationSeconds: Invalid value: {seconds}: must be greater than 0"));
    }
    if let Some(count) = number("leaseTransitions").filter(|count| *count < 0) {
        causes.push(format!("spec.leaseTransitions: Invalid value: {count}: must be greater than or equal to 0"));
    }
    causes
}

fn event(event: &Value) -> Vec<String> {
    let mut causes = Vec::new();
    let value = |field: &str| text(event, &format!("/{field}"));
    if value("eventTime").is_empty() {
        return vec!["eventTime: Required value".to_owned()];
    }
    let kind = value("type");
    if !matches!(kind, "Normal" | "Warning") {
        causes.push(format!("type: Invalid value: \"\": has invalid value: {kind}"));
    }
    if value("reportingController").is_empty() {
        causes.push("reportingController: Required value".to_owned());
    }
    let controller = names::qualified("qualified name", value("reportingController")).into_iter();
    let controller = controller
        .map(|problem| format!("reportingController: Invalid value: \"{}\": {problem}", value("reportingController")));
    causes.extend(controller);
    for field in ["reportingInstance", "action", "reason"] {
        if value(field).is_empty() {
            causes.push(format!("{field}: Required value"));
        } else if value(field).len() > MAX_WORD {
            causes.push(format!("{field}: Invalid value: \"\": can have at most {MAX_WORD} characters"));
        }
    }
    if value("note").len() > MAX_NOTE {
        causes.push(format!("message: Invalid value: \"\": can have at most {MAX_NOTE} characters"));
    }
    causes
}
