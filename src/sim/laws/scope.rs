//! L11: what is not ours is not touched.

use std::collections::{BTreeMap, BTreeSet};

use api::fleet::{Config, Delivery};
use api::names::{BASE_KEY, FINALIZER, GROUP, LEASE, MEMBER_ANNOTATION, MEMBERS_KEY};
use domain::{delivery, format, rendering};
use serde_json::Value;

use super::map::{Map, switched};
use super::view::View;
use super::{Found, Law};
use crate::history::{Entry, Write};
use crate::kind::Key;
use crate::object::{copy_field, texts};
use crate::request::{Subresource, Verb};

/// What each rollout has declared so far: what it declared once is its own to take back.
#[derive(Default)]
pub(super) struct Scope {
    declared: BTreeMap<Key, BTreeSet<String>>,
}

impl Law for Scope {
    fn law(&self) -> (&'static str, &'static str) {
        ("L11 scope", "no write touches anything but the declared settings and our own labels and annotations")
    }

    fn check(&mut self, entry: &Entry, view: &View, found: &mut Found) {
        if let Some((key, _, Some(_))) = entry.change()
            && let Some(rollout) = view.rollout(key)
        {
            let paths = switched(rollout).into_keys().chain(rollout.spec.fleet.config.revision_path.clone());
            self.declared.entry(key.clone()).or_default().extend(paths);
        }
        let Some(write) = view.ours(entry) else { return };
        found.stake(self.broken(write, view).map(|what| format!("{what} of {} was written", write.key)));
    }
}

impl Scope {
    fn broken(&self, write: &Write, view: &View) -> Option<String> {
        let (before, after) = (write.before.as_deref(), write.after.as_deref());
        match (write.key.plural.as_str(), write.verb, before, after) {
            ("leases", ..) => (write.key.name != LEASE).then(|| "a foreign Lease".to_owned()),
            ("events", Verb::Create, ..) => None,
            ("pods", Verb::Create, ..) if write.subresource == Some(Subresource::Eviction) => None,
            ("configmaps", Verb::Create, None, Some(after)) => {
                let created = view.rollouts().find_map(|(key, rollout)| {
                    let Delivery::Rendered(rendered) = &rollout.spec.fleet.config.delivery else { return None };
                    let is_its = rendering::shard_index(rendered, &write.key.name).is_some();
                    (is_its && key.namespace == write.key.namespace).then_some(rendered)
                });
                let Some(rendered) = created else { return Some("a ConfigMap that no rollout names".to_owned()) };
                let metadata = |map: &str| texts(after, &format!("/metadata/{map}")).into_keys();
                let mut copied =
                    metadata("labels").chain(metadata("annotations")).filter(|key| !key.starts_with(GROUP));
                if let Some(key) = copied.next() {
                    return Some(format!("{key}, which is not ours,"));
                }
                let is_ours = |file: &String| is_record(file) || delivery::member_of(&rendered.key, file).is_some();
                texts(after, "/data").into_keys().find(|file| !is_ours(file)).map(|file| format!("the key {file}"))
            }
            ("pods", Verb::Patch, Some(before), Some(after)) => foreign(before, after, &[]),
            ("services", Verb::Patch, Some(before), Some(after)) => foreign(before, after, &["selector"]),
            ("configmaps", Verb::Patch, Some(before), Some(after)) => {
                foreign(before, after, &["data"]).or_else(|| self.foreign_data(write, view, before, after))
            }
            ("optimizationrollouts", Verb::Patch, Some(before), after) => match (write.subresource, after) {
                (Some(Subresource::Status), Some(after)) => {
                    let mut before = before.clone();
                    copy_field(&mut before, after, "status");
                    foreign(&before, after, &[])
                }
                (_, Some(after)) => foreign(before, after, &["finalizers"]),
                (_, None) => None,
            },
            _ => Some(format!("a {:?}", write.verb)),
        }
    }

    /// A key, or a part of a file, that no rollout declares.
    fn foreign_data(&self, write: &Write, view: &View, before: &Value, after: &Value) -> Option<String> {
        let (old, new) = (texts(before, "/data"), texts(after, "/data"));
        let changed = old.keys().chain(new.keys()).filter(|file| old.get(*file) != new.get(*file));
        let rollouts = || view.rollouts().filter(|(key, _)| key.namespace == write.key.namespace);
        // What a rollout has settled is its own after it has left the list, too.
        let settled =
            [before, after].into_iter().flat_map(|map| Map::read(map).settled.into_keys()).collect::<Vec<_>>();
        let declared = |key: &Key| -> Vec<String> {
            self.declared.get(key).into_iter().flatten().cloned().chain(settled.clone()).collect()
        };
        let opted_in = texts(before, "/metadata/annotations").contains_key(MEMBER_ANNOTATION);
        for file in changed {
            let allowed = rollouts().any(|(key, rollout)| {
                let config = &rollout.spec.fleet.config;
                match &config.delivery {
                    Delivery::Rendered(rendered) => {
                        rendering::shard_index(rendered, &write.key.name).is_some()
                            && (is_record(file) || delivery::member_of(&rendered.key, file).is_some())
                    }
                    Delivery::Patched(patched) => {
                        opted_in
                            && *file == patched.key
                            && delivery::member_of(&patched.name, &write.key.name).is_some()
                            && others(config, &declared(key), &old, file) == others(config, &declared(key), &new, file)
                    }
                }
            });
            if !allowed {
                return Some(format!("the key {file}"));
            }
        }
        None
    }
}

/// Something that changed and is not ours, beside fields that may.
fn foreign(before: &Value, after: &Value, allowed: &[&str]) -> Option<String> {
    let rest = |object: &Value| {
        let mut rest = object.clone();
        if let Some(Value::Object(metadata)) = rest.get_mut("metadata") {
            for field in ["resourceVersion", "managedFields", "generation"] {
                metadata.shift_remove(field);
            }
            for map in ["labels", "annotations"] {
                let own = |key: &str| key.starts_with(GROUP) && key != MEMBER_ANNOTATION;
                let left = metadata.get_mut(map).and_then(Value::as_object_mut).map(|entries| {
                    entries.retain(|key, _| !own(key));
                    entries.len()
                });
                if left == Some(0) {
                    metadata.shift_remove(map);
                }
            }
            if allowed.contains(&"finalizers") {
                let others = metadata.get("finalizers").and_then(Value::as_array).into_iter().flatten();
                let others: Vec<Value> = others.filter(|name| *name != FINALIZER).cloned().collect();
                metadata.insert("finalizers".to_owned(), Value::Array(others));
            }
        }
        if allowed.contains(&"data") {
            copy_field(&mut rest, &Value::Null, "data");
        }
        if allowed.contains(&"selector")
            && let Some(selector) = rest.pointer_mut("/spec/selector").and_then(Value::as_object_mut)
        {
            selector.retain(|key, _| key != api::names::COHORT_LABEL);
        }
        rest
    };
    let (before, after) = (rest(before), rest(after));
    let fields = before.as_object().into_iter().chain(after.as_object()).flat_map(|fields| fields.keys());
    fields.clone().find(|field| before.get(*field) != after.get(*field)).map(|field| format!("the field {field}"))
}

/// Keys of a rendered ConfigMap that are no member's.
fn is_record(file: &str) -> bool {
    [MEMBERS_KEY, BASE_KEY].contains(&file)
}

/// A file without the declared settings, and without what is left empty by their absence.
fn others(config: &Config, declared: &[String], files: &BTreeMap<String, String>, file: &str) -> Vec<String> {
    let text = files.get(file).map(String::as_str).unwrap_or_default();
    let removed = format::edit(config.format, text, &declared.iter().map(|path| (path.clone(), None)).collect());
    let rest = removed.unwrap_or_else(|_| text.to_owned());
    let lines = rest.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('['));
    lines.map(str::to_owned).collect()
}
