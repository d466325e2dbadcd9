//! Answers about texts, kept for the next pass: it asks the same of the same files, and to parse a long one takes
//! milliseconds. An answer depends on its question alone, so nobody can tell whether it was kept.

use api::fleet::Format;
use quick_cache::{Equivalent, Weighter, sync::Cache};

use super::FormatError;

/// Bytes of questions and answers that one memo keeps: those of a thousand files of some kilobytes.
const CAPACITY: u64 = 8 << 20;
/// Questions that it says to expect. More would split it up by the processors of the machine, into pieces that the
/// longest file does not fit into.
const QUESTIONS: usize = 32;
/// Bytes that an entry takes beside its texts.
const ENTRY_SIZE: usize = 256;

/// What was asked.
#[derive(Hash, PartialEq, Eq)]
struct Question {
    format: Format,
    text: String,
    what: String,
}

/// The same before it is kept.
#[derive(Hash)]
struct Asked<'a> {
    format: Format,
    text: &'a str,
    what: &'a str,
}

impl Equivalent<Question> for Asked<'_> {
    fn equivalent(&self, kept: &Question) -> bool {
        (self.format, self.text, self.what) == (kept.format, kept.text.as_str(), kept.what.as_str())
    }
}

type Answer<T> = Result<T, FormatError>;

/// Bytes of an answer.
#[derive(Clone)]
struct Size<T>(fn(&T) -> usize);

impl<T> Weighter<Question, Answer<T>> for Size<T> {
    fn weight(&self, question: &Question, answer: &Answer<T>) -> u64 {
        let answer = answer.as_ref().map_or(0, self.0);
        (ENTRY_SIZE + question.text.len() + question.what.len() + answer) as u64
    }
}

/// The latest answers to one sort of question.
pub(super) struct Memo<T>(Cache<Question, Answer<T>, Size<T>>);

impl<T: Clone> Memo<T> {
    /// One without answers; `size` is that of an answer in bytes.
    pub(super) fn new(size: fn(&T) -> usize) -> Self {
        Self(Cache::with_weighter(QUESTIONS, CAPACITY, Size(size)))
    }

    /// The answer to `what` is asked of a text, which is found out where it is not known.
    pub(super) fn answer(&self, format: Format, text: &str, what: &str, find: impl FnOnce() -> Answer<T>) -> Answer<T> {
        let asked = Asked { format, text, what };
        self.0.get(&asked).unwrap_or_else(|| {
            let answer = find();
            self.0.insert(Question { format, text: text.to_owned(), what: what.to_owned() }, answer.clone());
            answer
        })
    }
}

#[cfg(test)]
mod tests;
