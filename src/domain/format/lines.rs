//! Lines of a text: where they begin and how one comes and goes.

use std::ops::Range;

use super::splice::Splice;

/// The number of the line in which this offset lies, from 1.
pub(super) fn number(text: &str, at: usize) -> usize {
    text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1
}

/// The line end that the text uses.
pub(super) fn end(text: &str) -> &'static str {
    match text.split_once('\n') {
        Some((first, _)) if first.ends_with('\r') => "\r\n",
        _ => "\n",
    }
}

/// The start of the line in which this offset lies.
pub(super) fn start(text: &str, at: usize) -> usize {
    text.get(..at).and_then(|before| before.rfind('\n')).map_or(0, |newline| newline + 1)
}

/// The start of the line after this offset, or the end of the text.
pub(super) fn next(text: &str, at: usize) -> usize {
    text.get(at..).and_then(|after| after.find('\n')).map_or(text.len(), |newline| at + newline + 1)
}

/// The blanks at the start of the line in which this offset lies.
pub(super) fn indentation(text: &str, at: usize) -> &str {
    let line = text.get(start(text, at)..at).unwrap_or_default();
    line.get(..line.len() - line.trim_start().len()).unwrap_or_default()
}

/// Inserts a line before the one that starts here.
pub(super) fn insert(text: &str, at: usize, line: &str) -> Splice {
    let end = end(text);
    let unfinished = at == text.len() && !text.is_empty() && !text.ends_with('\n');
    Splice::new(at..at, if unfinished { format!("{end}{line}") } else { format!("{line}{end}") })
}

/// Removes the lines in which this range lies.
pub(super) fn remove(text: &str, range: Range<usize>) -> Splice {
    let from = start(text, range.start);
    let to = next(text, range.end);
    let before = text.get(..from).unwrap_or_default();
    // A last line without a line end takes the one before it along, as it brought it.
    let unfinished = to == text.len() && !text.ends_with('\n');
    let from = if unfinished {
        before.strip_suffix('\n').map_or(from, |kept| kept.strip_suffix('\r').unwrap_or(kept).len())
    } else {
        from
    };
    Splice::new(from..to, String::new())
}
