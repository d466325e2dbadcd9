//! A terminal on which one picture replaces another without flicker.

use std::io::{self, Write};

use crate::view::table::cut;

/// Size of a terminal that does not say it.
const DEFAULT: (usize, usize) = (80, 24);

/// A second page of the terminal without a cursor. Dropping it brings the first page back.
pub struct Screen {
    _open: (),
}

/// Columns and rows of the terminal.
pub fn size() -> (usize, usize) {
    terminal_size::terminal_size().map_or(DEFAULT, |(width, height)| (usize::from(width.0), usize::from(height.0)))
}

impl Screen {
    /// Turns to the second page.
    pub fn open() -> Self {
        send("\x1b[?1049h\x1b[?25l\x1b[2J");
        Self { _open: () }
    }

    /// Draws over what is there, in one go; what does not fit is left out.
    pub fn draw(&mut self, text: &str) {
        send(&picture(text, size()));
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        send("\x1b[?25h\x1b[?1049l");
    }
}

/// The text as sequences that replace the last picture: each line to its end, then the rest of the page.
fn picture(text: &str, (columns, rows): (usize, usize)) -> String {
    let lines: Vec<String> = text.lines().take(rows).map(|line| format!("{}\x1b[K", cut(line, columns))).collect();
    // The terminal shows what stands between the first and the last sequence at once.
    format!("\x1b[?2026h\x1b[H{}\x1b[J\x1b[?2026l", lines.join("\r\n"))
}

/// A terminal that is gone is noticed by the next write of others; nothing can be done here.
fn send(text: &str) {
    let mut out = io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

#[cfg(test)]
mod tests;
