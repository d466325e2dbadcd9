//! What others had a hand in.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use api::fleet::Acknowledgement;
use api::names::{COHORT_LABEL, SERVING_LABEL, cohort};
use api::rollout::DeletionPolicy;
use api::{OptimizationRollout, OptimizationRolloutSpec};
use serde_json::Value;

use super::map::Map;
use super::view::View;
use crate::history::Entry;
use crate::kind::Key;
use crate::object::labels;

/// What others had a hand in.
#[derive(Default)]
pub(super) struct Hands {
    /// Pods that they took out of traffic or put into the optimized cohort: theirs to take back.
    displaced: BTreeSet<Key>,
    /// ConfigMaps that they wrote to.
    edited: BTreeSet<Key>,
    /// What stood in the ConfigMaps that they made.
    made: BTreeMap<Key, BTreeMap<String, String>>,
    /// Rollouts as they were made: members know nothing of edits.
    applied: BTreeMap<Key, OptimizationRolloutSpec>,
    /// Rollouts that they deleted, as these were at the end.
    deleted: Vec<OptimizationRollout>,
}

impl Hands {
    /// Takes in what happened.
    pub(super) fn watch(&mut self, entry: &Entry, view: &View) {
        if let Some((key, before, _)) = entry.change().filter(|(key, ..)| key.plural == "optimizationrollouts") {
            self.watch_rollout(key, before, view);
        }
        match entry.change().filter(|(key, ..)| key.plural == "configmaps" && view.ours(entry).is_none()) {
            Some((key, None, Some(made))) => drop(self.made.insert(key.clone(), Map::read(made).files)),
            Some((key, ..)) => drop(self.edited.insert(key.clone())),
            None => {}
        }
        match entry {
            Entry::Change { key, before, after: Some(after), .. }
                if key.plural == "pods" && displaced(after) && !before.as_deref().is_some_and(displaced) =>
            {
                self.displaced.insert(key.clone());
            }
            Entry::Write(write) if write.after.as_deref().is_some_and(|after| !displaced(after)) => {
                self.displaced.remove(&write.key);
            }
            _ => {}
        }
    }

    fn watch_rollout(&mut self, key: &Key, before: Option<&Arc<Value>>, view: &View) {
        match (before, view.rollout(key)) {
            (None, Some(rollout)) => drop(self.applied.insert(key.clone(), rollout.spec.clone())),
            (Some(before), None) => {
                let Ok(before) = serde_json::from_value::<OptimizationRollout>(before.as_ref().clone()) else { return };
                if before.spec.deletion_policy == DeletionPolicy::Retain || is_unseen(&before) {
                    // It leaves everything as it is.
                    self.edited.extend(view.maps_for(&before).map(|(key, _)| key.clone()));
                }
                self.deleted.push(before);
            }
            _ => {}
        }
    }

    /// Whether others displaced this pod, or let it be.
    pub(super) fn displaced(&self, pod: &Key) -> bool {
        self.displaced.contains(pod)
    }

    /// Whether others wrote to this ConfigMap.
    pub(super) fn edited(&self, map: &Key) -> bool {
        self.edited.contains(map)
    }

    /// What stood in this ConfigMap when they made it.
    pub(super) fn made(&self, map: &Key) -> Option<&BTreeMap<String, String>> {
        self.made.get(map)
    }

    /// How a rollout said that members acknowledge when it was made.
    pub(super) fn acknowledged(&self, rollout: &Key) -> Option<&Acknowledgement> {
        self.applied.get(rollout).map(|spec| &spec.fleet.acknowledgement)
    }

    /// Whether the indicators of a rollout, and where they are measured, are those that it was made with.
    pub(super) fn measures_as_made(&self, key: &Key, rollout: &OptimizationRollout) -> bool {
        let same = |made: &OptimizationRolloutSpec| {
            made.metrics == rollout.spec.metrics && made.indicators == rollout.spec.indicators
        };
        self.applied.get(key).is_some_and(same)
    }

    /// Rollouts that they deleted, as these were at the end.
    pub(super) fn deleted(&self) -> &[OptimizationRollout] {
        &self.deleted
    }
}

/// Whether a pod is out of traffic, or in the optimized cohort.
pub(super) fn displaced(pod: &Value) -> bool {
    let labels = labels(pod);
    let is = |label, value: &str| labels.get(label).is_some_and(|found| found == value);
    is(SERVING_LABEL, "false") || is(COHORT_LABEL, cohort::OPTIMIZED)
}

/// Whether a rollout that had settled was deleted before the operator saw how it was to be.
fn is_unseen(rollout: &OptimizationRollout) -> bool {
    let Some(status) = &rollout.status else { return false };
    let is_settled = status.run.as_ref().is_some_and(|run| run.settled_at.is_some());
    is_settled
        && status.observed_generation != rollout.metadata.generation
        && rollout.metadata.deletion_timestamp.is_none()
}
