//! TOML. `toml_edit` says where values stand; a new value becomes a line of dotted keys in the nearest table that the
//! file has, so no table needs to be created.

use std::ops::Range;

use api::{Scalar, fleet::Format};
use toml_edit::{Document, Item, TableLike, Value};

use super::{FormatError, Found, Source, json, lines, splice::Splice};

pub(super) struct Toml<'t> {
    text: &'t str,
    document: Document<&'t str>,
}

/// Where a path leads.
struct Spot<'d, 'p> {
    /// The nearest table that is written with a header or braces of its own, or the root.
    table: &'d Item,
    /// The path from there.
    keys: &'p str,
    /// The last table on the path, in whatever way it is written.
    parent: &'d Item,
    /// What the path holds.
    item: Option<&'d Item>,
}

/// The value as it is written in TOML: as in JSON, but for one character that TOML wants escaped.
pub(super) fn literal(value: &Scalar) -> String {
    json::literal(value).replace('\u{7f}', "\\u007F")
}

impl<'t> Toml<'t> {
    pub(super) fn parse(text: &'t str) -> Result<Self, FormatError> {
        let document = Document::parse(text).map_err(|error| FormatError::Syntax {
            format: Format::Toml,
            line: lines::number(text, error.span().map_or(text.len(), |span| span.start)),
            message: error.message().to_owned(),
        })?;
        Ok(Self { text, document })
    }

    fn walk<'p>(&self, path: &'p str) -> Result<Spot<'_, 'p>, FormatError> {
        let mut item = self.document.as_item();
        let mut rest = path;
        let (mut table, mut keys) = (item, rest);
        loop {
            let Some(children) = item.as_table_like() else {
                let parent = path.strip_suffix(rest).unwrap_or_default().trim_end_matches('.').to_owned();
                return Err(FormatError::NotTable { path: path.to_owned(), parent });
            };
            if is_written(item) {
                (table, keys) = (item, rest);
            }
            let (key, tail) = match rest.split_once('.') {
                Some((key, tail)) => (key, Some(tail)),
                None => (rest, None),
            };
            match (children.get(key), tail) {
                (Some(child), Some(tail)) => (item, rest) = (child, tail),
                (child, _) => return Ok(Spot { table, keys, parent: item, item: child }),
            }
        }
    }

    /// The offset behind the comments on the whole file: before the first header and what is said about it.
    fn top(&self) -> usize {
        let (mut top, mut at) = (0, 0);
        for line in self.text.split_inclusive('\n') {
            if line.trim_start().starts_with('[') {
                return top;
            }
            at += line.len();
            if line.trim().is_empty() {
                top = at;
            }
        }
        at
    }

    fn insert_line(&self, table: &Item, assignment: &str) -> Splice {
        let header = table.span().filter(|span| !span.is_empty());
        match (values(table).last(), header) {
            (Some(last), _) => {
                let line = format!("{}{assignment}", lines::indentation(self.text, last.start));
                lines::insert(self.text, lines::next(self.text, last.end), &line)
            }
            (None, Some(header)) => lines::insert(self.text, lines::next(self.text, header.end), assignment),
            (None, None) => lines::insert(self.text, self.top(), assignment),
        }
    }

    fn insert_inline(&self, table: Range<usize>, values: &[Range<usize>], assignment: &str) -> Splice {
        match values.last() {
            Some(last) => Splice::new(last.end..last.end, format!(", {assignment}")),
            None => {
                let at = table.start + 1;
                let blank = if at + 1 == table.end { " " } else { "" };
                Splice::new(at..at, format!(" {assignment}{blank}"))
            }
        }
    }

    fn remove_inline(&self, table: Range<usize>, values: &[Range<usize>], value: &Range<usize>) -> Splice {
        let removed = match (values.iter().rfind(|other| other.end < value.start), values.len()) {
            (Some(previous), _) => previous.end..value.end,
            (None, 1) => table.start + 1..table.end - 1,
            (None, _) => table.start + 1..self.comma(value.end) + 1,
        };
        Splice::new(removed, String::new())
    }

    /// The offset of the comma that follows a value of an inline table.
    fn comma(&self, from: usize) -> usize {
        let mut at = from;
        for line in self.text.get(from..).unwrap_or_default().split_inclusive('\n') {
            if let Some(comma) = line.split('#').next().and_then(|code| code.find(',')) {
                return at + comma;
            }
            at += line.len();
        }
        at
    }
}

impl Source for Toml<'_> {
    fn find(&self, path: &str) -> Result<Option<Found>, FormatError> {
        let found = match self.walk(path)?.item {
            None => return Ok(None),
            Some(Item::Value(value)) => scalar(value).map(|scalar| (scalar, value)),
            Some(Item::ArrayOfTables(_)) => Err("a list of tables"),
            Some(_) => Err("a table"),
        };
        match found {
            Ok((scalar, value)) => Ok(Some(Found { value: scalar, span: value.span().unwrap_or_default() })),
            Err(found) => Err(FormatError::NotScalar { path: path.to_owned(), found }),
        }
    }

    fn insert(&self, path: &str, literal: &str) -> Result<Splice, FormatError> {
        let Spot { table, keys, parent, .. } = self.walk(path)?;
        if start(parent) < start(table) {
            // A header further up has opened the parent already; not every parser lets a dotted key extend it then.
            return Err(FormatError::Place { path: path.to_owned() });
        }
        let assignment = format!("{keys} = {literal}");
        Ok(match table {
            Item::Value(inline) => self.insert_inline(inline.span().unwrap_or_default(), &values(table), &assignment),
            _ => self.insert_line(table, &assignment),
        })
    }

    fn remove(&self, path: &str) -> Result<Splice, FormatError> {
        let Spot { table, item, .. } = self.walk(path)?;
        let value = item.and_then(Item::span).unwrap_or_default();
        Ok(match table {
            Item::Value(inline) => self.remove_inline(inline.span().unwrap_or_default(), &values(table), &value),
            _ => lines::remove(self.text, value),
        })
    }
}

/// Whether the table stands in the file itself, not just in a longer header or a dotted key.
fn is_written(item: &Item) -> bool {
    match item {
        Item::Table(table) => !table.is_implicit(),
        Item::Value(Value::InlineTable(table)) => !table.is_dotted(),
        _ => false,
    }
}

fn start(item: &Item) -> usize {
    item.span().map_or(0, |span| span.start)
}

/// Where the values stand that are written into this table itself, in the order of the text.
fn values(table: &Item) -> Vec<Range<usize>> {
    fn collect(table: &dyn TableLike, spans: &mut Vec<Range<usize>>) {
        for (_, child) in table.iter() {
            match child.as_table_like() {
                Some(dotted) if dotted.is_dotted() => collect(dotted, spans),
                _ if child.is_value() => spans.extend(child.span()),
                _ => {}
            }
        }
    }
    let mut spans = Vec::new();
    if let Some(table) = table.as_table_like() {
        collect(table, &mut spans);
    }
    spans.sort_by_key(|span| span.start);
    spans
}

fn scalar(value: &Value) -> Result<Scalar, &'static str> {
    match value {
        Value::Boolean(value) => Ok(Scalar::Bool(*value.value())),
        Value::Integer(value) => Ok(Scalar::Int(*value.value())),
        Value::Float(value) if value.value().is_finite() => Ok(Scalar::Float(*value.value())),
        Value::String(value) => Ok(Scalar::Text(value.value().clone())),
        Value::Float(_) => Err("a number that is not finite"),
        Value::Datetime(_) => Err("a date or a time"),
        Value::Array(_) => Err("a list"),
        Value::InlineTable(_) => Err("a table"),
    }
}

#[cfg(test)]
mod tests;
