//! L14: one advances.

use api::names::{COHORT_LABEL, LEASE, RETREAT_ANNOTATION, SERVING_LABEL, TOUCH_ANNOTATION, cohort};
use serde_json::Value;

use super::view::{Map, View};
use super::{Found, Law};
use crate::history::{Entry, Write};
use crate::object::text;
use crate::request::{Subresource, Verb};

pub(super) struct OneAdvances;

impl Law for OneAdvances {
    fn law(&self) -> (&'static str, &'static str) {
        (
            "L14 one advances",
            "without the Lease a replica withdraws, or completes what was committed on unchanged objects",
        )
    }

    fn check(&mut self, entry: &Entry, view: &View, found: &mut Found) {
        let Some(write) = view.ours(entry) else { return };
        if matches!(write.key.plural.as_str(), "leases" | "events") || holder(view) == write.user {
            return;
        }
        let advances = !withdraws(write);
        let broken = if advances { unfounded(write, view) } else { None };
        found.stake(broken.map(|why| format!("{} wrote {} without the Lease, {why}", write.user, write.key)));
    }
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
    if write.verb != Verb::Create && text(&write.body, "/metadata/resourceVersion").is_empty() {
        return Some("and did not say which version it had seen".to_owned());
    }
    if write.key.plural == "configmaps" {
        let map = Map::read(write.after.as_deref()?);
        let committed = view.run(&map.record.run).map(|run| (run.stage, run.settling));
        let ahead = committed.is_none_or(|(stage, settling)| map.record.stage > stage && !settling);
        return (!map.record.run.is_empty() && ahead).then(|| "ahead of what the status had committed".to_owned());
    }
    None
}
