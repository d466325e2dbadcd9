//! How lists and maps of each kind merge when several people manage them.

use serde_json::{Value, json};

use crate::definition;
use crate::kind::Kind;

/// What tells the parts of a value apart.
pub(crate) enum Merging {
    /// The names of its fields.
    Fields,
    /// Nothing: it is managed as a whole.
    Atomic,
    /// The values of its entries.
    Set,
    /// These fields of its entries.
    Keys(Vec<String>),
}

/// How a value merges. `names` says where it is; `*` stands for any entry of a list.
pub(crate) fn merging(kind: &Kind, names: &[String], value: &Value) -> Merging {
    let path: Vec<&str> = names.iter().map(String::as_str).collect();
    let keys = |keys: &[&str]| Merging::Keys(keys.iter().map(|key| (*key).to_owned()).collect());
    match (kind.kind, path.as_slice()) {
        (_, ["metadata", "finalizers"]) => Merging::Set,
        (_, ["metadata", "ownerReferences"]) => keys(&["uid"]),
        ("Service", ["spec", "selector"]) => Merging::Atomic,
        ("Service", ["spec", "ports"]) => keys(&["port", "protocol"]),
        (_, ["spec" | "status", ..]) if kind.custom => by_schema(kind, names, value),
        _ if value.is_array() => Merging::Atomic,
        _ => Merging::Fields,
    }
}

fn by_schema(kind: &Kind, names: &[String], value: &Value) -> Merging {
    let Some(schema) = definition::schema_at(kind, names) else { return Merging::Atomic };
    let word = |name: &str| schema.get(name).and_then(Value::as_str);
    match value {
        Value::Object(_) if word("x-kubernetes-map-type") != Some("atomic") => Merging::Fields,
        Value::Array(_) => match word("x-kubernetes-list-type") {
            Some("set") => Merging::Set,
            Some("map") => {
                let keys = schema.get("x-kubernetes-list-map-keys").and_then(Value::as_array);
                let keys = keys.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned);
                Merging::Keys(keys.collect())
            }
            _ => Merging::Atomic,
        },
        _ => Merging::Atomic,
    }
}

/// The value of a key of an entry that leaves it out.
pub(crate) fn default_key(kind: &Kind, names: &[String], key: &str) -> Option<Value> {
    if kind.kind == "Service" && key == "protocol" {
        return Some(json!("TCP"));
    }
    let mut names = names.to_vec();
    names.extend(["*".to_owned(), key.to_owned()]);
    definition::schema_at(kind, &names)?.get("default").cloned()
}
