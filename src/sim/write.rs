//! The rules of creating and changing.

mod deletion;
mod identity;

use std::sync::Arc;

use json_patch::{AddOperation, Patch, PatchOperation};
use serde_json::{Value, json};

use crate::definition;
use crate::kind::{Key, Kind};
use crate::managers::{self, Manager};
use crate::object::{copy_field, has_finalizers, is_being_deleted, normalize, set_metadata, text};
use crate::refusal::Refusal;
use crate::request::Subresource;
use crate::store::Store;
use crate::validation::{decode, problems};
use identity::{check_identity, check_immutable, check_kind, group_version};

/// Metadata that no writer changes.
const OF_THE_SERVER: [&str; 9] = [
    "name",
    "namespace",
    "uid",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "generation",
    "resourceVersion",
    "managedFields",
];

/// What a write did.
pub(crate) struct Done {
    pub(crate) before: Option<Arc<Value>>,
    /// What is stored now; what was stored last, when the object is gone.
    pub(crate) object: Arc<Value>,
    pub(crate) gone: bool,
    /// Whether the object is new.
    pub(crate) created: bool,
}

/// How a write names what is to be there afterwards.
pub(crate) enum Wish<'a> {
    /// Everything.
    Replace(&'a Value),
    /// What differs, as a merge patch.
    Merge(&'a Value),
    /// What differs, as a JSON patch.
    Patch(&'a Patch),
}

/// Has the last word on a write, with the object before and after it.
type Admission<'a> = &'a dyn Fn(Option<&Value>, Option<&Value>) -> Result<(), Refusal>;

/// A write under way: what it is about, who does it, and who has the last word.
pub(crate) struct Writing<'a> {
    pub(crate) kind: &'static Kind,
    pub(crate) key: &'a Key,
    pub(crate) subresource: Option<Subresource>,
    pub(crate) manager: &'a str,
    pub(crate) admit: Admission<'a>,
}

impl Store {
    pub(crate) fn create(&mut self, writing: &Writing<'_>, body: &Value) -> Result<Done, Refusal> {
        let kind = writing.kind;
        let mut object = body.clone();
        check_kind(kind, &mut object)?;
        decode(kind, &object, false)?;
        if !text(body, "/metadata/resourceVersion").is_empty() {
            return Err(Refusal::new(500, "resourceVersion should not be set on objects to be created"));
        }
        if kind.namespaced {
            let own = text(body, "/metadata/namespace");
            if !own.is_empty() && own != writing.key.namespace {
                let message = "the namespace of the provided object does not match the namespace sent on the request";
                return Err(Refusal::new(400, message));
            }
            set_metadata(&mut object, "namespace", writing.key.namespace.clone());
        }
        if text(body, "/metadata/name").is_empty() {
            let prefix = text(body, "/metadata/generateName");
            if prefix.is_empty() {
                let cause = "metadata.name: Required value: name or generateName is required".to_owned();
                return Err(Refusal::invalid_for(kind, "", &definition::with_notice(kind, vec![cause])));
            }
            set_metadata(&mut object, "name", self.generate_name(prefix));
        }
        if kind.has_status {
            copy_field(&mut object, &Value::Null, "status");
        }
        if let (true, Some(fields)) = (kind.kind == "Pod", object.as_object_mut()) {
            fields.insert("status".to_owned(), json!({"phase": "Pending"}));
        }
        for field in ["deletionTimestamp", "deletionGracePeriodSeconds", "managedFields"] {
            object.get_mut("metadata").into_iter().for_each(|metadata| copy_field(metadata, &Value::Null, field));
        }
        definition::fill(kind, &mut object, None);
        normalize(kind, &mut object);
        let manager = Manager { name: writing.manager, applies: false, subresource: None };
        self.note_manager(kind, manager, &Value::Null, &mut object);
        self.add(writing, object)
    }

    /// Checks a new object and stores it.
    fn add(&mut self, writing: &Writing<'_>, mut object: Value) -> Result<Done, Refusal> {
        let kind = writing.kind;
        check(kind, &object, None)?;
        self.initialize(kind, &mut object);
        (writing.admit)(None, Some(&object))?;
        let key = kind.key(&writing.key.namespace, text(&object, "/metadata/name"));
        if let Some(other) = self.get(&key) {
            let is_going = is_being_deleted(&other);
            return Err(if is_going {
                Refusal::still_exists(kind, &key.name)
            } else {
                Refusal::already_exists(kind, &key.name)
            });
        }
        Ok(Done { before: None, object: self.commit(&key, object), gone: false, created: true })
    }

    pub(crate) fn change(&mut self, writing: &Writing<'_>, wish: &Wish<'_>) -> Result<Done, Refusal> {
        let kind = writing.kind;
        let before = self.get(writing.key).ok_or_else(|| Refusal::not_found(kind, &writing.key.name))?;
        let mut wanted = match wish {
            Wish::Replace(object) => Value::clone(object),
            Wish::Merge(patch) => {
                let mut object = Value::clone(&before);
                json_patch::merge(&mut object, patch);
                object
            }
            Wish::Patch(patch) => {
                let mut object = Value::clone(&before);
                patch_json(&mut object, patch)?;
                object
            }
        };
        check_kind(kind, &mut wanted)?;
        decode(kind, &wanted, !matches!(wish, Wish::Replace(_)))?;
        check_identity(kind, &before, &wanted, matches!(wish, Wish::Replace(_)))?;
        check_immutable(kind, &before, &wanted, writing.subresource)?;
        let mut object = self.half(writing, &before, wanted);
        let manager = Manager { name: writing.manager, applies: false, subresource: writing.subresource };
        self.note_manager(kind, manager, &before, &mut object);
        self.admit(writing, before, object)
    }

    /// Server-side apply.
    pub(crate) fn apply(&mut self, writing: &Writing<'_>, applied: &Value, force: bool) -> Result<Done, Refusal> {
        let kind = writing.kind;
        let (api_version, name) = (text(applied, "/apiVersion"), text(applied, "/kind"));
        if api_version != kind.api_version() || name != kind.kind {
            return Err(Refusal::new(
                400,
                &format!("invalid object type: {}, Kind={name}", group_version(api_version)),
            ));
        }
        if applied.pointer("/metadata/managedFields").is_some() {
            return Err(Refusal::new(400, "metadata.managedFields must be nil"));
        }
        decode(kind, applied, false)?;
        let manager = Manager { name: writing.manager, applies: true, subresource: writing.subresource };
        let now = self.timestamp();
        let Some(before) = self.get(writing.key) else {
            let mut live = json!({"apiVersion": kind.api_version(), "kind": kind.kind, "metadata": {}});
            set_metadata(&mut live, "name", writing.key.name.clone());
            if kind.namespaced {
                set_metadata(&mut live, "namespace", writing.key.namespace.clone());
            }
            check_identity(kind, &live, applied, false)?;
            let mut object = managers::apply(kind, manager, &live, applied, force, &now)?;
            if kind.has_status {
                copy_field(&mut object, &Value::Null, "status");
            }
            definition::fill(kind, &mut object, None);
            normalize(kind, &mut object);
            return self.add(writing, object);
        };
        check_identity(kind, &before, applied, false)?;
        let applied = managers::apply(kind, manager, &before, applied, force, &now)?;
        let managers = applied.pointer("/metadata/managedFields").cloned().unwrap_or_default();
        let mut object = self.half(writing, &before, applied);
        set_metadata(&mut object, "managedFields", managers);
        self.admit(writing, before, object)
    }

    /// The object with the half of it that a request can change, the status or the rest.
    fn half(&self, writing: &Writing<'_>, before: &Value, mut object: Value) -> Value {
        let kind = writing.kind;
        definition::fill(kind, &mut object, Some(before));
        if writing.subresource == Some(Subresource::Status) {
            let mut whole = before.clone();
            copy_field(&mut whole, &object, "status");
            if !kind.custom {
                copy_field(&mut whole, &object, "metadata");
            }
            object = whole;
        } else if kind.has_status {
            copy_field(&mut object, before, "status");
        }
        keep(kind, before, &mut object);
        object
    }

    fn note_manager(&self, kind: &Kind, manager: Manager<'_>, before: &Value, after: &mut Value) {
        if kind.managed {
            managers::note(kind, manager, before, after, &self.timestamp());
        }
    }

    /// Checks a changed object and stores it.
    fn admit(&mut self, writing: &Writing<'_>, before: Arc<Value>, object: Value) -> Result<Done, Refusal> {
        let (kind, key) = (writing.kind, writing.key);
        check(kind, &object, Some(&before))?;
        (writing.admit)(Some(&before), Some(&object))?;
        Ok(self.settle(kind, key, before, object))
    }

    /// Stores an object in the place of another, as it is given.
    pub(crate) fn put(&mut self, kind: &Kind, key: &Key, before: Arc<Value>, mut object: Value) -> Done {
        let managers = object.pointer("/metadata/managedFields").cloned();
        keep(kind, &before, &mut object);
        if let Some(managers) = managers {
            set_metadata(&mut object, "managedFields", managers);
        }
        definition::fill(kind, &mut object, Some(&before));
        self.settle(kind, key, before, object)
    }

    /// Stores an object that somebody changed whom nobody refuses anything.
    pub(crate) fn edit(&mut self, kind: &Kind, key: &Key, before: Arc<Value>, mut object: Value) -> Done {
        keep(kind, &before, &mut object);
        definition::fill(kind, &mut object, Some(&before));
        let somebody = Manager { name: "somebody", applies: false, subresource: None };
        self.note_manager(kind, somebody, &before, &mut object);
        self.settle(kind, key, before, object)
    }

    /// Stores a changed object, removes it with its last finalizer, or does nothing where nothing differs.
    fn settle(&mut self, kind: &Kind, key: &Key, before: Arc<Value>, mut object: Value) -> Done {
        normalize(kind, &mut object);
        if object == *before {
            return Done { object: before.clone(), before: Some(before), gone: false, created: false };
        }
        if kind.generations && differs_beside_metadata_and_status(&before, &object) {
            raise_generation(&mut object);
        }
        let gone = is_being_deleted(&object) && !has_finalizers(&object) && !is_ending(kind, &object);
        let object = if gone {
            self.remove(key);
            Arc::new(object)
        } else {
            self.commit(key, object)
        };
        Done { before: Some(before), object, gone, created: false }
    }
}

/// Whether an object is not gone yet although it is being deleted and has no finalizer.
fn is_ending(kind: &Kind, object: &Value) -> bool {
    kind.kind == "Pod"
        && object.pointer("/metadata/deletionGracePeriodSeconds").and_then(Value::as_i64).is_some_and(|grace| grace > 0)
}

/// Carries a JSON patch out. As the real server does, it replaces fields that are not there, where what is around is.
fn patch_json(object: &mut Value, patch: &Patch) -> Result<(), Refusal> {
    for operation in &patch.0 {
        let operation = match operation {
            PatchOperation::Replace(replace) if object.pointer(replace.path.as_str()).is_none() => {
                let (path, value) = (replace.path.clone(), replace.value.clone());
                PatchOperation::Add(AddOperation { path, value })
            }
            operation => operation.clone(),
        };
        json_patch::patch(object, &[operation]).map_err(|_| Refusal::unprocessable())?;
    }
    Ok(())
}

/// Takes the metadata that no writer changes from what was there.
fn keep(kind: &Kind, before: &Value, object: &mut Value) {
    for field in ["apiVersion", "kind"] {
        copy_field(object, before, field);
    }
    if let (Some(metadata), Some(old)) = (object.get_mut("metadata"), before.get("metadata")) {
        OF_THE_SERVER.iter().for_each(|field| copy_field(metadata, old, field));
    }
    normalize(kind, object);
}

/// Refuses an object that is not right.
fn check(kind: &Kind, object: &Value, before: Option<&Value>) -> Result<(), Refusal> {
    let causes = definition::problems(kind, object, before, problems(kind, object, before));
    match causes.as_slice() {
        [] => Ok(()),
        causes => Err(Refusal::invalid_for(kind, text(object, "/metadata/name"), causes)),
    }
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
