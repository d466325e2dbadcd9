//! A thousand members that are taken back.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use api::OptimizationRollout;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use serde_json::json;

use crate::{
    bench::Bench,
    figure::{Figure, Goal, Of},
    plan::{self, Judging},
    round::{is_off, seconds},
    seen::{Seen, now},
    stage::Stage,
};

const MEMBERS: usize = 1000;
const LONGEST: Duration = Duration::from_secs(120);

/// Optimizes all of them and aborts, again and again.
///
/// # Errors
/// When they are not optimized, or not taken back.
pub async fn run(bench: &Bench) -> Result<Vec<Figure>, String> {
    let namespace = "bench-scale";
    let stage = Stage::set(bench, namespace, 1, MEMBERS).await?;
    let fleet = stage.fleets.first().ok_or("no fleet")?;
    let maps: Seen<ConfigMap> =
        Seen::watch(Api::namespaced(bench.client.clone(), namespace), "optimization.qudag.io/rollout");
    let rollouts: Api<OptimizationRollout> = Api::namespaced(bench.client.clone(), namespace);
    let mut off = Vec::new();
    let mut done = Vec::new();
    for attempt in 1..=bench.rounds(1, 3) {
        if attempt == 1 {
            let mut plan = plan::rollout("scale", &fleet.target(), Judging::Defaults);
            // Everybody, and no indicator: an abort is what begins the retreat.
            plan::set(&mut plan, "/spec", "holdoutPercent", json!(0));
            plan::set(&mut plan, "/spec", "indicators", json!([]));
            let plan = serde_json::from_value(plan).map_err(|error| format!("the rollout does not parse: {error}"))?;
            let created = rollouts.create(&Default::default(), &plan).await;
            created.map_err(|error| format!("cannot create the rollout: {error}"))?;
        } else {
            patch(&rollouts, json!({"spec": {"abort": null, "attempt": attempt}})).await?;
        }
        let optimized = |rollouts: &BTreeMap<String, Arc<OptimizationRollout>>| {
            let status = rollouts.get("scale")?.status.as_ref()?;
            status.run.as_ref().filter(|run| usize::try_from(run.attempt) == Ok(attempt))?;
            let all = status.members.as_ref()?.optimized == i32::try_from(MEMBERS).ok()?;
            (all && status.summary.as_ref()?.reason == "Baking").then_some(())
        };
        stage.rollouts.until(LONGEST, "watching its stage", optimized).await?;
        tokio::time::sleep(Duration::from_secs(2)).await;
        maps.forget();
        let began = now();
        patch(&rollouts, json!({"spec": {"abort": {"reason": "benchmark"}}})).await?;
        let all_off = |maps: &BTreeMap<String, Arc<ConfigMap>>| maps.values().all(|map| is_off(Some(map))).then(now);
        let ended = maps.until(LONGEST, "off", all_off).await?;
        off.push(seconds(began, ended));
        let restored = |rollouts: &BTreeMap<String, Arc<OptimizationRollout>>| {
            rollouts.get("scale")?.status.as_ref()?.retreat.as_ref()?.acknowledged_at.as_ref().map(|_| now())
        };
        done.push(seconds(began, stage.rollouts.until(LONGEST, "taken back", restored).await?));
        eprintln!(
            "round {attempt}: off after {:.3} s, everybody back after {:.3} s",
            seconds(began, ended),
            done.last().copied().unwrap_or_default()
        );
    }
    bench.empty(namespace).await?;
    Ok(vec![
        Figure::spread("1,000 members off in the API, rendered", "s", &off, Of::Max, Goal::AtMost(0.3))
            .noted("from the abort sent to the ConfigMap seen"),
        Figure::spread("1,000 members back (assumed after 1 s), everything written", "s", &done, Of::Max, Goal::None),
        // Patched delivery takes its place here: at most 1.15 of the same number of raw parallel PATCHes in this run.
    ])
}

async fn patch(rollouts: &Api<OptimizationRollout>, change: serde_json::Value) -> Result<(), String> {
    let patched = rollouts.patch("scale", &PatchParams::default(), &Patch::Merge(change)).await;
    patched.map(drop).map_err(|error| format!("cannot change the rollout: {error}"))
}
