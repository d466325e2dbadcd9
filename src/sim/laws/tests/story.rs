//! A history that is written by hand.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use crate::history::{Entry, Write};
use crate::kind::{Key, Kind};
use crate::laws::Laws;
use crate::request::{Subresource, Verb};

pub(super) const RUN: &str = "plan-1";
pub(super) const OPTIMIZATION: &str = "pool";
pub(super) const OPTIMIZED: &str = "pool = true\n";
pub(super) const BASELINE: &str = "pool = false\n";
pub(super) const COHORT: &str = "optimization.qudag.io/cohort";
pub(super) const SERVING: &str = "optimization.qudag.io/serving";
pub(super) const RETREAT: &str = "optimization.qudag.io/retreat";

/// A history that is written by hand: a fleet of six, and a rollout whose first stage may optimize one member.
pub(super) struct Story {
    pub(super) laws: Laws,
    pub(super) objects: BTreeMap<Key, Value>,
    pub(super) at: Instant,
    /// When what arrives now was sent, where that was not at once.
    pub(super) sent: Option<Instant>,
    pub(super) events: usize,
}

pub(super) fn key(kind: &str, name: &str) -> Key {
    let api_version = match kind {
        "Lease" => "coordination.k8s.io/v1",
        "Event" => "events.k8s.io/v1",
        "OptimizationRollout" => "optimization.qudag.io/v1alpha1",
        _ => "v1",
    };
    Kind::of(&json!({"apiVersion": api_version, "kind": kind})).unwrap().key("fleet", name)
}

pub(super) fn rollout() -> Key {
    key("OptimizationRollout", "pooling")
}

pub(super) fn map() -> Key {
    key("ConfigMap", "settings")
}

pub(super) fn pod(name: &str) -> Value {
    json!({
        "metadata": {"name": name, "namespace": "fleet", "uid": format!("uid-{name}"), "labels": {
            "app": "node", "optimization.qudag.io/cohort": "baseline", "optimization.qudag.io/serving": "true",
        }},
        "spec": {"volumes": [{"name": "optimizations", "configMap": {"name": "settings"}}]},
        "status": {"conditions": [{"type": "Ready", "status": "True"}]},
    })
}

/// The ConfigMap in a stage, with each member's cohort and the file that goes with it.
pub(super) fn settings(stage: i32, members: &[(&str, &str)]) -> Value {
    let entries: serde_json::Map<String, Value> =
        members.iter().map(|(name, cohort)| ((*name).to_owned(), json!({"c": cohort, "s": stage, "u": ""}))).collect();
    let mut data: serde_json::Map<String, Value> = members
        .iter()
        .map(|(name, cohort)| (format!("{name}.toml"), json!(if *cohort == "o" { OPTIMIZED } else { BASELINE })))
        .collect();
    data.insert(".members.json".to_owned(), json!({"run": RUN, "stage": stage, "members": entries}).to_string().into());
    json!({
        "metadata": {"name": "settings", "namespace": "fleet", "labels": {"optimization.qudag.io/rollout": "pooling"}},
        "data": data,
    })
}

pub(super) fn condition(kind: &str, holds: bool) -> Value {
    json!({"type": kind, "status": if holds { "True" } else { "False" }, "reason": "Baking", "message": "",
        "lastTransitionTime": "2026-01-01T00:00:00Z", "observedGeneration": 1})
}

impl Story {
    pub(super) fn new() -> Self {
        let mut story =
            Self { laws: Laws::new("replica"), objects: BTreeMap::new(), at: Instant::now(), sent: None, events: 0 };
        for number in 0..6 {
            let name = format!("node-{number}");
            story.cluster(&key("Pod", &name), Some(pod(&name)));
        }
        story.cluster(
            &key("Service", "node"),
            Some(json!({"metadata": {"name": "node", "namespace": "fleet"}, "spec": {"selector": {
                "app": "node", "optimization.qudag.io/serving": "true",
            }}})),
        );
        story.cluster(
            &key("Lease", "optimization-operator"),
            Some(json!({"metadata": {"name": "optimization-operator"}, "spec": {"holderIdentity": "replica-1"}})),
        );
        story.cluster(
            &rollout(),
            Some(json!({
                "apiVersion": "optimization.qudag.io/v1alpha1", "kind": "OptimizationRollout",
                "metadata": {"name": "pooling", "namespace": "fleet", "uid": "u", "generation": 1,
                    "finalizers": ["optimization.qudag.io/restore"]},
                "spec": {
                    "fleet": {
                        "selector": {"matchLabels": {"app": "node"}},
                        "config": {"rendered": {"name": "settings", "key": "{member}.toml"}},
                        "acknowledgement": {"metric": "enabled"},
                    },
                    "optimizations": [{"name": OPTIMIZATION, "settings": [
                        {"path": "pool", "optimized": true, "baseline": false},
                    ]}],
                    "stages": [{"name": "one", "percent": 20, "bake": "60s"}, {"name": "half", "percent": 50, "bake": "60s"}],
                    "metrics": {"interval": "10s", "source": {"pods": {"port": "metrics"}}},
                    "indicators": [{"name": "errors", "max": "1%", "metric": {"ratio": {
                        "numerator": "errors_total", "denominator": "requests_total",
                    }}}],
                    "traffic": {"services": [{"name": "node"}]},
                    "watchAfter": "60s",
                },
            })),
        );
        story.status(|status| {
            *status = json!({
                "observedGeneration": 1,
                "conditions": [condition("Aborted", false), condition("Succeeded", false), condition("Settled", false)],
                "run": {"id": RUN, "plan": "plan", "attempt": 1, "seed": "s", "eligible": 6, "holdout": 1,
                    "startedAt": "2026-01-01T00:00:00Z"},
                "stage": {"index": 0, "name": "one", "percent": 20, "quota": 1, "startedAt": "2026-01-01T00:00:00Z"},
                "history": [{"time": "2026-01-01T00:00:00Z", "reason": "RunStarted", "message": "a run"}],
            });
        });
        story.event("RunStarted");
        story.write("replica-1", &map(), Some(settings(0, &first())), json!({}));
        story
    }

    pub(super) fn wait(&mut self, seconds: u64) {
        self.at += Duration::from_secs(seconds);
    }

    pub(super) fn cluster(&mut self, key: &Key, after: Option<Value>) {
        let before = self.put(key, after.clone());
        self.laws.check(&Entry::Change { at: self.at, key: key.clone(), before, after: after.map(Arc::new) });
    }

    pub(super) fn put(&mut self, key: &Key, after: Option<Value>) -> Option<Arc<Value>> {
        match after {
            Some(object) => self.objects.insert(key.clone(), object),
            None => self.objects.remove(key),
        }
        .map(Arc::new)
    }

    pub(super) fn write(&mut self, user: &str, key: &Key, after: Option<Value>, body: Value) {
        if *key == map() {
            self.label(after.as_ref());
        }
        self.write_part(user, key, None, after, body);
    }

    /// Pods bear the label of members before these are switched on.
    pub(super) fn label(&mut self, map: Option<&Value>) {
        let record = map.and_then(|map| map["data"][".members.json"].as_str()).unwrap_or_default();
        for number in 0..6 {
            let pod = key("Pod", &format!("node-{number}"));
            if record.contains(&format!(r#""node-{number}":{{"c":"o""#)) {
                let label = |pod: &mut Value| pod["metadata"]["labels"][COHORT] = json!("optimized");
                self.edit(None, &pod, json!({}), label);
            }
        }
    }

    pub(super) fn write_part(
        &mut self,
        user: &str,
        key: &Key,
        part: Option<Subresource>,
        after: Option<Value>,
        body: Value,
    ) {
        let before = self.put(key, after.clone());
        let creates = before.is_none() || part == Some(Subresource::Eviction);
        let verb = if creates { Verb::Create } else { Verb::Patch };
        let write =
            Write { verb, subresource: part, before, after: after.map(Arc::new), ..self.patch(user, key, body) };
        self.laws.check(&Entry::Write(write));
    }

    /// A patch that arrives now.
    fn patch(&self, user: &str, key: &Key, body: Value) -> Write {
        Write {
            sent: self.sent.unwrap_or(self.at),
            at: self.at,
            user: user.to_owned(),
            verb: Verb::Patch,
            key: key.clone(),
            subresource: None,
            body,
            code: 200,
            before: None,
            after: None,
        }
    }

    /// A patch that the server does not take.
    pub(super) fn refused(&mut self, user: &str, key: &Key, body: Value) {
        let write = Write { code: 503, ..self.patch(user, key, body) };
        self.laws.check(&Entry::Write(write));
    }

    /// The leader changes the status.
    pub(super) fn status(&mut self, edit: impl FnOnce(&mut Value)) {
        let mut object = self.objects[&rollout()].clone();
        edit(&mut object["status"]);
        let _parses: api::OptimizationRollout = serde_json::from_value(object.clone()).unwrap();
        let body = json!({"metadata": {"resourceVersion": "1"}});
        self.write_part("replica-1", &rollout(), Some(Subresource::Status), Some(object), body);
    }

    /// The same for a transition, with its entry in the history and its event.
    pub(super) fn transition(&mut self, reason: &str, edit: impl FnOnce(&mut Value)) {
        self.tell(reason, &format!("why, after {} events", self.events), edit);
        self.event(reason);
    }

    /// The same without an event.
    pub(super) fn tell(&mut self, reason: &str, message: &str, edit: impl FnOnce(&mut Value)) {
        self.status(|status| {
            edit(status);
            let told = json!({"time": "2026-01-01T00:00:00Z", "reason": reason, "message": message});
            status["history"].as_array_mut().unwrap().push(told);
        });
    }

    pub(super) fn event(&mut self, reason: &str) {
        self.events += 1;
        let event = json!({"metadata": {"name": "e"}, "reason": reason, "note": "why"});
        self.write("replica-1", &key("Event", &self.events.to_string()), Some(event.clone()), event);
    }

    /// Members say whether they are optimized.
    pub(super) fn hear(&mut self, name: &str, optimized: bool) {
        self.measure(name, optimized, None);
    }

    /// The leader renews its Lease.
    pub(super) fn renew(&mut self) {
        let lease = key("Lease", "optimization-operator");
        let renewed = self.objects[&lease].clone();
        self.write("replica-1", &lease, Some(renewed), version());
    }

    /// A member says whether it is optimized, and which share of its requests fails.
    pub(super) fn measure(&mut self, name: &str, optimized: bool, fails: Option<f64>) {
        let (pod, uid) = (name.to_owned(), format!("uid-{name}"));
        let says = if optimized { vec![OPTIMIZATION.to_owned()] } else { Vec::new() };
        self.laws.check(&Entry::Scrape { at: self.at, pod, uid, says: Some(says), fails });
    }

    /// Somebody edits a part of an object in place.
    pub(super) fn edit(&mut self, user: Option<&str>, key: &Key, body: Value, edit: impl FnOnce(&mut Value)) {
        let mut object = self.objects[key].clone();
        edit(&mut object);
        match user {
            Some(user) => self.write(user, key, Some(object), body),
            None => self.cluster(key, Some(object)),
        }
    }

    /// The run is marked and the files go back.
    pub(super) fn retreat(&mut self) {
        self.retreat_to(BASELINE);
    }

    /// The same, where the file of the optimized member says this then.
    pub(super) fn retreat_to(&mut self, file: &str) {
        let mark = json!({"metadata": {"annotations": {"optimization.qudag.io/retreat": RUN}}});
        let mut back = settings(0, &[("node-0", "r"), ("node-1", "b"), ("node-5", "h")]);
        back["metadata"]["annotations"] = mark["metadata"]["annotations"].clone();
        back["data"]["node-0.toml"] = json!(file);
        self.write("replica-1", &map(), Some(back), mark);
        self.abort();
    }

    /// The retreat is recorded, with everything off.
    pub(super) fn abort(&mut self) {
        self.transition("LimitBreached", |status| {
            status["run"]["abortedAt"] = json!("2026-01-01T00:01:00Z");
            status["conditions"][0] = condition("Aborted", true);
            status["retreat"] = json!({"reason": "LimitBreached", "message": "m", "decidedAt": "2026-01-01T00:01:00Z",
                "offAt": "2026-01-01T00:01:00Z"});
        });
    }

    /// A retreat takes a pod out of traffic.
    pub(super) fn mark_pod(&mut self, name: &str) {
        let body = json!({"metadata": {"labels": {SERVING: "false"}, "annotations": {RETREAT: RUN}}});
        self.edit(Some("replica-1"), &key("Pod", name), body.clone(), |pod| {
            pod["metadata"]["labels"][SERVING] = json!("false");
            pod["metadata"]["annotations"] = body["metadata"]["annotations"].clone();
        });
    }

    /// It lets a pod in again.
    pub(super) fn let_in(&mut self, name: &str) {
        self.edit(Some("replica-1"), &key("Pod", name), version(), |pod| {
            pod["metadata"]["labels"][SERVING] = json!("true");
            pod["metadata"]["labels"][COHORT] = json!("baseline");
            pod["metadata"].as_object_mut().unwrap().remove("annotations");
        });
    }

    /// A stage bakes, and its member answers all the time.
    pub(super) fn bake(&mut self, optimized: bool) {
        for _ in 0..7 {
            self.wait(10);
            self.measure("node-0", optimized, Some(0.001));
        }
    }

    /// The run of the rollout says why it does not go on.
    pub(super) fn waits(&mut self, reason: &str) {
        self.status(|status| {
            status["summary"] = json!({"stage": "", "members": "", "traffic": "", "reason": reason});
        });
    }

    /// The rollout has no run, and says why.
    pub(super) fn never_starts(&mut self, reason: &str) {
        self.edit(None, &rollout(), json!({}), |rollout| {
            rollout["status"] = json!({"summary": {"stage": "", "members": "", "traffic": "", "reason": reason}});
        });
    }

    /// Something goes wrong with what a replica asks, about this or about everything.
    pub(super) fn fault(&mut self, key: Option<Key>, what: &str) {
        let (user, what) = ("replica-1".to_owned(), what.to_owned());
        self.laws.check(&Entry::Fault { at: self.at, user, key, what });
    }

    /// Nothing happens any more.
    pub(super) fn calm(&mut self) {
        self.laws.check(&Entry::Calm { at: self.at, reads: 0 });
    }

    /// The next stage is committed, after its bake and with fresh answers.
    pub(super) fn promote(&mut self) {
        self.bake(true);
        self.transition("StageStarted", |status| status["stage"] = second_stage());
    }

    pub(super) fn broken(&self) -> Vec<&'static str> {
        let mut laws: Vec<&str> = self.laws.violations().into_iter().map(|violation| violation.law).collect();
        laws.dedup();
        laws
    }
}

/// The run of a rollout was taken back to its end.
pub(super) fn taken_back(rollout: &mut Value) {
    rollout["status"]["run"]["abortedAt"] = json!("2026-01-01T00:01:00Z");
    rollout["status"]["retreat"] = json!({"reason": "AbortRequested", "message": "", "decidedAt":
        "2026-01-01T00:01:00Z", "acknowledgedAt": "2026-01-01T00:01:00Z"});
}

pub(super) fn first() -> [(&'static str, &'static str); 3] {
    [("node-0", "o"), ("node-1", "b"), ("node-5", "h")]
}

pub(super) fn second_stage() -> Value {
    json!({"index": 1, "name": "half", "percent": 50, "quota": 2, "startedAt": "2026-01-01T00:02:00Z"})
}

pub(super) fn version() -> Value {
    json!({"metadata": {"resourceVersion": "1"}})
}

/// Another rollout of the same fleet, like the first one but for this.
pub(super) fn another(story: &mut Story, edit: impl FnOnce(&mut Value)) {
    let mut other = story.objects[&rollout()].clone();
    other["metadata"]["name"] = json!("other");
    other["metadata"]["uid"] = json!("o");
    other["status"]["run"]["id"] = json!("other-1");
    other["status"]["summary"] = json!({"stage": "", "members": "", "traffic": "", "reason": "Paused"});
    edit(&mut other);
    story.cluster(&key("OptimizationRollout", "other"), Some(other));
}

/// What somebody does to a rollout, or what a member says.
pub(super) type Happens = fn(&mut Story);

/// Somebody edits a field of the spec.
pub(super) fn spec(story: &mut Story, path: &str, value: &str) {
    story.edit(None, &rollout(), json!({}), |rollout| match rollout["spec"].pointer_mut(path) {
        Some(field) => *field = json!(value),
        None => rollout["spec"][path.trim_start_matches('/')] = json!(value),
    });
}
