//! What one member's scrape adds to an indicator, and what many of them amount to.

use std::{cmp::Ordering, collections::BTreeMap};

use jiff::Timestamp;

use super::query::Query;
use crate::{
    run::stable_hash,
    series::{Selector, Series},
};

/// The labels that a run sets on pods, as service discovery writes their names; a user may have put something before.
const SWITCHED_LABELS: [&str; 2] = ["optimization_qudag_io_cohort", "optimization_qudag_io_serving"];

/// Counters of one scrape, by series and bucket.
pub type Counters = BTreeMap<(u64, Bound), f64>;

/// Upper bound of a histogram bucket, ordered; everything else has the bound zero.
#[derive(Clone, Copy, Debug, Default)]
pub struct Bound(pub f64);

impl PartialEq for Bound {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}
impl Eq for Bound {}
impl PartialOrd for Bound {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Bound {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}

/// Why a scrape says nothing of an indicator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Gap {
    /// The endpoint did not answer in time, or not in a readable way.
    NoAnswer,
    /// The first scrape of a counter: growth is known from the second on.
    First,
    /// The series is not there.
    Absent,
    /// NaN or infinite.
    NotFinite,
    /// A gauge with several series.
    Several,
    /// The newest sample is too old, or gone.
    Stale,
}

impl Gap {
    /// The gap in words.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::NoAnswer => "no answer from the metrics endpoint",
            Self::First => "one scrape so far",
            Self::Absent => "the series is not exposed; check its name, and let counters start at 0",
            Self::NotFinite => "the value is not a finite number",
            Self::Several => "several series match; add a matcher that leaves one",
            Self::Stale => "no new sample for longer than the Connection's staleAfter",
        }
    }
}

/// The raw values that one scrape has for a query.
#[derive(Clone, Debug, PartialEq)]
pub enum Raw {
    /// Numerator (may be absent while the denominator is there) and denominator.
    Ratio(Counters, Counters),
    /// Cumulative buckets, or sum and count.
    Buckets(Counters),
    /// Sum and count.
    Mean(Counters, Counters),
    /// A counter.
    Count(Counters),
    /// A level.
    Level(f64),
}

/// What one look adds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Amount {
    /// Growth of the numerator, the sum, the counter; or the level.
    pub part: f64,
    /// Growth of the denominator or of the number of observations.
    pub whole: f64,
    /// Growth of each cumulative bucket.
    pub buckets: BTreeMap<Bound, f64>,
}

impl Amount {
    /// Adds another one.
    pub fn add(&mut self, other: &Self) {
        self.part += other.part;
        self.whole += other.whole;
        for (bound, count) in &other.buckets {
            *self.buckets.entry(*bound).or_default() += count;
        }
    }
}

/// Reads what a scrape has for a query.
///
/// # Errors
/// Why it has nothing.
pub fn read(query: &Query, scrape: &[Series]) -> Result<Raw, Gap> {
    let found = |selector: &Selector| counters(selector, scrape);
    let present = |counters: Counters| if counters.is_empty() { Err(Gap::Absent) } else { Ok(counters) };
    Ok(match query {
        Query::Ratio { numerator, denominator } => Raw::Ratio(found(numerator)?, present(found(denominator)?)?),
        Query::Histogram { buckets, quantile: Some(_), .. } => Raw::Buckets(present(found(buckets)?)?),
        Query::Histogram { sum, count, quantile: None, .. } => {
            Raw::Mean(present(found(sum)?)?, present(found(count)?)?)
        }
        Query::Rate(counter) | Query::Event(counter) => Raw::Count(present(found(counter)?)?),
        Query::Gauge(gauge) | Query::Growth(gauge) | Query::Promql(gauge) => {
            // Of a series that has ended since, the last sample is still there.
            let newest = newest(query, scrape);
            let mut matching = scrape.iter().filter(|series| gauge.matches(series) && series.taken == newest);
            let level = matching.next().ok_or(Gap::Absent)?.value;
            match matching.next() {
                Some(_) => return Err(Gap::Several),
                None if !level.is_finite() => return Err(Gap::NotFinite),
                None => Raw::Level(level),
            }
        }
    })
}

/// When the newest sample for a query was taken; `None` where there is none, or the source keeps none.
#[must_use]
pub fn newest(query: &Query, scrape: &[Series]) -> Option<Timestamp> {
    let selectors = query.selectors();
    let matches = |series: &&Series| selectors.iter().any(|selector| selector.matches(series));
    scrape.iter().filter(matches).filter_map(|series| series.taken).max()
}

fn counters(selector: &Selector, scrape: &[Series]) -> Result<Counters, Gap> {
    let mut found: BTreeMap<(u64, Bound), (Option<Timestamp>, f64)> = BTreeMap::new();
    for series in scrape.iter().filter(|series| selector.matches(series)) {
        if !series.value.is_finite() {
            return Err(Gap::NotFinite);
        }
        let bound = series.label("le").and_then(|bound| bound.parse().ok()).unwrap_or_default();
        let labels: Vec<&str> = series
            .labels
            .iter()
            .filter(|(name, _)| name != "le" && !is_switched(name))
            .flat_map(|(name, value)| [name.as_str(), value.as_str()])
            .collect();
        let counter = found.entry((stable_hash(&labels), Bound(bound))).or_insert((series.taken, 0.0));
        match series.taken.cmp(&counter.0) {
            Ordering::Greater => *counter = (series.taken, series.value),
            Ordering::Equal => counter.1 += series.value,
            Ordering::Less => {}
        }
    }
    Ok(found.into_iter().map(|(key, (_, value))| (key, value)).collect())
}

/// Whether a label is a copy of one that a run sets on pods: a server that maps pods' labels to its series begins a new
/// one when it changes, and the counter goes on.
fn is_switched(label: &str) -> bool {
    SWITCHED_LABELS.iter().any(|switched| label.ends_with(switched))
}

/// Growth from one scrape to the next. A counter that fell was reset and grew from zero; a series that appeared grew
/// from zero too, because its member was scraped before without it.
#[must_use]
pub fn growth(before: &Raw, after: &Raw) -> Amount {
    match (before, after) {
        (Raw::Ratio(part_before, whole_before), Raw::Ratio(part, whole))
        | (Raw::Mean(part_before, whole_before), Raw::Mean(part, whole)) => Amount {
            part: grown(part_before, part).map(|(_, growth)| growth).sum(),
            whole: grown(whole_before, whole).map(|(_, growth)| growth).sum(),
            ..Amount::default()
        },
        (Raw::Buckets(before), Raw::Buckets(after)) => {
            let mut amount = Amount::default();
            for (bound, growth) in grown(before, after) {
                *amount.buckets.entry(bound).or_default() += growth;
            }
            amount.whole = amount.buckets.last_key_value().map_or(0.0, |(_, count)| *count);
            amount
        }
        (Raw::Count(before), Raw::Count(after)) => {
            Amount { part: grown(before, after).map(|(_, growth)| growth).sum(), ..Amount::default() }
        }
        (_, Raw::Level(level)) => Amount { part: *level, ..Amount::default() },
        // Two scrapes for one query always have the same shape.
        _ => Amount::default(),
    }
}

fn grown<'a>(before: &'a Counters, after: &'a Counters) -> impl Iterator<Item = (Bound, f64)> + 'a {
    after.iter().map(|(key, value)| {
        let from = before.get(key).copied().filter(|before| before <= value).unwrap_or_default();
        (key.1, value - from)
    })
}

/// The quantile of a histogram's growth, linear within its bucket, as Prometheus computes it; the lower bound of the
/// last bucket when it lies beyond all finite bounds.
#[must_use]
pub fn quantile(quantile: f64, buckets: &BTreeMap<Bound, f64>) -> Option<f64> {
    let total = *buckets.last_key_value()?.1;
    if total <= 0.0 {
        return None;
    }
    let rank = quantile * total;
    let (mut lower, mut below) = (0.0, 0.0);
    for (Bound(upper), count) in buckets {
        if *count >= rank {
            if upper.is_infinite() {
                return Some(lower);
            }
            let share = if *count > below { (rank - below) / (count - below) } else { 1.0 };
            return Some(lower + (upper - lower) * share);
        }
        (lower, below) = (*upper, *count);
    }
    Some(lower)
}

#[cfg(test)]
mod tests;
