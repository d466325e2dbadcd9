//! Whether a write is about the object that is there.

use serde_json::{Value, json};

use crate::kind::Kind;
use crate::object::text;
use crate::refusal::Refusal;
use crate::request::Subresource;
use crate::validation::immutable;

/// A group and a version as a message writes them, also where there is none.
pub(super) fn group_version(api_version: &str) -> String {
    if api_version.contains('/') { api_version.to_owned() } else { format!("/{api_version}") }
}

/// Refuses an object of another kind. A built-in one need not say what it is.
pub(super) fn check_kind(kind: &Kind, object: &mut Value) -> Result<(), Refusal> {
    let (api_version, name) = (text(object, "/apiVersion").to_owned(), text(object, "/kind").to_owned());
    let (wanted, is_silent) = (kind.api_version(), api_version.is_empty() && name.is_empty());
    if (api_version == wanted && name == kind.kind) || (is_silent && !kind.custom) {
        if let Some(fields) = object.as_object_mut() {
            fields.insert("apiVersion".to_owned(), wanted.into());
            fields.insert("kind".to_owned(), kind.kind.into());
            fields.entry("metadata").or_insert_with(|| json!({}));
        }
        return Ok(());
    }
    Err(Refusal::other_kind(kind, object))
}

/// Refuses a change of what the server assigned once and for all.
pub(super) fn check_immutable(
    kind: &Kind,
    before: &Value,
    wanted: &Value,
    part: Option<Subresource>,
) -> Result<(), Refusal> {
    if part == Some(Subresource::Status) {
        return Ok(());
    }
    let causes = immutable(before, wanted);
    if causes.is_empty() { Ok(()) } else { Err(Refusal::invalid_for(kind, text(before, "/metadata/name"), &causes)) }
}

/// Refuses a write that was meant for another object or for another revision of it.
pub(super) fn check_identity(kind: &Kind, before: &Value, wanted: &Value, replace: bool) -> Result<(), Refusal> {
    let name = text(before, "/metadata/name");
    let is_other = |field: &str| {
        let pointer = format!("/metadata/{field}");
        let (old, new) = (text(before, &pointer), text(wanted, &pointer));
        (!new.is_empty() && new != old).then(|| (old.to_owned(), new.to_owned()))
    };
    if let Some((old, new)) = is_other("name") {
        let message = format!("the name of the object ({new}) does not match the name on the URL ({old})");
        return Err(Refusal::new(400, &message));
    }
    if is_other("namespace").is_some() {
        let message = "the namespace of the provided object does not match the namespace sent on the request";
        return Err(Refusal::new(400, message));
    }
    if let (true, Some((old, new))) = (replace, is_other("uid")) {
        let place = format!("/registry/{}/{}/{name}", kind.plural, text(before, "/metadata/namespace"));
        let what = format!("Precondition failed: UID in precondition: {new}, UID in object meta: {old}");
        let error = format!("Code: 4, Key: {place}, ResourceVersion: 0, AdditionalErrorMsg: {what}");
        let cause = format!("StorageError: invalid object, {error}");
        return Err(Refusal::conflict(kind, name, &cause));
    }
    if replace && kind.needs_version() && text(wanted, "/metadata/resourceVersion").is_empty() {
        return Err(Refusal::without_version(kind, name));
    }
    if is_other("resourceVersion").is_some() {
        return Err(Refusal::stale(kind, name));
    }
    Ok(())
}
