//! One look at a fleet.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;

use crate::series::Series;

/// A scrape of one member; `None` for one that failed.
#[derive(Clone, Debug)]
pub struct Scrape {
    /// The member.
    pub member: String,
    /// UID of its pod.
    pub pod: String,
    /// Series of the wanted metrics.
    pub series: Option<Vec<Series>>,
}

/// All scrapes of one look.
#[derive(Clone, Debug)]
pub struct Look {
    /// Monotonic time of the look.
    pub at: Duration,
    /// Wall clock, for reports.
    pub now: Timestamp,
    /// One for each member that was asked.
    pub scrapes: Vec<Scrape>,
    /// Why the source as a whole said nothing, as a sentence.
    pub trouble: Option<String>,
    /// Why it did not answer queries of the user's, by query, as sentences.
    pub refused: BTreeMap<String, String>,
}
