//! JSON. `serde_json` says where values stand, as slices of the text; what is new takes over the layout of the file.

use std::{fmt, ops::Range};

use api::{Scalar, fleet::Format};
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;

use super::{FormatError, Found, Source, lines, splice::Splice};

pub(super) struct Json<'t> {
    text: &'t str,
    /// Where the outermost object stands; empty in an empty text.
    root: Range<usize>,
}

/// An object on the way of a path.
struct Object {
    span: Range<usize>,
    members: Vec<Member>,
    /// Which member the path takes.
    taken: Option<usize>,
}

struct Member {
    key: String,
    /// Offset of the key.
    start: usize,
    value: Range<usize>,
}

/// How a file is laid out.
struct Layout<'t> {
    /// What stands before a line, for each level; none when the file has everything on one line.
    indentation: Option<&'t str>,
    line_end: &'static str,
    colon: &'static str,
}

/// The value as it is written in JSON.
pub(super) fn literal(value: &Scalar) -> String {
    serde_json::json!(value).to_string()
}

impl<'t> Json<'t> {
    pub(super) fn parse(text: &'t str) -> Result<Self, FormatError> {
        let start = text.len() - text.trim_start().len();
        let root = start..start + text.trim().len();
        members(text, &root)?;
        Ok(Self { text, root })
    }

    /// The objects along the path, as far as it exists: the outermost at least.
    fn walk(&self, path: &str) -> Result<Vec<Object>, FormatError> {
        let mut objects: Vec<Object> = Vec::new();
        let mut next = Some(self.root.clone());
        for key in path.split('.') {
            let Some(span) = next.take() else { break };
            if !objects.is_empty() && !self.slice(&span).starts_with('{') {
                let parent: Vec<&str> = path.split('.').take(objects.len()).collect();
                return Err(FormatError::NotTable { path: path.to_owned(), parent: parent.join(".") });
            }
            let members = members(self.text, &span)?;
            let mut named = members.iter().enumerate().filter(|(_, member)| member.key == key);
            let taken = named.next();
            if let Some((_, again)) = named.next() {
                let line = lines::number(self.text, again.start);
                return Err(FormatError::Twice { path: path.to_owned(), line });
            }
            next = taken.map(|(_, member)| member.value.clone());
            let taken = taken.map(|(index, _)| index);
            objects.push(Object { span, members, taken });
        }
        Ok(objects)
    }

    fn slice(&self, span: &Range<usize>) -> &'t str {
        self.text.get(span.clone()).unwrap_or_default()
    }

    fn layout(&self, root: &Object) -> Layout<'t> {
        let lead = root.members.first().map(|first| blanks_before(self.text, first.start));
        let tight = root.members.first().is_some_and(|first| blanks_before(self.text, first.value.start).is_empty());
        Layout {
            indentation: lead.map_or(Some("  "), |lead| lead.rsplit_once('\n').map(|(_, indentation)| indentation)),
            line_end: lines::end(self.text),
            colon: if tight { ":" } else { ": " },
        }
    }
}

impl Source for Json<'_> {
    fn find(&self, path: &str) -> Result<Option<Found>, FormatError> {
        let objects = self.walk(path)?;
        let Some(member) = objects.last().and_then(Object::member) else { return Ok(None) };
        let value = self.slice(&member.value);
        let scalar = match value.as_bytes().first() {
            Some(b'n') => return Ok(None),
            Some(b'{') => Err("a table"),
            Some(b'[') => Err("a list"),
            Some(b't' | b'f') => Ok(Scalar::Bool(value == "true")),
            Some(b'"') => match serde_json::from_str(value) {
                Ok(text) => Ok(Scalar::Text(text)),
                Err(error) => return Err(syntax(self.text, &member.value, &error)),
            },
            _ => number(value).ok_or("a number of more than 64 bits"),
        };
        match scalar {
            Ok(scalar) => Ok(Some(Found { value: scalar, span: member.value.clone() })),
            Err(found) => Err(FormatError::NotScalar { path: path.to_owned(), found }),
        }
    }

    fn insert(&self, path: &str, literal: &str) -> Result<Splice, FormatError> {
        let objects = self.walk(path)?;
        let (Some(root), Some(object)) = (objects.first(), objects.last()) else {
            return Err(misplaced(path));
        };
        if let Some(null) = object.member() {
            return Ok(Splice::new(null.value.clone(), literal.to_owned()));
        }
        let layout = self.layout(root);
        let depth = objects.len() - 1;
        let keys: Vec<&str> = path.split('.').skip(depth).collect();
        Ok(match object.members.last() {
            Some(last) => {
                let lead = blanks_before(self.text, last.start);
                let entry = layout.entry(&keys, literal, depth);
                Splice::new(last.value.end..last.value.end, format!(",{lead}{entry}"))
            }
            None => {
                let end = if object.span.is_empty() { layout.line_end } else { "" };
                Splice::new(object.span.clone(), layout.object(&keys, literal, depth) + end)
            }
        })
    }

    fn remove(&self, path: &str) -> Result<Splice, FormatError> {
        let objects = self.walk(path)?;
        // An object that would be empty afterwards goes with its last member.
        let Some(object) = objects.iter().rfind(|object| object.members.len() > 1) else {
            return Ok(Splice::new(self.root.clone(), "{}".to_owned()));
        };
        let member = |index: usize| object.members.get(index);
        let taken = object.taken.ok_or_else(|| misplaced(path))?;
        let removed = match (taken.checked_sub(1).and_then(member), member(taken), member(taken + 1)) {
            (Some(previous), Some(taken), _) => previous.value.end..taken.value.end,
            (None, Some(taken), Some(next)) => taken.start..next.start,
            _ => return Err(misplaced(path)),
        };
        Ok(Splice::new(removed, String::new()))
    }
}

impl Object {
    fn member(&self) -> Option<&Member> {
        self.taken.and_then(|taken| self.members.get(taken))
    }
}

impl Layout<'_> {
    fn object(&self, keys: &[&str], literal: &str, depth: usize) -> String {
        format!("{{{}{}{}}}", self.line(depth + 1), self.entry(keys, literal, depth), self.line(depth))
    }

    /// A key of the object at this depth and what belongs under it.
    fn entry(&self, keys: &[&str], literal: &str, depth: usize) -> String {
        match keys {
            [key, rest @ ..] if !rest.is_empty() => {
                format!("\"{key}\"{}{}", self.colon, self.object(rest, literal, depth + 1))
            }
            keys => format!("\"{}\"{}{literal}", keys.concat(), self.colon),
        }
    }

    fn line(&self, depth: usize) -> String {
        self.indentation.map(|indentation| self.line_end.to_owned() + &indentation.repeat(depth)).unwrap_or_default()
    }
}

// The standard library rounds to the nearest number, serde_json does not without its feature float_roundtrip.
fn number(text: &str) -> Option<Scalar> {
    if text.contains(['.', 'e', 'E']) {
        text.parse().ok().filter(|float: &f64| float.is_finite()).map(Scalar::Float)
    } else {
        text.parse().ok().map(Scalar::Int)
    }
}

/// The blanks right before this offset.
fn blanks_before(text: &str, at: usize) -> &str {
    let before = text.get(..at).unwrap_or_default();
    before.get(before.trim_end().len()..).unwrap_or_default()
}

/// The members of the object that stands here; none in an empty text.
fn members(text: &str, object: &Range<usize>) -> Result<Vec<Member>, FormatError> {
    let slice = text.get(object.clone()).unwrap_or_default();
    if slice.is_empty() {
        return Ok(Vec::new());
    }
    let Members(members) = serde_json::from_str(slice).map_err(|error| syntax(text, object, &error))?;
    let mut end = object.start + 1;
    let members = members.into_iter().map(|(key, raw)| {
        let value = object.start + raw.get().as_ptr().addr() - slice.as_ptr().addr();
        let start = end + text.get(end..).and_then(|rest| rest.find('"')).unwrap_or_default();
        end = value + raw.get().len();
        Member { key, start, value: value..end }
    });
    Ok(members.collect())
}

struct Members<'t>(Vec<(String, &'t RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;

        impl<'de> Visitor<'de> for InOrder {
            type Value = Members<'de>;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(InOrder)
    }
}

fn syntax(text: &str, value: &Range<usize>, error: &serde_json::Error) -> FormatError {
    let message = error.to_string();
    FormatError::Syntax {
        format: Format::Json,
        line: lines::number(text, value.start) + error.line().saturating_sub(1),
        message: message.rsplit_once(" at line ").map_or(message.clone(), |(message, _)| message.to_owned()),
    }
}

fn misplaced(path: &str) -> FormatError {
    FormatError::Place { path: path.to_owned() }
}

#[cfg(test)]
mod tests;
