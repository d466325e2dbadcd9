//! L13: everything comes to rest, and then nothing is written.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use api::OptimizationRollout;
use api::fleet::Acknowledgement;
use api::names::{COHORT_LABEL, SERVING_LABEL, cohort};
use api::rollout::DeletionPolicy;
use domain::record::Cohort;
use domain::settings::Values;
use k8s_openapi::api::core::v1::Pod;
use serde_json::Value;

use super::view::{Map, View, files, says, switched, switches};
use super::{Found, Law};
use crate::history::Entry;
use crate::kind::Key;
use crate::object::{labels, texts};
use crate::request::Subresource;

/// Reasons for which a run waits for people, or for ever.
const WAITING: [&str; 6] = ["Overridden", "Paused", "Silence", "Unreachable", "AwaitingMeasurements", "NoMetricsPort"];

#[derive(Default)]
pub(super) struct Quiet {
    calm: bool,
    /// Rollouts that wait for people, and report what they measure meanwhile.
    waiting: BTreeSet<Key>,
    hands: Hands,
}

/// What others had a hand in.
#[derive(Default)]
struct Hands {
    /// Pods that they took out of traffic or put into the optimized cohort: theirs to take back.
    displaced: BTreeSet<Key>,
    /// ConfigMaps that they wrote to.
    edited: BTreeSet<Key>,
    /// What stood in the ConfigMaps that they made.
    made: BTreeMap<Key, BTreeMap<String, String>>,
    /// How rollouts said that members acknowledge when they were made: members do, and know nothing of edits.
    acknowledged: BTreeMap<Key, Acknowledgement>,
}

impl Law for Quiet {
    fn law(&self) -> (&'static str, &'static str) {
        ("L13 convergence and quiet", "when faults stop the end is reached, and then nothing is written but the Lease")
    }

    fn check(&mut self, entry: &Entry, view: &View, found: &mut Found) {
        self.hands.watch(entry, view);
        if let Entry::Calm { .. } = entry {
            self.calm = true;
            for (key, rollout) in view.rollouts() {
                found.stake(restless(key, rollout, view, &self.hands));
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

impl Hands {
    fn watch(&mut self, entry: &Entry, view: &View) {
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
            (None, Some(rollout)) => {
                self.acknowledged.insert(key.clone(), rollout.spec.fleet.acknowledgement.clone());
            }
            (Some(before), None) => {
                let before = serde_json::from_value::<OptimizationRollout>(before.as_ref().clone()).ok();
                // It leaves everything as it is.
                let retained = before.filter(|rollout| rollout.spec.deletion_policy == DeletionPolicy::Retain);
                let maps = retained.iter().flat_map(|rollout| view.maps_for(rollout));
                self.edited.extend(maps.map(|(key, _)| key.clone()));
            }
            _ => {}
        }
    }

    /// Whether members do not say what they are asked for: somebody gave an optimization a name, a setting a path, or what
    /// they say it by a name, that they do not know.
    fn is_silent(&self, key: &Key, rollout: &OptimizationRollout, run: &str, view: &View) -> bool {
        let says = |pod: &Value| switches(rollout).all(|name| view.enabled(pod).contains(name));
        let mut optimized = view.maps_of(run).flat_map(|(_, map)| map.members(Cohort::Optimized));
        self.acknowledged.get(key) != Some(&rollout.spec.fleet.acknowledgement)
            || switches(rollout).any(|name| !view.knows(name))
            || optimized
                .any(|member| view.object(&Key::of::<Pod>(&key.namespace, member)).is_some_and(|pod| !says(pod)))
    }
}

/// Whether a pod is out of traffic, or in the optimized cohort.
fn displaced(pod: &Value) -> bool {
    let labels = labels(pod);
    let is = |label, value: &str| labels.get(label).is_some_and(|found| found == value);
    is(SERVING_LABEL, "false") || is(COHORT_LABEL, cohort::OPTIMIZED)
}

/// What has not come to its end.
fn restless(key: &Key, rollout: &OptimizationRollout, view: &View, hands: &Hands) -> Option<String> {
    let status = rollout.status.clone().unwrap_or_default();
    let name = rollout.metadata.name.clone().unwrap_or_default();
    let reason = status.summary.map(|summary| summary.reason).unwrap_or_default();
    let run = status.run?;
    let is_settled = run.settled_at.is_some();
    let is_back = run.aborted_at.is_some() && status.retreat.is_some_and(|retreat| retreat.acknowledged_at.is_some());
    if !is_settled && (WAITING.contains(&reason.as_str()) && run.aborted_at.is_none() || reason == "Unreachable") {
        return None;
    }
    let is_awaited = !is_settled && reason == "AwaitingAcknowledgement" && run.aborted_at.is_none();
    if is_awaited && hands.is_silent(key, rollout, &run.id, view) {
        return None;
    }
    if !is_settled && !is_back {
        return Some(format!("rollout {name} never comes to its end: {reason}"));
    }
    let left: usize = view.maps_of(&run.id).map(|(_, map)| map.record.members.len()).sum();
    if left > 0 {
        return Some(format!("{left} members have entries in run {} after its end", run.id));
    }
    // While another rollout has a run, the label is its own.
    let runs = |other: &OptimizationRollout| {
        let run = other.status.as_ref().and_then(|status| status.run.as_ref());
        run.is_some_and(|run| run.settled_at.is_none() && run.aborted_at.is_none())
    };
    if view.rollouts().any(|(_, other)| other.metadata.uid != rollout.metadata.uid && runs(other)) {
        return None;
    }
    if let Some((key, _)) = view.fleet(rollout).find(|(key, pod)| displaced(pod) && !hands.displaced.contains(key)) {
        return Some(format!("{key} is still labelled after the end"));
    }
    let namespace = rollout.metadata.namespace.as_deref().unwrap_or_default();
    let mut narrowed = view.objects("services", namespace);
    let narrowed = narrowed.find(|(_, service)| texts(service, "/spec/selector").contains_key(COHORT_LABEL));
    let narrowed = narrowed.map(|(key, _)| format!("{key} leads to the baseline alone after the end"));
    narrowed.or_else(|| if is_back { still_on(rollout, view, hands) } else { None })
}

/// A file that says a switched value after a retreat, or is not what it was before, where nobody else had a hand in it and
/// nothing is settled.
fn still_on(rollout: &OptimizationRollout, view: &View, hands: &Hands) -> Option<String> {
    let config = &rollout.spec.fleet.config;
    view.maps_for(rollout).filter(|(key, _)| !hands.edited.contains(*key)).find_map(|(key, map)| {
        if map.settled.is_empty() && hands.made.get(key).is_some_and(|made| *made != map.files) {
            return Some(format!("{key} does not say again what it said: {:?}", map.files));
        }
        let switched = switched(rollout).into_iter().filter(|(path, _)| !map.settled.contains_key(path));
        let switched: Vec<Values> = switched.map(|value| Values::from([value])).collect();
        let says = |file: &String| switched.iter().any(|value| says(config, map.files.get(file), value));
        let mut members = files(rollout, key, map.files.keys()).into_iter();
        members.find(|(_, file)| says(file)).map(|(member, _)| format!("the file of {member} is on after the retreat"))
    })
}
