//! A thousand members that are taken back, rendered into one ConfigMap or with one each.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use api::{
    OptimizationRollout,
    names::{MEMBER_ANNOTATION, TOUCH_ANNOTATION},
};
use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::{
    Api, ResourceExt,
    api::{Patch, PatchParams},
};
use serde_json::{Value, json};

use crate::{
    bench::Bench,
    figure::{Figure, Goal, Of, Spread},
    plan::{self, Judging},
    round::{is_off, seconds},
    seen::{Seen, now},
    stage::Stage,
    stub::{OWN_KEY, StubFleet},
};

/// Namespace of the fleets.
pub const NAMESPACE: &str = "bench-scale";
const NAME: &str = "scale";
const MEMBERS: usize = 1000;
const LONGEST: Duration = Duration::from_secs(180);
/// PATCHes that the raw sweep has under way at once; more are not faster on two cores.
const AT_ONCE: usize = 32;

/// Optimizes all of them and aborts, again and again.
///
/// # Errors
/// When they are not optimized, or not taken back.
pub async fn run(bench: &Bench) -> Result<Vec<Figure>, String> {
    let mut figures = rendered(bench).await?;
    figures.extend(patched(bench).await?);
    bench.empty(NAMESPACE).await?;
    Ok(figures)
}

async fn rendered(bench: &Bench) -> Result<Vec<Figure>, String> {
    let scale = Scale::start(bench, false).await?;
    let (mut off, mut done) = (Vec::new(), Vec::new());
    for attempt in 1..=bench.rounds(1, 3) {
        scale.optimized(attempt).await?;
        let began = scale.abort().await?;
        let all_off = |maps: &BTreeMap<String, Arc<ConfigMap>>| maps.values().all(|map| is_off(Some(map))).then(now);
        off.push(seconds(began, scale.maps.until(LONGEST, "off", all_off).await?));
        done.push(seconds(began, scale.restored().await?));
        eprintln!("rendered, round {attempt}: off after {:.3} s", off.last().copied().unwrap_or_default());
    }
    Ok(vec![
        Figure::spread("1,000 members off in the API, rendered", "s", &off, Of::Max, Goal::AtMost(0.3))
            .noted("from the abort sent to the ConfigMap seen"),
        Figure::spread("1,000 members back (assumed after 1 s), everything written", "s", &done, Of::Max, Goal::None),
    ])
}

async fn patched(bench: &Bench) -> Result<Vec<Figure>, String> {
    let scale = Scale::start(bench, true).await?;
    let (mut swept, mut raw) = (Vec::new(), Vec::new());
    for attempt in 1..=bench.rounds(1, 3) {
        scale.optimized(attempt).await?;
        let touched = scale.touches();
        let began = scale.abort().await?;
        let all_off = |maps: &BTreeMap<String, Arc<ConfigMap>>| maps.values().all(|map| is_off(Some(map))).then(now);
        let off = scale.maps.until(LONGEST, "off", all_off).await?;
        let told = scale.touched_since(&touched).await?;
        swept.push(seconds(began, off.max(told)));
        scale.restored().await?;
        // What is left to write, the closing of records, must not run beside the raw sweep.
        tokio::time::sleep(Duration::from_secs(20)).await;
        raw.push(scale.sweep(attempt).await?);
        eprintln!(
            "patched, round {attempt}: off after {:.3} s, all touched after {:.3} s; raw {:.3} s",
            seconds(began, off),
            seconds(began, told),
            raw.last().copied().unwrap_or_default()
        );
    }
    let p50 = |measured: &[f64]| Spread::of(measured).map_or(f64::NAN, |spread| spread.p50);
    Ok(vec![
        Figure::spread("1,000 members off in the API and touched, patched", "s", &swept, Of::P50, Goal::None),
        Figure::spread(
            "1,000 raw PATCHes of ConfigMaps, each followed by one of its pod",
            "s",
            &raw,
            Of::P50,
            Goal::None,
        ),
        Figure::single("patched, as a multiple of raw", "x", p50(&swept) / p50(&raw), Goal::AtMost(1.15))
            .noted("quotient of the medians, in the same run"),
    ])
}

/// A fleet of a thousand and its rollout.
struct Scale {
    stage: Stage,
    maps: Seen<ConfigMap>,
    rollouts: Api<OptimizationRollout>,
    plan: OptimizationRollout,
    bench: Bench,
}

impl Scale {
    async fn start(bench: &Bench, patched: bool) -> Result<Self, String> {
        let fleet = StubFleet { name: "fleet".to_owned(), size: MEMBERS, patched };
        let mut plan = plan::rollout(NAME, &fleet.target(), Judging::Defaults);
        // Everybody, and neither indicators nor traffic: an abort is what begins the retreat, and settings are all of it.
        plan::set(&mut plan, "/spec", "holdoutPercent", json!(0));
        plan::set(&mut plan, "/spec", "indicators", json!([]));
        plan::set(&mut plan, "/spec", "traffic", Value::Null);
        if patched {
            let config = json!({"patched": {"name": "{member}-config", "key": OWN_KEY}, "format": "Toml"});
            plan::set(&mut plan, "/spec/fleet", "config", config);
        }
        let stage = Stage::of(bench, NAMESPACE, vec![fleet]).await?;
        let labels = if patched { "" } else { "optimization.qudag.io/rollout" };
        Ok(Self {
            maps: Seen::watch(Api::namespaced(bench.client.clone(), NAMESPACE), labels),
            rollouts: Api::namespaced(bench.client.clone(), NAMESPACE),
            plan: serde_json::from_value(plan).map_err(|error| format!("the rollout does not parse: {error}"))?,
            bench: bench.clone(),
            stage,
        })
    }

    /// Begins an attempt and waits until it has optimized everybody.
    async fn optimized(&self, attempt: usize) -> Result<(), String> {
        if attempt == 1 {
            let created = self.rollouts.create(&Default::default(), &self.plan).await;
            created.map_err(|error| format!("cannot create the rollout: {error}"))?;
        } else {
            self.change(json!({"spec": {"abort": null, "attempt": attempt}})).await?;
        }
        let optimized = |rollouts: &BTreeMap<String, Arc<OptimizationRollout>>| {
            let status = rollouts.get(NAME)?.status.as_ref()?;
            status.run.as_ref().filter(|run| usize::try_from(run.attempt) == Ok(attempt))?;
            let all = status.members.as_ref()?.optimized == i32::try_from(MEMBERS).ok()?;
            (all && status.summary.as_ref()?.reason == "Baking").then_some(())
        };
        self.stage.rollouts.until(LONGEST, "watching its stage", optimized).await?;
        tokio::time::sleep(Duration::from_secs(5)).await;
        Ok(())
    }

    /// Aborts; when that was sent.
    async fn abort(&self) -> Result<i64, String> {
        let began = now();
        self.change(json!({"spec": {"abort": {"reason": "benchmark"}}})).await?;
        Ok(began)
    }

    async fn change(&self, change: Value) -> Result<(), String> {
        let changed = self.rollouts.patch(NAME, &PatchParams::default(), &Patch::Merge(change)).await;
        changed.map(drop).map_err(|error| format!("cannot change the rollout: {error}"))
    }

    async fn restored(&self) -> Result<i64, String> {
        let restored = |rollouts: &BTreeMap<String, Arc<OptimizationRollout>>| {
            rollouts.get(NAME)?.status.as_ref()?.retreat.as_ref()?.acknowledged_at.as_ref().map(|_| now())
        };
        self.stage.rollouts.until(LONGEST, "taken back", restored).await
    }

    /// What every pod was told last.
    fn touches(&self) -> BTreeMap<String, Option<String>> {
        self.stage.pods.all().iter().map(|(name, pod)| (name.clone(), touch(pod))).collect()
    }

    /// Waits until every pod was told something else.
    async fn touched_since(&self, before: &BTreeMap<String, Option<String>>) -> Result<i64, String> {
        let all = |pods: &BTreeMap<String, Arc<Pod>>| {
            let told = |(name, pod): (&String, &Arc<Pod>)| before.get(name) != Some(&touch(pod));
            pods.iter().all(told).then(now)
        };
        self.stage.pods.until(LONGEST, "touched", all).await
    }

    /// The same writes as fast as they go: seconds until a watch has seen all of them.
    async fn sweep(&self, attempt: usize) -> Result<f64, String> {
        let maps: Api<ConfigMap> = Api::namespaced(self.bench.client.clone(), NAMESPACE);
        let pods: Api<Pod> = Api::namespaced(self.bench.client.clone(), NAMESPACE);
        let touched = self.touches();
        let began = now();
        let written = self.maps.all().into_iter().filter_map(|(name, map)| {
            let member = map.annotations().get(MEMBER_ANNOTATION)?.clone();
            let file = format!("{}# sweep {attempt}\n", map.data.as_ref()?.get(OWN_KEY)?);
            let (maps, pods) = (maps.clone(), pods.clone());
            Some(async move {
                let failed = |error: kube::Error| format!("a raw PATCH failed: {error}");
                let change = json!({
                    "metadata": {"resourceVersion": map.resource_version(), "annotations": {"sweep": attempt.to_string()}},
                    "data": {OWN_KEY: file},
                });
                maps.patch(&name, &PatchParams::default(), &Patch::Merge(change)).await.map_err(failed)?;
                let told = json!({"metadata": {"annotations": {TOUCH_ANNOTATION: format!("sweep-{attempt}")}}});
                pods.patch(&member, &PatchParams::default(), &Patch::Merge(told)).await.map(drop).map_err(failed)
            })
        });
        stream::iter(written.collect::<Vec<_>>()).buffer_unordered(AT_ONCE).try_collect::<()>().await?;
        Ok(seconds(began, self.touched_since(&touched).await?))
    }
}

fn touch(pod: &Pod) -> Option<String> {
    pod.annotations().get(TOUCH_ANNOTATION).cloned()
}
