//! What the looks hold against the optimized members.

use std::time::Duration;

use api::{indicator::Mode, reason::Reason, status::Verdict};

use super::{
    History, Member,
    amount::Amount,
    catastrophe::{self, Sample},
    judge,
    query::Query,
    track::{Period, Track},
};
use crate::observation::Breach;

impl History {
    /// A limit that was broken in as many looks as its indicator asks for.
    pub(super) fn breach(&self) -> Option<Breach> {
        let status = self
            .measurements
            .indicators
            .iter()
            .find(|status| status.verdict == Verdict::Breach && self.mode(&status.name) == Some(Mode::Enforce))?;
        let index = self.sampling.indicators.iter().position(|indicator| indicator.name == status.name)?;
        Some(Breach {
            reason: Reason::LimitBreached,
            indicator: status.name.clone(),
            message: format!("{}: {}", status.name, status.message),
            worst: self.worst(index),
        })
    }

    /// Optimized members by their own value, worst first: highest for an upper limit, lowest for a lower one.
    fn worst(&self, index: usize) -> Vec<String> {
        let (Some(indicator), Some(Ok(query))) = (self.sampling.indicators.get(index), self.queries.get(index)) else {
            return Vec::new();
        };
        let downwards = indicator.max.is_none() && indicator.max_increase.is_none();
        let mut values: Vec<(&String, f64)> = self
            .tracks
            .iter()
            .filter(|(_, member)| member.optimized)
            .filter_map(|(name, member)| {
                let window = member.tracks.get(index)?.window(indicator.window.get());
                Some((name, judge::pool(query, &[window]).value?))
            })
            .collect();
        values.sort_by(|a, b| if downwards { a.1.total_cmp(&b.1) } else { b.1.total_cmp(&a.1) });
        values.into_iter().map(|(name, _)| name.clone()).collect()
    }

    /// A sample far beyond doubt.
    pub(super) fn catastrophe(&self, at: Duration) -> Option<Breach> {
        self.sampling.indicators.iter().enumerate().find_map(|(index, indicator)| {
            let is_judged = indicator.mode == Mode::Enforce && !self.is_delayed(indicator, at);
            let limit = indicator.max.as_ref().filter(|_| is_judged)?.value();
            let Some(Ok(Query::Ratio { .. })) = self.queries.get(index) else { return None };
            let cohort = |optimized: bool| {
                let members = self.tracks.iter().filter(move |(_, member)| member.optimized == optimized);
                members.filter_map(|(name, member)| Some((name.as_str(), member, member.tracks.get(index)?)))
            };
            let baseline: Vec<&Track> = cohort(false).map(|(_, _, track)| track).collect();
            let known: Vec<(&str, Duration, &Amount, Amount)> = cohort(true)
                .filter_map(|(name, member, track)| {
                    let latest = track.latest().ok()?;
                    Some((name, self.since(member), latest.amount, self.baseline_in(&baseline, latest.period)))
                })
                .collect();
            let samples: Vec<Sample<'_>> = known
                .iter()
                .map(|(member, since_switch, amount, baseline)| Sample {
                    member,
                    amount,
                    baseline,
                    since_switch: *since_switch,
                })
                .collect();
            let bad = catastrophe::bad_members(limit, &samples);
            let (worst, ratio) = bad.first()?;
            let (worst, baseline) = (worst.member, worst.baseline);
            Some(Breach {
                reason: Reason::Catastrophe,
                indicator: indicator.name.clone(),
                message: format!(
                    "{}: {:.0}% on {worst}, {} of {} optimized members beyond doubt, while the baseline is healthy \
                     at {:.1}%",
                    indicator.name,
                    ratio * 100.0,
                    bad.len(),
                    samples.len(),
                    baseline.part / baseline.whole * 100.0
                ),
                worst: bad.into_iter().map(|(sample, _)| sample.member.to_owned()).collect(),
            })
        })
    }

    /// What the baseline did in the period of a sample: neither before, nor how it has recovered since, so that the same
    /// sample is judged alike whenever it is looked at. Nothing while less than half of it is known.
    fn baseline_in(&self, baseline: &[&Track], period: Period) -> Amount {
        let covering: Vec<Amount> = baseline.iter().filter_map(|track| track.covering(period)).collect();
        let mut total = Amount::default();
        if self.sampling.stale_after().is_none() || covering.len() * 2 >= baseline.len() {
            covering.iter().for_each(|amount| total.add(amount));
        }
        total
    }

    fn since(&self, member: &Member) -> Duration {
        self.last_look.unwrap_or(member.since).saturating_sub(member.since)
    }
}
