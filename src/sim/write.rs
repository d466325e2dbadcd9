//! The rules of creating, changing and deleting.

use std::sync::Arc;

use serde_json::Value;

use crate::kind::{Key, Kind};
use crate::object::{copy_field, has_finalizers, is_being_deleted, normalize, set_metadata, text};
use crate::refusal::Refusal;
use crate::request::Subresource;
use crate::store::Store;
use crate::validation::validate;

/// Metadata that no writer changes.
const OF_THE_SERVER: [&str; 7] =
    ["name", "namespace", "uid", "creationTimestamp", "deletionTimestamp", "generation", "resourceVersion"];

/// What a write did.
pub(crate) struct Done {
    pub(crate) before: Option<Arc<Value>>,
    /// What is stored now; what was stored last, when the object is gone.
    pub(crate) object: Arc<Value>,
    pub(crate) gone: bool,
}

/// How a write names what is to be there afterwards.
pub(crate) enum Wish<'a> {
    /// Everything.
    Replace(&'a Value),
    /// What differs, as a merge patch.
    Merge(&'a Value),
}

impl Store {
    pub(crate) fn create(&mut self, kind: &Kind, namespace: &str, body: &Value) -> Result<Done, Refusal> {
        let mut object = body.clone();
        if text(body, "/apiVersion") != kind.api_version() || text(body, "/kind") != kind.kind {
            let message = format!("the object provided is no {} {}", kind.api_version(), kind.kind);
            return Err(Refusal::new(400, &message));
        }
        if !text(body, "/metadata/resourceVersion").is_empty() {
            return Err(Refusal::new(400, "resourceVersion should not be set on objects to be created"));
        }
        if kind.namespaced {
            let own = text(body, "/metadata/namespace");
            if !own.is_empty() && own != namespace {
                let message = "the namespace of the provided object does not match the namespace sent on the request";
                return Err(Refusal::new(400, message));
            }
            set_metadata(&mut object, "namespace", namespace);
        }
        if text(body, "/metadata/name").is_empty() {
            let prefix = text(body, "/metadata/generateName");
            if prefix.is_empty() {
                return Err(Refusal::invalid(
                    kind,
                    "",
                    "metadata.name: Required value: name or generateName is required",
                ));
            }
            set_metadata(&mut object, "name", self.generate_name(prefix));
        }
        if kind.has_status {
            copy_field(&mut object, &Value::Null, "status");
        }
        normalize(&mut object, kind.custom);
        validate(kind, &object)?;
        let key = kind.key(namespace, text(&object, "/metadata/name"));
        if self.get(&key).is_some() {
            return Err(Refusal::already_exists(kind, &key.name));
        }
        self.initialize(kind, &mut object);
        Ok(Done { before: None, object: self.commit(&key, object), gone: false })
    }

    pub(crate) fn change(
        &mut self,
        kind: &Kind,
        key: &Key,
        subresource: Option<Subresource>,
        wish: Wish<'_>,
    ) -> Result<Done, Refusal> {
        let before = self.get(key).ok_or_else(|| Refusal::not_found(kind, &key.name))?;
        let wanted = match wish {
            Wish::Replace(object) => object.clone(),
            Wish::Merge(patch) => {
                let mut object = Value::clone(&before);
                json_patch::merge(&mut object, patch);
                object
            }
        };
        check_identity(kind, &before, &wanted, matches!(wish, Wish::Replace(_)))?;
        let object = if subresource == Some(Subresource::Status) {
            let mut object = Value::clone(&before);
            copy_field(&mut object, &wanted, "status");
            object
        } else {
            let mut object = wanted;
            if kind.has_status {
                copy_field(&mut object, &before, "status");
            }
            object
        };
        validate(kind, &object)?;
        if is_being_deleted(&before) && adds_finalizer(&before, &object) {
            let cause = "metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted";
            return Err(Refusal::invalid(kind, &key.name, cause));
        }
        Ok(self.settle(kind, key, before, object))
    }

    /// Stores a changed object, removes it with its last finalizer, or does nothing where nothing differs.
    pub(crate) fn settle(&mut self, kind: &Kind, key: &Key, before: Arc<Value>, mut object: Value) -> Done {
        for field in ["apiVersion", "kind"] {
            copy_field(&mut object, &before, field);
        }
        if let (Some(metadata), Some(old)) = (object.get_mut("metadata"), before.get("metadata")) {
            OF_THE_SERVER.iter().for_each(|field| copy_field(metadata, old, field));
        }
        normalize(&mut object, kind.custom);
        if object == *before {
            return Done { object: before.clone(), before: Some(before), gone: false };
        }
        if kind.custom && differs_beside_metadata_and_status(&before, &object) {
            raise_generation(&mut object);
        }
        let gone = is_being_deleted(&object) && !has_finalizers(&object);
        let object = if gone {
            self.remove(key);
            Arc::new(object)
        } else {
            self.commit(key, object)
        };
        Done { before: Some(before), object, gone }
    }

    pub(crate) fn delete(&mut self, kind: &Kind, key: &Key, options: &Value) -> Result<Done, Refusal> {
        let before = self.get(key).ok_or_else(|| Refusal::not_found(kind, &key.name))?;
        for (field, name) in [("uid", "UID"), ("resourceVersion", "ResourceVersion")] {
            let wanted = text(options, &format!("/preconditions/{field}"));
            let found = text(&before, &format!("/metadata/{field}"));
            if !wanted.is_empty() && wanted != found {
                let cause =
                    format!("Precondition failed: {name} in precondition: {wanted}, {name} in object meta: {found}");
                return Err(Refusal::conflict(kind, &key.name, &cause));
            }
        }
        if !has_finalizers(&before) {
            self.remove(key);
            return Ok(Done { object: before.clone(), before: Some(before), gone: true });
        }
        if is_being_deleted(&before) {
            return Ok(Done { object: before.clone(), before: Some(before), gone: false });
        }
        let mut object = Value::clone(&before);
        set_metadata(&mut object, "deletionTimestamp", self.timestamp());
        set_metadata(&mut object, "deletionGracePeriodSeconds", 0);
        if kind.custom {
            raise_generation(&mut object);
        }
        Ok(Done { before: Some(before), object: self.commit(key, object), gone: false })
    }
}

/// Refuses a write that was meant for another object or for another revision of it.
fn check_identity(kind: &Kind, before: &Value, wanted: &Value, replace: bool) -> Result<(), Refusal> {
    let name = text(before, "/metadata/name");
    if replace && kind.custom && text(wanted, "/metadata/resourceVersion").is_empty() {
        let cause = "metadata.resourceVersion: Invalid value: 0: must be specified for an update";
        return Err(Refusal::invalid(kind, name, cause));
    }
    for field in ["resourceVersion", "uid", "name", "namespace"] {
        let pointer = format!("/metadata/{field}");
        let (old, new) = (text(before, &pointer), text(wanted, &pointer));
        if new.is_empty() || new == old {
            continue;
        }
        return Err(match (field, replace) {
            ("resourceVersion", _) => Refusal::stale(kind, name),
            ("uid", true) => Refusal::conflict(
                kind,
                name,
                &format!("Precondition failed: UID in precondition: {new}, UID in object meta: {old}"),
            ),
            (_, true) => {
                let message =
                    format!("the {field} of the object ({new}) does not match the {field} on the URL ({old})");
                Refusal::new(400, &message)
            }
            (_, false) => {
                let cause = format!("metadata.{field}: Invalid value: \"{new}\": field is immutable");
                Refusal::invalid(kind, name, &cause)
            }
        });
    }
    Ok(())
}

fn adds_finalizer(before: &Value, after: &Value) -> bool {
    let finalizers = |object: &Value| object.pointer("/metadata/finalizers").and_then(Value::as_array).cloned();
    let old = finalizers(before).unwrap_or_default();
    finalizers(after).unwrap_or_default().iter().any(|finalizer| !old.contains(finalizer))
}

fn differs_beside_metadata_and_status(before: &Value, after: &Value) -> bool {
    let rest = |object: &Value| {
        let mut rest = object.clone();
        for field in ["metadata", "status"] {
            copy_field(&mut rest, &Value::Null, field);
        }
        rest
    };
    rest(before) != rest(after)
}

fn raise_generation(object: &mut Value) {
    let generation = object.pointer("/metadata/generation").and_then(Value::as_i64).unwrap_or_default();
    set_metadata(object, "generation", generation + 1);
}

#[cfg(test)]
mod tests;
