//! Which optimized members may leave traffic, and how.

use api::{
    names::{COHORT_LABEL, SERVING_LABEL, cohort},
    traffic::{Traffic, TrafficMethod},
};

use crate::observation::Service;

/// How many of `members` may leave traffic so that the others get at most `increase` more load each; at least one
/// stays.
#[must_use]
pub fn may_leave(members: usize, increase: f64) -> usize {
    let stay = (members as f64 / (1.0 + increase)).ceil().max(1.0);
    members.saturating_sub(stay as usize)
}

/// Whether a Service's owner lets us move its traffic: it selects the serving label.
#[must_use]
pub fn is_prepared(service: &Service) -> bool {
    service.selector.get(SERVING_LABEL).map(String::as_str) == Some("true")
}

/// Whether a Service leads to the baseline alone.
#[must_use]
pub fn is_narrowed(service: &Service) -> bool {
    service.selector.get(COHORT_LABEL).map(String::as_str) == Some(cohort::BASELINE)
}

/// Whether narrowing the Services' selectors is the way: it moves all optimized members at once, so it needs all of
/// them to be allowed to leave and somebody to take over.
#[must_use]
pub fn reroutes(
    traffic: &Traffic,
    services: &[Service],
    leaving: usize,
    serving: usize,
    ready_baseline: usize,
) -> bool {
    traffic.method == TrafficMethod::Selector
        && leaving >= 2
        && leaving == serving
        && ready_baseline >= 1
        && services.iter().all(|service| service.refused.is_none() && is_prepared(service))
}

#[cfg(test)]
mod tests;
