//! Rendered delivery: the writes of a stage, and the files of those who join.

use std::collections::BTreeMap;

use api::{
    fleet::{Reload, Rendered},
    names::BASE_KEY,
};

use super::base::{self, owner};
use crate::{
    decide::{
        cohorts::{cohorts, is_eligible, is_moved},
        pass::Pass,
        roster::Standing,
        tell,
    },
    delivery,
    observation::Shard,
    plan::{Advance, ShardWrite},
    record::{Cohort, Entry, Record},
    rendering::{self, Rendering, SHARD_LIMIT},
};

/// The writes of the current stage to the ConfigMaps that do not bear its stamp, or not all of an edit of it, and the
/// members that they switch.
#[must_use]
pub fn due<'p>(pass: &'p Pass<'_>, rendered: &Rendered) -> (Vec<&'p Standing<'p>>, Vec<Advance>) {
    let cohorts = cohorts(pass);
    let placed = place(pass, rendered);
    let is_written = |placement: &Placement<'_>| {
        placement.shard.is_some_and(|shard| pass.has_stamp(shard))
            && !placement.members.iter().any(|standing| is_moved(pass, standing, &cohorts))
    };
    let due: Vec<(&String, &Placement<'_>)> = placed.iter().filter(|(_, placement)| !is_written(placement)).collect();
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
    // Without anything settled, the declared baseline is what a run writes when it starts.
    let based = pass.seen.shards.iter().any(|shard| shard.base.is_some());
    if pass.settled.is_empty() && !pass.is_stamped() && !based {
        return Vec::new();
    }
    let told = delivery::told(config, &pass.settings.baseline);
    let mut advance = Vec::new();
    for (name, placement) in place(pass, rendered) {
        // Without anything settled it says what they run already.
        let runs_it = pass.settled.is_empty() && config.reload == Reload::RestartPod;
        let joined = placement.members.iter().filter(|standing| standing.entry.is_none() && standing.file.is_none());
        let (joined, unwarned): (Vec<&&Standing<'_>>, Vec<_>) =
            joined.partition(|standing| runs_it || tell::may_be_given(pass, standing));
        advance.extend(unwarned.into_iter().map(|standing| tell::announce(pass, standing)));
        if joined.is_empty() {
            continue;
        }
        let Some(file) = delivery::checked_file(config, placement.base(pass), &pass.settings.baseline) else {
            continue;
        };
        let data = joined.iter().map(|s| (delivery::file_key(config, &s.member.name), Some(file.clone())));
        let mut write = placement.write(pass, &name);
        write.data.extend(data);
        if placement.shard.is_none() {
            write.settle(&pass.settled, &pass.owners);
        }
        advance.push(Advance::WriteShard(write));
        advance.extend(joined.iter().filter_map(|who| tell::touch(pass, who, &told, &name)).map(Advance::Touch));
    }
    advance
}

/// Members whose files are, or would be, in a further ConfigMap that their pods do not mount, and its name.
#[must_use]
pub fn unmounted<'p>(pass: &'p Pass<'_>, rendered: &Rendered) -> Option<(String, Vec<&'p str>)> {
    place(pass, rendered).into_iter().filter(|(name, _)| *name != rendered.name).find_map(|(name, placement)| {
        let pods = placement.members.iter().map(|standing| &standing.member.pod);
        let lacking: Vec<&str> =
            pods.filter(|pod| !pod.mounts_further.contains(&name)).map(|pod| pod.name.as_str()).collect();
        (!lacking.is_empty()).then_some((name, lacking))
    })
}

/// The members of one ConfigMap.
struct Placement<'p> {
    shard: Option<&'p Shard>,
    members: Vec<&'p Standing<'p>>,
}

impl<'p> Placement<'p> {
    /// What its files are made from.
    fn base(&self, pass: &'p Pass<'_>) -> Option<&'p str> {
        match self.shard {
            Some(shard) => shard.base.as_deref(),
            None => base::of_new(pass),
        }
    }

    /// A write that changes nothing yet but whose it is; to a new one it brings the base.
    fn write(&self, pass: &Pass<'_>, name: &str) -> ShardWrite {
        let base = self.base(pass).filter(|_| self.shard.is_none());
        ShardWrite {
            name: name.to_owned(),
            resource_version: self.shard.map(|shard| shard.resource_version.clone()),
            data: base.map(|base| (BASE_KEY.to_owned(), Some(base.to_owned()))).into_iter().collect(),
            labels: owner(pass),
            annotations: BTreeMap::new(),
        }
    }
}

/// Which ConfigMap every eligible member is in: the one that knows it, else the first with room.
fn place<'p>(pass: &'p Pass<'_>, rendered: &Rendered) -> BTreeMap<String, Placement<'p>> {
    let config = &pass.spec.fleet.config;
    let base = base::of_new(pass);
    let file = Rendering::checked(config, &pass.settings, base).size();
    let growth = base.map_or(0, str::len);
    let cost = file + growth + rendering::ENTRY_SIZE;
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
                    None => sizes.push(cost + growth),
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
    let rendering = Rendering::checked(config, &pass.settings, placement.base(pass));
    let told = delivery::told(config, &pass.settings.optimized);
    let stage = pass.stamp();
    let known = placement.shard.filter(|shard| shard.record.run == run.id).map(|shard| shard.record.members.clone());
    let optimizations = pass.switched_names();
    let mut record = Record { run: run.id.clone(), stage, optimizations, members: known.unwrap_or_default() };
    let mut write = placement.write(pass, name);
    let mut touches = Vec::new();
    let is_stamped = placement.shard.is_some_and(|shard| pass.has_stamp(shard));
    // Once a stage is written, only who is recorded may have to move in it: the others joined since.
    for standing in placement.members.iter().filter(|standing| !is_stamped || standing.entry.is_some()) {
        let member = standing.member;
        let Some(cohort) = cohorts.get(member.name.as_str()) else { continue };
        if standing.cohort() != Some(*cohort) {
            let pod = &member.pod;
            let entry = Entry::new(*cohort, stage, pod);
            record.members.insert(member.name.clone(), entry);
        }
        let wanted = rendering.file(Some(*cohort));
        // A value that somebody else took back stays with them.
        if standing.file != wanted && !standing.overridden {
            write.data.insert(delivery::file_key(config, &member.name), wanted.map(str::to_owned));
            // Others read theirs when their kubelet comes by: it says what they run already.
            if *cohort == Cohort::Optimized {
                touches.extend(tell::touch(pass, standing, &told, name).map(Advance::Touch));
            }
        }
    }
    write.settle(&pass.settled, &pass.owners);
    write.record(config, Some(&record));
    let mut writes = vec![Advance::WriteShard(write)];
    writes.append(&mut touches);
    writes
}
