//! Settling: the optimized values become the baseline of every member.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use api::{
    fleet::{Delivery, Reload},
    names::INVERSE_ANNOTATION,
    reason::Reason,
    status::Run,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::{
    closing::closed,
    cohorts::is_eligible,
    intent::{ACTIVE, Intent, Kind},
    pass::{Pass, Phase},
    roster::Standing,
    stamp::{self, label_returned, patched::write_to},
    tell,
};
use crate::{
    acknowledgement::elapsed,
    delivery,
    observation::Shard,
    patching::{self, Inverse},
    plan::{Advance, ShardWrite},
    record::Cohort,
    settings::Settings,
    settled::owners,
};

/// Later than caches are, unless something is wrong.
const LATE: Duration = Duration::from_secs(10);

/// What has begun to be settled is settled, whatever else is wanted meanwhile.
#[must_use]
pub fn closing(pass: &Pass<'_>) -> Option<Intent> {
    (pass.phase == Phase::Closing).then(|| settle(pass))
}

/// Everybody has acknowledged: labels back, the values become the baseline on every ConfigMap, and that is it. The status
/// says first that there is no way back, so that no breach of the same moment finds the half of a run.
#[must_use]
pub fn settle(pass: &Pass<'_>) -> Intent {
    let labels: Vec<Advance> = pass
        .seen
        .members
        .iter()
        .filter(|member| pass.is_displaced(&member.pod))
        .map(|member| label_returned(&member.pod))
        .collect();
    let mut intent =
        Intent::state(pass, Kind::Working, Reason::Settling, "every member follows; the values are settled");
    intent.requeue = Duration::from_millis(200);
    if !labels.is_empty() {
        intent.advance = labels;
        return intent;
    }
    let writes = closes(pass);
    if !writes.is_empty() {
        let since = pass.run.as_ref().and_then(|run| run.closing_at.clone()).unwrap_or(Time(pass.seen.now));
        intent.run = intent.run.map(|run| Run { closing_at: Some(since), ..run });
        intent.advance = writes;
        return intent;
    }
    let message = "the optimized values are the baseline of every member";
    let mut intent = Intent::state(pass, Kind::Waiting, Reason::Settled, message).transition(Reason::Settled);
    intent.run = intent.run.map(|run| Run { settled_at: Some(Time(pass.seen.now)), ..run });
    intent.requeue = ACTIVE;
    intent
}

/// The values become the baseline on every ConfigMap that the run is not over on yet.
fn closes(pass: &Pass<'_>) -> Vec<Advance> {
    let settled = &pass.settings.optimized;
    let close = |(shard, mut write): (&Shard, ShardWrite)| {
        let mut told = Vec::new();
        let mut inverse = shard.inverse.clone();
        match pass.spec.fleet.config.delivery {
            Delivery::Rendered(_) => told = rest_follows(pass, shard, &mut write),
            Delivery::Patched(_) if is_left_behind(pass, shard) => return vec![Advance::WriteShard(write)],
            Delivery::Patched(_) => inverse = absent_follows(pass, shard, &mut write).or(inverse),
        }
        write.settle(settled, &owners(pass.name(), &pass.spec.optimizations, settled, &shard.owners, inverse.as_ref()));
        std::iter::once(Advance::WriteShard(write)).chain(told).collect()
    };
    closed(pass, pass.stamp()).into_iter().flat_map(close).collect()
}

/// Whether nobody could write a member's own ConfigMap when the others followed: the member joins now.
fn is_left_behind(pass: &Pass<'_>, shard: &Shard) -> bool {
    let behind = |standing: &Standing<'_>| {
        standing.cohort() != Some(Cohort::Optimized) && shard.record.members.contains_key(&standing.member.name)
    };
    pass.roster.standings.iter().any(behind)
}

/// Whoever was not there when the others followed gets the values now: members of the run that have no pod, or have one
/// again, and members that the run knows nothing of, where they could take part and their files say what they were given.
/// Files of those who were switched say them already, or what somebody else made of them.
fn rest_follows(pass: &Pass<'_>, shard: &Shard, write: &mut ShardWrite) -> Vec<Advance> {
    let config = &pass.spec.fleet.config;
    let file = |values| delivery::checked_file(config, shard.base.as_deref(), values);
    // What a member was given that was there in this run, or in an earlier one.
    let baseline = Settings::new(&pass.spec.optimizations, &shard.settled).baseline;
    let before = [&baseline, &shard.settled].map(file);
    let is_before = |member: &str| before.iter().flatten().any(|file| shard.files.get(member) == Some(file));
    let standings: BTreeMap<&str, &Standing<'_>> =
        pass.roster.standings.iter().map(|standing| (standing.member.name.as_str(), standing)).collect();
    // Of who is away nobody knows on what Node it comes back.
    let may_follow =
        |member: &str| standings.get(member).map_or(pass.spec.fleet.node_selector.is_none(), |one| is_eligible(one));
    let members = shard.record.members.keys().chain(shard.files.keys()).map(String::as_str);
    let rest: BTreeSet<&str> = members
        .filter(|member| match shard.record.members.get(*member) {
            Some(entry) => entry.cohort != Cohort::Optimized,
            None => is_before(member) && may_follow(member),
        })
        .collect();
    let optimized = file(&pass.settings.optimized);
    write.data.extend(rest.iter().map(|member| (delivery::file_key(config, member), optimized.clone())));
    let told = delivery::told(config, &pass.settings.optimized);
    let there = rest.iter().filter_map(|member| standings.get(member).copied());
    let mut tells = tell::followers(pass, there.map(|standing| (standing, told.as_str(), shard.name.as_str())));
    if config.reload == Reload::RestartPod {
        // More than the others can bear follow at their next start.
        tells.truncate(tell::spare(pass, &[]));
    }
    tells
}

/// A member with a ConfigMap of its own that has no pod now finds the values when it comes back.
fn absent_follows(pass: &Pass<'_>, shard: &Shard, write: &mut ShardWrite) -> Option<Inverse> {
    let config = &pass.spec.fleet.config;
    let mut inverse = None;
    let absent = pass.roster.absent.iter().filter(|(name, _)| shard.record.members.contains_key(*name));
    for (member, _) in absent.filter(|(_, entry)| entry.cohort != Cohort::Optimized) {
        let Some(file) = shard.files.get(*member) else { continue };
        let changes = delivery::switched(config, &pass.settings, &shard.owners);
        let Ok((patched, back)) = patching::patch(config.format, file, &changes) else { continue };
        write.annotations.insert(INVERSE_ANNOTATION.to_owned(), Some(serde_json::json!(back).to_string()));
        inverse = Some(back);
        write.data.insert(delivery::file_key(config, member), Some(patched));
    }
    inverse
}

/// Nothing to do but to tell those who join, and whose ConfigMap was out of reach at the end, to let go of the finalizer,
/// and of members' own ConfigMaps in which nothing is settled any more.
#[must_use]
pub fn settled(pass: &Pass<'_>) -> Option<Intent> {
    if pass.phase != Phase::Settled || !pass.is_wanted() {
        return None;
    }
    let message = "the optimized values are the baseline of every member";
    let mut intent = Intent::state(pass, Kind::Waiting, Reason::Settled, message);
    let over = if pass.settled.is_empty() { traces(pass) } else { left_behind(pass) };
    intent.advance = stamp::joiners(pass).into_iter().chain(over).collect();
    tell::restart_newcomers(pass, &mut intent);
    Some(intent)
}

/// The end of the run on ConfigMaps that were out of reach when the others had it. What was written a moment ago is not seen
/// yet where caches are late.
fn left_behind(pass: &Pass<'_>) -> Vec<Advance> {
    let settled = pass.run.as_ref().and_then(|run| run.settled_at.as_ref());
    let is_seen = settled.is_some_and(|settled| elapsed(settled.0, pass.seen.now) >= LATE);
    if is_seen { closes(pass) } else { Vec::new() }
}

/// What a run leaves behind in members' own ConfigMaps, where it has taken out all that was settled.
fn traces(pass: &Pass<'_>) -> Vec<Advance> {
    let config = &pass.spec.fleet.config;
    if matches!(config.delivery, Delivery::Rendered(_)) {
        return Vec::new();
    }
    let forgotten = |shard: &Shard| {
        let mut write = write_to(shard);
        write.forget(config);
        Advance::WriteShard(write)
    };
    pass.run_shards().map(forgotten).collect()
}

#[cfg(test)]
mod tests;
