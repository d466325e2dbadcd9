//! Other rollouts that write to the same fleet.

use std::sync::Arc;

use api::{
    OptimizationRollout,
    fleet::{Delivery, Rendered},
    reason::Reason,
    rollout::DeletionPolicy,
};
use domain::{
    observation::{Neighbour, Problem},
    rendering,
};
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api, Client, ResourceExt,
    api::ListParams,
    core::{DeserializeGuard, Selector, SelectorExt},
};

/// The other rollouts of the namespace that render into the same ConfigMap or select members in common.
///
/// Two selectors that share a label and do not contradict each other have members in common, whatever pods there are at the
/// moment; others have where a member is there that `selects` finds by the other selector. The older claim comes first,
/// whatever order a cache has.
#[must_use]
pub fn find(
    rollouts: &[Arc<DeserializeGuard<OptimizationRollout>>],
    own: &OptimizationRollout,
    selects: impl Fn(&Selector) -> bool,
) -> Vec<Neighbour> {
    let meets = |other: &OptimizationRollout| match meeting(other, own) {
        Meeting::Always => true,
        Meeting::Never => false,
        Meeting::Perhaps(selector) => selects(&selector),
    };
    let mut neighbours: Vec<&OptimizationRollout> = others(rollouts, own).filter(|other| meets(other)).collect();
    neighbours.sort_by_cached_key(|other| claim(other));
    neighbours
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
    let is_asked = others(&all, own).any(|other| matches!(meeting(other, own), Meeting::Perhaps(_)));
    let members = match Selector::try_from(own.spec.fleet.selector.clone()) {
        Ok(selector) if is_asked => {
            let pods: Api<Pod> = Api::namespaced(client.clone(), &namespace);
            pods.list_metadata(&ListParams::default().labels_from(&selector)).await?.items
        }
        _ => Vec::new(),
    };
    Ok(find(&all, own, |selector| members.iter().any(|pod| selector.matches(pod.labels()))))
}

/// The other rollouts of the namespace that could be read.
pub fn others<'r>(
    rollouts: &'r [Arc<DeserializeGuard<OptimizationRollout>>],
    own: &OptimizationRollout,
) -> impl Iterator<Item = &'r OptimizationRollout> {
    let (namespace, name) = (own.namespace(), own.name_any());
    let parsed = rollouts.iter().filter_map(|guard| guard.0.as_ref().ok());
    parsed.filter(move |other| other.namespace() == namespace && other.name_any() != name)
}

/// Why a rollout cannot have its first run: one that came before it, or has a run, renders into the same ConfigMap for
/// another fleet, or into what may be a further ConfigMap of either.
#[must_use]
pub fn shared_name(
    rollouts: &[Arc<DeserializeGuard<OptimizationRollout>>],
    own: &OptimizationRollout,
) -> Option<Problem> {
    let mine = rendered(own).filter(|_| run(own).is_none())?;
    let (other, theirs) = others(rollouts, own).find_map(|other| {
        let theirs = rendered(other).filter(|_| run(other).is_some() || claim(other) < claim(own))?;
        let is_one = |of: &Rendered, name: &str| rendering::shard_index(of, name).is_some();
        let is_shared = match theirs.name == mine.name {
            true => contradict(other, own),
            false => is_one(mine, &theirs.name) || is_one(theirs, &mine.name),
        };
        is_shared.then_some((other, theirs))
    })?;
    let (mine, theirs, other) = (&mine.name, &theirs.name, other.name_any());
    let message = if theirs == mine {
        format!(
            "spec.fleet.config.rendered.name: rollout {other} renders into {mine} too, for another fleet; choose another \
             name"
        )
    } else {
        format!(
            "spec.fleet.config.rendered.name: {mine} and {theirs}, where rollout {other} renders, may be the same \
             ConfigMap, because further ones get a number at their end; choose a name that does not end in one"
        )
    };
    Some(Problem::new(Reason::ConfigMapNotOwned, message))
}

fn rendered(rollout: &OptimizationRollout) -> Option<&Rendered> {
    match &rollout.spec.fleet.config.delivery {
        Delivery::Rendered(rendered) => Some(rendered),
        Delivery::Patched(_) => None,
    }
}

/// Whether two rollouts of a namespace may write to the same member.
enum Meeting {
    /// Whatever pods there are.
    Always,
    /// Where a member is there that this selector, that of the other one, finds.
    Perhaps(Selector),
    /// Their selectors contradict each other.
    Never,
}

fn meeting(other: &OptimizationRollout, own: &OptimizationRollout) -> Meeting {
    // Patched ConfigMaps are each member's own: who has no member in common shares none.
    if rendered(own).is_some_and(|mine| rendered(other).is_some_and(|theirs| theirs.name == mine.name)) {
        return Meeting::Always;
    }
    if contradict(other, own) {
        return Meeting::Never;
    }
    if common(other, own).any(|(theirs, mine)| theirs == mine) {
        return Meeting::Always;
    }
    Selector::try_from(other.spec.fleet.selector.clone()).map_or(Meeting::Never, Meeting::Perhaps)
}

/// Whether two selectors ask for other values of the same label.
fn contradict(other: &OptimizationRollout, own: &OptimizationRollout) -> bool {
    common(other, own).any(|(theirs, mine)| theirs != mine)
}

/// The values of the labels that two selectors both ask for.
fn common<'a>(
    other: &'a OptimizationRollout,
    own: &'a OptimizationRollout,
) -> impl Iterator<Item = (&'a String, &'a String)> {
    let theirs = other.spec.fleet.selector.match_labels.as_ref();
    let own = own.spec.fleet.selector.match_labels.iter().flatten();
    own.filter_map(move |(key, value)| Some((theirs?.get(key)?, value)))
}

/// The run of a rollout, as its status has it.
pub fn run(rollout: &OptimizationRollout) -> Option<&api::status::Run> {
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
