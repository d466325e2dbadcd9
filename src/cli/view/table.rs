//! Text in columns.

use std::fmt::Write;

/// Rows in columns that are as wide as their widest cell. Colours take no room.
pub fn table<const COLUMNS: usize>(rows: &[[String; COLUMNS]]) -> String {
    let mut widths = [0; COLUMNS];
    for row in rows {
        for (widest, cell) in widths.iter_mut().zip(row) {
            *widest = (*widest).max(width(cell));
        }
    }
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (column, cell) in widths.iter().zip(row) {
            let padding = column - width(cell);
            // Writing to a string cannot fail.
            let _ = write!(line, "{cell}{:padding$}  ", "");
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// Columns that a text takes in a terminal.
pub fn width(text: &str) -> usize {
    parts(text).filter(|(_, is_visible)| *is_visible).count()
}

/// As much of a text as fits into so many columns; colours are kept, so that none stays on.
pub fn cut(text: &str, columns: usize) -> String {
    let mut seen = 0;
    let mut kept = String::new();
    for (character, is_visible) in parts(text) {
        seen += usize::from(is_visible);
        if !is_visible || seen <= columns {
            kept.push(character);
        }
    }
    kept
}

/// A sentence on as many lines as it needs; words stay whole. At least one line.
pub fn wrap(text: &str, columns: usize) -> String {
    let mut wrapped = String::new();
    let mut used = 0;
    for word in text.split(' ') {
        let needed = width(word);
        if used > 0 && used + 1 + needed > columns {
            wrapped.push('\n');
            used = 0;
        } else if used > 0 {
            wrapped.push(' ');
            used += 1;
        }
        wrapped.push_str(word);
        used += needed;
    }
    wrapped
}

/// The characters of a text, and whether each takes a column: those of a colour's sequence do not.
fn parts(text: &str) -> impl Iterator<Item = (char, bool)> {
    let mut in_sequence = false;
    text.chars().map(move |character| {
        let begins = character == '\x1b';
        let is_visible = !in_sequence && !begins;
        in_sequence = (in_sequence && character != 'm') || begins;
        (character, is_visible)
    })
}

#[cfg(test)]
mod tests;
