//! From the rendered ConfigMap to the settings that a pod runs with.

use std::time::Duration;

use futures::future::join_all;

use crate::{
    bench::Bench,
    figure::{Figure, Goal, Of},
    fleet::Fleet,
    plan::{self, Judging, Target},
    reroute::MEMBERS,
    round::{Rounds, seconds},
    seen::now,
};

/// How often a member is asked what it runs.
const PERIOD: Duration = Duration::from_millis(20);

/// Switches half of the members on, and takes them back.
///
/// # Errors
/// When a round does not come to its end.
pub async fn run(bench: &Bench) -> Result<Vec<Figure>, String> {
    let fleet = Fleet::start(bench, "bench", MEMBERS).await?;
    let mut measured = Vec::new();
    fleet.forget();
    let mut rounds =
        Rounds::new(bench, &fleet, &plan::rollout("visible", &Target::example(), Judging::Defaults)).await?;
    for _ in 0..bench.rounds(3, 25) {
        let (written, optimized) = rounds.written().await?;
        let asked = &fleet;
        let visible = join_all(optimized.iter().map(|member| async move {
            loop {
                if asked.runs_optimized(member).await {
                    return now();
                }
                tokio::time::sleep(PERIOD).await;
            }
        }));
        let visible = tokio::time::timeout(Duration::from_secs(60), visible).await;
        let visible = visible.map_err(|_| "settings do not become visible")?;
        measured.extend(visible.into_iter().map(|at| seconds(written, at)));
        rounds.abort().await?;
        fleet.forget();
        rounds.again(&optimized).await?;
    }
    Ok(vec![
        Figure::spread("new settings visible in the pod", "s", &measured, Of::P99, Goal::AtMost(1.0))
            .noted("from the ConfigMap seen to the member's own metric; it reads its files ten times a second"),
    ])
}
