//! What a rollout that is being deleted leaves behind.

use std::collections::BTreeMap;

use api::{names::SETTLED_ANNOTATION, reason::Reason, rollout::DeletionPolicy};

use super::{
    intent::{Intent, Kind},
    pass::{Pass, Phase},
    stamp,
};
use crate::{
    plan::{Advance, ShardWrite},
    rendering,
    settings::Values,
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

/// Writes that take this rollout's values out of what is settled, in favour of their declared baseline.
fn unsettle(pass: &Pass<'_>) -> Vec<Advance> {
    let own =
        |path: &String| pass.spec.optimizations.iter().flat_map(|o| &o.settings).any(|setting| setting.path == *path);
    let settled: Values =
        pass.settled.iter().filter(|(path, _)| !own(path)).map(|(path, value)| (path.clone(), value.clone())).collect();
    if settled.len() == pass.settled.len() {
        return Vec::new();
    }
    let baseline = crate::settings::Settings::new(&pass.spec.optimizations, &settled).baseline;
    let file = rendering::file(&pass.spec.fleet.config, &baseline).unwrap_or_default();
    let mut advance = Vec::new();
    for shard in &pass.seen.shards {
        let keys = shard.files.keys().map(|member| rendering::file_key(&pass.spec.fleet.config, member));
        advance.push(Advance::WriteShard(ShardWrite {
            name: shard.name.clone(),
            resource_version: Some(shard.resource_version.clone()),
            data: keys.map(|key| (key, file.clone())).collect(),
            labels: BTreeMap::new(),
            annotations: [(SETTLED_ANNOTATION.to_owned(), Some(serde_json::json!(settled).to_string()))].into(),
        }));
        let members = pass.roster.standings.iter().filter(|standing| shard.files.contains_key(&standing.member.name));
        advance.extend(
            members
                .filter_map(|standing| stamp::touch(pass, standing, file.as_deref(), &shard.name))
                .map(Advance::Touch),
        );
    }
    advance
}
