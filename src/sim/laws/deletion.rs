//! L12: who deletes a rollout gets back what was there.

use api::OptimizationRollout;
use api::names::{COHORT_LABEL, FINALIZER, RETREAT_ANNOTATION};
use api::rollout::DeletionPolicy;
use domain::record::Cohort;
use serde_json::Value;

use super::map::{Map, added};
use super::view::View;
use super::{Found, Law};
use crate::history::Entry;
use crate::kind::Key;
use crate::object::{is_being_deleted, texts};

pub(super) struct Deletion;

impl Law for Deletion {
    fn law(&self) -> (&'static str, &'static str) {
        ("L12 deletion", "of an unfinished rollout restores first and then releases the finalizer")
    }

    fn check(&mut self, entry: &Entry, view: &View, found: &mut Found) {
        if let Some((_, before, after)) = view.map_write(entry)
            && !added(before, after).is_empty()
            && let Some(rollout) = view.rollout_of(&after.record.run)
        {
            let held = rollout.metadata.finalizers.iter().flatten().any(|name| name == FINALIZER);
            found.stake((!held).then(|| "members are switched on while nothing would hold up a deletion".to_owned()));
        }
        if let Some(write) = view.ours(entry)
            && write.key.plural == "optimizationrollouts"
            && let Some(before) = write.before.as_deref().filter(|before| is_held(before))
            && is_being_deleted(before)
            && !write.after.as_deref().is_some_and(is_held)
        {
            found.stake(left(before, view));
        }
    }
}

fn is_held(rollout: &Value) -> bool {
    let finalizers = rollout.pointer("/metadata/finalizers").and_then(Value::as_array);
    finalizers.is_some_and(|all| all.iter().any(|name| name == FINALIZER))
}

/// What the run still has somewhere.
fn left(before: &Value, view: &View) -> Option<String> {
    let rollout: OptimizationRollout = serde_json::from_value(before.clone()).ok()?;
    let run = rollout.status.as_ref().and_then(|status| status.run.clone())?;
    let narrowed = || {
        let key = narrowed(&rollout, &run.id, view)?;
        Some(format!("the finalizer went while {key} led to the baseline alone"))
    };
    if rollout.spec.deletion_policy == DeletionPolicy::Retain {
        return narrowed();
    }
    if rollout.spec.deletion_policy == DeletionPolicy::Restore {
        let is_own =
            |map: &Map| map.owners.values().any(|owner| Some(&owner.rollout) == rollout.metadata.name.as_ref());
        if let Some((key, _)) = view.maps_for(&rollout).find(|(_, map)| is_own(map)) {
            return Some(format!("the finalizer went while {key} had values that the rollout had settled"));
        }
    }
    if run.settled_at.is_some() {
        return None;
    }
    let optimized = view.count(&run.id, Cohort::Optimized);
    if optimized > 0 {
        return Some(format!("the finalizer went while {optimized} members were recorded as optimized"));
    }
    narrowed()
}

/// A Service that a retreat of this run has narrowed.
pub(super) fn narrowed<'v>(rollout: &'v OptimizationRollout, run: &str, view: &'v View) -> Option<&'v Key> {
    let namespace = rollout.metadata.namespace.as_deref().unwrap_or_default();
    let is_narrowed = |service: &Value| {
        let is_marked = texts(service, "/metadata/annotations").get(RETREAT_ANNOTATION).is_some_and(|mark| mark == run);
        is_marked && texts(service, "/spec/selector").contains_key(COHORT_LABEL)
    };
    view.objects("services", namespace).find_map(|(key, service)| is_narrowed(service).then_some(key))
}
