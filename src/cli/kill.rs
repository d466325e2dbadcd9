//! The sweep without any operator: traffic away and settings back, from wherever there is a kubeconfig.

use std::{collections::BTreeSet, process::ExitCode, time::Duration};

use api::{
    OptimizationRollout, OptimizationRolloutStatus,
    names::{COHORT_LABEL, SERVING_LABEL, cohort},
    reason::ConditionType,
    rollout::Abort,
};
use cluster::{
    execute::{WriteError, Writer},
    observe::{
        snapshot,
        snapshot::{Snapshot, unfinished},
    },
};
use domain::{decide::decide, plan::Plan};
use jiff::Timestamp;
use kube::{Client, ResourceExt};
use tokio::time::{Instant, sleep};

use crate::{connection::Cluster, view::condition};

/// Between two sweeps: pods are told again after 1, 2 and 4 s.
const PERIOD: Duration = Duration::from_millis(500);
/// Sweeping ends then, whatever is left.
const LONGEST: Duration = Duration::from_secs(60);
/// Failed writes that are listed.
const MOST_ERRORS: usize = 10;
/// For this long nothing must be left to do.
const QUIET: Duration = Duration::from_secs(5);

/// Takes back what is asked for, and says what became of it.
pub async fn run(cluster: &Cluster, name: Option<&str>, reason: &str) -> Result<ExitCode, String> {
    let mut swept = sweep(cluster.client(), &cluster.namespace, name, reason, Timestamp::now)
        .await
        .map_err(|error| format!("cannot look at namespace {}: {}", cluster.namespace, cluster.why(&error)))?;
    if swept.rollouts.is_empty() {
        let Some(name) = name else {
            println!("Nothing to take back in namespace {}.", cluster.namespace);
            return Ok(ExitCode::SUCCESS);
        };
        let rollout = cluster.rollout(name).await?;
        println!("Nothing to take back: {} has no unfinished run.", rollout.name_any());
        return Ok(ExitCode::SUCCESS);
    }
    let names = swept.rollouts.join(", ");
    swept.left.append(&mut swept.stalled);
    if swept.left.is_empty() {
        println!("{names}: settings are back in the API, and pods were told.");
        println!("Pods that left traffic return when an operator runs, which finds the run aborted. Without one:");
        println!("  {}", way_back(&cluster.namespace));
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!("error: {names}: not everything could be taken back:");
    for error in swept.left.iter().take(MOST_ERRORS) {
        eprintln!("  {error}");
    }
    if swept.left.len() > MOST_ERRORS {
        eprintln!("  and {} more", swept.left.len() - MOST_ERRORS);
    }
    Ok(ExitCode::FAILURE)
}

/// How a person lets pods in again: by both labels, since a Service that was narrowed leads to the baseline alone.
fn way_back(namespace: &str) -> String {
    format!(
        "kubectl --namespace {namespace} label pod --selector {SERVING_LABEL}=false --overwrite {SERVING_LABEL}=true \
         {COHORT_LABEL}={}",
        cohort::BASELINE
    )
}

/// What a sweep came to.
#[derive(Debug, Default)]
struct Swept {
    /// Rollouts that were taken back.
    rollouts: Vec<String>,
    /// Writes that still failed at the end.
    left: BTreeSet<String>,
    /// What kept settings from being taken back at the end, without a write that failed.
    stalled: BTreeSet<String>,
}

/// Repeats the withdrawals of all unfinished rollouts, or of the named one, until none is due any more.
async fn sweep(
    client: Client,
    namespace: &str,
    name: Option<&str>,
    reason: &str,
    now: impl Fn() -> Timestamp,
) -> kube::Result<Swept> {
    let writer = Writer::new(client.clone());
    let began = Instant::now();
    let mut busy = Instant::now();
    let mut swept = Swept::default();
    loop {
        let Snapshot { world, namespace: objects, .. } = snapshot::take(&client, namespace).await?;
        let before = std::mem::take(&mut swept.left);
        swept.stalled.clear();
        let mut refused = true;
        for rollout in unfinished(&world).iter().filter(|rollout| name.is_none_or(|name| rollout.name_any() == name)) {
            let rollout = aborted(rollout, reason);
            let seen = world.observe(&objects, &rollout, now(), None, false);
            let Plan { withdraw, status, .. } = decide(&rollout, &seen);
            swept.stalled.extend(stalled(&status));
            if !swept.rollouts.contains(&rollout.name_any()) {
                swept.rollouts.push(rollout.name_any());
            }
            if !withdraw.is_empty() {
                busy = Instant::now();
                let errors = writer.withdraw(&rollout, &withdraw).await.errors;
                refused &= errors.iter().all(|error| matches!(error, WriteError::Refused { .. }));
                swept.left.extend(errors.iter().map(ToString::to_string));
            }
        }
        // What is forbidden stays forbidden.
        let in_vain = refused && !swept.left.is_empty() && swept.left == before;
        if swept.rollouts.is_empty() || in_vain || busy.elapsed() >= QUIET || began.elapsed() >= LONGEST {
            return Ok(swept);
        }
        sleep(PERIOD).await;
    }
}

/// Why values cannot be taken back, where that is so: nobody can read, or write, what says them.
fn stalled(status: &OptimizationRolloutStatus) -> Option<String> {
    let is_off = status.retreat.as_ref().is_some_and(|retreat| retreat.off_at.is_some());
    let stalled = condition(status, ConditionType::Stalled).filter(|condition| condition.status == "True" && !is_off);
    stalled.map(|condition| condition.message.clone())
}

/// The rollout as if its spec asked for the abort. The spec itself is left alone: Git would set it back.
fn aborted(rollout: &OptimizationRollout, reason: &str) -> OptimizationRollout {
    let mut rollout = rollout.clone();
    rollout.spec.abort = Some(Abort { reason: reason.to_owned() });
    rollout
}

#[cfg(test)]
mod tests;
