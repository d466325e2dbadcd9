//! A thousand rollouts that have nothing to do.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use api::OptimizationRollout;
use futures::{StreamExt, TryStreamExt, stream};
use kube::{Api, api::PostParams};
use serde_json::json;

use crate::{
    bench::Bench,
    burst,
    figure::{Figure, Goal, Of},
    plan::{self, Judging, Target},
    replica::{self, Replicas},
    round::seconds,
    scale,
    seen::{Seen, now},
};

const ROLLOUTS: usize = 1000;
const LONGEST: Duration = Duration::from_secs(120);
/// How long writes are counted.
const QUIET: Duration = Duration::from_secs(120);
/// After creation, before memory is read and writes are counted.
const SETTLE: Duration = Duration::from_secs(20);

/// Memory and writes of rollouts that are paused, over fleets without a pod.
///
/// # Errors
/// When they do not all get a status.
pub async fn run(bench: &Bench) -> Result<Vec<Figure>, String> {
    let namespace = "bench-idle";
    // What a section that failed has left behind would be in memory, too.
    for namespace in ["bench", burst::NAMESPACE, scale::NAMESPACE, namespace] {
        bench.empty(namespace).await?;
    }
    let replicas = Replicas::watch(bench);
    replicas.restart().await?;
    let empty = memory(&replicas)?;
    let seen: Seen<OptimizationRollout> = Seen::watch(Api::namespaced(bench.client.clone(), namespace), "");
    let api: Api<OptimizationRollout> = Api::namespaced(bench.client.clone(), namespace);
    let began = now();
    let created = (0..ROLLOUTS).map(|number| {
        let target = Target {
            members: format!("nobody-{number}"),
            config_map: format!("nobody-{number}"),
            service: "nobody".to_owned(),
            acknowledgement: json!({"timer": "1s"}),
        };
        let mut rollout = plan::rollout(&format!("idle-{number}"), &target, Judging::Defaults);
        plan::set(&mut rollout, "/spec", "paused", json!(true));
        let api = api.clone();
        async move {
            let rollout: OptimizationRollout =
                serde_json::from_value(rollout).map_err(|error| format!("the rollout does not parse: {error}"))?;
            let created = api.create(&PostParams::default(), &rollout).await;
            created.map(drop).map_err(|error| format!("cannot create a rollout: {error}"))
        }
    });
    stream::iter(created).buffer_unordered(16).try_collect::<()>().await?;
    let created = now();
    let reported = |rollouts: &BTreeMap<String, Arc<OptimizationRollout>>| {
        let reported = |rollout: &OptimizationRollout| {
            rollout.status.as_ref().is_some_and(|status| status.observed_generation.is_some())
        };
        (rollouts.values().filter(|rollout| reported(rollout)).count() == ROLLOUTS).then(now)
    };
    let reported = seen.until(LONGEST, "all with a status", reported).await?;
    eprintln!(
        "created in {:.1} s, all have a status {:.1} s after the first",
        seconds(began, created),
        seconds(began, reported)
    );
    tokio::time::sleep(SETTLE).await;
    let before = writes(bench).await?;
    tokio::time::sleep(QUIET).await;
    let after = writes(bench).await?;
    for (what, count) in &after {
        let more = count - before.get(what).copied().unwrap_or_default();
        if more > 0.0 {
            eprintln!("written while idle: {what}: {more}");
        }
    }
    let written = after.values().sum::<f64>() - before.values().sum::<f64>();
    let idle = memory(&replicas)?;
    let figures = vec![
        Figure::spread("1,000 idle rollouts: resident memory", "MiB", &idle, Of::Max, Goal::AtMost(64.0))
            .noted("both replicas"),
        Figure::spread("no rollouts: resident memory", "MiB", &empty, Of::Max, Goal::None),
        Figure::single("1,000 idle rollouts: writes in 2 minutes", "", written, Goal::AtMost(0.0))
            .noted("but the Lease"),
        Figure::single("1,000 new rollouts: all have a status", "s", seconds(began, reported), Goal::AtMost(15.0))
            .noted(format!("creating them took {:.1} s of it", seconds(began, created))),
    ];
    bench.empty(namespace).await?;
    Ok(figures)
}

fn memory(replicas: &Replicas) -> Result<Vec<f64>, String> {
    replicas.names().iter().map(|name| replica::resident_memory(&replica::process(name)?)).collect()
}

/// How often the API server was asked to write objects that the operator writes, by kind and verb. The kubelet's and
/// the controllers' own writes go to others.
async fn writes(bench: &Bench) -> Result<BTreeMap<String, f64>, String> {
    let request = http::Request::get("/metrics").body(Vec::new()).map_err(|error| error.to_string())?;
    let text =
        bench.client.request_text(request).await.map_err(|error| format!("no metrics of the API server: {error}"))?;
    let mut writes = BTreeMap::new();
    for line in text.lines().filter(|line| line.starts_with("apiserver_request_total{")) {
        let Some((labels, value)) = line.rsplit_once("} ") else { continue };
        let has = |label: &str, value: &str| labels.contains(&format!("{label}=\"{value}\""));
        let is_write = ["PATCH", "APPLY", "POST", "PUT", "DELETE"].iter().any(|verb| has("verb", verb));
        let is_ours = has("resource", "optimizationrollouts")
            || has("resource", "configmaps")
            || has("resource", "services") && has("subresource", "")
            || has("resource", "pods") && has("subresource", "")
            || has("resource", "events") && has("group", "events.k8s.io");
        if is_write && is_ours {
            *writes.entry(labels.to_owned()).or_default() += value.parse::<f64>().unwrap_or_default();
        }
    }
    Ok(writes)
}
