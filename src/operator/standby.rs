//! What a replica does that does not lead: measure, and take back when the leader does not.

use std::time::Duration;

use api::{OptimizationRollout, names::RETREAT_ANNOTATION};
use cluster::execute::{DEADLINE, WriteError};
use domain::{decide::decide_standby, observation::Observation};
use kube::{Api, ResourceExt};

use crate::reconcile::{Context, Key};

/// How long the leader has for its own mark.
const GRACE: Duration = Duration::from_millis(300);

/// After the rollout has changed while the standby decided.
const AGAIN: Duration = Duration::from_millis(50);

/// One pass of a standby. Returns when to look again.
pub async fn pass(context: &Context, key: &Key, rollout: &OptimizationRollout, seen: &Observation) -> Option<Duration> {
    if decide_standby(rollout, seen).is_none() {
        context.memory.no_breach(key);
        return None;
    }
    let age = context.memory.breach_age(key);
    if age < GRACE {
        return Some(GRACE - age);
    }
    // What the cache says may be old; what is asked now is not.
    let rollouts: Api<OptimizationRollout> = Api::namespaced(context.client.clone(), &key.namespace);
    let newest = match tokio::time::timeout(DEADLINE, rollouts.get(&key.name)).await {
        Ok(Ok(newest)) => newest,
        Ok(Err(error)) => {
            tracing::warn!(rollout = %key, %error, "a standby saw a breach and cannot read the rollout");
            return Some(GRACE);
        }
        Err(_) => return Some(GRACE),
    };
    let run = newest.status.as_ref().and_then(|status| status.run.as_ref()).map(|run| run.id.as_str());
    if newest.annotations().get(RETREAT_ANNOTATION).map(String::as_str) == run {
        return None;
    }
    let (mark, withdraw) = decide_standby(&newest, seen)?;
    let cause = &mark.cause;
    tracing::warn!(rollout = %key, reason = %cause.reason, message = %cause.message, "a standby takes the run back");
    // First the mark, on the very version that was read: a leader who goes on meanwhile is not met halfway.
    let marked = match context.writer.mark_unchanged(&newest, &mark).await {
        Ok(marked) => marked,
        Err(error @ WriteError::Conflict(_)) => {
            tracing::debug!(rollout = %key, %error, "a standby saw an old version, and looks again");
            return Some(AGAIN);
        }
        Err(error) => {
            tracing::warn!(rollout = %key, %error, "a standby saw a breach and cannot mark the rollout");
            return Some(GRACE);
        }
    };
    context.telemetry.retreated(&cause.reason.to_string());
    let withdrawn = context.writer.withdraw(&marked, &withdraw).await;
    for error in &withdrawn.errors {
        tracing::warn!(rollout = %key, %error, "a withdrawal failed");
    }
    (!withdrawn.errors.is_empty()).then_some(GRACE)
}
