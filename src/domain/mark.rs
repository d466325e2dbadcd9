//! The mark of a retreat: who sees it knows that the run is aborted, and why.

use api::reason::Reason;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::line::line;

/// A retreat as it is written on every object that it changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// The run that is taken back.
    pub run: String,
    /// Why.
    pub cause: Cause,
}

/// Why a run is taken back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cause {
    /// Reason of the condition Aborted.
    pub reason: Reason,
    /// The numbers, as a sentence of at most 512 bytes.
    pub message: String,
    /// When it was decided.
    pub at: Timestamp,
}

impl Cause {
    /// A cause; its message is one line, and cut where it is too long for an annotation.
    #[must_use]
    pub fn new(reason: Reason, message: &str, at: Timestamp) -> Self {
        Self { reason, message: line(message, 512), at }
    }
}

impl Mark {
    /// The mark that these two annotations hold. A mark whose reason cannot be read is still a mark.
    #[must_use]
    pub fn parse(run: Option<&str>, cause: Option<&str>) -> Option<Self> {
        let run = run?.to_owned();
        let cause = cause.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_else(|| Cause {
            reason: Reason::AbortRequested,
            message: "the object bears a retreat mark without a readable reason".to_owned(),
            at: Timestamp::UNIX_EPOCH,
        });
        Some(Self { run, cause })
    }

    /// The reason as annotation text.
    #[must_use]
    pub fn cause_text(&self) -> String {
        serde_json::json!(self.cause).to_string()
    }
}

#[cfg(test)]
mod tests;
