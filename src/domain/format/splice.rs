//! Replacements in a text, and the way back to the exact bytes that stood there before.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::run::stable_hash;

/// How many lines [`inverse`] looks ahead for two that are equal again.
const REACH: usize = 256;

/// One replacement: `len` bytes at the offset `at` become `text`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Splice {
    /// Offset of the first byte that is replaced.
    #[serde(rename = "a")]
    pub at: usize,
    /// Number of bytes that are replaced.
    #[serde(rename = "l", default, skip_serializing_if = "is_zero")]
    pub len: usize,
    /// What comes in their place.
    #[serde(rename = "t", default, skip_serializing_if = "String::is_empty")]
    pub text: String,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_zero(number: &usize) -> bool {
    *number == 0
}

impl Splice {
    pub(super) fn new(range: Range<usize>, text: String) -> Self {
        Self { at: range.start, len: range.len(), text }
    }
}

/// The splices that turn `after` back into `before`, in the order of the text. They are as small as the lines and
/// characters that differ, for texts that are edited here and there.
#[must_use]
pub fn inverse(before: &str, after: &str) -> Vec<Splice> {
    let before: Vec<&str> = before.split_inclusive('\n').collect();
    let after: Vec<&str> = after.split_inclusive('\n').collect();
    let (mut before, mut after) = (before.as_slice(), after.as_slice());
    let mut splices = Vec::new();
    let mut at = 0;
    loop {
        match (before, after) {
            ([], []) => return splices,
            ([old, before_rest @ ..], [new, after_rest @ ..]) if old == new => {
                at += new.len();
                (before, after) = (before_rest, after_rest);
            }
            _ => {
                let (olds, news) = until_equal(before, after);
                let (Some((old, before_rest)), Some((new, after_rest))) =
                    (before.split_at_checked(olds), after.split_at_checked(news))
                else {
                    return splices;
                };
                let (old, new) = (old.concat(), new.concat());
                splices.push(narrow(at, &new, &old));
                at += new.len();
                (before, after) = (before_rest, after_rest);
            }
        }
    }
}

/// The text with all splices applied; `None` when they do not fit it: out of order, out of range or within a character.
#[must_use]
pub fn apply(text: &str, splices: &[Splice]) -> Option<String> {
    let mut applied = String::with_capacity(text.len());
    let mut done = 0;
    for splice in splices {
        applied.push_str(text.get(done..splice.at)?);
        applied.push_str(&splice.text);
        done = splice.at.checked_add(splice.len)?;
    }
    applied.push_str(text.get(done..)?);
    Some(applied)
}

/// A short hash of the text: who finds it unchanged may apply splices that were made for it.
#[must_use]
pub fn fingerprint(text: &str) -> String {
    format!("{:016x}", stable_hash(&[text]))
}

/// How many lines of each text to skip until both go on with an equal line; all of them when none is in reach.
fn until_equal(before: &[&str], after: &[&str]) -> (usize, usize) {
    (1..REACH)
        .flat_map(|skipped| (0..=skipped).map(move |olds| (olds, skipped - olds)))
        .find(|(olds, news)| before.get(*olds).is_some_and(|old| after.get(*news) == Some(old)))
        .unwrap_or((before.len(), after.len()))
}

/// Replaces `new` by `old` without the characters that both begin and end with.
fn narrow(at: usize, new: &str, old: &str) -> Splice {
    let head = equal_bytes(new.chars(), old.chars());
    let (new, old) = (new.get(head..).unwrap_or_default(), old.get(head..).unwrap_or_default());
    let tail = equal_bytes(new.chars().rev(), old.chars().rev());
    let at = at + head;
    Splice::new(at..at + new.len() - tail, old.get(..old.len() - tail).unwrap_or_default().to_owned())
}

fn equal_bytes(a: impl Iterator<Item = char>, b: impl Iterator<Item = char>) -> usize {
    a.zip(b).take_while(|(a, b)| a == b).map(|(a, _)| a.len_utf8()).sum()
}

#[cfg(test)]
mod tests;
