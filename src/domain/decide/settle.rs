//! Settling: the optimized values become the baseline of every member.

use api::{names::SETTLED_ANNOTATION, reason::Reason, status::Run};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::{
    closing::closed,
    deletion,
    intent::{ACTIVE, Intent, Kind},
    pass::{Pass, Phase},
    stamp::{self, label_returned},
};
use crate::plan::Advance;

/// Everybody has acknowledged: labels back, the values become the baseline on every ConfigMap, and that is it.
#[must_use]
pub fn settle(pass: &Pass<'_>) -> Intent {
    let labels: Vec<Advance> = pass
        .seen
        .members
        .iter()
        .filter(|member| pass.is_displaced(&member.pod))
        .map(|member| label_returned(&member.pod))
        .collect();
    let mut intent =
        Intent::state(pass, Kind::Working, Reason::Settling, "every member follows; the values are settled");
    intent.requeue = std::time::Duration::from_millis(200);
    if !labels.is_empty() {
        intent.advance = labels;
        return intent;
    }
    let settled = serde_json::json!(pass.settings.optimized).to_string();
    let writes: Vec<Advance> = closed(pass, pass.stamp())
        .into_iter()
        .map(|advance| match advance {
            Advance::WriteShard(mut write) => {
                write.annotations.insert(SETTLED_ANNOTATION.to_owned(), Some(settled.clone()));
                Advance::WriteShard(write)
            }
            other => other,
        })
        .collect();
    if !writes.is_empty() {
        intent.advance = writes;
        return intent;
    }
    let message = "the optimized values are the baseline of every member";
    let mut intent = Intent::state(pass, Kind::Waiting, Reason::Settled, message).transition(Reason::Settled);
    intent.run = intent.run.map(|run| Run { settled_at: Some(Time(pass.seen.now)), ..run });
    intent.requeue = ACTIVE;
    intent
}

/// Nothing to do but to tell those who join, and to let go of the finalizer.
#[must_use]
pub fn settled(pass: &Pass<'_>) -> Option<Intent> {
    if pass.phase != Phase::Settled || !pass.is_wanted() {
        return None;
    }
    let message = "the optimized values are the baseline of every member";
    let mut intent = Intent::state(pass, Kind::Waiting, Reason::Settled, message);
    intent.advance = deletion::hold_settled(pass).into_iter().chain(stamp::joiners(pass)).collect();
    Some(intent)
}
