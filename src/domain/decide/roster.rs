//! Where every member stands.

use std::collections::{BTreeMap, BTreeSet};

use api::{OptimizationRolloutSpec, fleet::Delivery, names::cohort, reason::Reason};
use jiff::Timestamp;

use super::fitness::Fitness;
use crate::{
    acknowledgement::{Acknowledgement, Expected, fingerprint, told_at},
    delivery,
    observation::{Member, Observation, Problem, Shard},
    record::{Cohort, Entry},
    rendering::Rendering,
    settings::Settings,
};

/// The members of the fleet, and the entries of those that have no pod now.
#[derive(Debug)]
pub struct Roster<'a> {
    /// In the order of their names.
    pub standings: Vec<Standing<'a>>,
    /// Entries of this run whose member has no pod.
    pub absent: Vec<(&'a str, &'a Entry)>,
}

/// Where one member stands.
#[derive(Debug)]
pub struct Standing<'a> {
    /// The member.
    pub member: &'a Member,
    /// The ConfigMap that has its file or its entry, where it may be written.
    pub shard: Option<&'a Shard>,
    /// Why it may not, where it has an entry there, or may have one that nobody can read.
    pub locked: Option<&'a Problem>,
    /// Its entry in this run.
    pub entry: Option<&'a Entry>,
    /// The optimizations that the run switches there; none where no record says so.
    pub switched: &'a [String],
    /// Its file.
    pub file: Option<&'a str>,
    /// By which a touch names what the file tells it. Another base is no news.
    pub fingerprint: String,
    /// Whether it runs its file.
    pub acknowledgement: Acknowledgement,
    /// It is recorded as optimized, and somebody else gave it other values.
    pub overridden: bool,
    /// It is recorded as going back, and somebody else gave it the optimized values again.
    pub on_again: bool,
    /// Why it cannot take part; of no meaning once it has an entry.
    pub unfit: Option<Problem>,
    /// Everybody was about to follow, whatever the labels say, and nothing is left of the record.
    lost: bool,
}

impl Standing<'_> {
    /// Its cohort in this run; `None` for one that joined.
    #[must_use]
    pub fn cohort(&self) -> Option<Cohort> {
        self.entry.map(|entry| entry.cohort)
    }

    /// Whether its pod was switched although no record says so: somebody deleted the ConfigMap.
    #[must_use]
    pub fn is_stray(&self) -> bool {
        let labelled = self.member.pod.cohort.as_deref() == Some(cohort::OPTIMIZED);
        self.entry.is_none() && (labelled || self.lost)
    }

    /// Whether its file says optimized values, as far as anybody knows, and nobody can take them back: its ConfigMap may
    /// not be written, or does not tell.
    #[must_use]
    pub fn is_out_of_reach(&self) -> bool {
        self.locked.is_some() && (self.cohort() == Some(Cohort::Optimized) || self.is_stray())
    }

    /// Whether its file changed in this run and it has not acknowledged it.
    #[must_use]
    pub fn is_pending(&self) -> bool {
        matches!(self.cohort(), Some(Cohort::Optimized | Cohort::Returning)) && !self.acknowledgement.is_done()
    }
}

/// An entry of the run, and the ConfigMap that has it.
#[derive(Clone, Copy)]
struct Recorded<'a> {
    shard: &'a Shard,
    /// Why that may not be written.
    problem: Option<&'a Problem>,
    entry: &'a Entry,
}

impl<'a> Roster<'a> {
    /// Finds out where everybody stands in this run, which is `switching` something or has ended, or in which everybody
    /// `follows`.
    #[must_use]
    pub fn new(
        spec: &OptimizationRolloutSpec,
        seen: &'a Observation,
        run: Option<&str>,
        settings: &Settings,
        switching: bool,
        follows: bool,
    ) -> Self {
        let mut entries: BTreeMap<&str, Recorded<'_>> = BTreeMap::new();
        let mut files: BTreeMap<&str, (Option<&Shard>, &str)> = BTreeMap::new();
        let locked = seen.locked.iter().map(|locked| (&locked.shard, Some(&locked.problem)));
        let mut recorded = false;
        for (shard, problem) in seen.shards.iter().map(|shard| (shard, None)).chain(locked) {
            let writable = Some(shard).filter(|_| problem.is_none());
            files.extend(shard.files.iter().map(|(member, file)| (member.as_str(), (writable, file.as_str()))));
            if Some(shard.record.run.as_str()) == run {
                recorded = true;
                let members = shard.record.members.iter();
                entries.extend(members.map(|(member, entry)| (member.as_str(), Recorded { shard, problem, entry })));
            }
        }
        let config = &spec.fleet.config;
        let lost = follows && matches!(config.delivery, Delivery::Rendered(_)) && seen.unread.is_none() && !recorded;
        let base = seen.base.as_ref().and_then(|base| base.as_deref().ok()).filter(|_| seen.shards.is_empty());
        let fitness = Fitness::new(config, settings, switching, base);
        let overlay = Rendering::checked(config, settings, None);
        let based = seen.shards.iter().filter_map(|shard| Some((shard.name.as_str(), shard.base.as_deref()?)));
        let renderings: BTreeMap<&str, Rendering> =
            based.map(|(name, base)| (name, Rendering::checked(config, settings, Some(base)))).collect();
        let standings = seen
            .members
            .iter()
            .map(|member| {
                let recorded = entries.remove(member.name.as_str());
                let file = files.get(member.name.as_str());
                let text = file.map(|(_, text)| *text);
                let entry = recorded.map(|recorded| recorded.entry);
                let cohort = entry.map(|entry| entry.cohort);
                let barrier = match &config.delivery {
                    Delivery::Rendered(_) => seen.unread.as_ref(),
                    Delivery::Patched(_) => member.unfit.as_ref().filter(|problem| is_barrier(problem)),
                };
                let (shard, locked) = match recorded {
                    Some(Recorded { shard, problem, .. }) => (Some(shard).filter(|_| problem.is_none()), problem),
                    None => (file.and_then(|(shard, _)| *shard), barrier),
                };
                let rendering = shard.and_then(|shard| renderings.get(shard.name.as_str())).unwrap_or(&overlay);
                let told = if text == rendering.file(cohort) { overlay.file(cohort) } else { text };
                let fingerprint = fingerprint(told);
                let told = told_at(config.reload, &member.pod, entry, &fingerprint);
                let acknowledgement = acknowledgement(spec, settings, seen, member, recorded, text, told);
                Standing {
                    member,
                    shard,
                    locked,
                    entry,
                    switched: recorded.map_or(&[], |recorded| &recorded.shard.record.optimizations),
                    file: text,
                    fingerprint,
                    acknowledgement,
                    overridden: cohort == Some(Cohort::Optimized)
                        && locked.is_none()
                        && fitness.is_overridden(shard, rendering, text),
                    on_again: cohort == Some(Cohort::Returning)
                        && locked.is_none()
                        && fitness.is_on_again(shard, rendering, text),
                    unfit: if entry.is_some() { None } else { fitness.unfit(member, shard, text) },
                    lost,
                }
            })
            .collect();
        let absent = entries.into_iter().map(|(name, recorded)| (name, recorded.entry)).collect();
        Self { standings, absent }
    }

    /// Members of one cohort.
    pub fn in_cohort(&self, cohort: Cohort) -> impl Iterator<Item = &Standing<'a>> {
        self.standings.iter().filter(move |standing| standing.cohort() == Some(cohort))
    }

    /// Members whose new file has not been acknowledged.
    pub fn pending(&self) -> impl Iterator<Item = &Standing<'a>> {
        self.standings.iter().filter(|standing| standing.is_pending() && !standing.overridden)
    }

    /// Optimized members, those without a pod as well: their file says so, and they may come back.
    #[must_use]
    pub fn optimized_count(&self) -> usize {
        self.in_cohort(Cohort::Optimized).count()
            + self.absent.iter().filter(|(_, entry)| entry.cohort == Cohort::Optimized).count()
    }
}

/// Whether a problem is one of a ConfigMap that is there, and out of reach.
fn is_barrier(problem: &Problem) -> bool {
    matches!(problem.reason, Reason::NotOptedIn | Reason::ConfigMapImmutable | Reason::ConfigUnreadable)
}

/// Whether a member runs its file; only asked of those that were switched, because the others were told nothing.
fn acknowledgement(
    spec: &OptimizationRolloutSpec,
    settings: &Settings,
    seen: &Observation,
    member: &Member,
    recorded: Option<Recorded<'_>>,
    file: Option<&str>,
    told: Option<Timestamp>,
) -> Acknowledgement {
    let cohort = recorded.map(|recorded| recorded.entry.cohort);
    if matches!(cohort, Some(Cohort::Baseline | Cohort::Holdout)) {
        return Acknowledgement::Pending;
    }
    let Some(told) = told else { return Acknowledgement::Pending };
    let config = &spec.fleet.config;
    let report = seen.measurements.as_ref().and_then(|measurements| measurements.reports.get(&member.name));
    // Of an optimization that loses some values only, the list says whether it is on.
    let keeps = |name: &String| delivery::keeps(config, settings, cohort, file, name);
    let released = settings.released.values().map(|name| (name.as_str(), keeps(name)));
    let enables = |optimization| delivery::enables(config, settings, cohort, file, optimization);
    let mut enabled: BTreeMap<&str, bool> =
        released.chain(spec.optimizations.iter().map(|one| (one.name.as_str(), enables(one)))).collect();
    if let Some(Recorded { shard, .. }) = recorded.filter(|one| !one.shard.record.optimizations.is_empty()) {
        // An edit of the list is another plan: what this run has switched goes back, whether the list has it still or not,
        // and nobody knows of the rest.
        let switched: BTreeSet<&str> = shard.record.optimizations.iter().map(String::as_str).collect();
        enabled.retain(|name, _| switched.contains(name));
        let is_settled = |name: &str| shard.owners.values().any(|owner| owner.optimization == name);
        for name in switched.into_iter().filter(|name| !is_settled(name)) {
            enabled.entry(name).or_insert(false);
        }
    }
    let returns = cohort != Some(Cohort::Optimized);
    let revision = delivery::expected_revision(config, settings, cohort, file);
    let expected = Expected { enabled, returns, revision };
    Acknowledgement::of(&spec.fleet.acknowledgement, &member.pod, told, &expected, report, seen.now)
}

#[cfg(test)]
mod tests;
