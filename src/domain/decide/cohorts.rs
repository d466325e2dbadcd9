//! Who is in which cohort of the current stage.

use std::collections::BTreeMap;

use super::{pass::Pass, roster::Standing};
use crate::{
    cohort::{Candidate, order},
    record::Cohort,
};

/// Whether a member takes part: it has an entry already, or nothing speaks against it.
#[must_use]
pub fn is_eligible(standing: &Standing<'_>) -> bool {
    standing.entry.is_some() || standing.unfit.is_none()
}

/// Eligible members of the fleet, for the run's order.
pub fn candidates<'p>(pass: &'p Pass<'_>) -> impl Iterator<Item = Candidate<'p>> {
    let eligible = pass.roster.standings.iter().filter(|standing| is_eligible(standing));
    eligible.map(|standing| Candidate { name: &standing.member.name, zone: &standing.member.zone })
}

/// Whether a recorded member has another cohort than its stage was written with: by an edit, or because it was away when
/// everybody followed.
#[must_use]
pub fn is_moved(pass: &Pass<'_>, standing: &Standing<'_>, cohorts: &BTreeMap<&str, Cohort>) -> bool {
    let cohort = cohorts.get(standing.member.name.as_str());
    pass.moves() && standing.cohort().is_some_and(|recorded| cohort != Some(&recorded))
}

/// The cohort of every eligible member in the current stage. Members never leave the optimized cohort here; additions
/// follow the run's order up to the quota that the status has committed. In a stage that was edited, only recorded
/// members have one: the others joined since.
#[must_use]
pub fn cohorts<'a>(pass: &'a Pass<'_>) -> BTreeMap<&'a str, Cohort> {
    let Some(run) = &pass.run else { return BTreeMap::new() };
    let mut ordered = order(&run.seed, &candidates(pass).collect::<Vec<_>>());
    let recorded: BTreeMap<&str, Cohort> = pass
        .roster
        .standings
        .iter()
        .filter_map(|standing| Some((standing.member.name.as_str(), standing.cohort()?)))
        .collect();
    if run.settling_at.is_some() {
        return ordered.into_iter().map(|name| (name, Cohort::Optimized)).collect();
    }
    if pass.is_edited() {
        ordered.retain(|name| recorded.contains_key(name));
    }
    let quota = pass.status.stage.as_ref().map_or(0, |stage| usize::try_from(stage.quota).unwrap_or(0));
    // Who may be optimized, although no record can be read that says so, takes a place.
    let unknown =
        pass.roster.standings.iter().filter(|standing| standing.entry.is_none() && standing.is_out_of_reach());
    let mut room = quota.saturating_sub(pass.roster.optimized_count() + unknown.count());
    let mut holdouts = usize::try_from(run.holdout).unwrap_or(0);
    let first = pass.stamp() == 0;
    let mut cohorts: BTreeMap<&str, Cohort> = BTreeMap::new();
    // The holdout is taken from the end of the order, so that it is the same whichever write of the first stage
    // was the last before a crash. Later stages keep it.
    for name in ordered.iter().rev() {
        let cohort = match recorded.get(name) {
            Some(cohort) => *cohort,
            None if first && holdouts > 0 => Cohort::Holdout,
            None => Cohort::Baseline,
        };
        holdouts = holdouts.saturating_sub(usize::from(cohort == Cohort::Holdout));
        cohorts.insert(name, cohort);
    }
    for name in ordered {
        // Who is on the way back has not to arrive there first.
        if room > 0 && matches!(cohorts.get(name), Some(Cohort::Baseline | Cohort::Returning)) {
            cohorts.insert(name, Cohort::Optimized);
            room -= 1;
        }
    }
    cohorts
}
