//! A change of a text by what stands there, and not by where: it fails when the code has moved on.

use regex::{NoExpand, Regex};

/// The text with `replace` in place of `find`, which it has to have exactly once. White space of any kind is the same.
pub fn mutate(text: &str, find: &str, replace: &str) -> Result<String, String> {
    let words: Vec<String> = find.split_whitespace().map(regex::escape).collect();
    if words.is_empty() {
        return Err("finds nothing, because it looks for nothing".to_owned());
    }
    let pattern = Regex::new(&words.join(r"\s+")).map_err(|error| error.to_string())?;
    match pattern.find_iter(text).count() {
        1 => Ok(pattern.replace(text, NoExpand(replace)).into_owned()),
        0 => Err(format!("does not have this text any more; adapt the exhibit to the code: {find}")),
        many => Err(format!("has this text {many} times; the exhibit has to name more of it: {find}")),
    }
}

#[cfg(test)]
mod tests;
