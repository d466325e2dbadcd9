//! Who manages which fields, as `metadata.managedFields` says, and server-side apply.

use serde_json::{Value, json};

use crate::fields::{Difference, Fields, Path, holds, merge, remove};
use crate::kind::Kind;
use crate::object::{set_metadata, text};
use crate::refusal::Refusal;
use crate::request::Subresource;

/// Who manages what nobody applied yet.
const BEFORE_FIRST_APPLY: &str = "before-first-apply";

/// Metadata that nobody manages.
const UNMANAGED: [&str; 9] = [
    "f:name",
    "f:namespace",
    "f:creationTimestamp",
    "f:selfLink",
    "f:uid",
    "f:clusterName",
    "f:generation",
    "f:managedFields",
    "f:resourceVersion",
];

/// Somebody who writes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Manager<'a> {
    pub(crate) name: &'a str,
    pub(crate) applies: bool,
    pub(crate) subresource: Option<Subresource>,
}

/// An entry of `managedFields`.
struct Entry {
    manager: String,
    operation: &'static str,
    subresource: String,
    time: String,
    fields: Fields,
}

impl Entry {
    fn belongs_to(&self, writer: &Manager<'_>) -> bool {
        is_of(writer, [&self.manager, self.operation, &self.subresource])
    }
}

fn operation(writer: &Manager<'_>) -> &'static str {
    if writer.applies { "Apply" } else { "Update" }
}

fn subresource(subresource: Option<Subresource>) -> &'static str {
    if subresource == Some(Subresource::Status) { "status" } else { "" }
}

fn listed(object: &Value) -> &[Value] {
    let entries = object.pointer("/metadata/managedFields").and_then(Value::as_array);
    entries.map(Vec::as_slice).unwrap_or_default()
}

fn read(object: &Value) -> Vec<Entry> {
    let entry = |entry: &Value| Entry {
        manager: text(entry, "/manager").to_owned(),
        operation: if text(entry, "/operation") == "Apply" { "Apply" } else { "Update" },
        subresource: text(entry, "/subresource").to_owned(),
        time: text(entry, "/time").to_owned(),
        fields: entry.get("fieldsV1").map(Fields::parse).unwrap_or_default(),
    };
    listed(object).iter().map(entry).collect()
}

/// Whether an entry with this manager, operation and subresource is that of a writer.
fn is_of(writer: &Manager<'_>, entry: [&str; 3]) -> bool {
    entry == [writer.name, operation(writer), subresource(writer.subresource)]
}

/// Writes the managers of an object down, those who apply first and then by time.
fn write(kind: &Kind, object: &mut Value, mut entries: Vec<Entry>) {
    entries.retain(|entry| !entry.fields.0.is_empty());
    entries.sort_by(|a, b| (a.operation, &a.time, &a.manager).cmp(&(b.operation, &b.time, &b.manager)));
    let entries = entries.into_iter().map(|entry| {
        let mut json = json!({
            "manager": entry.manager, "operation": entry.operation, "apiVersion": kind.api_version(),
            "time": entry.time, "fieldsType": "FieldsV1", "fieldsV1": entry.fields.json(),
        });
        if let (false, Some(fields)) = (entry.subresource.is_empty(), json.as_object_mut()) {
            fields.insert("subresource".to_owned(), entry.subresource.into());
        }
        json
    });
    set_metadata(object, "managedFields", entries.collect::<Vec<_>>());
}

/// Whether a writer can manage a field: nobody manages what the server assigns, or the other half of an object.
fn is_manageable(kind: &Kind, subresource: Option<Subresource>, path: &Path) -> bool {
    match path.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["f:apiVersion" | "f:kind"] | ["f:metadata"] => false,
        ["f:metadata", field, ..] if UNMANAGED.contains(field) => false,
        ["f:metadata", ..] => subresource.is_none(),
        ["f:status", ..] if kind.has_status => subresource == Some(Subresource::Status),
        _ => subresource.is_none() || !kind.has_status,
    }
}

fn manageable(kind: &Kind, subresource: Option<Subresource>, mut fields: Fields) -> Fields {
    fields.0.retain(|path| is_manageable(kind, subresource, path));
    fields
}

/// Notes who wrote what, after any write but an apply. `before` is `null` for a new object.
pub(crate) fn note(kind: &Kind, writer: Manager<'_>, before: &Value, after: &mut Value, now: &str) {
    let difference = Difference::between(kind, before, after);
    let changed = manageable(kind, writer.subresource, difference.changed);
    let removed = manageable(kind, writer.subresource, difference.removed);
    if removed.0.is_empty() && manages_alone(before, &writer, &changed) {
        set_metadata(after, "managedFields", listed(before).to_vec());
        return;
    }
    let mut entries = read(before);
    let mut own = Fields::default();
    for entry in &mut entries {
        let is_own = entry.belongs_to(&writer);
        if is_own {
            own = entry.fields.clone();
        } else {
            entry.fields = entry.fields.without(&changed).without(&removed);
        }
    }
    let fields = own.without(&removed).with(&changed);
    settle(&mut entries, &writer, own != fields, fields, now);
    write(kind, after, entries);
}

/// Whether a writer manages all of these fields already and nobody else does, so that nothing is to be noted.
fn manages_alone(object: &Value, writer: &Manager<'_>, changed: &Fields) -> bool {
    let has = |entry: &Value, path: &Path| entry.get("fieldsV1").is_some_and(|fields| holds(fields, path));
    changed.0.iter().all(|path| {
        let mut managers = listed(object).iter().filter(|entry| has(entry, path));
        managers.next().is_some_and(|entry| {
            is_of(writer, ["/manager", "/operation", "/subresource"].map(|field| text(entry, field)))
        }) && managers.next().is_none()
    })
}

/// Gives a writer its fields. The time is that of the last change of them.
fn settle(entries: &mut Vec<Entry>, writer: &Manager<'_>, is_new: bool, fields: Fields, now: &str) {
    match entries.iter_mut().find(|entry| entry.belongs_to(writer)) {
        Some(entry) => {
            entry.fields = fields;
            if is_new {
                now.clone_into(&mut entry.time);
            }
        }
        None => entries.push(Entry {
            manager: writer.name.to_owned(),
            operation: operation(writer),
            subresource: subresource(writer.subresource).to_owned(),
            time: now.to_owned(),
            fields,
        }),
    }
}

/// What is stored when somebody applies an object. `live` is what is there; an object without anything for a new one.
pub(crate) fn apply(
    kind: &Kind,
    writer: Manager<'_>,
    live: &Value,
    applied: &Value,
    force: bool,
    now: &str,
) -> Result<Value, Refusal> {
    let mut entries = read(live);
    if entries.is_empty() && !text(live, "/metadata/uid").is_empty() {
        let all = manageable(kind, None, Fields::all(kind, live));
        let first = Manager { name: BEFORE_FIRST_APPLY, applies: false, subresource: None };
        settle(&mut entries, &first, true, all, now);
    }
    let wanted = manageable(kind, writer.subresource, Fields::wanted(kind, applied));
    let mut merged = merge(kind, &mut Vec::new(), live, applied);
    let own = entries.iter().find(|entry| entry.belongs_to(&writer)).map(|entry| entry.fields.clone());
    let own = own.unwrap_or_default();
    let others = entries.iter().filter(|entry| !entry.belongs_to(&writer));
    let kept = others.fold(wanted.clone(), |kept, entry| kept.with(&entry.fields));
    for path in own.without(&kept).0.iter().rev() {
        remove(kind, &mut Vec::new(), &mut merged, path);
    }
    let difference = Difference::between(kind, live, &merged);
    let changed = manageable(kind, writer.subresource, difference.changed);
    let mut conflicts = Vec::new();
    for entry in entries.iter_mut().filter(|entry| !entry.belongs_to(&writer)) {
        let shared = entry.fields.shared(&changed);
        if !shared.0.is_empty() {
            conflicts.push((describe(kind, entry), shared.clone()));
        }
        entry.fields = entry.fields.without(&shared).without(&difference.removed);
    }
    if !conflicts.is_empty() && !force {
        return Err(conflict(&conflicts));
    }
    settle(&mut entries, &writer, own != wanted, wanted, now);
    write(kind, &mut merged, entries);
    Ok(merged)
}

/// A manager as a conflict names it.
fn describe(kind: &Kind, entry: &Entry) -> String {
    let subresource = match entry.subresource.as_str() {
        "" => String::new(),
        subresource => format!(" with subresource \"{subresource}\""),
    };
    match entry.operation {
        "Apply" => format!("\"{}\"{subresource}", entry.manager),
        _ => format!("\"{}\"{subresource} using {}", entry.manager, kind.api_version()),
    }
}

fn conflict(conflicts: &[(String, Fields)]) -> Refusal {
    let count = conflicts.iter().map(|(_, fields)| fields.0.len()).sum::<usize>();
    let told = conflicts.iter().map(|(who, fields)| {
        let paths: Vec<String> = fields.0.iter().map(dotted).collect();
        match paths.as_slice() {
            [one] => format!("conflict with {who}: {one}"),
            several => format!("conflicts with {who}:\n- {}", several.join("\n- ")),
        }
    });
    let told: Vec<String> = told.collect();
    let (plural, told) = match told.as_slice() {
        [one] => (if count == 1 { "" } else { "s" }, one.clone()),
        several => ("s", several.join("\n")),
    };
    Refusal::new(409, &format!("Apply failed with {count} conflict{plural}: {told}"))
}

/// A path as a conflict writes it.
fn dotted(path: &Path) -> String {
    let steps = path.iter().map(|step| match step.split_once(':') {
        Some(("f", name)) => format!(".{name}"),
        Some(("k", keys)) => {
            let keys: Value = serde_json::from_str(keys).unwrap_or_default();
            let keys = keys.as_object().into_iter().flatten().map(|(key, value)| format!("{key}={value}"));
            format!("[{}]", keys.collect::<Vec<_>>().join(","))
        }
        Some((_, value)) => format!("[={value}]"),
        None => step.clone(),
    });
    steps.collect()
}
