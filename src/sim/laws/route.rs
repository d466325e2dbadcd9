//! L4: traffic has somewhere to go, and can be taken from whom it has to.

use std::collections::BTreeMap;
use std::time::Duration;

use api::OptimizationRollout;
use api::fleet::Identity;
use api::names::{COHORT_LABEL, RETREAT_ANNOTATION, SERVING_LABEL, cohort};
use domain::record::Cohort;
use k8s_openapi::api::core::v1::{Pod, Service};
use serde_json::Value;
use tokio::time::Instant;

use super::map::added;
use super::view::{View, is_ready};
use super::{Found, Law};
use crate::history::{Entry, Write};
use crate::kind::Key;
use crate::object::{is_being_deleted, labels, text, texts};

/// How long it may take to learn that a pod is not ready any more.
const NEWS: Duration = Duration::from_secs(3);
/// The same for another pod of the same name, whose replica may have been cut off meanwhile.
const REPLACED: Duration = Duration::from_secs(180);

/// What is remembered of pods.
#[derive(Default)]
pub(super) struct SafeRoute {
    /// UID of the pod of each name, and since when it is another one than the first.
    pods: BTreeMap<Key, (String, Option<Instant>)>,
}

impl Law for SafeRoute {
    fn law(&self) -> (&'static str, &'static str) {
        (
            "L4 safe route",
            "no Service is left without ready endpoints, nobody's load beyond maxLoadIncrease, and no optimized member \
             in traffic unless a retreat finds it",
        )
    }

    fn check(&mut self, entry: &Entry, view: &View, found: &mut Found) {
        self.remember(entry);
        found.violations.extend(self.unlabelled(entry, view));
        found.violations.extend(Self::let_in(entry, view));
        let Some(write) = view.ours(entry).filter(|write| matches!(write.key.plural.as_str(), "pods" | "services"))
        else {
            return;
        };
        // The leader lets in again whom a request takes out that was sent before another one led.
        if view.was_held(write) {
            return;
        }
        // Another rollout on the same Service may allow less in retreats of its own.
        let marks = write.after.as_deref().map(|object| texts(object, "/metadata/annotations"));
        let marked = marks.and_then(|mut marks| Some(&view.run(&marks.remove(RETREAT_ANNOTATION)?)?.rollout));
        let concerned = |key: &Key| key.namespace == write.key.namespace && marked.is_none_or(|marked| marked == key);
        for (key, rollout) in view.rollouts().filter(|(key, _)| concerned(key)) {
            let Some(traffic) = &rollout.spec.traffic else { continue };
            for service in &traffic.services {
                let service = Key::of::<Service>(&key.namespace, &service.name);
                let (before, after) = (endpoints(write, view, &service, true), endpoints(write, view, &service, false));
                if after < before {
                    let increase = traffic.max_load_increase.value();
                    found.stake(broken(write, view, rollout, after, increase).map(|what| format!("{service}: {what}")));
                }
            }
        }
    }
}

impl SafeRoute {
    fn remember(&mut self, entry: &Entry) {
        let Some((key, _, Some(pod))) = entry.change().filter(|(key, ..)| key.plural == "pods") else { return };
        let uid = text(pod, "/metadata/uid").to_owned();
        match self.pods.get_mut(key) {
            Some(known) if known.0 != uid => *known = (uid, Some(entry.at())),
            Some(_) => {}
            None => drop(self.pods.insert(key.clone(), (uid, None))),
        }
    }

    /// A member that is switched on before its pod bears the label by which traffic can be taken from it.
    fn unlabelled(&self, entry: &Entry, view: &View) -> Option<String> {
        let (write, before, after) = view.map_write(entry)?;
        let run = view.run(&after.record.run).filter(|run| !run.settling)?;
        let rollout = view.rollout(&run.rollout).filter(|rollout| rollout.spec.traffic.is_some())?;
        let unlabelled = |member: &String| {
            let key = Key::of::<Pod>(&write.key.namespace, member);
            let replaced = self.pods.get(&key).and_then(|(_, since)| *since);
            let lately = replaced.is_some_and(|since| write.at.duration_since(since) < REPLACED);
            let is_told = |pod: &Value| labels(pod).get(COHORT_LABEL).is_some_and(|label| label == cohort::OPTIMIZED);
            view.object(&key).is_some_and(|pod| !is_told(pod)) && !lately
        };
        let by_pod = rollout.spec.fleet.identity == Identity::Pod;
        let member = added(before, after).into_iter().find(|member| by_pod && unlabelled(member))?;
        Some(format!("{member} was switched on before its pod bore the label by which traffic is taken from it"))
    }

    /// A pod that a retreat lets in again although it said last that it is optimized.
    fn let_in(entry: &Entry, view: &View) -> Option<String> {
        let write = view.ours(entry).filter(|write| write.key.plural == "pods")?;
        let (before, after) = (write.before.as_deref()?, write.after.as_deref()?);
        let run = texts(before, "/metadata/annotations").remove(RETREAT_ANNOTATION)?;
        if view.run(&run).is_some_and(|run| run.settled) {
            // A mark that came too late: everybody is to be optimized.
            return None;
        }
        let serves = |pod: &Value| labels(pod).get(SERVING_LABEL).is_some_and(|serving| serving == "true");
        // A rollout that is being deleted goes without those that stay silent.
        let rollout = view.rollout_of(&run).filter(|rollout| rollout.metadata.deletion_timestamp.is_none())?;
        // What it says may be of the next run, which has switched it on since.
        let name = text(after, "/metadata/name");
        let says = |run: &str| view.rollout_of(run).is_some_and(|next| view.enables_any(after, next));
        let next = view.maps().any(|(key, map)| {
            let is_other = key.namespace == write.key.namespace && map.record.run != run;
            is_other && map.members(Cohort::Optimized).any(|member| *member == name) && says(&map.record.run)
        });
        let optimized = view.enables_any(after, rollout) && !next;
        let acknowledgement = &rollout.spec.fleet.acknowledgement;
        // Where values change that a switch does not tell, or some are settled already, it says nothing of the run.
        let says = acknowledgement.metric.is_some() && acknowledgement.revision_label.is_none();
        let says = says && view.maps_of(&run).all(|(_, map)| map.settled.is_empty());
        let early = says && optimized && !serves(before) && serves(after);
        early.then(|| format!("{} was let in again although it said last that it is optimized", write.key))
    }
}

fn broken(write: &Write, view: &View, rollout: &OptimizationRollout, left: usize, increase: f64) -> Option<String> {
    let evicted = write.after.as_deref().is_none_or(is_being_deleted);
    let ready = view.fleet(rollout).filter(|(_, pod)| is_ready(pod)).count() + usize::from(evicted);
    if left == 0 && ready > 0 {
        return Some(format!("no endpoint is left, and {ready} pods were ready"));
    }
    // An eviction is a disruption like any other: budgets bound what it costs.
    let overloaded = ready as f64 > (1.0 + increase) * left as f64 + 1e-9;
    (overloaded && !evicted).then(|| format!("{left} endpoints are left of {ready} ready pods"))
}

/// Endpoints of a Service that are ready, or were until a moment ago; before or after a write.
fn endpoints(write: &Write, view: &View, service: &Key, before: bool) -> usize {
    let version = |key: &Key| if *key == write.key && before { write.before.as_deref() } else { view.object(key) };
    let Some(service) = version(service) else { return 0 };
    let selector = texts(service, "/spec/selector");
    let is_endpoint = |pod: &Value| {
        let labels = labels(pod);
        selector.iter().all(|(key, value)| labels.get(key) == Some(value))
    };
    let mut pods: Vec<&Key> = view.objects("pods", &write.key.namespace).map(|(key, _)| key).collect();
    if write.key.plural == "pods" && !pods.contains(&&write.key) {
        pods.push(&write.key);
    }
    let counts = |key: &&&Key| {
        let Some(pod) = version(key) else { return false };
        let lately = |since: &Instant| write.at.duration_since(*since) < NEWS;
        // What this very write does to a pod is no news to who writes it.
        let is_news = ***key != write.key && view.unready.get(*key).is_some_and(lately);
        is_endpoint(pod) && (is_ready(pod) || is_news)
    };
    pods.iter().filter(counts).count()
}
