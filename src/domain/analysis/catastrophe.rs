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
    /// Time since the member was switched.
    pub since_switch: Duration,
}

/// The bad members, worst first, when there are enough of them and the baseline is healthy; otherwise none.
#[must_use]
pub fn bad_members<'a>(limit: f64, optimized: &[Sample<'a>], baseline: &Amount) -> Vec<(&'a str, f64)> {
    let threshold = MIN_RATIO.max(10.0 * limit);
    let mut bad: Vec<(&str, f64, Duration)> = optimized
        .iter()
        .filter(|sample| sample.amount.whole >= MIN_REQUESTS && sample.amount.part >= MIN_ERRORS)
        .map(|sample| (sample.member, sample.amount.part / sample.amount.whole, sample.since_switch))
        .filter(|(_, ratio, _)| *ratio >= threshold)
        .collect();
    let needed = if optimized.len() <= 2 || bad.iter().any(|(_, _, since)| *since <= AFTER_SWITCH) {
        1
    } else {
        optimized.len().div_ceil(10).max(2)
    };
    let healthy = baseline.whole >= MIN_REQUESTS && baseline.part / baseline.whole <= limit.max(threshold / 5.0);
    if bad.len() < needed || !healthy {
        return Vec::new();
    }
    bad.sort_by(|a, b| b.1.total_cmp(&a.1));
    bad.into_iter().map(|(member, ratio, _)| (member, ratio)).collect()
}

#[cfg(test)]
mod tests;
