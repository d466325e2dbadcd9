//! Fleets that nothing is wrong with, noisy and with outages that hit both cohorts: nothing may be taken back.

use std::time::Duration;

use crate::{
    bench::Bench,
    burst::NAMESPACE,
    figure::{Figure, Goal},
    plan::Judging,
    stage::Stage,
};

const FLEETS: usize = 6;
const MEMBERS: usize = 8;
/// Where in the time the outages begin, and which share of all requests fails in them.
const OUTAGES: [(f64, f64); 2] = [(0.3, 0.5), (0.7, 0.2)];
const OUTAGE: Duration = Duration::from_secs(20);

/// Watches them for ten minutes.
///
/// # Errors
/// When the stages do not start.
pub async fn run(bench: &Bench) -> Result<Vec<Figure>, String> {
    let time = Duration::from_secs(if bench.quick { 90 } else { 600 });
    let stage = Stage::set(bench, NAMESPACE, FLEETS, MEMBERS).await?;
    stage.begin(Judging::Defaults, "1s").await?;
    stage.baking().await?;
    let mut passed = Duration::ZERO;
    for (share, failing) in OUTAGES {
        let begins = time.mul_f64(share);
        tokio::time::sleep(begins.saturating_sub(passed)).await;
        stage.fleets.iter().for_each(|fleet| stage.stub.fail(&stage.members(fleet), Some(failing)));
        tokio::time::sleep(OUTAGE).await;
        stage.fleets.iter().for_each(|fleet| stage.stub.fail(&stage.members(fleet), None));
        passed = begins + OUTAGE;
    }
    tokio::time::sleep(time.saturating_sub(passed)).await;
    let rollouts = stage.rollouts.all();
    let retreats = rollouts.values().filter_map(|rollout| rollout.status.as_ref()?.retreat.as_ref());
    let messages: Vec<String> = retreats.map(|retreat| retreat.message.clone()).collect();
    messages.iter().for_each(|message| eprintln!("aborted: {message}"));
    bench.empty(NAMESPACE).await?;
    Ok(vec![
        Figure::single("healthy fleets with two shared outages: aborts", "", messages.len() as f64, Goal::AtMost(0.0))
            .noted(format!("{FLEETS} fleets of {MEMBERS} side by side for {} s", time.as_secs())),
    ])
}
