//! The CEL rules that the definition of the kind carries.

use kube::core::cel::{ErrorKind, Validator};
use serde_json::Value;

use super::{Problem, schema::definition};

/// What the rules say of an object. One whose fields are not right yet has rules that cannot be evaluated; with
/// `sound` those are findings as well.
pub fn check(object: &Value, sound: bool) -> Vec<Problem> {
    transition(object, None, sound)
}

/// The same for an object that replaces `old`.
pub fn transition(object: &Value, old: Option<&Value>, sound: bool) -> Vec<Problem> {
    let Err(errors) = Validator::new().validate(&definition(), object, old) else { return Vec::new() };
    errors
        .into_iter()
        .filter(|error| sound || error.kind == ErrorKind::ValidationFailure)
        .map(|error| Problem::new(error.field_path, error.message))
        .collect()
}
