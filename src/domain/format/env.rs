//! `NAME=value` lines, as shells, service managers and the dotenv libraries read them alike: comments, `export`, single
//! quotes that take everything literally, double quotes with backslashes, and values in quotes over several lines.

use std::ops::Range;

use api::{Scalar, fleet::Format};

use super::{FormatError, Found, Source, lines, splice::Splice};

pub(super) struct Env<'t> {
    text: &'t str,
    assignments: Vec<Assignment<'t>>,
}

struct Assignment<'t> {
    name: &'t str,
    exported: bool,
    /// Where the value stands, with its quotes.
    span: Range<usize>,
    /// None when something follows the closing quote that readers disagree about.
    value: Option<String>,
}

/// Whether this is the name of a variable.
pub(super) fn is_name(name: &str) -> bool {
    !name.starts_with(|first: char| first.is_ascii_digit())
        && !name.is_empty()
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// The value as it is written in a line: in quotes where it needs them.
pub(super) fn literal(value: &str) -> Result<String, &'static str> {
    if value.contains(['\n', '\0']) {
        return Err("a variable in an Env file holds no line break and no NUL character");
    }
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-+./:@%,".contains(&byte);
    if value.bytes().all(plain) {
        return Ok(value.to_owned());
    }
    if !value.contains('\'') {
        return Ok(format!("'{value}'"));
    }
    let escaped = value.chars().fold(String::new(), |mut escaped, char| {
        if is_special(char) {
            escaped.push('\\');
        }
        escaped.push(char);
        escaped
    });
    Ok(format!("\"{escaped}\""))
}

/// Whether double quotes need a backslash before this character.
const fn is_special(char: char) -> bool {
    matches!(char, '"' | '\\' | '$' | '`')
}

impl<'t> Env<'t> {
    pub(super) fn parse(text: &'t str) -> Result<Self, FormatError> {
        let mut assignments = Vec::new();
        let mut at = 0;
        while at < text.len() {
            let end = lines::next(text, at);
            match Assignment::parse(text, at..end)? {
                Some(assignment) => {
                    at = lines::next(text, assignment.span.end);
                    assignments.push(assignment);
                }
                None => at = end,
            }
        }
        Ok(Self { text, assignments })
    }

    fn assignment(&self, name: &str) -> Result<Option<&Assignment<'t>>, FormatError> {
        let mut named = self.assignments.iter().filter(|assignment| assignment.name == name);
        let first = named.next();
        match named.next() {
            Some(again) => {
                Err(FormatError::Twice { path: name.to_owned(), line: lines::number(self.text, again.span.start) })
            }
            None => Ok(first),
        }
    }
}

impl<'t> Assignment<'t> {
    /// The assignment that begins in this line, if one does.
    fn parse(text: &'t str, line: Range<usize>) -> Result<Option<Self>, FormatError> {
        let Some((left, right)) = text.get(line.clone()).unwrap_or_default().split_once('=') else { return Ok(None) };
        let (exported, name) = match left.trim().strip_prefix("export").map(|name| (name, name.trim_start())) {
            Some((rest, name)) if rest.len() > name.len() => (true, name),
            _ => (false, left.trim()),
        };
        if name.is_empty() || name.contains(|char: char| char.is_whitespace() || "#'\"".contains(char)) {
            return Ok(None);
        }
        let start = line.end - right.trim_start_matches([' ', '\t']).len();
        let (length, value) = match text.get(start..).unwrap_or_default() {
            quoted if quoted.starts_with(['\'', '"']) => quotation(quoted).ok_or_else(|| FormatError::Syntax {
                format: Format::Env,
                line: lines::number(text, start),
                message: "the quote is never closed".to_owned(),
            })?,
            _ => {
                let value = uncommented(right).trim();
                (value.len(), Some(value.to_owned()))
            }
        };
        Ok(Some(Self { name, exported, span: start..start + length, value }))
    }
}

impl Source for Env<'_> {
    fn find(&self, path: &str) -> Result<Option<Found>, FormatError> {
        let Some(assignment) = self.assignment(path)? else { return Ok(None) };
        match &assignment.value {
            Some(value) => Ok(Some(Found { value: Scalar::Text(value.clone()), span: assignment.span.clone() })),
            None => Err(FormatError::NotScalar { path: path.to_owned(), found: "more than one quoted text" }),
        }
    }

    fn insert(&self, path: &str, literal: &str) -> Result<Splice, FormatError> {
        let export = if self.assignments.last().is_some_and(|last| last.exported) { "export " } else { "" };
        Ok(lines::insert(self.text, self.text.len(), &format!("{export}{path}={literal}")))
    }

    fn remove(&self, path: &str) -> Result<Splice, FormatError> {
        let span = self.assignment(path)?.map(|assignment| assignment.span.clone()).unwrap_or_default();
        Ok(lines::remove(self.text, span))
    }
}

/// The length of the quotation that begins here and what it says; none when it has no end.
fn quotation(text: &str) -> Option<(usize, Option<String>)> {
    let mut chars = text.char_indices().peekable();
    let (_, quote) = chars.next()?;
    let mut value = String::new();
    loop {
        let (at, char) = chars.next()?;
        if char == quote {
            let rest = text.get(at + 1..)?.lines().next().unwrap_or_default();
            let alone = uncommented(rest).trim().is_empty();
            return Some((at + 1, alone.then_some(value)));
        }
        let escaped = (quote == '"' && char == '\\').then(|| chars.next_if(|(_, next)| is_special(*next))).flatten();
        value.push(escaped.map_or(char, |(_, next)| next));
    }
}

/// The line without a comment: a `#` after a blank and what follows.
fn uncommented(line: &str) -> &str {
    let comment =
        line.match_indices('#').find(|(at, _)| line.get(..*at).is_some_and(|before| before.ends_with([' ', '\t'])));
    comment.and_then(|(at, _)| line.get(..at)).unwrap_or(line)
}

#[cfg(test)]
mod tests;
