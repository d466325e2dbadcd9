//! One member's recent looks.

use std::{collections::VecDeque, time::Duration};

use super::{
    amount::{self, Amount, Gap, Raw},
    query::Query,
};
use crate::series::Series;

/// What one look had of one indicator.
#[derive(Clone, Debug)]
struct Step {
    at: Duration,
    span: Duration,
    amount: Result<Amount, Gap>,
}

/// One member's recent looks at one indicator.
#[derive(Clone, Debug, Default)]
pub struct Track {
    last: Option<(Duration, Raw)>,
    steps: VecDeque<Step>,
}

/// What a member's looks within a window amount to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Windowed {
    /// The sum of the looks; a level is the latest one.
    pub amount: Amount,
    /// Seconds that the looks cover.
    pub seconds: f64,
    /// Level at the start of the window and its age in seconds, for growth.
    pub first_level: Option<(f64, f64)>,
}

impl Track {
    /// Takes a scrape, or the fact that there was none. Looks older than `keep` are forgotten.
    pub fn take(&mut self, query: &Query, at: Duration, scrape: Option<&[Series]>, keep: Duration) {
        let raw = scrape.ok_or(Gap::NoAnswer).and_then(|scrape| amount::read(query, scrape));
        let (amount, span) = match (&raw, &self.last) {
            (Err(gap), _) => (Err(*gap), Duration::ZERO),
            (Ok(raw @ Raw::Level(_)), _) => (Ok(amount::growth(raw, raw)), Duration::ZERO),
            (Ok(_), None) => (Err(Gap::First), Duration::ZERO),
            (Ok(raw), Some((before_at, before))) => (Ok(amount::growth(before, raw)), at.saturating_sub(*before_at)),
        };
        if let Ok(raw) = raw {
            self.last = Some((at, raw));
        }
        self.steps.push_back(Step { at, span, amount });
        while self.steps.front().is_some_and(|step| step.at + keep < at) {
            self.steps.pop_front();
        }
    }

    /// The latest look alone.
    ///
    /// # Errors
    /// Why it says nothing.
    pub fn latest(&self) -> Result<&Amount, Gap> {
        self.steps.back().map_or(Err(Gap::NoAnswer), |step| step.amount.as_ref().map_err(|gap| *gap))
    }

    /// All looks of the last `window`.
    ///
    /// # Errors
    /// Why they say nothing: the latest look must have an answer, so that old data never counts as new.
    pub fn window(&self, now: Duration, window: Duration) -> Result<Windowed, Gap> {
        self.latest()?;
        let mut sum = Windowed::default();
        for step in self.steps.iter().filter(|step| step.at + window > now) {
            let Ok(amount) = &step.amount else { continue };
            if step.span.is_zero() {
                sum.first_level.get_or_insert((amount.part, now.saturating_sub(step.at).as_secs_f64()));
                sum.amount = amount.clone();
            } else {
                sum.amount.add(amount);
                sum.seconds += step.span.as_secs_f64();
            }
        }
        Ok(sum)
    }
}
