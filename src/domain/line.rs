//! Texts of others in a place for one line.

/// The longest message of a condition, an event or a refusal, in bytes: so the API server counts the note of an event,
/// whatever it says of characters.
pub const MESSAGE: usize = 1024;

/// A text as one line of at most so many bytes: what would break the line, or hide in it, is a space.
#[must_use]
pub fn line(text: &str, most: usize) -> String {
    let kept = text.get(..text.floor_char_boundary(most)).unwrap_or_default();
    kept.replace(char::is_control, " ")
}

#[cfg(test)]
mod tests;
