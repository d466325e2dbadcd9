//! One look at one indicator: within its limits, beyond one, or not known.

use api::indicator::{Indicator, Metric};

use super::{
    amount::{Amount, Gap, quantile},
    query::Query,
    track::Windowed,
};

/// A cohort is as bad as another one up to this many times its value.
const AS_BAD: f64 = 2.0;

/// What a cohort amounts to in the window.
#[derive(Clone, Debug, PartialEq)]
pub struct Pooled {
    /// The value; `None` when there was nothing to divide by.
    pub value: Option<f64>,
    /// Requests or observations behind it, for ratios and histograms.
    pub requests: Option<f64>,
    /// Members that answered.
    pub answered: usize,
    /// Members asked.
    pub asked: usize,
    /// The most frequent gap of those that did not.
    pub gap: Option<Gap>,
}

/// The outcome of one look.
#[derive(Clone, Debug, PartialEq)]
pub enum Judgement {
    /// Within every limit, on sufficient data.
    Within,
    /// Beyond a limit; which, in words.
    Beyond(String),
    /// Not known, and why.
    Unknown(String),
}

/// Pools the windows of a cohort's members.
#[must_use]
pub fn pool(query: &Query, windows: &[Result<Windowed, Gap>]) -> Pooled {
    let known: Vec<&Windowed> = windows.iter().filter_map(|window| window.as_ref().ok()).collect();
    let mut total = Amount::default();
    let mut seconds = 0.0;
    for window in &known {
        total.add(&window.amount);
        seconds += window.seconds;
    }
    let members = known.len() as f64;
    let divided = |part: f64, whole: f64| (whole > 0.0).then(|| part / whole);
    let (value, requests) = match query {
        Query::Ratio { .. } | Query::Histogram { quantile: None, .. } => {
            (divided(total.part, total.whole), Some(total.whole))
        }
        Query::Histogram { quantile: Some(share), .. } => (quantile(*share, &total.buckets), Some(total.whole)),
        Query::Rate(_) => (divided(total.part, seconds), None),
        Query::Gauge(_) | Query::Promql(_) => (divided(total.part, members), None),
        Query::Event(_) => ((!known.is_empty()).then_some(total.part), None),
        Query::Growth(_) => {
            let slopes: Vec<f64> = known
                .iter()
                .filter_map(|window| window.first_level.map(|(level, age)| (window.amount.part - level, age)))
                .filter(|(_, age)| *age > 0.0)
                .map(|(growth, age)| growth / age * 3600.0)
                .collect();
            (divided(slopes.iter().sum(), slopes.len() as f64), None)
        }
    };
    let gap = windows.iter().filter_map(|window| window.as_ref().err()).max().copied();
    Pooled { value, requests, answered: known.len(), asked: windows.len(), gap }
}

/// Whether a cohort is beyond an absolute limit, on sufficient data.
#[must_use]
pub fn breaks_limit(indicator: &Indicator, cohort: &Pooled) -> bool {
    let Ok(value) = sufficient(indicator, cohort, "baseline") else { return false };
    indicator.max.as_ref().is_some_and(|max| value > max.value())
        || indicator.min.as_ref().is_some_and(|min| value < min.value())
}

/// Compares both cohorts with the indicator's limits. `outage` says that the baseline broke an absolute limit itself
/// within the window: as long as it is about as bad, that is the sign of something else, and says nothing of the
/// optimization.
#[must_use]
pub fn judge(indicator: &Indicator, optimized: &Pooled, baseline: &Pooled, outage: bool) -> Judgement {
    let value = match sufficient(indicator, optimized, "optimized") {
        Ok(value) => value,
        Err(why) => return Judgement::Unknown(why),
    };
    let suffers = sufficient(indicator, baseline, "baseline").ok().filter(|_| outage);
    // Events add up over a cohort, so cohorts of different sizes are compared by what falls to a member.
    let share = |value: f64, cohort: &Pooled| match indicator.metric {
        Metric::Event(_) => value / cohort.answered.max(1) as f64,
        _ => value,
    };
    let mut verdict = Judgement::Within;
    if let Some(max) = indicator.max.as_ref().filter(|max| value > max.value()) {
        let as_bad = |other: &f64| share(value, optimized) <= share(*other, baseline) * AS_BAD;
        let Some(other) = suffers.filter(as_bad) else {
            return Judgement::Beyond(format!("{} is above max {max}", max.write(value)));
        };
        verdict = shared(indicator, value, other, &format!("max {max}"));
    } else if let Some(min) = indicator.min.as_ref().filter(|min| value < min.value()) {
        let as_bad = |other: &f64| share(value, optimized) * AS_BAD >= share(*other, baseline);
        let Some(other) = suffers.filter(as_bad) else {
            return Judgement::Beyond(format!("{} is below min {min}", min.write(value)));
        };
        verdict = shared(indicator, value, other, &format!("min {min}"));
    }
    if indicator.max_increase.is_none() && indicator.max_decrease.is_none() {
        return verdict;
    }
    let other = match sufficient(indicator, baseline, "baseline") {
        Ok(_) if baseline.answered < 2 => {
            return Judgement::Unknown("a comparison needs two baseline members that answer".to_owned());
        }
        Ok(other) => other,
        Err(why) => return Judgement::Unknown(why),
    };
    let (value, other) = (share(value, optimized), share(other, baseline));
    if let Some(limit) = indicator.max_increase.as_ref().filter(|limit| value > other + other.abs() * limit.value()) {
        return Judgement::Beyond(format!(
            "{} is more than {limit} above the baseline's {}",
            written(indicator, value),
            written(indicator, other)
        ));
    }
    if let Some(limit) = indicator.max_decrease.as_ref().filter(|limit| value < other - other.abs() * limit.value()) {
        return Judgement::Beyond(format!(
            "{} is more than {limit} below the baseline's {}",
            written(indicator, value),
            written(indicator, other)
        ));
    }
    verdict
}

fn shared(indicator: &Indicator, value: f64, other: f64, limit: &str) -> Judgement {
    Judgement::Unknown(format!(
        "{} breaks {limit}, but so did the baseline, now at {}: something else is wrong",
        written(indicator, value),
        written(indicator, other)
    ))
}

fn sufficient(indicator: &Indicator, pooled: &Pooled, cohort: &str) -> Result<f64, String> {
    if pooled.asked == 0 {
        return Err(format!("no {cohort} member to measure"));
    }
    if pooled.answered * 2 < pooled.asked || pooled.answered == 0 {
        let why = pooled.gap.map_or("no answer", Gap::text);
        return Err(format!("{} of {} {cohort} members have data: {why}", pooled.answered, pooled.asked));
    }
    if let Some(requests) = pooled.requests.filter(|requests| *requests < f64::from(indicator.min_requests)) {
        return Err(format!(
            "{requests:.0} requests of {cohort} members in {}, fewer than minRequests {}",
            indicator.window, indicator.min_requests
        ));
    }
    pooled.value.filter(|value| value.is_finite()).ok_or_else(|| format!("no value for the {cohort} members yet"))
}

/// A value in the unit that its kind of metric suggests.
#[must_use]
pub fn written(indicator: &Indicator, value: f64) -> String {
    if let Some(limit) = indicator.max.as_ref().or(indicator.min.as_ref()) {
        return limit.write(value);
    }
    match indicator.metric {
        Metric::Ratio(_) => format!("{:.2}%", value * 100.0),
        Metric::Histogram(_)
        | Metric::Rate(_)
        | Metric::Gauge(_)
        | Metric::Growth(_)
        | Metric::Event(_)
        | Metric::Promql(_) => {
            let text = format!("{value:.4}");
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        }
    }
}

#[cfg(test)]
mod tests;
