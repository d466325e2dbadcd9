//! The identity of a plan and of a run.

use std::hash::Hasher;

use api::{OptimizationRollout, status::Run};
use serde::Serialize;
use siphasher::sip::SipHasher13;

/// A stable hash of some text: the same in every version and on every machine.
#[must_use]
pub fn stable_hash(parts: &[&str]) -> u64 {
    let mut hasher = SipHasher13::new_with_keys(0x6f70_7469_6d69_7a61, 0x7469_6f6e_2d6f_7065);
    for part in parts {
        hasher.write(part.as_bytes());
        hasher.write_u8(0xff);
    }
    hasher.finish()
}

/// The identity of a plan: this rollout's fleet and optimizations. Edits of stages, indicators or traffic keep it.
#[must_use]
pub fn plan_id(rollout: &OptimizationRollout) -> String {
    let uid = rollout.metadata.uid.as_deref().unwrap_or_default();
    let fleet = text(&rollout.spec.fleet);
    let optimizations = text(&rollout.spec.optimizations);
    format!("{:012x}", stable_hash(&[uid, &fleet, &optimizations]) & 0xffff_ffff_ffff)
}

/// A part of a spec as JSON. What was read from JSON can be written as it.
fn text(part: &impl Serialize) -> String {
    serde_json::to_string(part).unwrap_or_default()
}

/// The identity of a run: one attempt at one plan.
#[must_use]
pub fn run_id(plan: &str, attempt: i32) -> String {
    format!("{plan}-{attempt}")
}

/// Whether a run is of this plan and this attempt. One that is repeated later, after another plan, may have another
/// [`id`](run_id).
#[must_use]
pub fn is_of(run: &Run, plan: &str, attempt: i32) -> bool {
    run.plan == plan && run.attempt == attempt
}

/// Whether the run that the spec asks for has started, as the status says.
#[must_use]
pub fn has_started(rollout: &OptimizationRollout) -> bool {
    let run = rollout.status.as_ref().and_then(|status| status.run.as_ref());
    run.is_some_and(|run| is_of(run, &plan_id(rollout), rollout.spec.attempt))
}

/// The identity of what a bake is judged by: stages and indicators. Another one restarts the bake.
#[must_use]
pub fn judged_by(rollout: &OptimizationRollout) -> String {
    let stages = text(&rollout.spec.stages);
    let indicators = text(&rollout.spec.indicators);
    format!("{:012x}", stable_hash(&[&stages, &indicators]) & 0xffff_ffff_ffff)
}

#[cfg(test)]
mod tests;
