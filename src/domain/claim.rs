//! What a plan claims that an old view of the cluster may get wrong: the API server itself is asked before it is carried
//! out.

use api::{
    OptimizationRollout, OptimizationRolloutStatus,
    reason::Reason,
    status::{Retreat, Run},
};
use serde::Serialize;

use crate::plan::{Advance, Plan};

/// A claim that has to be confirmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Claim {
    /// No other run is on the members, and nothing is left of an earlier one.
    Free,
    /// Somebody deleted ConfigMaps of the run.
    Overridden,
    /// No ConfigMap says the optimized values any more.
    Off,
    /// A deletion would take nothing back: the finalizer may go.
    Released,
}

/// What a plan for a rollout claims; `None` if that is nothing that a late watch could get wrong.
#[must_use]
pub fn claim(rollout: &OptimizationRollout, plan: &Plan) -> Option<Claim> {
    let (before, after) = (rollout.status.as_ref(), Some(&plan.status));
    let id = |status| run(status).map(|run| &run.id);
    let was_aborted = run(before).is_some_and(|run| run.aborted_at.is_some());
    if id(after) != id(before) {
        Some(Claim::Free)
    } else if !was_aborted && retreat(after).is_some_and(|retreat| retreat.reason == Reason::Overridden) {
        Some(Claim::Overridden)
    } else if is_off(after) && !is_off(before) {
        Some(Claim::Off)
    } else if plan.advance.contains(&Advance::ReleaseFinalizer) {
        Some(Claim::Released)
    } else {
        None
    }
}

fn run(status: Option<&OptimizationRolloutStatus>) -> Option<&Run> {
    status?.run.as_ref()
}

fn retreat(status: Option<&OptimizationRolloutStatus>) -> Option<&Retreat> {
    status?.retreat.as_ref()
}

fn is_off(status: Option<&OptimizationRolloutStatus>) -> bool {
    retreat(status).is_some_and(|retreat| retreat.off_at.is_some())
}

#[cfg(test)]
mod tests;
