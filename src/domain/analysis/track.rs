//! One member's recent samples.

use std::{collections::VecDeque, time::Duration};

use jiff::Timestamp;

use super::{
    amount::{self, Amount, Gap, Raw},
    query::Query,
};
use crate::series::Series;

/// What one sample had of one indicator. Its time is that of the look, or, from a source that keeps samples, that of the
/// sample since 1970: one scale for all members of a source.
#[derive(Clone, Debug)]
struct Step {
    at: Duration,
    span: Duration,
    amount: Result<Amount, Gap>,
}

/// When a look is, and which samples count in it.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// Monotonic time of the look.
    pub at: Duration,
    /// The wall clock.
    pub now: Timestamp,
    /// Age from which a sample that says when it was taken counts as missing.
    pub stale_after: Duration,
}

/// One member's recent samples of one indicator.
#[derive(Clone, Debug, Default)]
pub struct Track {
    last: Option<(Duration, Raw)>,
    steps: VecDeque<Step>,
    /// Why the latest look brought nothing.
    gap: Option<Gap>,
    /// New samples since they were last forgotten.
    renewals: u32,
    /// Monotonic time of the look that brought the newest one.
    renewed_at: Duration,
}

/// What a member's samples within a window amount to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Windowed {
    /// The sum of the looks; a level is the latest one.
    pub amount: Amount,
    /// Seconds that the looks cover.
    pub seconds: f64,
    /// Level at the start of the window and its age in seconds, for growth.
    pub first_level: Option<(f64, f64)>,
}

/// The time that a sample speaks of: from the one before it, excluded, to its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period {
    /// When the sample before it was taken.
    pub from: Duration,
    /// When it was taken.
    pub to: Duration,
}

/// The latest sample.
#[derive(Clone, Copy, Debug)]
pub struct Latest<'a> {
    /// What grew.
    pub amount: &'a Amount,
    /// Since when.
    pub period: Period,
}

impl Track {
    /// Takes a scrape, or the fact that there was none. A sample that was there before is no new one. Samples older than
    /// `keep` are forgotten.
    pub fn take(&mut self, query: &Query, moment: Moment, scrape: Option<&[Series]>, keep: Duration) {
        let taken = scrape.and_then(|scrape| amount::newest(query, scrape));
        self.gap = self.step(query, moment, scrape, taken).err();
        let newest = self.steps.back().map_or(moment.at, |step| step.at);
        while self.steps.front().is_some_and(|step| step.at + keep < newest) {
            self.steps.pop_front();
        }
    }

    fn step(
        &mut self,
        query: &Query,
        moment: Moment,
        scrape: Option<&[Series]>,
        taken: Option<Timestamp>,
    ) -> Result<(), Gap> {
        let sampled = |taken: Timestamp| Duration::try_from(taken.duration_since(Timestamp::UNIX_EPOCH));
        let at = taken.map_or(moment.at, |taken| sampled(taken).unwrap_or_default());
        let age = taken
            .map_or(Duration::ZERO, |taken| Duration::try_from(moment.now.duration_since(taken)).unwrap_or_default());
        if age > moment.stale_after {
            return Err(Gap::Stale);
        }
        let raw = match amount::read(query, scrape.ok_or(Gap::NoAnswer)?) {
            // A source that keeps samples forgets a series that has ended, and says no more of it.
            Err(Gap::Absent) if moment.stale_after < Duration::MAX && self.last.is_some() => return Err(Gap::Stale),
            raw => raw?,
        };
        let before = self.last.as_ref();
        if taken.is_some() && before.is_some_and(|(before, _)| at <= *before) {
            return Ok(());
        }
        let (amount, span) = match (&raw, before) {
            (Raw::Level(_), _) => (Ok(amount::growth(&raw, &raw)), Duration::ZERO),
            (_, None) => (Err(Gap::First), Duration::ZERO),
            (_, Some((before_at, before))) => (Ok(amount::growth(before, &raw)), at.saturating_sub(*before_at)),
        };
        self.last = Some((at, raw));
        self.steps.push_back(Step { at, span, amount });
        self.renewals = self.renewals.saturating_add(1);
        self.renewed_at = moment.at;
        Ok(())
    }

    /// Whether the latest look brought a sample, new or not.
    #[must_use]
    pub const fn is_answering(&self) -> bool {
        self.gap.is_none()
    }

    /// How many new samples came since they were last forgotten.
    #[must_use]
    pub const fn renewals(&self) -> u32 {
        self.renewals
    }

    /// When the look was that brought the newest sample.
    #[must_use]
    pub const fn renewed_at(&self) -> Duration {
        self.renewed_at
    }

    /// Forgets that new samples came.
    pub const fn forget_renewals(&mut self) {
        self.renewals = 0;
    }

    /// The latest sample alone.
    ///
    /// # Errors
    /// Why it says nothing.
    pub fn latest(&self) -> Result<Latest<'_>, Gap> {
        if let Some(gap) = self.gap {
            return Err(gap);
        }
        let step = self.steps.back().ok_or(Gap::NoAnswer)?;
        let period = Period { from: step.at.saturating_sub(step.span), to: step.at };
        step.amount.as_ref().map(|amount| Latest { amount, period }).map_err(|gap| *gap)
    }

    /// What grew in the samples that cover a period, once they cover all of it. The same whenever it is asked.
    #[must_use]
    pub fn covering(&self, period: Period) -> Option<Amount> {
        let newest = self.latest().ok()?.period.to;
        let overlaps = |step: &&Step| step.at > period.from && step.at.saturating_sub(step.span) < period.to;
        let mut sum = Amount::default();
        for step in self.steps.iter().filter(overlaps) {
            sum.add(step.amount.as_ref().ok()?);
        }
        (newest >= period.to).then_some(sum)
    }

    /// All samples of the last `window` before the newest one, which itself always counts. What a level was when the
    /// window began, the last sample before tells.
    ///
    /// # Errors
    /// Why they say nothing: the latest look must have an answer, so that old data never counts as new.
    pub fn window(&self, window: Duration) -> Result<Windowed, Gap> {
        let newest = self.latest()?.period.to;
        let mut sum = Windowed::default();
        for step in &self.steps {
            let Ok(amount) = &step.amount else { continue };
            let is_before = step.at != newest && step.at + window <= newest;
            if step.span.is_zero() {
                let level = (amount.part, newest.saturating_sub(step.at).as_secs_f64());
                if is_before || sum.first_level.is_none() {
                    sum.first_level = Some(level);
                }
                sum.amount = amount.clone();
            } else if !is_before {
                sum.amount.add(amount);
                sum.seconds += step.span.as_secs_f64();
            }
        }
        Ok(sum)
    }
}

#[cfg(test)]
mod tests;
