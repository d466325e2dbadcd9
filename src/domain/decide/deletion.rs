//! What a rollout that is being deleted leaves behind.

use api::{
    fleet::Delivery,
    names::{FINALIZER, INVERSE_ANNOTATION, SETTLED_ANNOTATION},
    reason::Reason,
    rollout::DeletionPolicy,
};

use super::{
    intent::{Intent, Kind},
    pass::{Pass, Phase},
    stamp::patched::write_to,
    tell,
};
use crate::{
    delivery,
    plan::Advance,
    restoration::baseline_file,
    settings::{Settings, Values},
};

/// Once nothing runs: takes back what is settled if that is asked for, and does nothing else.
#[must_use]
pub fn policy(pass: &Pass<'_>) -> Option<Intent> {
    if !pass.is_deleted() {
        return None;
    }
    let mut intent = Intent::state(pass, Kind::Working, Reason::Deleted, "the rollout is being deleted");
    if pass.spec.deletion_policy == DeletionPolicy::Restore && pass.phase == Phase::Settled {
        intent.advance = unsettle(pass);
    }
    Some(intent)
}

/// Whether the finalizer has a purpose: something would be restored.
#[must_use]
pub fn holds(pass: &Pass<'_>, intent: &Intent) -> bool {
    let unfinished = |phase| !matches!(phase, Phase::Idle | Phase::Settled);
    let starts = intent.run.as_ref().map(|run| &run.id) != pass.run.as_ref().map(|run| &run.id);
    match pass.spec.deletion_policy {
        DeletionPolicy::Retain => false,
        DeletionPolicy::RestoreUnfinished => unfinished(pass.phase) || starts,
        DeletionPolicy::Restore => unfinished(pass.phase) || starts || !unsettle(pass).is_empty(),
    }
}

/// Holds the finalizer before there is anything that a deletion would restore; `None` when it is held or not wanted.
#[must_use]
pub fn hold(pass: &Pass<'_>) -> Option<Advance> {
    (!is_held(pass) && pass.spec.deletion_policy != DeletionPolicy::Retain).then_some(Advance::HoldFinalizer)
}

/// The same for what is settled already: only a policy that takes that back as well needs it.
#[must_use]
pub fn hold_settled(pass: &Pass<'_>) -> Option<Advance> {
    let restores = pass.spec.deletion_policy == DeletionPolicy::Restore && !pass.is_deleted();
    (restores && !is_held(pass) && !unsettle(pass).is_empty()).then_some(Advance::HoldFinalizer)
}

/// Whether the rollout bears our finalizer.
#[must_use]
pub fn is_held(pass: &Pass<'_>) -> bool {
    pass.rollout.metadata.finalizers.iter().flatten().any(|name| name == FINALIZER)
}

/// Writes that take this rollout's values out of what is settled, in favour of their declared baseline.
fn unsettle(pass: &Pass<'_>) -> Vec<Advance> {
    let own =
        |path: &String| pass.spec.optimizations.iter().flat_map(|o| &o.settings).any(|setting| setting.path == *path);
    let settled: Values =
        pass.settled.iter().filter(|(path, _)| !own(path)).map(|(path, value)| (path.clone(), value.clone())).collect();
    if settled.len() == pass.settled.len() {
        return Vec::new();
    }
    let config = &pass.spec.fleet.config;
    let settings = Settings::new(&pass.spec.optimizations, &settled);
    let mut advance = Vec::new();
    for shard in pass.seen.shards.iter().filter(|shard| !shard.settled.is_empty()) {
        let mut write = write_to(shard);
        let text = (!settled.is_empty()).then(|| serde_json::json!(settled).to_string());
        write.annotations.insert(SETTLED_ANNOTATION.to_owned(), text);
        if let Delivery::Patched(_) = config.delivery {
            write.annotations.insert(INVERSE_ANNOTATION.to_owned(), None);
            write.record(config, None);
        }
        let mut told = Vec::new();
        for member in shard.files.keys() {
            let file = baseline_file(config, &settings, shard, member);
            let standing = pass.roster.standings.iter().find(|standing| standing.member.name == *member);
            let standing = standing.filter(|standing| standing.file != file.as_deref());
            told.extend(standing.and_then(|standing| tell::touch(pass, standing, file.as_deref(), &shard.name)));
            write.data.insert(delivery::file_key(config, member), file);
        }
        advance.push(Advance::WriteShard(write));
        advance.extend(told.into_iter().map(Advance::Touch));
    }
    advance
}
