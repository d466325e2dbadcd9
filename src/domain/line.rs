//! Texts of others in a place for one line.

/// The longest message of a condition, an event or a refusal, in characters.
pub const MESSAGE: usize = 1024;

/// A text as one line of at most so many characters: what would break the line, or hide in it, is a space.
#[must_use]
pub fn line(text: &str, most: usize) -> String {
    text.chars().take(most).map(|char| if char.is_control() { ' ' } else { char }).collect()
}
