//! The laws, as invariants of every step.

use std::collections::BTreeSet;

use api::{OptimizationRollout, status::Run};
use domain::{
    cohort::{Candidate, order},
    observation::Shard,
    record::Cohort,
};

use super::{
    model::Model,
    object,
    state::{Age, MAP, Pending, ROLLOUT, State},
    write::Write,
};

/// A law that a step broke.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// Its number and name.
    pub law: &'static str,
    /// What was done against it.
    pub what: String,
}

fn broken(law: &'static str, what: impl Into<String>) -> Option<Broken> {
    Some(Broken { law, what: what.into() })
}

/// The run that a rollout is known to have been taken back, by its status or its own mark.
pub fn aborted_run(rollout: &OptimizationRollout) -> Option<String> {
    let run = run(rollout)?;
    let aborted = run.aborted_at.is_some() || object::mark_of(rollout) == Some(&run.id);
    aborted.then_some(run.id)
}

fn run(rollout: &OptimizationRollout) -> Option<Run> {
    rollout.status.as_ref()?.run.clone()
}

/// Members whose file says the optimized values.
pub fn optimized_files(map: &Option<Shard>) -> u8 {
    let files = map.iter().flat_map(|shard| &shard.files);
    files.filter(|(_, file)| file.contains("true")).fold(0, |all, (name, _)| all | bit(name))
}

fn bit(name: &str) -> u8 {
    1 << name.strip_prefix("node-").and_then(|index| index.parse::<u8>().ok()).unwrap()
}

/// Members of a cohort in a run.
fn cohort(map: &Option<Shard>, run: &str, cohort: Cohort) -> BTreeSet<String> {
    let shard = map.iter().filter(|shard| shard.record.run == run);
    let entries = shard.flat_map(|shard| &shard.record.members).filter(|(_, entry)| entry.cohort == cohort);
    entries.map(|(name, _)| name.clone()).collect()
}

/// Keeps what the laws have to remember of the status.
pub fn remember(model: &Model, state: &mut State) {
    let rollout = model.rollouts.get(state.rollout.now);
    let status = rollout.status.clone().unwrap_or_default();
    let (Some(run), Some(stage)) = (status.run, status.stage) else { return };
    if run.aborted_at.is_none() {
        let all = i32::try_from(model.config.members).unwrap();
        state.allowed = u8::try_from(if run.settling_at.is_some() { all } else { stage.quota }).unwrap();
    }
}

/// Keeps who was taken back in the run that a ConfigMap records.
pub fn remember_returned(state: &mut State, old: &Option<Shard>, new: &Option<Shard>) {
    let Some(shard) = new else { return };
    let id = shard.record.run.as_str();
    if old.as_ref().is_none_or(|old| old.record.run != id) {
        state.returned = 0;
    }
    if shard.mark.as_ref().is_some_and(|mark| mark.run == id) {
        let left = cohort(old, id, Cohort::Optimized).into_iter();
        state.returned |= left
            .filter(|name| !cohort(new, id, Cohort::Optimized).contains(name))
            .fold(0, |all, name| all | bit(&name));
    }
}

/// L6, when a pass decides that a stage has ended.
pub fn promotes(model: &Model, state: &State, replica: usize, pass: &Pending) -> Option<Broken> {
    let law = "L6 silence never promotes";
    let plan = model.plans.get(pass.plan);
    let next =
        plan.writes.iter().find_map(|write| if let Write::Commit(status) = write { Some(status) } else { None })?;
    let rollout = model.rollouts.get(state.rollout.now);
    let status = rollout.status.as_ref()?;
    let (run, stage) = (status.run.as_ref()?, status.stage.as_ref()?);
    let (next_run, next_stage) = (next.run.as_ref()?, next.stage.as_ref()?);
    let ends = next_stage.index > stage.index || (next_run.succeeded_at.is_some() && run.succeeded_at.is_none());
    let map = model.maps.get(state.map.now);
    let marked = map.as_ref().as_ref().is_some_and(|shard| shard.mark.as_ref().is_some_and(|mark| mark.run == run.id));
    // A decision on an old rollout is not committed, and what takes back at this moment is another matter.
    if pass.stale & ROLLOUT != 0 || run.id != next_run.id || marked || aborted_run(&rollout).is_some() || !ends {
        return None;
    }
    let measured = state.replicas[replica].measured;
    if !measured.passing || !measured.covered || measured.silent {
        return broken(law, "a stage ends without a look that passes over its whole bake");
    }
    let unacknowledged =
        cohort(&map, &run.id, Cohort::Optimized).into_iter().find(|name| state.running & bit(name) == 0);
    match unacknowledged {
        Some(name) => broken(law, format!("a stage ends although {name} does not run the optimized values")),
        None if map.as_ref().as_ref().is_none_or(|shard| shard.record.stage != stage.index) => {
            broken(law, "a stage ends that was not written")
        }
        None => None,
    }
}

/// The laws that a write can break.
pub fn written(
    model: &Model,
    before: &State,
    after: &State,
    replica: usize,
    pass: &Pending,
    write: &Write,
) -> Vec<Broken> {
    let mut found = Vec::new();
    if usize::from(pass.next) >= model.plans.get(pass.plan).anybodys {
        let goes_on = model.leads(before, replica);
        if goes_on && !(before.lease.holder.map(usize::from) == Some(replica) && before.lease.age == Age::Fresh) {
            found.extend(broken("L14 one advances", "a replica advances that does not hold the Lease"));
        }
    }
    if before.map.now != after.map.now {
        found.extend(map_written(model, before, after, replica, pass, write));
    }
    if before.rollout.now != after.rollout.now {
        found.extend(aborted_goes_on(model, before, after));
        found.extend(released(model, after));
    }
    if (before.service.now, before.pods.now) != (after.service.now, after.pods.now) {
        found.extend(route(model, before, after));
    }
    found
}

fn map_written(
    model: &Model,
    before: &State,
    after: &State,
    replica: usize,
    pass: &Pending,
    write: &Write,
) -> Vec<Broken> {
    let mut found = Vec::new();
    let (old, new) = (model.maps.get(before.map.now), model.maps.get(after.map.now));
    let rollout = model.rollouts.get(after.rollout.now);
    let Some(shard) = new.as_ref() else { return found };
    let id = shard.record.run.as_str();
    let known = run(&rollout).filter(|run| run.id == id);
    let settling = known.as_ref().is_some_and(|run| run.settling_at.is_some());
    let optimized = cohort(&new, id, Cohort::Optimized);
    let before_it = cohort(&old, id, Cohort::Optimized);
    let added: Vec<&String> = optimized.difference(&before_it).collect();
    let files = optimized_files(&new) & !optimized_files(&old);
    if let Some(name) = (0..model.config.members).map(object::member).find(|name| files & bit(name) != 0)
        && !optimized.contains(&name)
    {
        found.extend(broken("L1 blast radius", format!("the file of {name} is switched on, its record is not")));
    }
    if !added.is_empty() {
        if optimized.len() > usize::from(before.allowed) {
            let what = format!("{} members are optimized where {} may be", optimized.len(), before.allowed);
            found.extend(broken("L1 blast radius", what));
        }
        if !object::is_held(&rollout) {
            found.extend(broken("L12 deletion", format!("{added:?} are switched on without a finalizer")));
        }
        if known.is_none() || pass.knew_abort && aborted_run(&rollout).is_some() {
            found.extend(broken(
                "L8 aborted stays aborted",
                format!("{added:?} are switched on in run {id}, which is over"),
            ));
        }
        let is_known = old.as_ref().as_ref().is_some_and(|old| old.record.run == id);
        let again = added.iter().find(|name| is_known && before.returned & bit(name) != 0);
        found.extend(again.and_then(|name| broken("L7 idempotent retreat", format!("{name} is switched on again"))));
        if let (Some(run), false) = (&known, settling) {
            found.extend(out_of_order(model, run, &optimized));
        }
    }
    if let Some(old) = old.as_ref().as_ref().filter(|old| old.record.run == id && !shard.record.members.is_empty()) {
        let shrinks = old.record.members.values().filter(|entry| entry.cohort == Cohort::Optimized).count()
            > usize::from(before.allowed);
        let marked = shard.mark.as_ref().is_some_and(|mark| mark.run == id);
        for (name, entry) in &old.record.members {
            let now = shard.record.members.get(name).map(|entry| entry.cohort);
            if !may_become(entry.cohort, now, marked, settling, shrinks) {
                found.extend(broken("L2 monotone cohorts", format!("{name} was {:?} and is {now:?}", entry.cohort)));
            }
        }
    }
    let holds = before.lease.holder.map(usize::from) == Some(replica);
    if let (Write::Map(_), false, false) = (write, holds, shard.record.members.is_empty()) {
        let stage = rollout.status.as_ref().and_then(|status| status.stage.as_ref()).map_or(-1, |stage| stage.index);
        let ahead = known.is_none() || (shard.record.stage > stage && !settling);
        if ahead || before.map.now != after.map.now && pass.stale & MAP != 0 {
            found.extend(broken(
                "L14 one advances",
                "without the Lease, a ConfigMap is written that was not committed or has changed",
            ));
        }
    }
    found
}

fn out_of_order(model: &Model, run: &Run, optimized: &BTreeSet<String>) -> Option<Broken> {
    let names: Vec<String> = (0..model.config.members).map(object::member).collect();
    let all: Vec<Candidate<'_>> = names.iter().map(|name| Candidate { name, zone: "" }).collect();
    let first: BTreeSet<String> = order(&run.seed, &all).into_iter().take(optimized.len()).map(str::to_owned).collect();
    if first == *optimized {
        return None;
    }
    broken("L2 monotone cohorts", format!("{optimized:?} are optimized where the order of the run has {first:?}"))
}

fn may_become(was: Cohort, is: Option<Cohort>, marked: bool, settling: bool, shrinks: bool) -> bool {
    use Cohort::{Baseline, Holdout, Optimized, Returning};
    match (was, is) {
        (was, Some(is)) if was == is => true,
        (Optimized, Some(Returning)) => marked || shrinks,
        (Baseline, Some(Optimized)) | (Returning, Some(Baseline)) => true,
        (Returning, Some(Optimized)) => !marked,
        (Holdout, Some(Optimized)) => settling,
        _ => false,
    }
}

/// L12: who is gone can take nothing back.
fn released(model: &Model, after: &State) -> Option<Broken> {
    let rollout = model.rollouts.get(after.rollout.now);
    let files = optimized_files(&model.maps.get(after.map.now));
    let settled = run(&rollout).is_some_and(|run| run.settled_at.is_some()) && !model.config.restore;
    (object::is_gone(&rollout) && files != 0 && !settled)
        .then(|| broken("L12 deletion", format!("the rollout is gone, and the files of {files:b} are switched on")))
        .flatten()
}

fn aborted_goes_on(model: &Model, before: &State, after: &State) -> Option<Broken> {
    let law = "L8 aborted stays aborted";
    let (old, new) = (model.rollouts.get(before.rollout.now), model.rollouts.get(after.rollout.now));
    let (old, new) = (run(&old)?, run(&new)?);
    if new.attempt < old.attempt {
        return broken(law, format!("run {} is back after run {}", new.attempt, old.attempt));
    }
    let facts =
        |run: &Run| [&run.succeeded_at, &run.settling_at, &run.closing_at, &run.settled_at].map(Option::is_some);
    let goes_on = new.aborted_at.is_none() || facts(&new) != facts(&old);
    if old.id == new.id && old.aborted_at.is_some() && goes_on {
        return broken(law, format!("the aborted run {} goes on", new.attempt));
    }
    None
}

/// L4: a write leaves a Service with endpoints, and those with no more load than they can take.
fn route(model: &Model, before: &State, after: &State) -> Option<Broken> {
    let (was, is) = (model.endpoints(before).count_ones(), model.endpoints(after).count_ones());
    let members = u32::try_from(model.config.members).unwrap();
    (is < was && 2 * is < members)
        .then(|| broken("L4 safe route", format!("{is} endpoints are left of {members} ready pods")))
        .flatten()
}
