//! Errors far beyond doubt: one sample decides, if the baseline is healthy at that moment.
//!
//! The constants are those of the project's study of the rule: a member is *bad* with at least 20 requests and 10
//! errors in a look and a ratio of at least 25 % and ten times the limit. One bad member suffices while at most two are
//! optimized, or shortly after its own switch; later a tenth of them, two at least, so that one that fails by chance
//! does not abort. A baseline that suffers as well means that something else is wrong.

use std::time::Duration;

use super::amount::Amount;

const MIN_REQUESTS: f64 = 20.0;
const MIN_ERRORS: f64 = 10.0;
const MIN_RATIO: f64 = 0.25;
/// How long after its own switch a member's failure is taken for the switch's doing.
pub const AFTER_SWITCH: Duration = Duration::from_secs(120);

/// One optimized member's latest look.
#[derive(Clone, Debug)]
pub struct Sample<'a> {
    /// Name of the member.
    pub member: &'a str,
    /// Errors and requests.
    pub amount: &'a Amount,
    /// Those of the baseline at that time.
    pub baseline: &'a Amount,
    /// Time since the member was switched.
    pub since_switch: Duration,
}

/// The bad members and their ratios, worst first, when there are enough of them and the baseline is healthy; otherwise
/// none.
#[must_use]
pub fn bad_members<'a, 'b>(limit: f64, optimized: &'b [Sample<'a>]) -> Vec<(&'b Sample<'a>, f64)> {
    let threshold = MIN_RATIO.max(10.0 * limit);
    let healthy = |baseline: &Amount| {
        baseline.whole >= MIN_REQUESTS && baseline.part / baseline.whole <= limit.max(threshold / 5.0)
    };
    let mut bad: Vec<(&Sample<'_>, f64)> = optimized
        .iter()
        .filter(|sample| sample.amount.whole >= MIN_REQUESTS && sample.amount.part >= MIN_ERRORS)
        .map(|sample| (sample, sample.amount.part / sample.amount.whole))
        .filter(|(sample, ratio)| *ratio >= threshold && healthy(sample.baseline))
        .collect();
    let needed = if optimized.len() <= 2 || bad.iter().any(|(sample, _)| sample.since_switch <= AFTER_SWITCH) {
        1
    } else {
        optimized.len().div_ceil(10).max(2)
    };
    if bad.len() < needed {
        return Vec::new();
    }
    bad.sort_by(|a, b| b.1.total_cmp(&a.1));
    bad
}

#[cfg(test)]
mod tests;
