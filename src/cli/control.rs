//! Steering: each verb is a change of the spec, as `kubectl patch` or Git would make it.

use std::process::ExitCode;

use api::OptimizationRollout;
use domain::run::has_started;
use kube::{
    ResourceExt,
    api::{Patch, PatchParams},
};
use serde_json::{Value, json};

use crate::connection::Cluster;

/// What a person wants of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verb {
    Pause,
    Resume,
    Abort(String),
    Retry,
    Promote(Option<String>),
}

/// Changes the rollout, unless it has changed since it was read.
pub async fn apply(cluster: &Cluster, name: &str, verb: Verb) -> Result<ExitCode, String> {
    let rollout = cluster.rollout(name).await?;
    let (spec, said) = change(&rollout, &verb)?;
    let patch = json!({"metadata": {"resourceVersion": rollout.resource_version()}, "spec": spec});
    let params = PatchParams { field_manager: Some("kubectl-optimize".to_owned()), ..PatchParams::default() };
    let patched = cluster.rollouts().patch(name, &params, &Patch::Merge(patch)).await;
    match patched {
        Ok(_) => {
            println!("{name}: {said}");
            Ok(ExitCode::SUCCESS)
        }
        Err(kube::Error::Api(refusal)) if refusal.code == 409 => {
            Err(format!("{name} has just changed; look at it again with: kubectl optimize status {name}"))
        }
        Err(kube::Error::Api(refusal)) if refusal.code == 422 => Err(refusal.message),
        Err(error) => Err(format!("cannot change rollout {name}: {}", cluster.why(&error))),
    }
}

/// The change of the spec, and what it means in words.
fn change(rollout: &OptimizationRollout, verb: &Verb) -> Result<(Value, String), String> {
    let name = rollout.name_any();
    let status = rollout.status.clone().unwrap_or_default();
    let aborted = status.run.as_ref().is_some_and(|run| run.aborted_at.is_some());
    let settled = status.run.as_ref().is_some_and(|run| run.settled_at.is_some());
    // What has ended may be an earlier run, and the next one about to start.
    let is_current = has_started(rollout);
    let ended = |what: &str| Err(format!("{name} is {what}: there is nothing to steer"));
    match verb {
        Verb::Retry if !aborted => Err(format!("{name} was not taken back: only an aborted run can be retried")),
        Verb::Retry => {
            let attempt = rollout.spec.attempt + 1;
            // A promotion was a judgement of the last attempt: the next one bakes again.
            let spec = json!({"attempt": attempt, "abort": null, "paused": false, "promoteThrough": null});
            let back = status.retreat.is_some_and(|retreat| retreat.acknowledged_at.is_some());
            let when = if back { "starts" } else { "starts as soon as every member is back" };
            Ok((spec, format!("attempt {attempt} {when}")))
        }
        _ if settled && is_current => ended("settled"),
        _ if aborted && is_current => ended("taken back already"),
        Verb::Pause => Ok((json!({"paused": true}), "holds; what hurts is still taken back".to_owned())),
        Verb::Resume => Ok((json!({"paused": false}), "goes on".to_owned())),
        Verb::Abort(reason) => Ok((
            json!({"abort": {"reason": reason}}),
            format!("is asked to go back; see: kubectl optimize status {name}"),
        )),
        Verb::Promote(through) => {
            let current = status.stage.filter(|_| is_current).map(|stage| stage.name);
            let through = through.clone().or(current).ok_or_else(|| format!("{name} is in no stage yet"))?;
            let stages: Vec<&str> = rollout.spec.stages.iter().map(|stage| stage.name.as_str()).collect();
            if !stages.contains(&through.as_str()) {
                return Err(format!("{name} has no stage {through}; its stages are {}", stages.join(", ")));
            }
            let said = format!("bakes up to stage {through}, its own too, are skipped");
            Ok((json!({"promoteThrough": through}), said))
        }
    }
}

#[cfg(test)]
mod tests;
