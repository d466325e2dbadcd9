//! What a rollout that is being deleted leaves behind.

use std::collections::BTreeMap;

use api::{
    Scalar,
    fleet::{Config, Delivery},
    names::FINALIZER,
    reason::Reason,
    rollout::DeletionPolicy,
};

use super::{
    fitness::unreadable,
    intent::{Intent, Kind, State},
    pass::{Pass, Phase},
    settle,
    stamp::patched::write_to,
    tell,
};
use crate::{
    delivery,
    format::FormatError,
    observation::{Problem, Shard},
    patching::{self, Inverse},
    plan::Advance,
    restoration::{baseline_files, told_baseline},
    settings::{Settings, Values, declares, setting},
};

/// Once nothing runs: takes back what is settled if that is asked for, and does nothing else.
#[must_use]
pub fn policy(pass: &Pass<'_>) -> Option<Intent> {
    if !pass.is_deleted() {
        return None;
    }
    if let Some(closing) = settle::closing(pass) {
        return Some(closing);
    }
    let mut intent = Intent::state(pass, Kind::Working, Reason::Deleted, "the rollout is being deleted");
    let (writes, broken) = unsettle(pass);
    if let Some(neighbour) = pass.seen.neighbours.iter().find(|one| one.unfinished && !writes.is_empty()) {
        // Its members' files are its own until it has ended.
        let message =
            format!("rollout {} has a run on members of this fleet; the values go back after it", neighbour.name);
        intent.state = State { kind: Kind::Working, reason: Reason::FleetBusy, message };
        return Some(intent);
    }
    if pass.spec.deletion_policy == DeletionPolicy::Restore && matches!(pass.phase, Phase::Settled | Phase::Idle) {
        if let Some(Problem { reason, message }) = pass.seen.refusal().filter(|_| !writes.is_empty()) {
            let message = format!("{message}; what is settled goes back when it may be written");
            intent.state = State { kind: Kind::Stalled, reason: *reason, message };
            return Some(intent);
        }
        intent.advance = writes;
        let unread = broken.or_else(|| pass.seen.unread.clone());
        if let Some(Problem { reason, message }) = unread.filter(|_| intent.advance.is_empty()) {
            let message = format!("{message}; what is settled there goes back when it can be read");
            intent.state = State { kind: Kind::Stalled, reason, message };
        }
    }
    Some(intent)
}

/// Whether the finalizer has to be held now, before anything else goes on: a deletion would have something to restore.
/// What a retreat has to do comes first, whoever refuses a finalizer.
#[must_use]
pub fn must_hold(pass: &Pass<'_>, intent: &Intent) -> bool {
    let is_free = pass.phase != Phase::Retreating || intent.advance.is_empty();
    !is_held(pass)
        && is_free
        && pass.seen.refusal().is_none()
        && !pass.is_deleted()
        && !starts(pass, intent)
        && has_purpose(pass, intent)
}

/// Whether the finalizer is held for nothing.
#[must_use]
pub fn may_release(pass: &Pass<'_>, intent: &Intent) -> bool {
    is_held(pass) && !has_purpose(pass, intent)
}

/// Whether something would be restored.
fn has_purpose(pass: &Pass<'_>, intent: &Intent) -> bool {
    let unfinished = !matches!(pass.phase, Phase::Idle | Phase::Settled) || starts(pass, intent);
    match pass.spec.deletion_policy {
        // Where settings stay, traffic that a retreat has moved still has to come back, and one may begin at any moment.
        DeletionPolicy::Retain => {
            let retreats = pass.phase == Phase::Retreating || !intent.withdraw.is_empty();
            retreats || unfinished && !pass.is_deleted()
        }
        DeletionPolicy::RestoreUnfinished => unfinished,
        // What cannot be read may be what the finalizer is held for.
        DeletionPolicy::Restore => {
            unfinished || !own_settled(pass).is_empty() || (pass.seen.unread.is_some() && is_held(pass))
        }
    }
}

fn starts(pass: &Pass<'_>, intent: &Intent) -> bool {
    intent.run.as_ref().map(|run| &run.id) != pass.run.as_ref().map(|run| &run.id)
}

/// Whether the rollout bears our finalizer.
fn is_held(pass: &Pass<'_>) -> bool {
    pass.rollout.metadata.finalizers.iter().flatten().any(|name| name == FINALIZER)
}

/// What this rollout has settled.
fn own_settled(pass: &Pass<'_>) -> Values {
    let own = |path: &String| match pass.owners.get(path) {
        Some(owner) => owner.rollout == pass.name(),
        // An older version did not say whose a value is.
        None => declares(&pass.spec.optimizations, path),
    };
    pass.settled.iter().filter(|(path, _)| own(path)).map(|(path, value)| (path.clone(), value.clone())).collect()
}

/// Writes that take this rollout's values out of what is settled, in favour of their declared baseline; and why a member's
/// own file cannot be given back: its owner has broken it. What is settled there stays until it is mended.
fn unsettle(pass: &Pass<'_>) -> (Vec<Advance>, Option<Problem>) {
    let own = own_settled(pass);
    if own.is_empty() {
        return (Vec::new(), None);
    }
    let mut settled = pass.settled.clone();
    settled.retain(|path, _| !own.contains_key(path));
    let config = &pass.spec.fleet.config;
    let settings = Settings::new(&pass.spec.optimizations, &settled);
    let (mut advance, mut broken) = (Vec::new(), None);
    let is_due = |shard: &&Shard| shard.settled.keys().any(|path| !settled.contains_key(path));
    for shard in pass.seen.shards.iter().filter(is_due) {
        let mut write = write_to(shard);
        let owners = shard.owners.iter().filter(|(path, _)| settled.contains_key(*path));
        write.settle(&settled, &owners.map(|(path, owner)| (path.clone(), owner.clone())).collect());
        let files = match config.delivery {
            Delivery::Rendered(_) => baseline_files(config, &settings, shard, shard.files.keys().map(String::as_str)),
            Delivery::Patched(_) => {
                write.forget(config);
                let unsettled = shard.files.iter().map(|(member, text)| {
                    let file = unsettled_file(config, &settings, shard, &own, text);
                    file.map(|file| (member.as_str(), Some(file))).map_err(|error| unreadable(config, member, &error))
                });
                match unsettled.collect::<Result<BTreeMap<_, _>, _>>() {
                    Ok(files) => files,
                    Err(problem) => {
                        broken = Some(problem);
                        continue;
                    }
                }
            }
        };
        let mut told = Vec::new();
        for (member, file) in files {
            let standing = pass.roster.standings.iter().find(|standing| standing.member.name == *member);
            let standing = standing.filter(|standing| standing.file != file.as_deref());
            told.extend(standing.and_then(|standing| {
                tell::touch(pass, standing, &told_baseline(config, &settings, file.as_deref()), &shard.name)
            }));
            write.data.insert(delivery::file_key(config, member), file);
        }
        advance.push(Advance::WriteShard(write));
        advance.extend(told.into_iter().map(Advance::Touch));
    }
    (advance, broken)
}

/// A patched file without these settled values: what stood there before, else the declared baseline.
///
/// # Errors
/// When the file does not parse.
fn unsettled_file(
    config: &Config,
    settings: &Settings,
    shard: &Shard,
    own: &Values,
    file: &str,
) -> Result<String, FormatError> {
    let mut wrote = setting(own);
    let mut before = setting(&settings.baseline);
    let known = own.iter().filter(|(path, _)| shard.owners.contains_key(*path));
    before.extend(delivery::restored(&known.map(|(path, value)| (path.clone(), value)).collect(), &shard.owners));
    // The inverse of a later run leads back to what an earlier one has settled.
    let leads_back = |inverse: &&Inverse| own.keys().all(|path| inverse.before.get(path) == before.get(path));
    let inverse = shard.inverse.as_ref().filter(leads_back);
    if let (Some(path), Some(revision)) = (&config.revision_path, delivery::revision(config, &shard.settled)) {
        wrote.insert(path.clone(), Some(Scalar::Text(revision)));
    }
    patching::undo(config.format, file, &wrote, inverse, &before)
}

#[cfg(test)]
mod tests;
