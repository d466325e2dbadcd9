//! L13: everything comes to rest, and then nothing is written.

use std::collections::BTreeSet;

use api::OptimizationRollout;
use api::names::{COHORT_LABEL, SERVING_LABEL, cohort};
use domain::record::Cohort;
use serde_json::Value;

use super::view::View;
use super::{Found, Law};
use crate::history::Entry;
use crate::kind::Key;
use crate::object::{labels, texts};
use crate::request::Subresource;

/// Reasons for which a run waits for people, or for ever.
const WAITING: [&str; 5] = ["Overridden", "Paused", "Silence", "Unreachable", "AwaitingMeasurements"];

#[derive(Default)]
pub(super) struct Quiet {
    calm: bool,
    /// Rollouts that wait for people, and report what they measure meanwhile.
    waiting: BTreeSet<Key>,
    /// Pods that somebody else took out of traffic or put into the optimized cohort: theirs to take back.
    by_others: BTreeSet<Key>,
}

impl Law for Quiet {
    fn law(&self) -> (&'static str, &'static str) {
        ("L13 convergence and quiet", "when faults stop the end is reached, and then nothing is written but the Lease")
    }

    fn check(&mut self, entry: &Entry, view: &View, found: &mut Found) {
        self.watch_hands(entry);
        if let Entry::Calm { .. } = entry {
            self.calm = true;
            for (key, rollout) in view.rollouts() {
                found.stake(restless(rollout, view, &self.by_others));
                let run = rollout.status.as_ref().and_then(|status| status.run.as_ref());
                if run.is_some_and(|run| run.aborted_at.is_none() && run.settled_at.is_none()) {
                    self.waiting.insert(key.clone());
                }
            }
        } else if self.calm
            && let Some(write) = view.ours(entry)
            && !matches!(write.key.plural.as_str(), "leases" | "events")
            && !(write.subresource == Some(Subresource::Status) && self.waiting.contains(&write.key))
        {
            found.violations.push(format!("{} was written although nothing happens: {}", write.key, write.body));
        }
    }
}

impl Quiet {
    /// Notes who displaced a pod.
    fn watch_hands(&mut self, entry: &Entry) {
        match entry {
            Entry::Change { key, before, after: Some(after), .. }
                if key.plural == "pods" && displaced(after) && !before.as_deref().is_some_and(displaced) =>
            {
                self.by_others.insert(key.clone());
            }
            Entry::Write(write) if write.after.as_deref().is_some_and(|after| !displaced(after)) => {
                self.by_others.remove(&write.key);
            }
            _ => {}
        }
    }
}

/// Whether a pod is out of traffic, or in the optimized cohort.
fn displaced(pod: &Value) -> bool {
    let labels = labels(pod);
    let is = |label, value: &str| labels.get(label).is_some_and(|found| found == value);
    is(SERVING_LABEL, "false") || is(COHORT_LABEL, cohort::OPTIMIZED)
}

/// What has not come to its end.
fn restless(rollout: &OptimizationRollout, view: &View, by_others: &BTreeSet<Key>) -> Option<String> {
    let status = rollout.status.clone().unwrap_or_default();
    let name = rollout.metadata.name.clone().unwrap_or_default();
    let reason = status.summary.map(|summary| summary.reason).unwrap_or_default();
    let run = status.run.filter(|run| run.settled_at.is_none())?;
    if WAITING.contains(&reason.as_str()) && run.aborted_at.is_none() || reason == "Unreachable" {
        return None;
    }
    if run.aborted_at.is_none() || status.retreat.is_none_or(|retreat| retreat.acknowledged_at.is_none()) {
        return Some(format!("rollout {name} never comes to its end: {reason}"));
    }
    let left = view.count(&run.id, Cohort::Optimized) + view.count(&run.id, Cohort::Returning);
    if left > 0 {
        return Some(format!("{left} members have entries in run {} after its retreat", run.id));
    }
    // While another rollout has a run, the label is its own.
    let runs = |other: &OptimizationRollout| {
        let run = other.status.as_ref().and_then(|status| status.run.as_ref());
        run.is_some_and(|run| run.settled_at.is_none() && run.aborted_at.is_none())
    };
    if view.rollouts().any(|(_, other)| other.metadata.uid != rollout.metadata.uid && runs(other)) {
        return None;
    }
    if let Some((key, _)) = view.fleet(rollout).find(|(key, pod)| displaced(pod) && !by_others.contains(key)) {
        return Some(format!("{key} is still labelled after the retreat"));
    }
    let namespace = rollout.metadata.namespace.as_deref().unwrap_or_default();
    let mut narrowed = view.objects("services", namespace);
    let narrowed = narrowed.find(|(_, service)| texts(service, "/spec/selector").contains_key(COHORT_LABEL));
    narrowed.map(|(key, _)| format!("{key} leads to the baseline alone after the retreat"))
}
