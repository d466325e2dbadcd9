//! L14: one advances.

use std::collections::BTreeMap;
use std::time::Duration;

use api::OptimizationRollout;
use api::names::{COHORT_LABEL, LEASE, RETREAT_ANNOTATION, SERVING_LABEL, TOUCH_ANNOTATION, cohort};
use serde_json::Value;
use tokio::time::Instant;

use super::map::Map;
use super::view::View;
use super::{Found, Law};
use crate::history::{Entry, Write};
use crate::object::{labels, text, texts};
use crate::request::{Subresource, Verb};

/// How long after it last renewed the Lease a replica may send a commit: 3.5 s until it stops by itself, 2 s that a write
/// may wait for its turn, and what the network adds.
const LATEST: Duration = Duration::from_secs(6);

/// When each replica last renewed the Lease.
#[derive(Default)]
pub(super) struct OneAdvances {
    renewed: BTreeMap<String, Instant>,
}

impl Law for OneAdvances {
    fn law(&self) -> (&'static str, &'static str) {
        (
            "L14 one advances",
            "a replica withdraws, or it holds the Lease and goes on from what is committed, on unchanged objects",
        )
    }

    fn check(&mut self, entry: &Entry, view: &View, found: &mut Found) {
        let Some(write) = view.ours(entry) else { return };
        if write.key.plural == "leases" {
            self.renewed.insert(write.user.clone(), write.at);
        }
        if matches!(write.key.plural.as_str(), "leases" | "events") {
            return;
        }
        if let Some(what) = view.status_write(entry).and_then(|(_, before, after)| goes_on(before, after)) {
            // However long it is on its way: it says which version it saw, like any other.
            let age = self.renewed.get(&write.user).map(|renewed| write.sent.duration_since(*renewed));
            let expired = age.map_or(holder(view) != write.user, |age| age > LATEST);
            found.stake(expired.then(|| format!("{} committed {what} without the Lease", write.user)));
        }
        found.violations.extend(lets_in_early(write, view));
        let advances = !withdraws(write);
        if advances && write.verb != Verb::Create && text(&write.body, "/metadata/resourceVersion").is_empty() {
            let (user, key) = (&write.user, &write.key);
            found.violations.push(format!("{user} went on with {key} and did not say which version it had seen"));
        }
        if holder(view) != write.user {
            let broken = if advances { unfounded(write, view) } else { None };
            found.stake(broken.map(|why| format!("{} wrote {} without the Lease, {why}", write.user, write.key)));
        }
    }
}

/// What a status has that leads on and was not there before.
fn goes_on(before: &OptimizationRollout, after: &OptimizationRollout) -> Option<String> {
    let (old, new) = (before.status.clone().unwrap_or_default(), after.status.clone().unwrap_or_default());
    let run = new.run.filter(|run| run.aborted_at.is_none())?;
    let Some(before) = old.run.filter(|old| old.id == run.id) else { return Some(format!("run {}", run.id)) };
    let stage = new.stage.filter(|stage| old.stage.is_some_and(|old| stage.index > old.index));
    let facts = [
        (run.succeeded_at.is_some() && before.succeeded_at.is_none(), "the end of the last stage"),
        (run.settling_at.is_some() && before.settling_at.is_none(), "that the holdout follows"),
        (run.closing_at.is_some() && before.closing_at.is_none(), "that the values are settled"),
        (run.settled_at.is_some() && before.settled_at.is_none(), "that the run is settled"),
    ];
    let fact = facts.into_iter().find(|(is_new, _)| *is_new).map(|(_, what)| what.to_owned());
    fact.or_else(|| stage.map(|stage| format!("stage {}", stage.name)))
}

/// A pod that comes back into traffic before the status says that its run is taken back.
fn lets_in_early(write: &Write, view: &View) -> Option<String> {
    let (before, after) = (write.before.as_deref()?, write.after.as_deref()?);
    let run = texts(before, "/metadata/annotations").remove(RETREAT_ANNOTATION)?;
    let returns = |label: &str, to: &str| labels(after).get(label).is_some_and(|value| value == to);
    if write.key.plural != "pods" || !(returns(SERVING_LABEL, "true") && returns(COHORT_LABEL, cohort::BASELINE)) {
        return None;
    }
    let committed = view.rollout_of(&run)?.status.as_ref()?.run.as_ref().filter(|committed| committed.id == run)?;
    let early = committed.aborted_at.is_none();
    early.then(|| format!("{} was let in again before the status said that run {run} is taken back", write.key))
}

fn holder(view: &View) -> &str {
    view.lease(LEASE).map(|lease| text(lease, "/spec/holderIdentity")).unwrap_or_default()
}

/// Whether a write takes away or repeats, and nothing else.
fn withdraws(write: &Write) -> bool {
    let metadata = write.body.get("metadata").cloned().unwrap_or_default();
    let annotation =
        |name: &str| metadata.get("annotations").and_then(|all| all.get(name)).is_some_and(Value::is_string);
    let label = |name: &str| metadata.get("labels").and_then(|all| all.get(name)).cloned();
    match (write.key.plural.as_str(), write.subresource) {
        ("pods", Some(Subresource::Eviction)) => true,
        ("pods", _) => {
            let leaves = label(SERVING_LABEL) == Some("false".into()) && annotation(RETREAT_ANNOTATION);
            leaves || (annotation(TOUCH_ANNOTATION) && metadata.get("labels").is_none())
        }
        ("services", _) => {
            let selector = write.body.pointer("/spec/selector").and_then(|selector| selector.get(COHORT_LABEL));
            selector == Some(&cohort::BASELINE.into())
        }
        ("configmaps", _) => annotation(RETREAT_ANNOTATION),
        ("optimizationrollouts", None) => annotation(RETREAT_ANNOTATION) && metadata.get("finalizers").is_none(),
        _ => false,
    }
}

/// Why an advance may not be completed.
fn unfounded(write: &Write, view: &View) -> Option<String> {
    if write.key.plural == "configmaps" {
        let map = Map::read(write.after.as_deref()?);
        let committed = view.run(&map.record.run).map(|run| (run.stage, run.settling));
        let ahead = committed.is_none_or(|(stage, settling)| map.record.stage > stage && !settling);
        return (!map.record.run.is_empty() && ahead).then(|| "ahead of what the status had committed".to_owned());
    }
    None
}
