//! Who is in which cohort of the current stage, and the writes that record it.

use std::collections::{BTreeMap, BTreeSet};

use api::names::{self, MEMBERS_KEY, ROLLOUT_LABEL, SETTLED_ANNOTATION};

use super::{pass::Pass, roster::Standing};
use crate::{
    acknowledgement::touch_due,
    cohort::{Candidate, order},
    observation::{Pod, Shard},
    plan::{Advance, PodTarget, ShardWrite, TouchPod},
    record::{Cohort, Entry, Record},
    rendering::{self, SHARD_LIMIT},
};

/// Whether a member takes part: it has an entry already, or its Node is one of those asked for.
#[must_use]
pub fn is_eligible(standing: &Standing<'_>) -> bool {
    standing.member.node_selected || standing.entry.is_some()
}

/// The cohort of every eligible member in the current stage. Members never leave the optimized cohort here; additions
/// follow the run's order up to the quota that the status has committed.
#[must_use]
pub fn cohorts<'a>(pass: &'a Pass<'_>) -> BTreeMap<&'a str, Cohort> {
    let Some(run) = &pass.run else { return BTreeMap::new() };
    let eligible: Vec<&Standing<'_>> = pass.roster.standings.iter().filter(|standing| is_eligible(standing)).collect();
    let candidates: Vec<Candidate<'_>> = eligible
        .iter()
        .map(|standing| Candidate { name: &standing.member.name, zone: &standing.member.zone })
        .collect();
    let ordered = order(&run.seed, &candidates);
    let recorded: BTreeMap<&str, Cohort> =
        eligible.iter().filter_map(|standing| Some((standing.member.name.as_str(), standing.cohort()?))).collect();
    if run.settling_at.is_some() {
        return ordered.into_iter().map(|name| (name, Cohort::Optimized)).collect();
    }
    let quota = pass.status.stage.as_ref().map_or(0, |stage| usize::try_from(stage.quota).unwrap_or(0));
    let mut room = quota.saturating_sub(pass.roster.optimized_count());
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
        if room > 0 && cohorts.get(name) == Some(&Cohort::Baseline) {
            cohorts.insert(name, Cohort::Optimized);
            room -= 1;
        }
    }
    cohorts
}

/// The next writes of the current stage: first the labels of the pods that are switched, so that a retreat finds them,
/// then, when these are seen, the ConfigMaps. Empty when the stage is stamped everywhere.
#[must_use]
pub fn due(pass: &Pass<'_>) -> Vec<Advance> {
    let cohorts = cohorts(pass);
    let stage = pass.stamp();
    let settling = pass.run.as_ref().is_some_and(|run| run.settling_at.is_some());
    let is_stamped =
        |shard: &Shard| pass.run.as_ref().is_some_and(|run| shard.record.run == run.id) && shard.record.stage == stage;
    let placed = place(pass);
    let due: Vec<(&String, &Placement<'_>)> =
        placed.iter().filter(|(_, placement)| !placement.shard.is_some_and(is_stamped)).collect();
    let labels: Vec<Advance> = due
        .iter()
        .flat_map(|(_, placement)| &placement.members)
        .filter(|standing| !settling && cohorts.get(standing.member.name.as_str()) == Some(&Cohort::Optimized))
        .filter_map(|standing| label_optimized(&standing.member.pod))
        .collect();
    if !labels.is_empty() {
        return labels;
    }
    due.into_iter().flat_map(|(name, placement)| stage_writes(pass, name, placement, &cohorts)).collect()
}

/// Files for members that joined, when there is something to tell them: they run the baseline.
#[must_use]
pub fn joiners(pass: &Pass<'_>) -> Vec<Advance> {
    let config = &pass.spec.fleet.config;
    let Some(file) = rendering::file(config, &pass.settings.baseline).unwrap_or_default() else { return Vec::new() };
    let mut advance = Vec::new();
    for (name, placement) in place(pass) {
        let joined: Vec<&&Standing<'_>> =
            placement.members.iter().filter(|standing| standing.entry.is_none() && standing.file.is_none()).collect();
        // Without anything settled, the declared baseline is what a run writes when it starts.
        if joined.is_empty() || (pass.settled.is_empty() && !pass.is_stamped()) {
            continue;
        }
        let data = joined.iter().map(|s| (rendering::file_key(config, &s.member.name), Some(file.clone())));
        let mut write = ShardWrite {
            name: name.clone(),
            resource_version: placement.shard.map(|shard| shard.resource_version.clone()),
            data: data.collect(),
            labels: owner(pass),
            annotations: BTreeMap::new(),
        };
        if placement.shard.is_none() {
            write.annotations.insert(SETTLED_ANNOTATION.to_owned(), Some(serde_json::json!(pass.settled).to_string()));
        }
        advance.push(Advance::WriteShard(write));
        advance.extend(joined.iter().filter_map(|s| touch(pass, s, Some(&file), &name)).map(Advance::Touch));
    }
    advance
}

/// The members of one ConfigMap.
struct Placement<'p> {
    shard: Option<&'p Shard>,
    members: Vec<&'p Standing<'p>>,
}

/// Which ConfigMap every eligible member is in: the one that knows it, else the first with room.
fn place<'p>(pass: &'p Pass<'_>) -> BTreeMap<String, Placement<'p>> {
    let config = &pass.spec.fleet.config;
    let file = |values| rendering::file(config, values).unwrap_or_default().map_or(0, |file| file.len());
    let cost = file(&pass.settings.optimized).max(file(&pass.settings.baseline)) + rendering::ENTRY_SIZE;
    let mut sizes: Vec<usize> = pass.seen.shards.iter().map(rendering::size).collect();
    let mut placed: BTreeMap<String, Placement<'p>> = pass
        .seen
        .shards
        .iter()
        .map(|shard| (shard.name.clone(), Placement { shard: Some(shard), members: Vec::new() }))
        .collect();
    for standing in pass.roster.standings.iter().filter(|standing| is_eligible(standing)) {
        let name = match standing.shard {
            Some(shard) => shard.name.clone(),
            None => {
                let cost = cost + standing.member.name.len() * 2;
                let index = sizes.iter().position(|size| size + cost <= SHARD_LIMIT).unwrap_or(sizes.len());
                match sizes.get_mut(index) {
                    Some(size) => *size += cost,
                    None => sizes.push(cost),
                }
                pass.seen.shards.get(index).map_or_else(|| rendering::shard_name(config, index), |s| s.name.clone())
            }
        };
        placed.entry(name).or_insert(Placement { shard: None, members: Vec::new() }).members.push(standing);
    }
    placed
}

fn stage_writes(
    pass: &Pass<'_>,
    name: &str,
    placement: &Placement<'_>,
    cohorts: &BTreeMap<&str, Cohort>,
) -> Vec<Advance> {
    let Some(run) = &pass.run else { return Vec::new() };
    let config = &pass.spec.fleet.config;
    let file = |values| rendering::file(config, values).unwrap_or_default();
    let (optimized, baseline) = (file(&pass.settings.optimized), file(&pass.settings.baseline));
    let stage = pass.stamp();
    let known = placement.shard.filter(|shard| shard.record.run == run.id).map(|shard| shard.record.members.clone());
    let mut record = Record { run: run.id.clone(), stage, members: known.unwrap_or_default() };
    let mut data = BTreeMap::new();
    let mut touches = Vec::new();
    for standing in &placement.members {
        let member = standing.member;
        let Some(cohort) = cohorts.get(member.name.as_str()) else { continue };
        if standing.cohort() != Some(*cohort) {
            let pod = &member.pod;
            let entry = Entry { cohort: *cohort, stage, pod: pod.uid.clone(), restarts: pod.restarts };
            record.members.insert(member.name.clone(), entry);
        }
        let wanted = if *cohort == Cohort::Optimized { &optimized } else { &baseline };
        // A value that somebody else took back stays with them.
        if standing.file != wanted.as_deref() && !standing.overridden {
            data.insert(rendering::file_key(config, &member.name), wanted.clone());
            // Others read theirs when their kubelet comes by: it says what they run already.
            if *cohort == Cohort::Optimized {
                touches.extend(touch(pass, standing, wanted.as_deref(), name).map(Advance::Touch));
            }
        }
    }
    data.insert(MEMBERS_KEY.to_owned(), Some(record.text()));
    let settled = serde_json::json!(pass.settled).to_string();
    let mut writes = vec![Advance::WriteShard(ShardWrite {
        name: name.to_owned(),
        resource_version: placement.shard.map(|shard| shard.resource_version.clone()),
        data,
        labels: owner(pass),
        annotations: BTreeMap::from([(SETTLED_ANNOTATION.to_owned(), Some(settled))]),
    })];
    writes.append(&mut touches);
    writes
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

/// The touch that is due for a member with this file.
#[must_use]
pub fn touch(pass: &Pass<'_>, standing: &Standing<'_>, file: Option<&str>, shard: &str) -> Option<TouchPod> {
    let pod = &standing.member.pod;
    let touch = touch_due(pod, file, pass.seen.now)?;
    Some(TouchPod { pod: target(pod), touch, after: shard.to_owned() })
}

/// Touches that are due again, for members that have not acknowledged.
#[must_use]
pub fn repeated_touches(pass: &Pass<'_>) -> Vec<TouchPod> {
    let pending = pass.roster.pending();
    pending
        .filter_map(|standing| touch(pass, standing, standing.file, standing.shard.map_or("", |shard| &shard.name)))
        .collect()
}

/// Pods that were replaced during the run and came back with their template's label.
#[must_use]
pub fn relabelled(pass: &Pass<'_>) -> Vec<Advance> {
    pass.roster.in_cohort(Cohort::Optimized).filter_map(|standing| label_optimized(&standing.member.pod)).collect()
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

/// The label that says whose ConfigMap it is.
#[must_use]
pub fn owner(pass: &Pass<'_>) -> BTreeMap<String, String> {
    BTreeMap::from([(ROLLOUT_LABEL.to_owned(), pass.rollout.metadata.name.clone().unwrap_or_default())])
}
