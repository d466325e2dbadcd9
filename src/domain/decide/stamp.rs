//! The writes that record a stage: labels first, then who is in which cohort together with the files.

use std::collections::BTreeSet;

use api::{fleet::Delivery, names};

use super::{
    pass::{Pass, Phase},
    roster::Standing,
};
use crate::{
    observation::{Pod, Problem},
    plan::{Advance, PodTarget},
    record::Cohort,
};

pub mod base;
pub mod patched;
pub mod rendered;

/// The next writes of the current stage: first the labels of the pods that are switched, so that a retreat finds them,
/// then, when these are seen, the ConfigMaps. Empty when the stage is stamped everywhere. Files come to the newest base
/// before: a stage is stamped on one base.
#[must_use]
pub fn due(pass: &Pass<'_>) -> Vec<Advance> {
    let renewals = base::renewals(pass);
    if !renewals.is_empty() {
        return renewals;
    }
    let settling = pass.run.as_ref().is_some_and(|run| run.settling_at.is_some());
    let (switched, writes) = match &pass.spec.fleet.config.delivery {
        Delivery::Rendered(rendered) => rendered::due(pass, rendered),
        Delivery::Patched(_) => patched::writes(pass),
    };
    let unlabelled = |standing: &&Standing<'_>| if settling { None } else { label_optimized(&standing.member.pod) };
    let labels: Vec<Advance> = switched.iter().filter_map(unlabelled).collect();
    if labels.is_empty() { writes } else { labels }
}

/// What keeps the current stage from being written where nothing is due.
#[must_use]
pub fn obstacle(pass: &Pass<'_>) -> Option<Problem> {
    match &pass.spec.fleet.config.delivery {
        Delivery::Rendered(_) => None,
        Delivery::Patched(_) => patched::obstacle(pass),
    }
}

/// Files on the newest base, then for members that joined, when there is something to tell them: they run the baseline.
/// Nothing of the latter while another rollout has a run, or takes its values back: what is settled is about to change.
#[must_use]
pub fn joiners(pass: &Pass<'_>) -> Vec<Advance> {
    let renewals = base::renewals(pass);
    if !renewals.is_empty() {
        return renewals;
    }
    if pass.seen.neighbours.iter().any(|neighbour| neighbour.unfinished || neighbour.restores) {
        return Vec::new();
    }
    match &pass.spec.fleet.config.delivery {
        Delivery::Rendered(rendered) => rendered::joiners(pass, rendered),
        Delivery::Patched(_) => patched::joiners(pass),
    }
}

/// Whether the file of a member that joined says by now what is settled.
#[must_use]
pub fn is_given(pass: &Pass<'_>, standing: &Standing<'_>) -> bool {
    match &pass.spec.fleet.config.delivery {
        Delivery::Rendered(_) => true,
        Delivery::Patched(_) => patched::is_given(pass, standing),
    }
}

/// The label by which a retreat finds a pod that is switched.
#[must_use]
pub fn label_optimized(pod: &Pod) -> Option<Advance> {
    (pod.cohort.as_deref() != Some(names::cohort::OPTIMIZED)).then(|| Advance::LabelPod {
        pod: target(pod),
        resource_version: pod.resource_version.clone(),
        cohort: names::cohort::OPTIMIZED,
        serving: None,
    })
}

/// The labels of a pod that runs the baseline, or what is settled, and serves.
#[must_use]
pub fn label_returned(pod: &Pod) -> Advance {
    Advance::LabelPod {
        pod: target(pod),
        resource_version: pod.resource_version.clone(),
        cohort: names::cohort::BASELINE,
        serving: Some(true),
    }
}

/// Labels of a run that is over: a pod that was labelled while its watch was late is seen after the end. Nobody else's run
/// may be what labelled it.
#[must_use]
pub fn strays(pass: &Pass<'_>) -> Vec<Advance> {
    let is_over = pass.run.is_some() && matches!(pass.phase, Phase::Idle | Phase::Settled);
    let is_free = pass.seen.problems.is_empty() && pass.seen.neighbours.iter().all(|neighbour| !neighbour.unfinished);
    if !is_over || !is_free {
        return Vec::new();
    }
    // Who took a pod out of traffic since then knows why.
    let strays = pass.seen.members.iter().map(|member| &member.pod).filter(|pod| {
        pod.cohort.as_deref() == Some(names::cohort::OPTIMIZED)
            && matches!(pod.serving.as_deref(), None | Some("true"))
            && pod.mark.is_none()
    });
    let labels: Vec<Advance> = strays.map(label_returned).collect();
    if labels.is_empty() { labels } else { std::iter::once(Advance::ConfirmAlone).chain(labels).collect() }
}

/// Labels of pods that were replaced during the run and came back with that of their template, and of those that went
/// back by an edit of the stage and have acknowledged it.
#[must_use]
pub fn relabelled(pass: &Pass<'_>) -> Vec<Advance> {
    let optimized = pass.roster.in_cohort(Cohort::Optimized);
    let returned = pass.roster.in_cohort(Cohort::Returning).filter(|standing| !standing.is_pending());
    let displaced = returned.map(|standing| &standing.member.pod).filter(|pod| pass.is_displaced(pod));
    optimized
        .filter_map(|standing| label_optimized(&standing.member.pod))
        .chain(displaced.map(label_returned))
        .collect()
}

/// A pod as the target of a write.
#[must_use]
pub fn target(pod: &Pod) -> PodTarget {
    PodTarget { name: pod.name.clone(), uid: pod.uid.clone() }
}

/// Names that are taken by members or entries; for messages.
#[must_use]
pub fn listed<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: BTreeSet<&str> = names.collect();
    let shown: Vec<&str> = names.iter().take(3).copied().collect();
    match names.len() {
        0..=3 => shown.join(", "),
        more => format!("{} and {} more", shown.join(", "), more - 3),
    }
}

#[cfg(test)]
mod tests;
