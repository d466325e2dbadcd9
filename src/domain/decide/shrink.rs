//! An edit of the running stage that allows fewer members: the last of the order go back, and the run goes on. Nothing
//! holds it up, and no mark is left.

use std::collections::{BTreeMap, BTreeSet};

use api::reason::Reason;

use super::{
    cohorts::candidates,
    intent::{ACTIVE, Intent, Kind, State},
    pass::Pass,
    roster::Standing,
    stage::upkeep,
    stamp::{self, patched::write_to},
    tell,
};
use crate::{
    cohort::{Candidate, order},
    observation::{Problem, Shard},
    plan::Advance,
    record::{Cohort, Entry},
    restoration::{baseline_fingerprint, returned},
};

/// Gives the members that are more than the edited stage allows their baseline. One whose owner has broken its file waits
/// until that is mended.
#[must_use]
pub fn shrink(pass: &Pass<'_>) -> Option<Intent> {
    let leaving = surplus(pass);
    if leaving.is_empty() {
        return None;
    }
    let message = waiting_for(pass, &stamp::listed(leaving.iter().copied()))?;
    let mut intent = Intent::state(pass, Kind::Working, Reason::AwaitingAcknowledgement, message);
    let broken = pass.broken();
    let writes = writes(pass, &leaving, &broken);
    let obstacle = shards(pass, &leaving).find_map(|shard| broken.get(shard.name.as_str()));
    if let Some(Problem { reason, message }) = obstacle.filter(|_| writes.is_empty()) {
        let message = format!("{}; {message}", intent.state.message);
        intent.state = State { kind: Kind::Stalled, reason: *reason, message };
        intent.advance = upkeep(pass);
        intent.requeue = ACTIVE;
        return Some(intent);
    }
    intent.advance = std::iter::once(Advance::Confirm).chain(writes).collect();
    intent.requeue = std::time::Duration::from_millis(200);
    Some(intent)
}

/// What the run waits for while members go back; `names` are those of whom nobody knows that they run their file.
#[must_use]
pub fn waiting(pass: &Pass<'_>, names: &str) -> Option<String> {
    let going = pass.roster.pending().any(|standing| standing.cohort() == Some(Cohort::Returning));
    if going { waiting_for(pass, names) } else { None }
}

/// Whether more members are optimized than the edited stage allows.
#[must_use]
pub fn is_due(pass: &Pass<'_>) -> bool {
    !surplus(pass).is_empty()
}

fn waiting_for(pass: &Pass<'_>, names: &str) -> Option<String> {
    let stage = pass.status.stage.as_ref()?;
    Some(format!("stage {} shrinks to {} members: waiting for {names}", stage.name, stage.quota))
}

/// Members that have acknowledged their baseline are of the baseline again: first their pods' labels, then the records.
#[must_use]
pub fn finish(pass: &Pass<'_>) -> Option<Intent> {
    let is_returning = |entry: &Entry| entry.cohort == Cohort::Returning;
    let shards: Vec<_> = pass.run_shards().filter(|shard| shard.record.members.values().any(is_returning)).collect();
    let stage = pass.status.stage.as_ref().filter(|_| !shards.is_empty())?;
    let message = format!("stage {} has shrunk to {} members", stage.name, stage.quota);
    let mut intent = Intent::state(pass, Kind::Working, Reason::Baking, message);
    intent.advance = stamp::relabelled(pass);
    if intent.advance.is_empty() {
        let standings: BTreeMap<&str, &Standing<'_>> =
            pass.roster.standings.iter().map(|standing| (standing.member.name.as_str(), standing)).collect();
        intent.advance = shards
            .into_iter()
            .map(|shard| {
                let mut record = shard.record.clone();
                for (name, entry) in record.members.iter_mut().filter(|(_, entry)| is_returning(entry)) {
                    match standings.get(name.as_str()) {
                        Some(standing) => *entry = Entry::new(Cohort::Baseline, pass.stamp(), &standing.member.pod),
                        None => entry.cohort = Cohort::Baseline,
                    }
                }
                let mut write = write_to(shard);
                write.record(&pass.spec.fleet.config, Some(&record));
                Advance::WriteShard(write)
            })
            .collect();
    }
    intent.requeue = std::time::Duration::from_millis(200);
    Some(intent)
}

/// The last of the run's order among the optimized members, as many as the edited stage does not allow. Those without a
/// pod count too: their file says so.
fn surplus<'p>(pass: &'p Pass<'_>) -> BTreeSet<&'p str> {
    let (Some(run), Some(stage)) = (&pass.run, pass.status.stage.as_ref().filter(|_| pass.is_edited())) else {
        return BTreeSet::new();
    };
    let quota = usize::try_from(stage.quota).unwrap_or(0);
    if pass.roster.optimized_count() <= quota {
        return BTreeSet::new();
    }
    let present = pass.roster.in_cohort(Cohort::Optimized).map(|standing| standing.member.name.as_str());
    let absent = pass.roster.absent.iter().filter(|(_, entry)| entry.cohort == Cohort::Optimized);
    let optimized: BTreeSet<&str> = present.chain(absent.clone().map(|(name, _)| *name)).collect();
    let all: Vec<Candidate<'_>> =
        candidates(pass).chain(absent.map(|(name, _)| Candidate { name, zone: "" })).collect();
    order(&run.seed, &all).into_iter().filter(|name| optimized.contains(name)).skip(quota).collect()
}

/// The ConfigMaps with the entries of these members.
fn shards<'a>(pass: &Pass<'a>, leaving: &BTreeSet<&str>) -> impl Iterator<Item = &'a Shard> {
    pass.run_shards().filter(move |shard| leaving.iter().any(|name| shard.record.members.contains_key(*name)))
}

fn writes(pass: &Pass<'_>, leaving: &BTreeSet<&str>, broken: &BTreeMap<&str, Problem>) -> Vec<Advance> {
    let config = &pass.spec.fleet.config;
    let pods: BTreeMap<String, String> =
        pass.seen.members.iter().map(|member| (member.name.clone(), member.pod.uid.clone())).collect();
    // What leads back stays with a file that cannot be given back.
    let is_whole = |shard: &&Shard| !broken.contains_key(shard.name.as_str());
    let writes = shards(pass, leaving).filter(is_whole).map(|shard| {
        Advance::WriteShard(returned(config, &pass.settings, shard, &pods, |name| leaving.contains(name)))
    });
    let told = pass.roster.standings.iter().filter(|standing| leaving.contains(standing.member.name.as_str()));
    let touches = told.filter_map(|standing| {
        let shard = standing.shard.filter(is_whole)?;
        let fingerprint = baseline_fingerprint(config, &pass.settings, shard, &standing.member.name);
        tell::touch(pass, standing, &fingerprint, &shard.name).map(Advance::Touch)
    });
    writes.chain(touches).collect()
}

#[cfg(test)]
mod tests;
