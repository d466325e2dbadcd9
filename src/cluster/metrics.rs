//! Where measurements come from.

use std::collections::BTreeMap;

use domain::{
    analysis::Scrape,
    needs::{Connection, Source, Target},
    observation::Problem,
    series::Series,
};
use futures::future::BoxFuture;

pub mod each;
pub mod exposition;
pub mod pods;
pub mod prometheus;

/// What one look wants to know.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// Whom to ask.
    pub source: &'a Source,
    /// Of which members.
    pub targets: &'a [Target],
    /// Names of metrics.
    pub wanted: &'a [String],
    /// Queries of the user's.
    pub expressions: &'a [String],
    /// Time until the next look.
    pub interval: std::time::Duration,
}

/// What one look found.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// One for each target, in any order.
    pub scrapes: Vec<Scrape>,
    /// Why the source as a whole said nothing, as a sentence without anything that it said.
    pub trouble: Option<String>,
    /// Why it did not answer queries of the user's, by query, as sentences of the same kind.
    pub refused: BTreeMap<String, String>,
}

/// Looks at all members at once.
pub trait MetricsSource: Send + Sync {
    /// One look, within the source's own deadlines.
    fn look<'a>(&'a self, question: Question<'a>) -> BoxFuture<'a, Answer>;

    /// Why a Connection can never be used as it is, asked before a run starts.
    fn check<'a>(&'a self, connection: &'a Connection) -> BoxFuture<'a, Option<Problem>> {
        let _ = connection;
        Box::pin(std::future::ready(None))
    }
}

/// Reads one member's metrics.
pub trait Scraper: Send + Sync {
    /// The wanted metrics of one member.
    ///
    /// # Errors
    /// Why there are none, as a sentence.
    fn scrape<'a>(
        &'a self,
        target: &'a Target,
        path: &'a str,
        wanted: &'a [String],
    ) -> BoxFuture<'a, Result<Vec<Series>, String>>;
}
