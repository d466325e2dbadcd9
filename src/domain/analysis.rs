//! What the looks say: verdicts, the time that counts for a bake, and a breach.
//!
//! Missing, stale, insufficient or non-finite data is never a pass. Time is monotonic, counted from the first look.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};

use crate::{needs::Sampling, observation::Measurements};
use amount::Gap;
use api::{
    indicator::{Indicator, Metric, Mode},
    status::{IndicatorStatus, Verdict},
};
use judge::Judgement;
pub use look::{Look, Scrape};
use query::Query;
use track::{Moment, Track};

pub mod amount;
mod breach;
pub mod catastrophe;
pub mod judge;
pub mod look;
pub mod query;
mod report;
pub mod track;

/// Everything remembered of the looks at one stage of one run.
#[derive(Debug)]
pub struct History {
    sampling: Sampling,
    queries: Vec<Result<Query, String>>,
    tracks: BTreeMap<String, Member>,
    outcomes: Vec<VecDeque<bool>>,
    /// When the newest samples came that an indicator has been judged on; none since time was last counted.
    judged_to: Vec<Option<Duration>>,
    numerator_seen: Vec<bool>,
    /// When the baseline last broke an absolute limit of an indicator.
    baseline_broke: Vec<Option<Duration>>,
    started: Duration,
    /// How long the bake had lasted when this process began to look: by the wall clock, which nothing else is measured by.
    before: Duration,
    last_look: Option<Duration>,
    /// Up to when time has been counted for the bake, or given up.
    counted_to: Option<Duration>,
    last_sufficient: Duration,
    measurements: Measurements,
}

#[derive(Debug, Default)]
struct Member {
    pod: String,
    optimized: bool,
    since: Duration,
    tracks: Vec<Track>,
}

impl History {
    /// Begins to look at a stage at this monotonic time. What the status says was covered before counts on.
    #[must_use]
    pub fn new(sampling: Sampling, at: Duration) -> Self {
        let queries: Vec<_> = sampling.indicators.iter().map(|indicator| Query::new(&indicator.metric)).collect();
        Self {
            outcomes: vec![VecDeque::new(); queries.len()],
            judged_to: vec![None; queries.len()],
            numerator_seen: vec![false; queries.len()],
            baseline_broke: vec![None; queries.len()],
            queries,
            tracks: BTreeMap::new(),
            started: at,
            before: Duration::ZERO,
            last_look: None,
            counted_to: None,
            last_sufficient: at,
            measurements: Measurements {
                run: sampling.run.clone(),
                bake: sampling.bake,
                covered: sampling.covered,
                ..Measurements::default()
            },
            sampling,
        }
    }

    /// Takes what is to be looked at now. A new stage keeps the members' looks and starts the bake anew; a new run, or
    /// other indicators, start everything anew.
    pub fn follow(&mut self, sampling: Sampling, at: Duration) {
        // Times of looks and of samples are not compared.
        let same_clock = sampling.stale_after().is_some() == self.sampling.stale_after().is_some();
        if sampling.run != self.sampling.run || sampling.indicators != self.sampling.indicators || !same_clock {
            let breach = self.measurements.breach.take().filter(|_| sampling.run == self.sampling.run);
            *self = Self::new(sampling, at);
            self.measurements.breach = breach;
            return;
        }
        if sampling.bake != self.sampling.bake {
            // What was watched before it began is no part of a bake.
            self.counted_to = self.counted_to.map(|to| to.max(at));
            self.started = at;
            self.before = Duration::ZERO;
            self.last_sufficient = at;
            self.measurements.bake = sampling.bake;
            self.measurements.covered = sampling.covered;
            self.measurements.passing = false;
        }
        if sampling.counting && !self.sampling.counting {
            // What was measured while members had not acknowledged is no part of the bake.
            self.counted_to = self.counted_to.map(|to| to.max(at));
        }
        self.sampling = sampling;
    }

    /// Queries of the user's that a look has to make.
    #[must_use]
    pub fn expressions(&self) -> Vec<&str> {
        let metrics = self.sampling.indicators.iter().map(|indicator| &indicator.metric);
        metrics
            .filter_map(|metric| if let Metric::Promql(promql) = metric { Some(promql.query.as_str()) } else { None })
            .collect()
    }

    /// Names of the metrics that a scrape has to bring.
    #[must_use]
    pub fn wanted(&self) -> Vec<&str> {
        let queries = self.queries.iter().flatten().flat_map(Query::names);
        queries.chain(self.sampling.acknowledgement.metric.as_deref()).collect()
    }

    /// The latest state.
    #[must_use]
    pub const fn measurements(&self) -> &Measurements {
        &self.measurements
    }

    /// Takes one look and judges.
    pub fn look(&mut self, look: Look) {
        self.remember(&look);
        if self.last_look.is_none() {
            let lasted = Duration::try_from(look.now.duration_since(self.sampling.bake)).unwrap_or_default();
            self.before = lasted.saturating_sub(look.at.saturating_sub(self.started));
        }
        let verdicts: Vec<(Judgement, IndicatorStatus)> =
            (0..self.queries.len()).filter_map(|index| self.verdict(index, &look)).collect();
        let required = |status: &(Judgement, IndicatorStatus)| self.mode(&status.1.name) == Some(Mode::Enforce);
        let passing = verdicts.iter().filter(|v| required(v)).all(|(_, status)| status.verdict == Verdict::Pass)
            && (self.sampling.source.is_none() || look.scrapes.iter().any(|scrape| scrape.series.is_some()));
        let sufficient = verdicts
            .iter()
            .filter(|v| required(v))
            .all(|(judgement, status)| !matches!(judgement, Judgement::Unknown(_)) || self.is_alone(status));
        if sufficient {
            self.last_sufficient = look.at;
        }
        self.measurements.passing = passing;
        self.count(look.at, passing);
        self.measurements.silent_for = look.at.saturating_sub(self.last_sufficient);
        self.measurements.indicators = verdicts.into_iter().map(|(_, status)| status).collect();
        if self.measurements.breach.is_none() {
            self.measurements.breach = self.catastrophe(look.at).or_else(|| self.breach());
        }
        self.last_look = Some(look.at);
    }

    /// Counts the time up to the newest samples, if every required indicator has been judged on new ones since time was
    /// last counted: a sample that was there before measures nothing, and what comes after the newest one nobody has
    /// seen. Never more than nobody watched for: two intervals, or the age that samples may have.
    fn count(&mut self, at: Duration, passing: bool) {
        let required = self.sampling.indicators.iter().zip(&self.judged_to);
        let mut required = required.filter(|(indicator, _)| indicator.mode == Mode::Enforce);
        let seen_to = required.try_fold(at, |to, (_, judged)| judged.map(|judged| to.min(judged)));
        let to = if passing { seen_to } else { Some(at) };
        let Some(to) = to else { return };
        let stale_after = self.sampling.stale_after().unwrap_or_default();
        let most = (self.sampling.interval * 2).max(stale_after);
        if passing && self.sampling.counting {
            let since = self.counted_to.map_or(Duration::ZERO, |from| to.saturating_sub(from));
            self.measurements.covered += since.min(most);
        }
        // Samples may have come before the bake began that they are judged in.
        self.counted_to = self.counted_to.max(Some(to));
        self.judged_to.fill(None);
    }

    fn remember(&mut self, look: &Look) {
        let keep = self.sampling.indicators.iter().map(|indicator| indicator.window.get()).max().unwrap_or_default();
        let stale_after = self.sampling.stale_after();
        let keep = keep.max(self.sampling.interval) + self.sampling.interval + stale_after.unwrap_or_default();
        let moment = Moment { at: look.at, now: look.now, stale_after: stale_after.unwrap_or(Duration::MAX) };
        let scraped: BTreeSet<&str> = look.scrapes.iter().map(|scrape| scrape.member.as_str()).collect();
        let unmeasured = self.sampling.targets.iter().filter(|target| !target.measured);
        let unmeasured: BTreeSet<&str> = unmeasured.map(|target| target.member.as_str()).collect();
        self.tracks.retain(|name, _| scraped.contains(name.as_str()));
        for scrape in &look.scrapes {
            if let Some(series) = &scrape.series {
                let keeps_samples = stale_after.is_some();
                let report = report::read(&self.sampling.acknowledgement, scrape, series, look.now, keeps_samples);
                if let Some(report) = report {
                    self.measurements.reports.insert(scrape.member.clone(), report);
                }
            }
            if self.sampling.returning.contains(&scrape.member) || unmeasured.contains(scrape.member.as_str()) {
                self.tracks.remove(&scrape.member);
                continue;
            }
            let optimized = self.sampling.optimized.contains(&scrape.member);
            let member = self.tracks.entry(scrape.member.clone()).or_default();
            // Counters of another process, or of the same one before its switch, say nothing of what it does now.
            if member.pod != scrape.pod || member.optimized != optimized || member.tracks.is_empty() {
                *member = Member {
                    pod: scrape.pod.clone(),
                    optimized,
                    since: look.at,
                    tracks: vec![Track::default(); self.queries.len()],
                };
            }
            for (query, track) in self.queries.iter().zip(&mut member.tracks) {
                if let Ok(query) = query {
                    track.take(query, moment, scrape.series.as_deref(), keep);
                }
            }
            for (query, seen) in self.queries.iter().zip(&mut self.numerator_seen) {
                if let (Ok(Query::Ratio { numerator, .. }), Some(series)) = (query, &scrape.series) {
                    *seen = *seen || series.iter().any(|series| numerator.matches(series));
                }
            }
        }
        // Who is not asked any more has acknowledged, and runs it on.
        let Sampling { optimized, returning, .. } = &self.sampling;
        self.measurements
            .reports
            .retain(|name, _| scraped.contains(name.as_str()) || optimized.contains(name) || returning.contains(name));
    }

    /// Whether an indicator is not judged yet.
    fn is_delayed(&self, indicator: &Indicator, at: Duration) -> bool {
        self.before + at.saturating_sub(self.started) < indicator.initial_delay.get()
    }

    /// Whether an indicator says nothing only because everybody is optimized: members answer, and nobody is left to
    /// compare them with.
    fn is_alone(&self, status: &IndicatorStatus) -> bool {
        let compares = |indicator: &Indicator| indicator.max_increase.is_some() || indicator.max_decrease.is_some();
        self.sampling.everybody && status.optimized.is_some() && self.indicator(&status.name).is_some_and(compares)
    }

    fn indicator(&self, name: &str) -> Option<&Indicator> {
        self.sampling.indicators.iter().find(|indicator| indicator.name == name)
    }

    fn mode(&self, name: &str) -> Option<Mode> {
        self.indicator(name).map(|indicator| indicator.mode)
    }

    fn windows(&self, index: usize, optimized: bool, window: Duration) -> Vec<Result<track::Windowed, Gap>> {
        self.tracks
            .values()
            .filter(|member| member.optimized == optimized)
            .filter_map(|member| member.tracks.get(index))
            .map(|track| track.window(window))
            .collect()
    }

    /// When the newest samples of the optimized members came, if they have new ones since there last was such a time:
    /// each that answers, or half of them once one has its second. So a sample is part of one look, however the scrapes
    /// are spread. Without a source that keeps samples, every look is new.
    fn renewed_at(&mut self, index: usize, at: Duration) -> Option<Duration> {
        if self.sampling.stale_after().is_none() {
            return Some(at);
        }
        let optimized = self.tracks.values().filter(|member| member.optimized);
        let tracks: Vec<&Track> = optimized.filter_map(|member| member.tracks.get(index)).collect();
        let answering = tracks.iter().filter(|track| track.is_answering()).count();
        let renewed = tracks.iter().filter(|track| track.renewals() > 0).count();
        let round_is_over = renewed * 2 >= tracks.len() && tracks.iter().any(|track| track.renewals() > 1);
        if renewed == 0 || (renewed < answering && !round_is_over) {
            return None;
        }
        // The look at which all of them are new comes later where one only ceases to answer.
        let newest = tracks.iter().map(|track| track.renewed_at()).max();
        for track in self.tracks.values_mut().filter_map(|member| member.tracks.get_mut(index)) {
            track.forget_renewals();
        }
        newest
    }

    fn verdict(&mut self, index: usize, look: &Look) -> Option<(Judgement, IndicatorStatus)> {
        let at = look.at;
        let renewed = self.renewed_at(index, at);
        let indicator = self.sampling.indicators.get(index)?.clone();
        let (judgement, optimized, baseline) = match self.queries.get(index)? {
            Err(error) => (Judgement::Unknown(error.clone()), None, None),
            Ok(query) => {
                let window = indicator.window.get().max(self.sampling.interval);
                let optimized = judge::pool(query, &self.windows(index, true, window));
                let baseline = judge::pool(query, &self.windows(index, false, window));
                let broke = self.baseline_broke.get_mut(index)?;
                if judge::breaks_limit(&indicator, &baseline) {
                    *broke = Some(at);
                }
                // What hit both cohorts leaves the window of one of them a moment before that of the other.
                let outage = broke.is_some_and(|broke| at.saturating_sub(broke) <= window);
                let refused = match &indicator.metric {
                    Metric::Promql(promql) => look.refused.get(&promql.query),
                    _ => None,
                };
                let trouble = look.trouble.as_ref().or(refused);
                let judgement = match query {
                    _ if trouble.is_some() => Judgement::Unknown(trouble.cloned().unwrap_or_default()),
                    Query::Ratio { numerator, .. } if !self.numerator_seen.get(index).copied().unwrap_or_default() => {
                        Judgement::Unknown(format!("no member exposes {}; let the counter start at 0", numerator.name))
                    }
                    _ if self.is_delayed(&indicator, at) => {
                        Judgement::Unknown(format!("initialDelay {} is not over", indicator.initial_delay))
                    }
                    _ => judge::judge(&indicator, &optimized, &baseline, outage),
                };
                (judgement, optimized.value, baseline.value)
            }
        };
        let outcomes = self.outcomes.get_mut(index)?;
        if renewed.is_some() {
            outcomes.push_back(matches!(judgement, Judgement::Beyond(_)));
            self.judged_to.get_mut(index).into_iter().for_each(|judged| *judged = renewed);
        }
        while outcomes.len() > usize::try_from(indicator.confirm.looks).unwrap_or(1) {
            outcomes.pop_front();
        }
        let breaches = outcomes.iter().filter(|beyond| **beyond).count();
        let needed = usize::try_from(indicator.confirm.breaches).unwrap_or(1);
        let written = |value: Option<f64>| value.map(|value| judge::written(&indicator, value));
        let (optimized, baseline) = (written(optimized), written(baseline));
        let (verdict, message) = match &judgement {
            Judgement::Beyond(what) if breaches >= needed => {
                (Verdict::Breach, format!("{what}, in {breaches} of {} looks", outcomes.len()))
            }
            Judgement::Beyond(what) => {
                (Verdict::Inconclusive, format!("{what}, in {breaches} of {needed} looks needed"))
            }
            Judgement::Within => (Verdict::Pass, within(&indicator, optimized.as_deref(), baseline.as_deref())),
            Judgement::Unknown(why) => (Verdict::Inconclusive, why.clone()),
        };
        Some((judgement, IndicatorStatus { name: indicator.name, verdict, message, optimized, baseline }))
    }
}

fn within(indicator: &Indicator, optimized: Option<&str>, baseline: Option<&str>) -> String {
    let limits = [
        ("max", &indicator.max),
        ("min", &indicator.min),
        ("maxIncrease", &indicator.max_increase),
        ("maxDecrease", &indicator.max_decrease),
    ];
    let limits: Vec<String> =
        limits.iter().filter_map(|(name, limit)| limit.as_ref().map(|limit| format!("{name} {limit}"))).collect();
    let optimized = optimized.unwrap_or("-");
    match baseline {
        Some(baseline) => format!("{optimized} against {baseline}, within {}", limits.join(", ")),
        None => format!("{optimized}, within {}", limits.join(", ")),
    }
}

#[cfg(test)]
mod tests;
