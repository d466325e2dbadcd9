//! Patched delivery: a file that somebody else owns is edited in place, and given back as it was.

use std::collections::BTreeMap;

use api::{Scalar, fleet::Format};
use serde::{Deserialize, Serialize};

use crate::{
    format::{
        self, FormatError,
        splice::{self, Splice},
    },
    settings::Changes,
};

/// How to give a file back: to the byte while nobody else has edited it, else path by path.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Inverse {
    /// Fingerprint of the file that the splices fit.
    #[serde(rename = "h")]
    pub hash: String,
    /// The splices that turn it back.
    #[serde(rename = "s")]
    pub splices: Vec<Splice>,
    /// What stood at each path that was written; nothing where it was absent.
    #[serde(rename = "b")]
    pub before: BTreeMap<String, Option<Scalar>>,
    /// What was written there: a rollout may ask for something else when it is taken back.
    #[serde(rename = "w", default, skip_serializing_if = "Changes::is_empty")]
    pub wrote: Changes,
}

/// The file with these changes, and the way back.
///
/// # Errors
/// When the file does not parse, or cannot hold a value.
pub fn patch(format: Format, file: &str, changes: &Changes) -> Result<(String, Inverse), FormatError> {
    let found = format::read(format, file, changes.keys().map(String::as_str))?;
    let patched = format::edit(format, file, changes)?;
    let inverse = Inverse {
        hash: splice::fingerprint(&patched),
        splices: splice::inverse(file, &patched),
        before: changes.keys().map(|path| (path.clone(), found.get(path).cloned())).collect(),
        wrote: changes.clone(),
    };
    Ok((patched, inverse))
}

/// The file without the changes that the inverse tells of, or without an inverse `switched`. A value that somebody else
/// has changed since stays, also what nobody can read at its path any more. A path that the inverse does not know goes to
/// its value in `declared`, or away.
///
/// # Errors
/// When the file does not parse: it is nobody's to overwrite then.
pub fn undo(
    format: Format,
    file: &str,
    switched: &Changes,
    inverse: Option<&Inverse>,
    declared: &Changes,
) -> Result<String, FormatError> {
    let exact = inverse.filter(|inverse| inverse.hash == splice::fingerprint(file));
    if let Some(file) = exact.and_then(|inverse| splice::apply(file, &inverse.splices)) {
        return Ok(file);
    }
    // Those of older versions do not tell.
    let wrote = inverse.map(|inverse| &inverse.wrote).filter(|wrote| !wrote.is_empty()).unwrap_or(switched);
    format::read(format, file, std::iter::empty())?;
    let still_says = |path: &String, value: &Option<Scalar>| {
        let found = format::read(format, file, std::iter::once(path.as_str()));
        found.is_ok_and(|found| stands(format, found.get(path), value.as_ref()))
    };
    let before = |path: &String| match inverse.and_then(|inverse| inverse.before.get(path)) {
        Some(before) => before.clone(),
        None => declared.get(path).cloned().flatten(),
    };
    let changes = wrote
        .iter()
        .filter(|(path, value)| still_says(path, value))
        .map(|(path, _)| (path.clone(), before(path)))
        .collect();
    format::edit(format, file, &changes)
}

/// Whether a file has all of these changes; one that does not parse has none.
#[must_use]
pub fn says(format: Format, file: &str, changes: &Changes) -> bool {
    let Ok(found) = format::read(format, file, changes.keys().map(String::as_str)) else { return false };
    changes.iter().all(|(path, value)| stands(format, found.get(path), value.as_ref()))
}

fn stands(format: Format, found: Option<&Scalar>, value: Option<&Scalar>) -> bool {
    match (found, value) {
        (Some(found), Some(value)) => format::same(format, found, value),
        (found, value) => found.is_none() && value.is_none(),
    }
}

#[cfg(test)]
mod tests;
