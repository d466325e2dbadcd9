//! Where measurements come from.

use domain::{needs::Target, series::Series};
use futures::future::BoxFuture;

pub mod exposition;
pub mod pods;

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
