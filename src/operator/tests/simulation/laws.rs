//! Laws over the history of writes. Each reads nothing but what the API server was sent.

use std::collections::BTreeMap;

use serde_json::Value;
use sim::Write;

/// Every violation, as a sentence.
pub fn violations(writes: &[Write]) -> Vec<String> {
    let mut found = Vec::new();
    let mut quota = 0;
    let mut aborted = Vec::new();
    let mut maps = BTreeMap::new();
    for write in writes.iter().filter(|write| write.code < 300) {
        let Some(after) = &write.after else { continue };
        match write.key.plural.as_str() {
            "optimizationrollouts" => {
                if let Some(allowed) = after.pointer("/status/stage/quota").and_then(Value::as_u64) {
                    quota = allowed;
                }
                let settles = ["settlingAt", "settledAt"];
                if settles.iter().any(|fact| after["status"]["run"].get(fact).is_some_and(|at| !at.is_null())) {
                    quota = u64::MAX;
                }
                let mark =
                    after.pointer("/metadata/annotations/optimization.qudag.io~1retreat").and_then(Value::as_str);
                aborted.extend(mark.map(str::to_owned));
            }
            "configmaps" => {
                let (before, now) = (optimized(write.before.as_deref()), optimized(Some(after)));
                maps.insert(write.key.name.clone(), now);
                let all: u64 = maps.values().sum();
                if now > before && all > quota {
                    found.push(format!("L1 blast radius: {all} members optimized where {quota} may be, at {write:?}"));
                }
                let run = record(after)["run"].as_str().unwrap_or_default().to_owned();
                if now > before && aborted.contains(&run) {
                    found.push(format!("L8 aborted stays aborted: more members in run {run}, at {write:?}"));
                }
                let labels = &after["metadata"]["labels"];
                let ours = labels.get("optimization.qudag.io/rollout").is_some();
                let opted_in =
                    |map: &Value| map["metadata"]["annotations"].get("optimization.qudag.io/member").is_some();
                if !ours && !write.before.as_deref().is_some_and(opted_in) {
                    found.push(format!("L11 scope: a foreign ConfigMap is written: {write:?}"));
                }
                if !ours {
                    found.extend(foreign(write, &["labels", "annotations"]));
                    found.extend(foreign_lines(write));
                }
            }
            "pods" => found.extend(foreign(write, &["labels", "annotations"])),
            "services" => found.extend(foreign(write, &["annotations"])),
            _ => {}
        }
    }
    found
}

fn record(map: &Value) -> Value {
    let rendered = map["data"][".members.json"].as_str();
    let text = rendered.or_else(|| map["metadata"]["annotations"]["optimization.qudag.io/record"].as_str());
    text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
}

/// Keys or lines of somebody else's ConfigMap that are not about the pool and changed.
fn foreign_lines(write: &Write) -> Option<String> {
    let (before, after) = (write.before.as_ref()?, write.after.as_ref()?);
    let kept = |object: &Value| -> BTreeMap<String, Vec<String>> {
        let data = object["data"].as_object().into_iter().flatten();
        data.map(|(key, file)| {
            let lines = file.as_str().unwrap_or_default().lines();
            let kept = lines.filter(|line| !["enabled", "max", "network.pool"].iter().any(|own| line.starts_with(own)));
            (key.clone(), kept.map(str::to_owned).collect())
        })
        .collect()
    };
    (kept(before) != kept(after)).then(|| format!("L11 scope: foreign lines of a file changed: {write:?}"))
}

/// Files with the optimized value that are not settled.
fn optimized(map: Option<&Value>) -> u64 {
    let Some(map) = map else { return 0 };
    let settled = map["metadata"]["annotations"]["optimization.qudag.io/settled"].as_str().unwrap_or_default();
    if settled.contains("network.pool.enabled\":true") {
        return 0;
    }
    let files = map["data"].as_object().into_iter().flatten().filter(|(key, _)| *key != ".base");
    files.filter(|(_, file)| file.as_str().is_some_and(|file| file.contains("enabled = true"))).count() as u64
}

/// Labels or annotations that are not ours and changed.
fn foreign(write: &Write, maps: &[&str]) -> Option<String> {
    let (before, after) = (write.before.as_ref()?, write.after.as_ref()?);
    for map in maps {
        let keep = |object: &Value| {
            let mut entries = object["metadata"][map].clone();
            if let Some(entries) = entries.as_object_mut() {
                entries.retain(|key, _| !key.starts_with("optimization.qudag.io/"));
            }
            if entries.as_object().is_none_or(serde_json::Map::is_empty) { Value::Null } else { entries }
        };
        if keep(before) != keep(after) {
            return Some(format!("L11 scope: {write:?}"));
        }
    }
    None
}
