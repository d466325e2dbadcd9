//! L13: everything comes to rest, and then nothing is written.

use std::collections::BTreeMap;
use std::time::Duration;

use api::OptimizationRollout;
use api::names::COHORT_LABEL;
use api::rollout::DeletionPolicy;
use tokio::time::Instant;

use super::deletion::narrowed;
use super::hands::{Hands, displaced};
use super::map::files;
use super::view::View;
use super::waits::{Waiting, is_under_way};
use super::{Found, Law};
use crate::history::{Entry, Write};
use crate::kind::Key;
use crate::object::texts;
use crate::request::Subresource;

/// A write that is refused so shortly before the calm is tried for ever.
const TRIED: Duration = Duration::from_secs(60);
/// The least number of seconds between two reports of a run that waits, on average.
const REPORTS: u64 = 5;
/// The most reads in a minute, for all replicas.
const READS: u64 = 60;

#[derive(Default)]
pub(super) struct Quiet {
    calm: Option<Instant>,
    /// Rollouts that wait for people, and report what they measure meanwhile; how often.
    waiting: BTreeMap<Key, u64>,
    /// The last write of the operator that was refused.
    refused: Option<Write>,
    hands: Hands,
}

impl Law for Quiet {
    fn law(&self) -> (&'static str, &'static str) {
        ("L13 convergence and quiet", "when faults stop the end is reached, and then nothing is written but the Lease")
    }

    fn check(&mut self, entry: &Entry, view: &View, found: &mut Found) {
        self.hands.watch(entry, view);
        if let Entry::Calm { at, reads } = entry {
            self.calm = Some(*at);
            if *reads > READS {
                found.violations.push(format!("{reads} reads in a minute in which nothing happens"));
            }
            self.look(*at, view, found);
        }
        let Some(write) = view.sent(entry).filter(|write| !matches!(write.key.plural.as_str(), "leases" | "events"))
        else {
            return;
        };
        let Some(calm) = self.calm else {
            self.refused = Some(write).filter(|write| !write.is_accepted()).cloned();
            return;
        };
        let reports = self.waiting.get_mut(&write.key).filter(|_| write.subresource == Some(Subresource::Status));
        let most = write.at.duration_since(calm).as_secs() / REPORTS + 2;
        match reports {
            Some(reports) if *reports < most => {
                *reports += 1;
                found.violations.extend(view.status_write(entry).and_then(|(_, before, after)| goes_on(before, after)));
            }
            Some(_) => found.violations.push(format!("{} is reported all the time: {}", write.key, write.body)),
            None => {
                let what = format!("{} was written although nothing happens: {}", write.key, write.body);
                found.violations.push(what);
            }
        }
    }
}

impl Quiet {
    fn look(&mut self, at: Instant, view: &View, found: &mut Found) {
        for (key, rollout) in view.rollouts() {
            found.stake(restless(key, rollout, at, view, &self.hands));
            if is_under_way(rollout) {
                self.waiting.insert(key.clone(), 0);
            }
        }
        for rollout in self.hands.deleted() {
            found.stake(left_behind(rollout, view, &self.hands));
        }
        if let Some(write) = self.refused.as_ref().filter(|write| at.duration_since(write.at) < TRIED) {
            found.violations.push(format!("{} is refused, and tried for ever: {}", write.key, write.body));
        }
    }
}

/// A retreat that waits tells what is measured, and nothing else.
fn goes_on(before: &OptimizationRollout, after: &OptimizationRollout) -> Option<String> {
    let facts = |rollout: &OptimizationRollout| {
        let status = rollout.status.clone().unwrap_or_default();
        (status.run, status.retreat, status.history, status.summary.map(|summary| summary.reason))
    };
    let (before, after) = (facts(before), facts(after));
    let is_aborted = before.0.as_ref().is_some_and(|run| run.aborted_at.is_some());
    (is_aborted && before != after).then(|| format!("a retreat that waits goes from {before:?} to {after:?}"))
}

/// What has not come to its end.
fn restless(key: &Key, rollout: &OptimizationRollout, at: Instant, view: &View, hands: &Hands) -> Option<String> {
    let status = rollout.status.clone().unwrap_or_default();
    let name = rollout.metadata.name.clone().unwrap_or_default();
    let reason = status.summary.map(|summary| summary.reason).unwrap_or_default();
    let run = status.run;
    let id = run.as_ref().map(|run| run.id.as_str()).unwrap_or_default();
    let waiting = Waiting { key, rollout, run: id, view, hands, at };
    let Some(run) = &run else {
        return (!waiting.never_starts(&reason)).then(|| format!("rollout {name} never starts: {reason}"));
    };
    let is_settled = run.settled_at.is_some();
    let is_back = run.aborted_at.is_some() && status.retreat.is_some_and(|retreat| retreat.acknowledged_at.is_some());
    let waits = if run.aborted_at.is_none() { waiting.goes_on(&reason) } else { waiting.goes_back(&reason) };
    if !is_settled && waits {
        return None;
    }
    if !is_settled && !is_back {
        return Some(format!("rollout {name} never comes to its end: {reason}"));
    }
    let mut left = view.maps_of(&run.id).filter(|(key, map)| !map.record.members.is_empty() && !view.is_locked(key));
    if let Some((key, _)) = left.next() {
        return Some(format!("{key} has members of run {} after its end", run.id));
    }
    // While another rollout has a run, the label is its own.
    if view.rollouts().any(|(_, other)| other.metadata.uid != rollout.metadata.uid && is_under_way(other)) {
        return None;
    }
    apart(rollout, view, hands).or_else(|| if is_back { still_on(rollout, view, hands) } else { None })
}

/// What is still there of a rollout that was deleted.
fn left_behind(rollout: &OptimizationRollout, view: &View, hands: &Hands) -> Option<String> {
    let run = rollout.status.as_ref().and_then(|status| status.run.as_ref())?;
    let policy = rollout.spec.deletion_policy;
    if policy == DeletionPolicy::Retain {
        let key = narrowed(rollout, &run.id, view)?;
        return Some(format!("{key} leads to the baseline alone, and the rollout of run {} is gone", run.id));
    }
    let mut recorded = view.maps_of(&run.id).filter(|(key, map)| !map.record.members.is_empty() && !hands.edited(key));
    if let Some((key, _)) = recorded.next() {
        return Some(format!("{key} records members of run {}, whose rollout is gone", run.id));
    }
    let namespace = rollout.metadata.namespace.as_deref().unwrap_or_default();
    let retained = hands.deleted().iter().any(|other| other.spec.deletion_policy == DeletionPolicy::Retain);
    if retained || view.rollouts().any(|(key, _)| key.namespace == namespace) {
        return None;
    }
    let stays = run.settled_at.is_some() && policy != DeletionPolicy::Restore;
    apart(rollout, view, hands).or_else(|| if stays { None } else { still_on(rollout, view, hands) })
}

/// A pod of the fleet that is labelled, or a Service that is narrowed, where nobody else had a hand in it.
fn apart(rollout: &OptimizationRollout, view: &View, hands: &Hands) -> Option<String> {
    if let Some((key, _)) = view.fleet(rollout).find(|(key, pod)| displaced(pod) && !hands.displaced(key)) {
        return Some(format!("{key} is still labelled after the end"));
    }
    let namespace = rollout.metadata.namespace.as_deref().unwrap_or_default();
    let mut narrowed = view.objects("services", namespace);
    let narrowed = narrowed.find(|(_, service)| texts(service, "/spec/selector").contains_key(COHORT_LABEL));
    narrowed.map(|(key, _)| format!("{key} leads to the baseline alone after the end"))
}

/// A file that says a switched value after a retreat, or is not what it was before, where nobody else had a hand in it and
/// nothing is settled.
fn still_on(rollout: &OptimizationRollout, view: &View, hands: &Hands) -> Option<String> {
    view.maps_for(rollout).filter(|(key, _)| !hands.edited(key)).find_map(|(key, map)| {
        if map.settled.is_empty() && hands.made(key).is_some_and(|made| *made != map.files) {
            return Some(format!("{key} does not say again what it said: {:?}", map.files));
        }
        let mut members = files(rollout, key, map.files.keys()).into_iter();
        let on = members.find(|(_, file)| map.switches_on(file, rollout));
        on.map(|(member, _)| format!("the file of {member} is on after the retreat"))
    })
}
