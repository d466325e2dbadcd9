//! Patched delivery: the writes of a stage, and the files of those who join, a ConfigMap each.

use std::collections::BTreeMap;

use api::names::INVERSE_ANNOTATION;

use crate::{
    acknowledgement::fingerprint,
    decide::{
        cohorts::{cohorts, is_eligible},
        fitness::unreadable,
        pass::Pass,
        roster::Standing,
        tell,
    },
    delivery,
    observation::{Problem, Shard},
    patching,
    plan::{Advance, ShardWrite},
    record::{Cohort, Entry, Record},
    settings::{Values, setting},
    settled::Owner,
};

/// Members whose cohort in the current stage is not recorded yet. All of them are recorded in the first stage, later
/// only those that are switched: a member without a record joined later.
#[must_use]
pub fn due<'p>(pass: &'p Pass<'_>) -> Vec<(&'p Standing<'p>, Cohort)> {
    let cohorts = cohorts(pass);
    let first = pass.stamp() == 0;
    let eligible = pass.roster.standings.iter().filter(|standing| is_eligible(standing));
    eligible
        .filter_map(|standing| Some((standing, *cohorts.get(standing.member.name.as_str())?)))
        .filter(|(standing, cohort)| standing.cohort() != Some(*cohort) && (first || *cohort == Cohort::Optimized))
        // A stamp without its member is a record that was closed: the run is over for it.
        .filter(|(standing, _)| standing.entry.is_some() || !standing.shard.is_some_and(|shard| pass.has_stamp(shard)))
        .collect()
}

/// The writes of the current stage, and the members that they switch. Whoever cannot be switched is left as it is.
#[must_use]
pub fn writes<'p>(pass: &'p Pass<'_>) -> (Vec<&'p Standing<'p>>, Vec<Advance>) {
    let (mut switched, mut writes) = (Vec::new(), Vec::new());
    for (standing, cohort) in due(pass) {
        let Ok(written) = stage_write(pass, standing, cohort) else { continue };
        if cohort == Cohort::Optimized {
            switched.push(standing);
        }
        writes.extend(written);
    }
    (switched, writes)
}

/// Why the current stage cannot be written for a member: somebody broke its file since the run began.
#[must_use]
pub fn obstacle(pass: &Pass<'_>) -> Option<Problem> {
    due(pass).into_iter().find_map(|(standing, cohort)| stage_write(pass, standing, cohort).err())
}

fn stage_write(pass: &Pass<'_>, standing: &Standing<'_>, cohort: Cohort) -> Result<Vec<Advance>, Problem> {
    if let Some(problem) = standing.locked {
        return Err(problem.clone());
    }
    let (Some(run), Some(shard), Some(file)) = (&pass.run, standing.shard, standing.file) else {
        return Ok(Vec::new());
    };
    let config = &pass.spec.fleet.config;
    let pod = &standing.member.pod;
    let entry = Entry::new(cohort, pass.stamp(), pod);
    let members = [(standing.member.name.clone(), entry)].into();
    let mut write = write_to(shard);
    let optimizations = pass.switched_names();
    write.record(config, Some(&Record { run: run.id.clone(), stage: pass.stamp(), optimizations, members }));
    let mut touch = None;
    if cohort == Cohort::Optimized {
        let mut changes = delivery::switched(config, &pass.settings, &shard.owners);
        // What its owner has changed since it was settled stays.
        changes.retain(|path, _| !pass.settings.released.contains_key(path) || still_says(pass, shard, file, path));
        let (patched, inverse) = patching::patch(config.format, file, &changes)
            .map_err(|error| unreadable(config, &standing.member.name, &error))?;
        touch = tell::touch(pass, standing, &fingerprint(Some(&patched)), &shard.name);
        write.data.insert(delivery::file_key(config, &standing.member.name), Some(patched));
        write.annotations.insert(INVERSE_ANNOTATION.to_owned(), Some(serde_json::json!(inverse).to_string()));
    }
    Ok(std::iter::once(Advance::WriteShard(write)).chain(touch.map(Advance::Touch)).collect())
}

/// Writes what is settled, once, into the files of members that do not have it.
#[must_use]
pub fn joiners(pass: &Pass<'_>) -> Vec<Advance> {
    let config = &pass.spec.fleet.config;
    let joined = pass.roster.standings.iter().filter(|standing| standing.entry.is_none() && standing.unfit.is_none());
    joined
        .filter_map(|standing| Some((standing, standing.shard?, standing.file?, due_settled(pass, standing.shard?))))
        .filter(|(_, shard, _, due)| shard.settled != *due)
        .flat_map(|(standing, shard, file, due)| {
            // What was taken out while it was away.
            let mut out = shard.settled.clone();
            out.retain(|path, _| !due.contains_key(path) && still_says(pass, shard, file, path));
            let mut values = delivery::restored(&out, &shard.owners);
            let joined = setting(&delivery::joined(config, &due)).into_iter();
            // What was settled there before is for its own rollout to look after.
            values.extend(
                joined.filter(|(path, _)| !shard.settled.contains_key(path) || !is_of_another(pass, shard, path)),
            );
            let Ok((patched, inverse)) = patching::patch(config.format, file, &values) else { return Vec::new() };
            let mut write = write_to(shard);
            let owner = |path: &String| {
                let before = || inverse.before.get(path).cloned().flatten();
                let new = || Some(Owner { before: before(), ..pass.owners.get(path)?.clone() });
                Some((path.clone(), shard.owners.get(path).cloned().or_else(new)?))
            };
            write.settle(&due, &due.keys().filter_map(owner).collect());
            let told = fingerprint(Some(&patched));
            if patched != file && !tell::may_be_given(pass, standing) {
                return vec![tell::announce(pass, standing)];
            }
            let told = tell::touch(pass, standing, &told, &shard.name).filter(|_| patched != file);
            if due.is_empty() {
                write.annotations.insert(INVERSE_ANNOTATION.to_owned(), None);
            }
            write.data.insert(delivery::file_key(config, &standing.member.name), Some(patched));
            std::iter::once(Advance::WriteShard(write)).chain(told.map(Advance::Touch)).collect()
        })
        .collect()
}

/// Whether all that is settled is settled on the ConfigMap of a member.
pub(super) fn is_given(pass: &Pass<'_>, standing: &Standing<'_>) -> bool {
    standing.shard.is_some_and(|shard| shard.settled == due_settled(pass, shard))
}

/// What is to be settled on a member's own ConfigMap, on which something is settled already or not. A rollout that is
/// there gives its values to those who lack them, and takes them out, itself: of two that did it for each other, where one
/// has seen that a value is out and the other has not, neither would ever end. One that joins gets everything at once.
fn due_settled(pass: &Pass<'_>, shard: &Shard) -> Values {
    let is_others = |path: &&String| is_of_another(pass, shard, path);
    let joins = shard.settled.is_empty() && pass.settled.keys().any(|path| !is_of_another(pass, shard, path));
    let own = pass.settled.iter().filter(|(path, _)| joins || !is_others(path));
    let others = shard.settled.iter().filter(|(path, _)| is_others(path));
    own.chain(others).map(|(path, value)| (path.clone(), value.clone())).collect()
}

fn is_of_another(pass: &Pass<'_>, shard: &Shard, path: &str) -> bool {
    let owner = shard.owners.get(path).or_else(|| pass.owners.get(path));
    owner.is_some_and(|owner| {
        let is_there = || pass.seen.neighbours.iter().any(|neighbour| neighbour.name == owner.rollout);
        owner.rollout != pass.name() && is_there()
    })
}

fn still_says(pass: &Pass<'_>, shard: &Shard, file: &str, path: &str) -> bool {
    let settled = [(path.to_owned(), shard.settled.get(path).cloned())].into();
    patching::says(pass.spec.fleet.config.format, file, &settled)
}

/// A write that changes nothing yet.
#[must_use]
pub fn write_to(shard: &Shard) -> ShardWrite {
    ShardWrite {
        name: shard.name.clone(),
        resource_version: Some(shard.resource_version.clone()),
        data: BTreeMap::new(),
        labels: BTreeMap::new(),
        annotations: BTreeMap::new(),
    }
}

#[cfg(test)]
mod tests;
