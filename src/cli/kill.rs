//! The sweep without any operator: traffic away and settings back, from wherever there is a kubeconfig.

use std::{process::ExitCode, time::Duration};

use api::{OptimizationRollout, rollout::Abort};
use cluster::{
    execute::Writer,
    observe::{
        snapshot,
        snapshot::{Snapshot, unfinished},
    },
};
use domain::decide::decide;
use jiff::Timestamp;
use kube::{Client, ResourceExt};
use tokio::time::{Instant, sleep};

use crate::connection::Cluster;

/// Between two sweeps: pods are told again after 1, 2 and 4 s.
const PERIOD: Duration = Duration::from_millis(500);
/// Sweeping ends then, whatever is left.
const LONGEST: Duration = Duration::from_secs(60);
/// For this long nothing must be left to do.
const QUIET: Duration = Duration::from_secs(5);

/// Takes back what is asked for, and says what became of it.
pub async fn run(cluster: &Cluster, name: Option<&str>, reason: &str) -> Result<ExitCode, String> {
    let swept = sweep(cluster.client(), &cluster.namespace, name, reason, Timestamp::now).await?;
    if swept.rollouts.is_empty() {
        println!("Nothing to take back in namespace {}.", cluster.namespace);
        return Ok(ExitCode::SUCCESS);
    }
    println!("{}: settings are back in the API, and pods were told.", swept.rollouts.join(", "));
    println!("Pods that left traffic return when an operator runs, which finds the run aborted.");
    for error in &swept.left {
        eprintln!("error: {error}");
    }
    Ok(if swept.left.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What a sweep came to.
#[derive(Debug, Default)]
struct Swept {
    /// Rollouts that were taken back.
    rollouts: Vec<String>,
    /// Writes that still failed at the end.
    left: Vec<String>,
}

/// Repeats the withdrawals of all unfinished rollouts, or of the named one, until none is due any more.
async fn sweep(
    client: Client,
    namespace: &str,
    name: Option<&str>,
    reason: &str,
    now: impl Fn() -> Timestamp,
) -> Result<Swept, String> {
    let writer = Writer::new(client.clone());
    let began = Instant::now();
    let mut busy = Instant::now();
    let mut swept = Swept::default();
    loop {
        let Snapshot { world, namespace: objects, .. } = snapshot::take(&client, namespace)
            .await
            .map_err(|error| format!("cannot look at namespace {namespace}: {error}"))?;
        swept.left.clear();
        for rollout in unfinished(&world).iter().filter(|rollout| name.is_none_or(|name| rollout.name_any() == name)) {
            let rollout = aborted(rollout, reason);
            let seen = world.observe(&objects, &rollout, now(), None, false);
            let withdraw = decide(&rollout, &seen).withdraw;
            if !swept.rollouts.contains(&rollout.name_any()) {
                swept.rollouts.push(rollout.name_any());
            }
            if !withdraw.is_empty() {
                busy = Instant::now();
                let errors = writer.withdraw(&rollout, &withdraw).await.errors;
                swept.left.extend(errors.iter().map(ToString::to_string));
            }
        }
        if swept.rollouts.is_empty() || busy.elapsed() >= QUIET || began.elapsed() >= LONGEST {
            return Ok(swept);
        }
        sleep(PERIOD).await;
    }
}

/// The rollout as if its spec asked for the abort. The spec itself is left alone: Git would set it back.
fn aborted(rollout: &OptimizationRollout, reason: &str) -> OptimizationRollout {
    let mut rollout = rollout.clone();
    rollout.spec.abort = Some(Abort { reason: reason.to_owned() });
    rollout
}

#[cfg(test)]
mod tests;
