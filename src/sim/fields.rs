//! Sets of fields, as `metadata.managedFields` writes them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use crate::kind::Kind;
use crate::structure::{Merging, default_key, merging};

/// Where a field is: each step is `f:` and a name, `k:` and the keys of an entry of a list, or `v:` and a value of a set.
pub(crate) type Path = Vec<String>;

/// A set of fields.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Fields(pub(crate) BTreeSet<Path>);

impl Fields {
    /// Reads `fieldsV1`.
    pub(crate) fn parse(value: &Value) -> Self {
        let mut fields = Self::default();
        fields.read(&mut Vec::new(), value);
        fields
    }

    fn read(&mut self, path: &mut Path, value: &Value) {
        let Some(children) = value.as_object() else { return };
        if children.is_empty() && !path.is_empty() {
            self.0.insert(path.clone());
        }
        for (name, child) in children {
            if name == "." {
                self.0.insert(path.clone());
            } else {
                path.push(name.clone());
                self.read(path, child);
                path.pop();
            }
        }
    }

    /// As `fieldsV1`.
    pub(crate) fn json(&self) -> Value {
        let mut root = Map::new();
        for path in &self.0 {
            let mut at = &mut root;
            for step in path {
                let child = at.entry(step.clone()).or_insert_with(|| json!({}));
                let Value::Object(children) = child else { return Value::Null };
                at = children;
            }
            let next = self.0.range(path.clone()..).nth(1);
            if next.is_some_and(|next| next.starts_with(path)) {
                at.insert(".".to_owned(), json!({}));
            }
        }
        Value::Object(root)
    }

    /// What somebody wants who applies this.
    pub(crate) fn wanted(kind: &Kind, object: &Value) -> Self {
        let nodes = flatten(kind, object).into_iter();
        Self(nodes.filter(|(_, node)| !matches!(node, Node::Around)).map(|(path, _)| path).collect())
    }

    /// Everything in an object.
    pub(crate) fn all(kind: &Kind, object: &Value) -> Self {
        Self(flatten(kind, object).into_keys().collect())
    }

    pub(crate) fn without(&self, others: &Self) -> Self {
        Self(self.0.difference(&others.0).cloned().collect())
    }

    pub(crate) fn with(&self, others: &Self) -> Self {
        Self(self.0.union(&others.0).cloned().collect())
    }

    pub(crate) fn shared(&self, others: &Self) -> Self {
        Self(self.0.intersection(&others.0).cloned().collect())
    }
}

/// Whether `fieldsV1` has a field.
pub(crate) fn holds(fields: &Value, path: &[String]) -> bool {
    let found = path.iter().try_fold(fields, |fields, step| fields.get(step));
    found.and_then(Value::as_object).is_some_and(|children| children.is_empty() || children.contains_key("."))
}

/// What differs between two versions of an object.
pub(crate) struct Difference {
    /// New, or with another value.
    pub(crate) changed: Fields,
    pub(crate) removed: Fields,
}

impl Difference {
    pub(crate) fn between(kind: &Kind, before: &Value, after: &Value) -> Self {
        let (before, after) = (differing(kind, before, Some(after)), differing(kind, after, Some(before)));
        let is_changed = |path: &Path, node: &Node<'_>| match (before.get(path), node) {
            (None, _) => true,
            (Some(Node::Value(old)), Node::Value(new)) => old != new,
            (Some(_), Node::Value(_)) => true,
            (Some(_), _) => false,
        };
        let changed = after.iter().filter(|(path, node)| is_changed(path, node)).map(|(path, _)| path.clone());
        let removed = before.keys().filter(|path| !after.contains_key(*path)).cloned();
        Self { changed: Fields(changed.collect()), removed: Fields(removed.collect()) }
    }
}

enum Node<'a> {
    /// A value that is managed as a whole.
    Value(&'a Value),
    /// A map or list whose content is managed apart.
    Around,
    /// An entry of such a list.
    Entry,
}

/// All fields of an object that are managed apart.
fn flatten<'a>(kind: &Kind, object: &'a Value) -> BTreeMap<Path, Node<'a>> {
    differing(kind, object, None)
}

/// The same without what is just so in another version of it.
fn differing<'a>(kind: &Kind, object: &'a Value, other: Option<&Value>) -> BTreeMap<Path, Node<'a>> {
    let mut nodes = BTreeMap::new();
    visit(kind, &mut Vec::new(), &mut Vec::new(), (object, other), &mut nodes);
    nodes.remove(&Vec::new());
    nodes
}

fn visit<'a>(
    kind: &Kind,
    names: &mut Vec<String>,
    path: &mut Path,
    (value, other): (&'a Value, Option<&Value>),
    nodes: &mut BTreeMap<Path, Node<'a>>,
) {
    match (merging(kind, names, value), value) {
        (Merging::Fields, Value::Object(fields)) if !fields.is_empty() => {
            nodes.insert(path.clone(), Node::Around);
            for (name, child) in fields {
                let other = other.and_then(|other| other.get(name));
                if Some(child) == other {
                    continue;
                }
                names.push(name.clone());
                path.push(format!("f:{name}"));
                visit(kind, names, path, (child, other), nodes);
                path.pop();
                names.pop();
            }
        }
        (Merging::Set | Merging::Keys(_), Value::Array(items)) if !items.is_empty() => {
            nodes.insert(path.clone(), Node::Around);
            for item in items {
                path.push(entry(kind, names, item));
                names.push("*".to_owned());
                if item.is_object() {
                    visit(kind, names, path, (item, None), nodes);
                }
                nodes.insert(path.clone(), Node::Entry);
                names.pop();
                path.pop();
            }
        }
        _ => {
            nodes.insert(path.clone(), Node::Value(value));
        }
    }
}

/// The name of an entry of a list.
fn entry(kind: &Kind, names: &[String], item: &Value) -> String {
    match merging(kind, names, &Value::Array(Vec::new())) {
        Merging::Keys(mut keys) => {
            keys.sort();
            let value = |key: &str| item.get(key).cloned().or_else(|| default_key(kind, names, key));
            let keys = keys.into_iter().map(|key| {
                let value = value(&key).unwrap_or_default();
                (key, value)
            });
            format!("k:{}", Value::Object(keys.collect()))
        }
        _ => format!("v:{item}"),
    }
}

/// What is there afterwards when somebody applies this.
pub(crate) fn merge(kind: &Kind, names: &mut Vec<String>, live: &Value, applied: &Value) -> Value {
    match (merging(kind, names, applied), live, applied) {
        (Merging::Fields, Value::Object(live), Value::Object(applied)) => {
            let mut merged = live.clone();
            for (name, value) in applied {
                names.push(name.clone());
                let value = live.get(name).map_or_else(|| value.clone(), |live| merge(kind, names, live, value));
                names.pop();
                merged.insert(name.clone(), value);
            }
            Value::Object(merged)
        }
        (Merging::Set | Merging::Keys(_), Value::Array(live), Value::Array(applied)) => {
            let mut merged = live.clone();
            for item in applied {
                let name = entry(kind, names, item);
                let found = merged.iter().position(|other| entry(kind, names, other) == name);
                names.push("*".to_owned());
                match found.and_then(|index| merged.get_mut(index)) {
                    Some(old) => *old = merge(kind, names, old, item),
                    None => merged.push(item.clone()),
                }
                names.pop();
            }
            Value::Array(merged)
        }
        _ => applied.clone(),
    }
}

/// Takes a field out of an object.
pub(crate) fn remove(kind: &Kind, names: &mut Vec<String>, value: &mut Value, path: &[String]) {
    let Some((step, rest)) = path.split_first() else { return };
    match value {
        Value::Object(fields) => {
            let Some(name) = step.strip_prefix("f:") else { return };
            if rest.is_empty() {
                fields.shift_remove(name);
            } else if let Some(child) = fields.get_mut(name) {
                names.push(name.to_owned());
                remove(kind, names, child, rest);
                names.pop();
            }
        }
        Value::Array(items) => {
            let Some(index) = items.iter().position(|item| entry(kind, names, item) == *step) else { return };
            if rest.is_empty() {
                items.remove(index);
            } else if let Some(item) = items.get_mut(index) {
                names.push("*".to_owned());
                remove(kind, names, item, rest);
                names.pop();
            }
        }
        _ => {}
    }
}
