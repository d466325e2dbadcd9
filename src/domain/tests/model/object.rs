//! The objects of the API: how they begin, what a write makes of them, and what is left out of them so that states that
//! differ in nothing that a decision reads are one.

use api::{
    OptimizationRollout, OptimizationRolloutStatus,
    names::{
        COHORT_LABEL, FINALIZER, MEMBERS_KEY, RETREAT_ANNOTATION, RETREAT_REASON_ANNOTATION, ROLLOUT_LABEL,
        SERVING_LABEL, SETTLED_ANNOTATION, SETTLED_BY_ANNOTATION, cohort,
    },
    status::Members,
};
use domain::{
    delivery,
    mark::Mark,
    observation::{Pod, Service, Shard},
    plan::ShardWrite,
    record::Record,
};
use jiff::{Timestamp, ToSpan};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::json;

use super::config::Config;

/// The version that everything is seen with; which one is meant is told by bits of the state.
pub const VERSION: &str = "1";
/// Name of the ConfigMap.
pub const MAP: &str = "settings";
/// Name of the Service.
pub const SERVICE: &str = "nodes";

/// When everything happens. Bakes are told apart by times of their own.
pub fn now() -> Timestamp {
    "2026-01-02T00:00:00Z".parse().unwrap()
}

pub fn member(index: usize) -> String {
    format!("node-{index}")
}

/// The rollout as somebody applies it.
pub fn rollout(config: &Config) -> OptimizationRollout {
    let stages: Vec<_> = config.percents().enumerate().map(|(index, percent)| stage(index, percent)).collect();
    let traffic = config.traffic.then(|| json!({"services": [{"name": SERVICE}]}));
    let mut rollout = json!({
        "apiVersion": "optimization.qudag.io/v1alpha1", "kind": "OptimizationRollout",
        "metadata": {"name": "pooling", "namespace": "qudag", "uid": "1", "generation": 1},
        "spec": {
            "fleet": {
                "selector": {"matchLabels": {"app": "x"}},
                "config": {"rendered": {"name": MAP, "key": "{member}.toml"}},
                "acknowledgement": {"metric": "optimization_enabled"},
            },
            "optimizations": [
                {"name": "pool", "settings": [{"path": "pool.enabled", "optimized": true, "baseline": false}]},
            ],
            "stages": stages,
            "holdoutPercent": config.holdout,
            "watchAfter": "1m",
            "deletionPolicy": if config.restore { "Restore" } else { "RestoreUnfinished" },
            "metrics": {"interval": "2s", "source": {"pods": {"port": "metrics"}}},
            "indicators": [{
                "name": "errors", "max": "1%",
                "metric": {"ratio": {"numerator": "errors_total", "denominator": "requests_total"}},
            }],
        },
    });
    if let Some(traffic) = traffic {
        rollout["spec"]["traffic"] = traffic;
    }
    serde_json::from_value(rollout).unwrap()
}

fn stage(index: usize, percent: i32) -> serde_json::Value {
    json!({"name": format!("stage-{index}"), "percent": percent, "bake": "1m"})
}

pub fn pod(index: usize) -> Pod {
    Pod {
        name: member(index),
        uid: member(index),
        resource_version: VERSION.to_owned(),
        ip: Some("10.0.0.1".to_owned()),
        metrics_port: Some(9100),
        ready: true,
        cohort: Some(cohort::BASELINE.to_owned()),
        serving: Some("true".to_owned()),
        mounts_config: true,
        controller: "StatefulSet".to_owned(),
        ..Pod::default()
    }
}

pub fn service() -> Service {
    Service {
        name: SERVICE.to_owned(),
        resource_version: VERSION.to_owned(),
        selector: [("app", "x"), (SERVING_LABEL, "true")].map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
        ..Service::default()
    }
}

/// Whether a pod is an endpoint of a Service, as soon as the endpoints follow.
pub fn is_endpoint(service: &Service, pod: &Pod) -> bool {
    let is =
        |key: &str, label: &Option<String>| service.selector.get(key).is_none_or(|value| Some(value) == label.as_ref());
    is(COHORT_LABEL, &pod.cohort) && is(SERVING_LABEL, &pod.serving)
}

/// A status without what no decision reads: conditions, history, counts and texts for people. Times say what happened
/// and which bake is meant, and nothing else.
pub fn essential(status: &OptimizationRolloutStatus) -> OptimizationRolloutStatus {
    let mut status = status.clone();
    status.conditions.clear();
    status.summary = None;
    status.indicators.clear();
    status.history.clear();
    status.ineligible.clear();
    status.members = status.members.map(|members| Members { optimized: members.optimized, ..Members::default() });
    let happened = Time(now() - 1.hour());
    if let Some(run) = &mut status.run {
        run.started_at = happened.clone();
        for time in [&mut run.aborted_at, &mut run.settling_at, &mut run.closing_at, &mut run.settled_at] {
            *time = time.take().map(|_| happened.clone());
        }
        run.succeeded_at = run.succeeded_at.take().map(|_| Time(now() - 2.hours()));
    }
    if let Some(stage) = &mut status.stage {
        stage.covered = api::Duration::default();
        let started = now() - (20 - i64::from(stage.index)).hours() + i64::from(stage.percent).seconds();
        stage.started_at = Time(started);
    }
    status
}

/// The rollout with the annotations of a retreat.
pub fn marked(rollout: &OptimizationRollout, mark: &Mark) -> OptimizationRollout {
    let mut rollout = rollout.clone();
    let annotations = rollout.metadata.annotations.get_or_insert_default();
    annotations.insert(RETREAT_ANNOTATION.to_owned(), mark.run.clone());
    annotations.insert(RETREAT_REASON_ANNOTATION.to_owned(), mark.cause_text());
    rollout
}

/// The run that a rollout's own mark names.
pub fn mark_of(rollout: &OptimizationRollout) -> Option<&str> {
    rollout.metadata.annotations.as_ref()?.get(RETREAT_ANNOTATION).map(String::as_str)
}

/// Whether the rollout is gone: somebody deleted it, and no finalizer holds it. What it was like before is remembered.
pub fn is_gone(rollout: &OptimizationRollout) -> bool {
    rollout.metadata.deletion_timestamp.is_some() && !is_held(rollout)
}

/// Whether our finalizer holds the rollout.
pub fn is_held(rollout: &OptimizationRollout) -> bool {
    rollout.metadata.finalizers.as_ref().is_some_and(|finalizers| !finalizers.is_empty())
}

pub fn deleted(rollout: &OptimizationRollout) -> OptimizationRollout {
    let mut rollout = rollout.clone();
    rollout.metadata.deletion_timestamp = Some(Time(now()));
    rollout
}

pub fn finalized(rollout: &OptimizationRollout, hold: bool) -> OptimizationRollout {
    let mut rollout = rollout.clone();
    rollout.metadata.finalizers = hold.then(|| vec![FINALIZER.to_owned()]);
    rollout
}

/// The spec after an edit, which is a new generation.
pub fn edited(
    rollout: &OptimizationRollout,
    edit: impl FnOnce(&mut api::OptimizationRolloutSpec),
) -> OptimizationRollout {
    let mut rollout = rollout.clone();
    edit(&mut rollout.spec);
    rollout.metadata.generation = rollout.metadata.generation.map(|generation| generation + 1);
    rollout
}

/// A ConfigMap after a write, as it is read again.
pub fn written(rollout: &OptimizationRollout, shard: Option<&Shard>, write: &ShardWrite) -> Shard {
    let mut shard = shard.cloned().unwrap_or_else(|| Shard {
        name: write.name.clone(),
        resource_version: VERSION.to_owned(),
        record: Record::parse(None).unwrap(),
        ..Shard::default()
    });
    for (key, text) in &write.data {
        if key == MEMBERS_KEY {
            shard.record = Record::parse(text.as_deref()).unwrap();
            continue;
        }
        let member = delivery::member_of("{member}.toml", key).unwrap().to_owned();
        match text {
            Some(text) => shard.files.insert(member, text.clone()),
            None => shard.files.remove(&member),
        };
    }
    let text = |name: &str| write.annotations.get(name).map(Option::as_deref);
    if let Some(run) = text(RETREAT_ANNOTATION) {
        shard.mark = Mark::parse(run, text(RETREAT_REASON_ANNOTATION).flatten());
    }
    if let Some(settled) = text(SETTLED_ANNOTATION) {
        shard.settled = settled.map(|text| serde_json::from_str(text).unwrap()).unwrap_or_default();
    }
    if let Some(owners) = text(SETTLED_BY_ANNOTATION) {
        shard.owners = owners.map(|text| serde_json::from_str(text).unwrap()).unwrap_or_default();
    }
    if let Some(name) = write.labels.get(ROLLOUT_LABEL) {
        assert_eq!(Some(name), rollout.metadata.name.as_ref());
        shard.rollout = Some(name.clone());
    }
    shard
}

pub fn narrowed(service: &Service, mark: &Mark) -> Service {
    let mut service = service.clone();
    service.selector.insert(COHORT_LABEL.to_owned(), cohort::BASELINE.to_owned());
    service.mark = Some(mark.clone());
    service
}

pub fn widened(service: &Service) -> Service {
    let mut service = service.clone();
    service.selector.remove(COHORT_LABEL);
    service.mark = None;
    service
}

/// What a rollout does, for people.
pub fn told(rollout: &OptimizationRollout) -> String {
    let status = rollout.status.as_ref();
    let run = status.and_then(|status| status.run.as_ref());
    let stage = status.and_then(|status| status.stage.as_ref());
    format!("run {run:?}, stage {stage:?}")
}
