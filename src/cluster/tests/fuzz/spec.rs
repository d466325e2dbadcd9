//! Rollouts, as JSON and as YAML. What is read is planned for, measured and previewed; what is not is refused in one
//! sentence.

use std::time::Duration;

use api::OptimizationRollout;
use domain::{
    analysis::{History, Look, Scrape},
    decide::{acceptance, decide},
    needs::needs,
    observation::Observation,
    preview::preview,
    series::Series,
};
use serde_json::{Value, json};

use super::{Outcome, json, sentence, source::Source, status};

const WORDS: [&str; 44] = [
    "spec",
    "fleet",
    "selector",
    "matchLabels",
    "config",
    "rendered",
    "patched",
    "name",
    "key",
    "base",
    "format",
    "Json",
    "Env",
    "reload",
    "RestartPod",
    "{member}",
    "{member}.toml",
    ".members.json",
    "stages",
    "percent",
    "bake",
    "1h",
    "999999999h",
    "0s",
    "-1s",
    "holdoutPercent",
    "optimizations",
    "settings",
    "path",
    "a.b",
    "a",
    "optimized",
    "baseline",
    "indicators",
    "metric",
    "max",
    "1%",
    "-1%",
    "promql",
    "confirm",
    "traffic",
    "watchAfter",
    "1e400%",
    "{a=\"",
];

pub fn rollout() -> Value {
    json!({
        "apiVersion": "optimization.qudag.io/v1alpha1", "kind": "OptimizationRollout",
        "metadata": {"name": "pooling", "namespace": "qudag", "uid": "1", "generation": 1},
        "spec": {
            "fleet": {
                "selector": {"matchLabels": {"app": "x"}},
                "identity": "Pod",
                "config": {"rendered": {"name": "settings", "key": "{member}.toml"}, "format": "Toml", "reload": "Watch"},
                "acknowledgement": {"metric": "optimization_enabled"},
            },
            "optimizations": [
                {"name": "pool", "settings": [{"path": "pool.enabled", "optimized": true, "baseline": false}]},
                {"name": "cache", "settings": [{"path": "cache.size", "optimized": 100}]},
            ],
            "stages": [
                {"name": "canary", "percent": 10, "bake": "30m"},
                {"name": "full", "percent": 100, "bake": "1h"},
            ],
            "holdoutPercent": 20,
            "metrics": {
                "interval": "2s",
                "source": {"pods": {"port": "metrics"}},
                "silence": {"deadline": "10m", "action": "Retreat"},
            },
            "indicators": [
                {"name": "errors", "max": "1%", "window": "10s", "confirm": {"breaches": 2, "looks": 3},
                    "metric": {"ratio": {"numerator": "errors_total", "denominator": "requests_total{code=\"5\"}"}}},
                {"name": "latency", "maxIncrease": "10%", "initialDelay": "1s",
                    "metric": {"histogram": {"name": "latency_seconds", "quantile": "0.99"}}},
                {"name": "memory", "maxIncrease": "64Mi", "mode": "Observe", "metric": {"growth": {"gauge": "memory"}}},
            ],
            "traffic": {"services": [{"name": "nodes"}], "maxLoadIncrease": "100%"},
            "watchAfter": "24h",
            "paused": false,
            "attempt": 1,
        },
    })
}

pub fn check(source: &mut Source) -> Outcome {
    let mut value = rollout();
    if !source.one_in(20) {
        json::damage(source, &mut value["spec"], &WORDS);
    }
    let yaml = source.one_in(2);
    let text = if yaml { serde_saphyr::to_string(&value).unwrap() } else { value.to_string() };
    let text = if source.one_in(2) { source.damage(&text) } else { text };
    let read: Result<OptimizationRollout, String> = if yaml {
        serde_saphyr::from_str(&text).map_err(|error| error.without_snippet().to_string())
    } else {
        serde_json::from_str(&text).map_err(|error| error.to_string())
    };
    let taken = read.is_ok();
    match read {
        Ok(rollout) => plans(source, &rollout),
        // The words of a YAML parser are not ours.
        Err(error) => assert!(!error.is_empty() && error.len() < 4096, "{error}"),
    }
    Outcome { taken, bytes: text.len() }
}

fn plans(source: &mut Source, rollout: &OptimizationRollout) {
    let text = serde_json::to_string(rollout).unwrap();
    let again: OptimizationRollout = serde_json::from_str(&text).unwrap();
    assert_eq!(&again, rollout, "{text}");
    if let Some(problem) = acceptance::offline(rollout) {
        sentence(&problem.message);
    }
    let mut rollout = rollout.clone();
    let seen = status::fleet(4);
    let plan = decide(&rollout, &seen);
    let _ = preview(&rollout, &seen);
    for condition in &plan.status.conditions {
        assert!(condition.message.chars().count() <= 1024, "{condition:?}");
    }
    rollout.status = Some(plan.status);
    let _ = decide(&rollout, &Observation::default());
    let Some(sampling) = needs(&rollout, &seen) else { return };
    let mut history = History::new(sampling.clone(), Duration::ZERO);
    for look in 0..3 {
        let scrapes = seen.members.iter().map(|member| Scrape {
            member: member.name.clone(),
            pod: member.pod.uid.clone(),
            series: (!source.one_in(9)).then(|| series(source)),
        });
        history.look(Look {
            at: Duration::from_secs(look),
            now: seen.now,
            scrapes: scrapes.collect(),
            trouble: None,
            refused: Default::default(),
        });
        let indicators = &history.measurements().indicators;
        assert!(indicators.iter().all(|status| status.message.len() < 4096), "{indicators:?}");
    }
    history.follow(sampling, Duration::from_secs(4));
}

fn series(source: &mut Source) -> Vec<Series> {
    let names = ["errors_total", "requests_total", "latency_seconds_bucket", "memory", "optimization_enabled"];
    let label = |name: &str, value: &str| vec![(name.to_owned(), value.to_owned())];
    names
        .into_iter()
        .map(|name| Series {
            name: name.to_owned(),
            labels: match source.below(4) {
                0 => label("le", "0.5"),
                1 => label("le", "+Inf"),
                2 => label("optimization", "pool"),
                _ => label("code", "5"),
            },
            value: if source.one_in(9) { f64::NAN } else { source.float() },
            taken: None,
        })
        .collect()
}
