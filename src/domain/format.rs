//! A member's config text, read and edited in its own format.
//!
//! Every edit is a splice into the text as it stands, so whatever is not named by a path keeps its bytes: comments,
//! order, line ends, the way a number is written.

pub mod splice;

mod env;
mod json;
mod lines;
mod memo;
mod toml;

use std::{cmp::Reverse, ops::Range, sync::LazyLock};

use api::{Scalar, fleet::Format};
use thiserror::Error;

pub use crate::settings::Values;

use self::{memo::Memo, splice::Splice};
use crate::settings::Changes;

/// Bytes that a value in memory takes at least.
const VALUE_SIZE: usize = 128;

/// Why a config text cannot be read or edited.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum FormatError {
    /// The text is not of its format.
    #[error("the {format:?} text does not parse at line {line}: {message}; correct the file or the fleet's format")]
    Syntax {
        /// The format that the fleet declares.
        format: Format,
        /// The line of the text, from 1.
        line: usize,
        /// What the parser says.
        message: String,
    },
    /// The path cannot name a value in this format.
    #[error("{path} is no path of {format:?}; write {rule}")]
    Path {
        /// The path.
        path: String,
        /// The format that the fleet declares.
        format: Format,
        /// What a path of this format looks like.
        rule: &'static str,
    },
    /// A part of the path holds a value or a list, so it has no keys.
    #[error("the path {path} does not fit the file: {parent} is no table there; correct the path")]
    NotTable {
        /// The path.
        path: String,
        /// The part of it that is no table.
        parent: String,
    },
    /// The path holds something that no setting can hold.
    #[error("the path {path} holds {found}; a setting is a boolean, a finite number or a text, so name another path")]
    NotScalar {
        /// The path.
        path: String,
        /// What it holds.
        found: &'static str,
    },
    /// The path stands twice in the text, so readers of the file may disagree about its value.
    #[error("the path {path} stands twice in the file, again at line {line}; remove one of them")]
    Twice {
        /// The path.
        path: String,
        /// The line of the second, from 1.
        line: usize,
    },
    /// The format has no way to write this value.
    #[error("the path {path} cannot hold its value: {why}; choose another value")]
    Value {
        /// The path.
        path: String,
        /// Why not.
        why: &'static str,
    },
    /// The edited text would not say what it should.
    #[error("the path {path} cannot be edited where the file would need it; write it into the file by hand once")]
    Place {
        /// The path.
        path: String,
    },
}

/// The values of these paths in the text; an absent path is not in the map. A JSON `null` counts as absent. The values
/// of format Env are all texts.
///
/// # Errors
/// When the text does not parse, or a path or one of its parents holds something else than it should.
pub fn read<'p>(format: Format, text: &str, paths: impl IntoIterator<Item = &'p str>) -> Result<Values, FormatError> {
    static READ: LazyLock<Memo<Values>> = LazyLock::new(|| Memo::new(|values| values.len() * VALUE_SIZE));
    let paths: Vec<&str> = paths.into_iter().collect();
    READ.answer(format, text, &format!("{paths:?}"), || find(format, text, &paths))
}

fn find(format: Format, text: &str, paths: &[&str]) -> Result<Values, FormatError> {
    let source = parse(format, body(text))?;
    let mut values = Values::new();
    for &path in paths {
        check_path(format, path)?;
        if let Some(found) = source.find(path)? {
            values.insert(path.to_owned(), found.value);
        }
    }
    Ok(values)
}

/// The text with each path set to its value, or without it for `None`. A value that means the [`same`] already keeps
/// its spelling. Empty text is an empty document.
///
/// New tables are written as dotted keys in TOML; objects that a removal empties go with it in JSON.
///
/// # Errors
/// As for [`read`], and when the format cannot hold a value.
pub fn edit(format: Format, text: &str, changes: &Changes) -> Result<String, FormatError> {
    static EDITED: LazyLock<Memo<String>> = LazyLock::new(|| Memo::new(String::len));
    EDITED.answer(format, text, &format!("{changes:?}"), || change(format, text, changes))
}

fn change(format: Format, text: &str, changes: &Changes) -> Result<String, FormatError> {
    let body = body(text);
    let source = parse(format, body)?;
    let mut replaced = Vec::new();
    let mut moved = Vec::new();
    for (path, change) in changes {
        check_path(format, path)?;
        match (source.find(path)?, change) {
            (Some(found), Some(value)) if same(format, &found.value, value) => {}
            (Some(found), Some(value)) => replaced.push((path, Splice::new(found.span, literal(format, path, value)?))),
            (None, None) => {}
            (Some(_), None) => moved.push((path, None)),
            (None, Some(value)) => moved.push((path, Some(literal(format, path, value)?))),
        }
    }
    if replaced.is_empty() && moved.is_empty() {
        return Ok(text.to_owned());
    }
    let mut edited = body.to_owned();
    // From the end, so that the offsets of those before stay right.
    replaced.sort_by_key(|(_, splice)| Reverse(splice.at));
    for (path, splice) in replaced {
        edited = spliced(&edited, path, splice)?;
    }
    // An insertion or a removal moves its neighbours, so each of them looks at the text anew.
    for (path, literal) in moved {
        let splice = match literal {
            Some(literal) => parse(format, &edited)?.insert(path, &literal)?,
            None => parse(format, &edited)?.remove(path)?,
        };
        edited = spliced(&edited, path, splice)?;
    }
    verify(format, &edited, changes)?;
    let mark = text.strip_suffix(body).unwrap_or_default();
    Ok(format!("{mark}{edited}"))
}

/// Whether two values mean the same in this format: Env knows only texts, and JSON only one kind of number.
#[must_use]
pub fn same(format: Format, a: &Scalar, b: &Scalar) -> bool {
    match (format, a, b) {
        (Format::Env, a, b) => a.to_string() == b.to_string(),
        (Format::Json, Scalar::Int(int), Scalar::Float(float))
        | (Format::Json, Scalar::Float(float), Scalar::Int(int)) => {
            float.fract() == 0.0 && *float as i128 == i128::from(*int)
        }
        _ => a == b,
    }
}

/// A value in the text and where it stands.
struct Found {
    value: Scalar,
    span: Range<usize>,
}

/// A parsed text.
trait Source {
    /// The value of a path.
    fn find(&self, path: &str) -> Result<Option<Found>, FormatError>;

    /// The splice that adds a path that is absent.
    fn insert(&self, path: &str, literal: &str) -> Result<Splice, FormatError>;

    /// The splice that removes a path that has a value.
    fn remove(&self, path: &str) -> Result<Splice, FormatError>;
}

fn parse<'t>(format: Format, text: &'t str) -> Result<Box<dyn Source + 't>, FormatError> {
    Ok(match format {
        Format::Toml => Box::new(toml::Toml::parse(text)?),
        Format::Json => Box::new(json::Json::parse(text)?),
        Format::Env => Box::new(env::Env::parse(text)?),
    })
}

fn spliced(text: &str, path: &str, splice: Splice) -> Result<String, FormatError> {
    splice::apply(text, &[splice]).ok_or_else(|| FormatError::Place { path: path.to_owned() })
}

/// The text without its byte order mark.
fn body(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

fn check_path(format: Format, path: &str) -> Result<(), FormatError> {
    let (valid, rule) = match format {
        Format::Env => {
            (env::is_name(path), "the name of a variable: letters, digits and underscores, the first no digit")
        }
        Format::Toml | Format::Json => (
            path.split('.').all(|key| {
                !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
            }),
            "keys of letters, digits, underscores and dashes, joined by dots",
        ),
    };
    if valid { Ok(()) } else { Err(FormatError::Path { path: path.to_owned(), format, rule }) }
}

/// The value as it is written in the format.
fn literal(format: Format, path: &str, value: &Scalar) -> Result<String, FormatError> {
    let refused = |why| FormatError::Value { path: path.to_owned(), why };
    match (format, value) {
        (_, Scalar::Float(float)) if !float.is_finite() => Err(refused("a number must be finite")),
        (Format::Env, value) => env::literal(&value.to_string()).map_err(refused),
        (Format::Json, value) => Ok(json::literal(value)),
        (Format::Toml, value) => Ok(toml::literal(value)),
    }
}

/// Nobody should find out from a crashing member that an edit went wrong.
fn verify(format: Format, text: &str, changes: &Changes) -> Result<(), FormatError> {
    let paths: Vec<&str> = changes.keys().map(String::as_str).collect();
    let values = find(format, text, &paths)?;
    for (path, wanted) in changes {
        let holds = match (values.get(path), wanted) {
            (Some(value), Some(wanted)) => same(format, value, wanted),
            (value, wanted) => value.is_none() && wanted.is_none(),
        };
        if !holds {
            return Err(FormatError::Place { path: path.clone() });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
