//! What was promised, what was seen, and whether it holds.

use comfy_table::{Cell, Table, presets::UTF8_FULL_CONDENSED};

/// Lines of the table at the end of a show.
#[derive(Debug, Default)]
pub struct Outcome {
    lines: Vec<(String, String, bool)>,
}

impl Outcome {
    /// Adds a line.
    pub fn line(&mut self, what: &str, seen: impl Into<String>, holds: bool) {
        self.lines.push((what.to_owned(), seen.into(), holds));
    }

    /// Adds a time after another one, both in milliseconds since 1970; it holds if it is known and not too long.
    pub fn clock(&mut self, what: &str, from: Option<i64>, to: Option<i64>, longest: i64) {
        let passed = from.zip(to).map(|(from, to)| to - from);
        let seen = passed.map_or_else(|| "not seen".to_owned(), |passed| format!("+{:.2} s", passed as f64 / 1000.0));
        self.line(what, seen, passed.is_some_and(|passed| passed <= longest));
    }

    /// Whether every line holds.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.lines.iter().all(|(_, _, holds)| *holds)
    }

    /// The lines as a table for a terminal.
    #[must_use]
    pub fn table(&self) -> String {
        let mut table = Table::new();
        table.load_style(UTF8_FULL_CONDENSED).set_header(["", "seen", "holds"]);
        for (what, seen, holds) in &self.lines {
            table.add_row([Cell::new(what), Cell::new(seen), Cell::new(if *holds { "yes" } else { "NO" })]);
        }
        table.to_string()
    }
}

#[cfg(test)]
mod tests;
