//! Rendered delivery: the writes of a stage, and the files of those who join.

use std::collections::BTreeMap;

use api::{
    fleet::{Reload, Rendered},
    names::ROLLOUT_LABEL,
};

use crate::{
    decide::{
        cohorts::{cohorts, is_eligible},
        pass::Pass,
        roster::Standing,
        tell,
    },
    delivery,
    observation::Shard,
    plan::{Advance, ShardWrite},
    record::{Cohort, Entry, Record},
    rendering::{self, SHARD_LIMIT},
};

/// The writes of the current stage to the ConfigMaps that do not bear its stamp, and the members that they switch.
#[must_use]
pub fn due<'p>(pass: &'p Pass<'_>, rendered: &Rendered) -> (Vec<&'p Standing<'p>>, Vec<Advance>) {
    let cohorts = cohorts(pass);
    let placed = place(pass, rendered);
    let due: Vec<(&String, &Placement<'_>)> =
        placed.iter().filter(|(_, placement)| !placement.shard.is_some_and(|shard| pass.has_stamp(shard))).collect();
    let switched = due
        .iter()
        .flat_map(|(_, placement)| placement.members.iter().copied())
        .filter(|standing| cohorts.get(standing.member.name.as_str()) == Some(&Cohort::Optimized))
        .collect();
    (switched, due.into_iter().flat_map(|(name, placement)| stage_writes(pass, name, placement, &cohorts)).collect())
}

/// Files for members that joined, when there is something to tell them: they run the baseline.
#[must_use]
pub fn joiners(pass: &Pass<'_>, rendered: &Rendered) -> Vec<Advance> {
    let config = &pass.spec.fleet.config;
    let Some(file) = delivery::file(config, &pass.settings.baseline).unwrap_or_default() else { return Vec::new() };
    let mut advance = Vec::new();
    for (name, placement) in place(pass, rendered) {
        let joined: Vec<&&Standing<'_>> =
            placement.members.iter().filter(|standing| standing.entry.is_none() && standing.file.is_none()).collect();
        // Without anything settled, the declared baseline is what a run writes when it starts.
        if joined.is_empty() || (pass.settled.is_empty() && !pass.is_stamped()) {
            continue;
        }
        let data = joined.iter().map(|s| (delivery::file_key(config, &s.member.name), Some(file.clone())));
        let mut write = ShardWrite {
            name: name.clone(),
            resource_version: placement.shard.map(|shard| shard.resource_version.clone()),
            data: data.collect(),
            labels: owner(pass),
            annotations: BTreeMap::new(),
        };
        if placement.shard.is_none() {
            write.settle(&pass.settled, &pass.owners);
        }
        advance.push(Advance::WriteShard(write));
        if pass.settled.is_empty() && pass.spec.fleet.config.reload == Reload::RestartPod {
            // It says what they run already.
            continue;
        }
        advance.extend(tell::joiners(pass, joined.iter().map(|standing| (**standing, file.as_str(), name.as_str()))));
    }
    advance
}

/// The members of one ConfigMap.
struct Placement<'p> {
    shard: Option<&'p Shard>,
    members: Vec<&'p Standing<'p>>,
}

/// Which ConfigMap every eligible member is in: the one that knows it, else the first with room.
fn place<'p>(pass: &'p Pass<'_>, rendered: &Rendered) -> BTreeMap<String, Placement<'p>> {
    let config = &pass.spec.fleet.config;
    let file = |values| delivery::file(config, values).unwrap_or_default().map_or(0, |file| file.len());
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
                pass.seen.shards.get(index).map_or_else(|| rendering::shard_name(rendered, index), |s| s.name.clone())
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
    let file = |values| delivery::file(config, values).unwrap_or_default();
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
            data.insert(delivery::file_key(config, &member.name), wanted.clone());
            // Others read theirs when their kubelet comes by: it says what they run already.
            if *cohort == Cohort::Optimized {
                touches.extend(tell::touch(pass, standing, wanted.as_deref(), name).map(Advance::Touch));
            }
        }
    }
    let mut write = ShardWrite {
        name: name.to_owned(),
        resource_version: placement.shard.map(|shard| shard.resource_version.clone()),
        data,
        labels: owner(pass),
        annotations: BTreeMap::new(),
    };
    write.settle(&pass.settled, &pass.owners);
    write.record(config, Some(&record));
    let mut writes = vec![Advance::WriteShard(write)];
    writes.append(&mut touches);
    writes
}

/// The label that says whose ConfigMap it is.
fn owner(pass: &Pass<'_>) -> BTreeMap<String, String> {
    BTreeMap::from([(ROLLOUT_LABEL.to_owned(), pass.rollout.metadata.name.clone().unwrap_or_default())])
}
