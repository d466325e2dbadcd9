//! A base that has changed: members' files follow it, those of all cohorts alike.

use std::{
    collections::{BTreeMap, BTreeSet},
    iter,
};

use api::{
    fleet::Base,
    names::{BASE_KEY, ROLLOUT_LABEL},
    reason::Reason,
};

use super::patched::write_to;
use crate::{
    decide::{
        cause::cause,
        pass::{Pass, Phase},
    },
    delivery,
    observation::{Problem, Shard},
    patching,
    plan::Advance,
    record::Cohort,
    rendering::{ENTRY_SIZE, LARGEST, LONGEST_BASE, Rendering},
    settings::setting,
};

/// What [`Pass::base`] gives, found out anew.
pub(in crate::decide) fn newest<'a>(pass: &Pass<'a>) -> Option<Result<&'a str, Problem>> {
    let config = &pass.spec.fleet.config;
    let Base { name, key } = config.base()?;
    let unreadable = |what: &str| {
        Problem::new(
            Reason::ConfigUnreadable,
            format!("spec.fleet.config.rendered.base: ConfigMap {name}, key {key}: {what}"),
        )
    };
    Some(match pass.seen.base.as_ref()? {
        Err(problem) => Err(problem.clone()),
        Ok(text) if text.len() > LONGEST_BASE => {
            Err(unreadable(&format!("the text is longer than {LONGEST_BASE} bytes; shorten it")))
        }
        Ok(text) => match Rendering::new(config, &pass.settings, Some(text)) {
            Err(error) => Err(unreadable(&error.to_string())),
            Ok(files) => match pass.seen.shards.iter().find(|shard| !has_room(shard, text, &files)) {
                Some(shard) => {
                    let map = &shard.name;
                    Err(unreadable(&format!("with it, the members' files do not fit into ConfigMap {map}; shorten it")))
                }
                None => Ok(text),
            },
        },
    })
}

/// Whether the members' files fit into their ConfigMap once they are made from this base.
fn has_room(shard: &Shard, base: &str, files: &Rendering) -> bool {
    let members = members(shard).into_iter();
    shard.base.as_deref() == Some(base)
        || base.len() + members.map(|member| member.len() + files.size() + ENTRY_SIZE).sum::<usize>() <= LARGEST
}

/// Members with a file or an entry.
fn members(shard: &Shard) -> BTreeSet<&str> {
    shard.files.keys().chain(shard.record.members.keys()).map(String::as_str).collect()
}

/// What the files of a new ConfigMap are made from: the base as it is now, else the copy that another one has.
#[must_use]
pub fn of_new<'a>(pass: &Pass<'a>) -> Option<&'a str> {
    match pass.base()? {
        Ok(text) => Some(text),
        Err(_) => pass.seen.shards.iter().find_map(|shard| shard.base.as_deref()),
    }
}

/// The writes that bring members' files from the base that they were made from to the newest one. A retreat goes by the
/// old one. A base that cannot be used changes nothing.
#[must_use]
pub fn renewals(pass: &Pass<'_>) -> Vec<Advance> {
    let newest = match pass.base() {
        Some(Ok(text)) => Some(text),
        None if pass.spec.fleet.config.base().is_none() => None,
        Some(Err(_)) | None => return Vec::new(),
    };
    // The settings of this spec are those in the files only then.
    let known = pass.is_wanted() || pass.settings.is_settled();
    if !known || cause(pass).is_some() {
        return Vec::new();
    }
    let outdated = pass.seen.shards.iter().filter(|shard| shard.base.as_deref() != newest && is_ours(pass, shard));
    outdated.map(|shard| renewal(pass, shard, newest)).collect()
}

/// Two rollouts that write the same ConfigMap may name different bases: the one that wrote last, or runs, has its way.
fn is_ours(pass: &Pass<'_>, shard: &Shard) -> bool {
    let runs = !matches!(pass.phase, Phase::Idle | Phase::Settled);
    let free = shard.record.members.is_empty() || pass.run.as_ref().is_some_and(|run| run.id == shard.record.run);
    free && (runs || shard.rollout == pass.rollout.metadata.name)
}

fn renewal(pass: &Pass<'_>, shard: &Shard, base: Option<&str>) -> Advance {
    let config = &pass.spec.fleet.config;
    let old = Rendering::checked(config, &pass.settings, shard.base.as_deref());
    let new = Rendering::checked(config, &pass.settings, base);
    let cohort = |member: &str| shard.record.members.get(member).map(|entry| entry.cohort);
    let settled = setting(&pass.settled);
    // A value that somebody else took back stays with them, in a run as after it.
    let overridden = |member: &str| {
        let (file, cohort) = (shard.files.get(member), cohort(member));
        let is_off = |file: &String| !patching::says(config.format, file, &settled);
        file.map(String::as_str) != old.file(cohort) && (cohort == Some(Cohort::Optimized) || file.is_some_and(is_off))
    };
    let renewed = members(shard).into_iter().filter(|member| !overridden(member));
    let files = renewed.map(|member| (delivery::file_key(config, member), new.file(cohort(member)).map(str::to_owned)));
    let mut write = write_to(shard);
    write.data = iter::once((BASE_KEY.to_owned(), base.map(str::to_owned))).chain(files).collect();
    write.labels = owner(pass);
    Advance::WriteShard(write)
}

/// The label that says whose ConfigMap it is.
#[must_use]
pub fn owner(pass: &Pass<'_>) -> BTreeMap<String, String> {
    BTreeMap::from([(ROLLOUT_LABEL.to_owned(), pass.name().to_owned())])
}

#[cfg(test)]
mod tests;
