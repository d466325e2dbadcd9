//! Colour, where it is wanted.

use std::io::IsTerminal;

/// How a text is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    Plain,
    Good,
    Busy,
    Bad,
    Faint,
    Strong,
}

/// Draws texts in colour, or not.
#[derive(Clone, Copy, Debug, Default)]
pub struct Paint {
    /// Whether there is colour.
    pub colour: bool,
}

impl Paint {
    /// Colour for a terminal whose user has not said no to it: <https://no-color.org>.
    pub fn of_terminal() -> Self {
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
        Self { colour: std::io::stdout().is_terminal() && !refused && !dumb }
    }

    /// The text in a style.
    pub fn paint(self, style: Style, text: &str) -> String {
        let code = match style {
            Style::Good => "32",
            Style::Busy => "33",
            Style::Bad => "1;31",
            Style::Faint => "2",
            Style::Strong => "1",
            Style::Plain => return text.to_owned(),
        };
        if self.colour && !text.is_empty() { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}
