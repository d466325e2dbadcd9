//! Other rollouts that write to the same fleet.

use std::sync::Arc;

use api::{
    OptimizationRollout,
    fleet::{Delivery, Fleet},
    reason::Reason,
    rollout::DeletionPolicy,
};
use domain::observation::Neighbour;
use kube::{Api, Client, ResourceExt, api::ListParams, core::DeserializeGuard};

/// The other rollouts of the namespace that render into the same ConfigMap or select members in common.
///
/// Two selectors have members in common when neither contradicts the other: that is judged by their labels alone, so
/// that it does not change with the pods of the moment. The older claim comes first, whatever order a cache has.
#[must_use]
pub fn find(rollouts: &[Arc<DeserializeGuard<OptimizationRollout>>], own: &OptimizationRollout) -> Vec<Neighbour> {
    let mut others: Vec<&OptimizationRollout> = rollouts
        .iter()
        .filter_map(|guard| guard.0.as_ref().ok())
        .filter(|other| other.namespace() == own.namespace() && other.name_any() != own.name_any())
        .filter(|other| overlaps(other, own))
        .collect();
    others.sort_by_cached_key(|other| claim(other));
    others
        .into_iter()
        .map(|other| {
            let waits = reason(other) == Some(Reason::FleetBusy.to_string().as_str());
            Neighbour {
                name: other.name_any(),
                run: run(other).map(|run| run.id.clone()),
                unfinished: is_unfinished(other),
                restores: restores(other),
                watching: run(other).is_some_and(|run| run.succeeded_at.is_some() && run.settling_at.is_none()),
                waits_before_us: waits && claim(other) < claim(own),
                waits,
            }
        })
        .collect()
}

/// The same, as the API server has them now: of two rollouts that were applied at once, a cache may know neither's run.
///
/// # Errors
/// When the API server does not answer.
pub async fn newest(client: &Client, own: &OptimizationRollout) -> kube::Result<Vec<Neighbour>> {
    let namespace = own.namespace().unwrap_or_default();
    let rollouts: Api<DeserializeGuard<OptimizationRollout>> = Api::namespaced(client.clone(), &namespace);
    let all: Vec<_> = rollouts.list(&ListParams::default()).await?.items.into_iter().map(Arc::new).collect();
    Ok(find(&all, own))
}

fn overlaps(other: &OptimizationRollout, own: &OptimizationRollout) -> bool {
    let (other, own) = (&other.spec.fleet, &own.spec.fleet);
    // Patched ConfigMaps are each member's own: who has no member in common shares none.
    let rendered = |fleet: &Fleet| match &fleet.config.delivery {
        Delivery::Rendered(rendered) => Some(rendered.name.clone()),
        Delivery::Patched(_) => None,
    };
    if rendered(own).is_some_and(|name| rendered(other) == Some(name)) {
        return true;
    }
    let labels = other.selector.match_labels.clone().unwrap_or_default();
    let contradicts = own
        .selector
        .match_labels
        .iter()
        .flatten()
        .any(|(key, value)| labels.get(key).is_some_and(|theirs| theirs != value));
    let shares = own.selector.match_labels.iter().flatten().any(|(key, value)| labels.get(key) == Some(value));
    shares && !contradicts
}

fn run(rollout: &OptimizationRollout) -> Option<&api::status::Run> {
    rollout.status.as_ref()?.run.as_ref()
}

/// The status says so before the first value goes back, and until the last one is.
fn restores(rollout: &OptimizationRollout) -> bool {
    rollout.metadata.deletion_timestamp.is_some()
        && rollout.spec.deletion_policy == DeletionPolicy::Restore
        && reason(rollout) == Some(Reason::Deleted.to_string().as_str())
}

fn is_unfinished(rollout: &OptimizationRollout) -> bool {
    let restored = rollout
        .status
        .as_ref()
        .and_then(|status| status.retreat.as_ref())
        .is_some_and(|retreat| retreat.acknowledged_at.is_some());
    run(rollout).is_some_and(|run| run.settled_at.is_none() && !(run.aborted_at.is_some() && restored))
}

fn reason(rollout: &OptimizationRollout) -> Option<&str> {
    rollout.status.as_ref()?.summary.as_ref().map(|summary| summary.reason.as_str())
}

/// Who came first.
fn claim(rollout: &OptimizationRollout) -> (Option<jiff::Timestamp>, String) {
    (rollout.metadata.creation_timestamp.as_ref().map(|time| time.0), rollout.name_any())
}

#[cfg(test)]
mod tests;
