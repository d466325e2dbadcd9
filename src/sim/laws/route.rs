//! L4: traffic has somewhere to go.

use std::time::Duration;

use api::OptimizationRollout;
use k8s_openapi::api::core::v1::Service;
use serde_json::Value;
use tokio::time::Instant;

use super::view::{View, is_ready};
use super::{Found, Law};
use crate::history::{Entry, Write};
use crate::kind::Key;
use crate::object::{labels, texts};

/// How long it may take to learn that a pod is not ready any more.
const NEWS: Duration = Duration::from_secs(3);

pub(super) struct SafeRoute;

impl Law for SafeRoute {
    fn law(&self) -> (&'static str, &'static str) {
        ("L4 safe route", "no Service is left without ready endpoints, and nobody's load beyond maxLoadIncrease")
    }

    fn check(&mut self, entry: &Entry, view: &View, found: &mut Found) {
        let Some(write) = view.ours(entry).filter(|write| matches!(write.key.plural.as_str(), "pods" | "services"))
        else {
            return;
        };
        for (key, rollout) in view.rollouts().filter(|(key, _)| key.namespace == write.key.namespace) {
            let Some(traffic) = &rollout.spec.traffic else { continue };
            for service in &traffic.services {
                let service = Key::of::<Service>(&key.namespace, &service.name);
                let (before, after) = (endpoints(write, view, &service, true), endpoints(write, view, &service, false));
                if after < before {
                    let increase = traffic.max_load_increase.value();
                    found.stake(broken(write, view, rollout, after, increase).map(|what| format!("{service}: {what}")));
                }
            }
        }
    }
}

fn broken(write: &Write, view: &View, rollout: &OptimizationRollout, left: usize, increase: f64) -> Option<String> {
    let ready = view.fleet(rollout).filter(|(_, pod)| is_ready(pod)).count();
    if left == 0 && ready > 0 {
        return Some(format!("no endpoint is left, and {ready} pods are ready"));
    }
    // An eviction is a disruption like any other.
    let evicted = write.after.is_none();
    let overloaded = ready as f64 > (1.0 + increase) * left as f64 + 1e-9;
    (overloaded && !evicted).then(|| format!("{left} endpoints are left of {ready} ready pods"))
}

/// Endpoints of a Service that are ready, or were until a moment ago; before or after a write.
fn endpoints(write: &Write, view: &View, service: &Key, before: bool) -> usize {
    let version = |key: &Key| if *key == write.key && before { write.before.as_deref() } else { view.object(key) };
    let Some(service) = version(service) else { return 0 };
    let selector = texts(service, "/spec/selector");
    let is_endpoint = |pod: &Value| {
        let labels = labels(pod);
        selector.iter().all(|(key, value)| labels.get(key) == Some(value))
    };
    let mut pods: Vec<&Key> = view.objects("pods", &write.key.namespace).map(|(key, _)| key).collect();
    if write.key.plural == "pods" && !pods.contains(&&write.key) {
        pods.push(&write.key);
    }
    let counts = |key: &&&Key| {
        let Some(pod) = version(key) else { return false };
        let lately = |since: &Instant| write.at.duration_since(*since) < NEWS;
        is_endpoint(pod) && (is_ready(pod) || view.unready.get(*key).is_some_and(lately))
    };
    pods.iter().filter(counts).count()
}
