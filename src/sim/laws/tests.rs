//! Each law against a history that breaks it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rstest::rstest;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{CANARY, Laws};
use crate::history::{Entry, GOES_ON, Write};
use crate::kind::{Key, Kind};
use crate::request::{Subresource, Verb};

const RUN: &str = "plan-1";
const OPTIMIZATION: &str = "pool";
const OPTIMIZED: &str = "pool = true\n";
const BASELINE: &str = "pool = false\n";
const COHORT: &str = "optimization.qudag.io/cohort";
const SERVING: &str = "optimization.qudag.io/serving";
const RETREAT: &str = "optimization.qudag.io/retreat";

/// A history that is written by hand: a fleet of six, and a rollout whose first stage may optimize one member.
struct Story {
    laws: Laws,
    objects: BTreeMap<Key, Value>,
    at: Instant,
    events: usize,
}

fn key(kind: &str, name: &str) -> Key {
    let api_version = match kind {
        "Lease" => "coordination.k8s.io/v1",
        "Event" => "events.k8s.io/v1",
        "OptimizationRollout" => "optimization.qudag.io/v1alpha1",
        _ => "v1",
    };
    Kind::of(&json!({"apiVersion": api_version, "kind": kind})).unwrap().key("fleet", name)
}

fn rollout() -> Key {
    key("OptimizationRollout", "pooling")
}

fn map() -> Key {
    key("ConfigMap", "settings")
}

fn pod(name: &str) -> Value {
    json!({
        "metadata": {"name": name, "namespace": "fleet", "uid": format!("uid-{name}"), "labels": {
            "app": "node", "optimization.qudag.io/cohort": "baseline", "optimization.qudag.io/serving": "true",
        }},
        "status": {"conditions": [{"type": "Ready", "status": "True"}]},
    })
}

/// The ConfigMap in a stage, with each member's cohort and the file that goes with it.
fn settings(stage: i32, members: &[(&str, &str)]) -> Value {
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

fn condition(kind: &str, holds: bool) -> Value {
    json!({"type": kind, "status": if holds { "True" } else { "False" }, "reason": "Baking", "message": "",
        "lastTransitionTime": "2026-01-01T00:00:00Z", "observedGeneration": 1})
}

impl Story {
    fn new() -> Self {
        let mut story = Self { laws: Laws::new("replica"), objects: BTreeMap::new(), at: Instant::now(), events: 0 };
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
                    "indicators": [{"name": "errors", "max": "1%", "metric": {"gauge": {"gauge": "errors"}}}],
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

    fn wait(&mut self, seconds: u64) {
        self.at += Duration::from_secs(seconds);
    }

    fn cluster(&mut self, key: &Key, after: Option<Value>) {
        let before = self.put(key, after.clone());
        self.laws.check(&Entry::Change { at: self.at, key: key.clone(), before, after: after.map(Arc::new) });
    }

    fn put(&mut self, key: &Key, after: Option<Value>) -> Option<Arc<Value>> {
        match after {
            Some(object) => self.objects.insert(key.clone(), object),
            None => self.objects.remove(key),
        }
        .map(Arc::new)
    }

    fn write(&mut self, user: &str, key: &Key, after: Option<Value>, body: Value) {
        if *key == map() {
            self.label(after.as_ref());
        }
        self.write_part(user, key, None, after, body);
    }

    /// Pods bear the label of members before these are switched on.
    fn label(&mut self, map: Option<&Value>) {
        let record = map.and_then(|map| map["data"][".members.json"].as_str()).unwrap_or_default();
        for number in 0..6 {
            let pod = key("Pod", &format!("node-{number}"));
            if record.contains(&format!(r#""node-{number}":{{"c":"o""#)) {
                let label = |pod: &mut Value| pod["metadata"]["labels"][COHORT] = json!("optimized");
                self.edit(None, &pod, json!({}), label);
            }
        }
    }

    fn write_part(&mut self, user: &str, key: &Key, part: Option<Subresource>, after: Option<Value>, body: Value) {
        let before = self.put(key, after.clone());
        let verb = if before.is_some() { Verb::Patch } else { Verb::Create };
        let after = after.map(Arc::new);
        let (user, key, code) = (user.to_owned(), key.clone(), 200);
        let write = Write { at: self.at, user, verb, key, subresource: part, body, code, before, after };
        self.laws.check(&Entry::Write(write));
    }

    /// A patch that the server does not take.
    fn refused(&mut self, user: &str, key: &Key, body: Value) {
        let (user, key, code) = (user.to_owned(), key.clone(), 503);
        let (verb, before, after) = (Verb::Patch, None, None);
        let write = Write { at: self.at, user, verb, key, subresource: None, body, code, before, after };
        self.laws.check(&Entry::Write(write));
    }

    /// The leader changes the status.
    fn status(&mut self, edit: impl FnOnce(&mut Value)) {
        let mut object = self.objects[&rollout()].clone();
        edit(&mut object["status"]);
        let _parses: api::OptimizationRollout = serde_json::from_value(object.clone()).unwrap();
        let body = json!({"metadata": {"resourceVersion": "1"}});
        self.write_part("replica-1", &rollout(), Some(Subresource::Status), Some(object), body);
    }

    /// The same for a transition, with its entry in the history and its event.
    fn transition(&mut self, reason: &str, edit: impl FnOnce(&mut Value)) {
        let message = format!("why, after {} events", self.events);
        self.status(|status| {
            edit(status);
            let told = json!({"time": "2026-01-01T00:00:00Z", "reason": reason, "message": message});
            status["history"].as_array_mut().unwrap().push(told);
        });
        self.event(reason);
    }

    fn event(&mut self, reason: &str) {
        self.events += 1;
        let event = json!({"metadata": {"name": "e"}, "reason": reason, "note": "why"});
        self.write("replica-1", &key("Event", &self.events.to_string()), Some(event.clone()), event);
    }

    /// Members say whether they are optimized.
    fn hear(&mut self, name: &str, optimized: bool) {
        let (pod, uid) = (name.to_owned(), format!("uid-{name}"));
        let says = if optimized { vec![OPTIMIZATION.to_owned()] } else { Vec::new() };
        self.laws.check(&Entry::Scrape { at: self.at, pod, uid, says: Some(says) });
    }

    /// Somebody edits a part of an object in place.
    fn edit(&mut self, user: Option<&str>, key: &Key, body: Value, edit: impl FnOnce(&mut Value)) {
        let mut object = self.objects[key].clone();
        edit(&mut object);
        match user {
            Some(user) => self.write(user, key, Some(object), body),
            None => self.cluster(key, Some(object)),
        }
    }

    /// The run is marked and the files go back.
    fn retreat(&mut self) {
        let mark = json!({"metadata": {"annotations": {"optimization.qudag.io/retreat": RUN}}});
        let mut back = settings(0, &[("node-0", "r"), ("node-1", "b"), ("node-5", "h")]);
        back["metadata"]["annotations"] = mark["metadata"]["annotations"].clone();
        self.write("replica-1", &map(), Some(back), mark);
        self.transition("LimitBreached", |status| {
            status["run"]["abortedAt"] = json!("2026-01-01T00:01:00Z");
            status["conditions"][0] = condition("Aborted", true);
            status["retreat"] = json!({"reason": "LimitBreached", "message": "m", "decidedAt": "2026-01-01T00:01:00Z",
                "offAt": "2026-01-01T00:01:00Z"});
        });
    }

    /// A retreat takes a pod out of traffic.
    fn mark_pod(&mut self, name: &str) {
        let body = json!({"metadata": {"labels": {SERVING: "false"}, "annotations": {RETREAT: RUN}}});
        self.edit(Some("replica-1"), &key("Pod", name), body.clone(), |pod| {
            pod["metadata"]["labels"][SERVING] = json!("false");
            pod["metadata"]["annotations"] = body["metadata"]["annotations"].clone();
        });
    }

    /// It lets a pod in again.
    fn let_in(&mut self, name: &str) {
        self.edit(Some("replica-1"), &key("Pod", name), version(), |pod| {
            pod["metadata"]["labels"][SERVING] = json!("true");
            pod["metadata"]["labels"][COHORT] = json!("baseline");
            pod["metadata"].as_object_mut().unwrap().remove("annotations");
        });
    }

    /// The next stage is committed, after its bake and with fresh answers.
    fn promote(&mut self) {
        self.wait(70);
        self.hear("node-0", true);
        self.transition("StageStarted", |status| status["stage"] = second_stage());
    }

    fn broken(&self) -> Vec<&'static str> {
        let mut laws: Vec<&str> = self.laws.violations().into_iter().map(|violation| violation.law).collect();
        laws.dedup();
        laws
    }
}

fn first() -> [(&'static str, &'static str); 3] {
    [("node-0", "o"), ("node-1", "b"), ("node-5", "h")]
}

fn second_stage() -> Value {
    json!({"index": 1, "name": "half", "percent": 50, "quota": 2, "startedAt": "2026-01-01T00:02:00Z"})
}

fn version() -> Value {
    json!({"metadata": {"resourceVersion": "1"}})
}

#[test]
fn a_good_story_breaks_no_law_and_puts_many_at_stake() {
    let mut story = Story::new();
    story.promote();
    story.write(
        "replica-1",
        &map(),
        Some(settings(1, &[("node-0", "o"), ("node-1", "o"), ("node-5", "h")])),
        version(),
    );
    assert_eq!(story.laws.violations().len(), 0, "{:?}", story.laws.violations());
    let at_stake: Vec<&str> =
        story.laws.accounts().into_iter().filter(|account| account.premises > 0).map(|account| account.law).collect();
    for law in ["L1 blast radius", "L2 monotone cohorts", "L6 silence never promotes", "L16 clocks", "L17 evidence"] {
        assert!(at_stake.contains(&law), "{law} in {at_stake:?}");
    }
}

#[rstest]
#[case::more_than_the_stage("L1 blast radius", |story: &mut Story| {
    story.promote();
    let all = [("node-0", "o"), ("node-1", "o"), ("node-2", "o"), ("node-5", "h")];
    story.write("replica-1", &map(), Some(settings(1, &all)), version());
})]
#[case::a_joiner_in_a_stamped_stage("L1 blast radius", |story: &mut Story| {
    story.edit(None, &rollout(), json!({}), |rollout| rollout["status"]["stage"]["quota"] = json!(2));
    let joined = [("node-0", "o"), ("node-6", "o"), ("node-1", "b"), ("node-5", "h")];
    story.write("replica-1", &map(), Some(settings(0, &joined)), version());
})]
#[case::a_file_without_a_record("L1 blast radius", |story: &mut Story| {
    story.edit(Some("replica-1"), &map(), version(), |map| map["data"]["node-1.toml"] = json!(OPTIMIZED));
})]
#[case::a_quota_beyond_the_percentage("L1 blast radius", |story: &mut Story| {
    story.wait(70);
    story.hear("node-0", true);
    story.transition("StageStarted", |status| {
        status["stage"] = second_stage();
        status["stage"]["quota"] = json!(3);
    });
})]
#[case::a_member_leaves_without_a_retreat("L2 monotone cohorts", |story: &mut Story| {
    story.write("replica-1", &map(), Some(settings(0, &[("node-0", "b"), ("node-1", "b"), ("node-5", "h")])), version());
})]
#[case::the_holdout_is_broken_early("L2 monotone cohorts", |story: &mut Story| {
    story.promote();
    story.write("replica-1", &map(), Some(settings(1, &[("node-0", "o"), ("node-1", "b"), ("node-5", "o")])), version());
})]
#[case::off_is_said_too_early("L3 abort deadline", |story: &mut Story| {
    story.transition("LimitBreached", |status| {
        status["run"]["abortedAt"] = json!("2026-01-01T00:01:00Z");
        status["conditions"][0] = condition("Aborted", true);
        status["retreat"] = json!({"reason": "LimitBreached", "message": "m", "decidedAt": "2026-01-01T00:01:00Z",
            "offAt": "2026-01-01T00:01:00Z"});
    });
})]
#[case::nobody_serves("L4 safe route", |story: &mut Story| {
    for number in 1..6 {
        story.edit(None, &key("Pod", &format!("node-{number}")), json!({}), |pod| {
            pod["status"]["conditions"][0]["status"] = json!("False");
        });
    }
    story.wait(10);
    let body = json!({"metadata": {"labels": {"optimization.qudag.io/serving": "false"}, "annotations": {
        "optimization.qudag.io/retreat": RUN}}});
    story.edit(Some("replica-1"), &key("Pod", "node-0"), body, |pod| {
        pod["metadata"]["labels"]["optimization.qudag.io/serving"] = json!("false");
    });
})]
#[case::the_rest_is_overloaded("L4 safe route", |story: &mut Story| {
    for number in 0..4 {
        let body = json!({"metadata": {"labels": {"optimization.qudag.io/serving": "false"}, "annotations": {
            "optimization.qudag.io/retreat": RUN}}});
        story.edit(Some("replica-1"), &key("Pod", &format!("node-{number}")), body, |pod| {
            pod["metadata"]["labels"]["optimization.qudag.io/serving"] = json!("false");
        });
    }
})]
#[case::switched_on_before_its_label("L4 safe route", |story: &mut Story| {
    story.promote();
    let more = [("node-0", "o"), ("node-1", "o"), ("node-5", "h")];
    story.write_part("replica-1", &map(), None, Some(settings(1, &more)), version());
})]
#[case::let_in_while_it_is_optimized("L4 safe route", |story: &mut Story| {
    story.hear("node-0", true);
    story.mark_pod("node-0");
    story.retreat();
    story.let_in("node-0");
})]
#[case::promoted_in_silence("L6 silence never promotes", |story: &mut Story| {
    story.hear("node-0", true);
    story.wait(70);
    story.transition("StageStarted", |status| status["stage"] = second_stage());
})]
#[case::promoted_without_acknowledgement("L6 silence never promotes", |story: &mut Story| {
    story.wait(70);
    story.hear("node-0", false);
    story.transition("StageStarted", |status| status["stage"] = second_stage());
})]
#[case::switched_on_twice("L7 idempotent retreat", |story: &mut Story| {
    // Somebody else's hand takes the record back, so that no other law is broken.
    let mut back = settings(-1, &[("node-0", "b"), ("node-1", "b"), ("node-5", "h")]);
    back["data"]["node-0.toml"] = json!(OPTIMIZED);
    story.cluster(&map(), Some(back));
    story.write("replica-1", &map(), Some(settings(0, &first())), version());
})]
#[case::switched_on_after_the_retreat("L8 aborted stays aborted", |story: &mut Story| {
    story.edit(None, &rollout(), json!({}), |rollout| {
        rollout["status"]["run"]["abortedAt"] = json!("2026-01-01T00:01:00Z");
    });
    story.wait(10);
    story.edit(None, &rollout(), json!({}), |rollout| rollout["status"]["stage"]["quota"] = json!(2));
    let more = [("node-0", "o"), ("node-1", "o"), ("node-5", "h")];
    story.cluster(&map(), Some(settings(-1, &first())));
    story.write("replica-1", &map(), Some(settings(0, &more)), version());
})]
#[case::the_same_run_again("L8 aborted stays aborted", |story: &mut Story| {
    story.retreat();
    story.transition("RunStarted", |status| {
        status["run"]["id"] = json!("plan-2");
        status["run"].as_object_mut().unwrap().remove("abortedAt");
        status["conditions"][0] = condition("Aborted", false);
        status.as_object_mut().unwrap().remove("retreat");
    });
    story.transition("RunStarted", |status| status["run"]["id"] = json!(RUN));
})]
#[case::an_override_is_undone("L10 off wins", |story: &mut Story| {
    story.edit(None, &map(), json!({}), |map| map["data"]["node-0.toml"] = json!(BASELINE));
    story.edit(Some("replica-1"), &map(), version(), |map| map["data"]["node-0.toml"] = json!(OPTIMIZED));
})]
#[case::a_foreign_label("L11 scope", |story: &mut Story| {
    let body = json!({"metadata": {"resourceVersion": "1"}});
    story.edit(Some("replica-1"), &key("Pod", "node-1"), body, |pod| pod["metadata"]["labels"]["app"] = json!("x"));
})]
#[case::a_foreign_map("L11 scope", |story: &mut Story| {
    story.cluster(&key("ConfigMap", "other"), Some(json!({"metadata": {"name": "other"}, "data": {"a": "1"}})));
    story.edit(Some("replica-1"), &key("ConfigMap", "other"), version(), |map| map["data"]["a"] = json!("2"));
})]
#[case::a_label_that_is_copied("L11 scope", |story: &mut Story| {
    let mut made = settings(0, &[]);
    made["metadata"]["name"] = json!("settings-1");
    made["metadata"]["labels"]["argocd.argoproj.io/instance"] = json!("fleet");
    story.write("replica-1", &key("ConfigMap", "settings-1"), Some(made), json!({}));
})]
#[case::a_kind_that_is_not_ours("L11 scope", |story: &mut Story| {
    let node = json!({"metadata": {"name": "n"}});
    story.write("replica-1", &key("Namespace", "n"), Some(node), version());
})]
#[case::released_before_it_is_restored("L12 deletion", |story: &mut Story| {
    story.edit(None, &rollout(), json!({}), |rollout| {
        rollout["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    });
    story.write("replica-1", &rollout(), None, version());
})]
#[case::switched_on_without_a_finalizer("L12 deletion", |story: &mut Story| {
    story.edit(None, &rollout(), json!({}), |rollout| {
        rollout["metadata"].as_object_mut().unwrap().remove("finalizers");
    });
    story.promote();
    let more = [("node-0", "o"), ("node-1", "o"), ("node-5", "h")];
    story.write("replica-1", &map(), Some(settings(1, &more)), version());
})]
#[case::a_write_in_the_calm("L13 convergence and quiet", |story: &mut Story| {
    story.edit(None, &rollout(), json!({}), |rollout| {
        rollout["status"]["run"]["settledAt"] = json!("2026-01-01T00:01:00Z");
    });
    story.laws.check(&Entry::Calm { at: story.at });
    story.edit(Some("replica-1"), &map(), version(), |map| {
        map["metadata"]["annotations"] = json!({"optimization.qudag.io/settled": "{}"});
    });
})]
#[case::a_run_without_an_end("L13 convergence and quiet", |story: &mut Story| {
    story.laws.check(&Entry::Calm { at: story.at });
})]
#[case::a_standby_goes_ahead("L14 one advances", |story: &mut Story| {
    let mut ahead = settings(1, &first());
    ahead["data"]["node-0.toml"] = json!(OPTIMIZED);
    story.write("replica-2", &map(), Some(ahead), version());
})]
#[case::a_standby_writes_blindly("L14 one advances", |story: &mut Story| {
    let body = json!({"metadata": {"labels": {"optimization.qudag.io/cohort": "optimized"}}});
    story.edit(Some("replica-2"), &key("Pod", "node-1"), body, |pod| {
        pod["metadata"]["labels"]["optimization.qudag.io/cohort"] = json!("optimized");
    });
})]
#[case::a_leader_writes_blindly("L14 one advances", |story: &mut Story| {
    let status = json!({"status": {}});
    story.write_part("replica-1", &rollout(), Some(Subresource::Status), Some(story.objects[&rollout()].clone()), status);
})]
#[case::a_stage_without_the_lease("L14 one advances", |story: &mut Story| {
    let lease = story.objects[&key("Lease", "optimization-operator")].clone();
    story.write("replica-1", &key("Lease", "optimization-operator"), Some(lease), version());
    story.promote();
})]
#[case::let_in_before_it_is_committed("L14 one advances", |story: &mut Story| {
    story.mark_pod("node-0");
    story.let_in("node-0");
})]
#[case::a_map_is_forgotten("L15 independence", |story: &mut Story| {
    let mark = json!({"metadata": {"annotations": {"optimization.qudag.io/retreat": RUN}}});
    story.edit(Some("replica-1"), &rollout(), mark.clone(), |rollout| {
        rollout["metadata"]["annotations"] = mark["metadata"]["annotations"].clone();
    });
    story.wait(10);
    story.hear("node-0", true);
})]
#[case::a_bake_is_cut_short("L16 clocks", |story: &mut Story| {
    story.wait(30);
    story.hear("node-0", true);
    story.transition("StageStarted", |status| status["stage"] = second_stage());
})]
#[case::a_transition_without_a_word("L17 evidence", |story: &mut Story| {
    story.wait(70);
    story.hear("node-0", true);
    story.status(|status| status["stage"] = second_stage());
})]
#[case::a_transition_without_an_event("L17 evidence", |story: &mut Story| {
    story.wait(70);
    story.hear("node-0", true);
    story.status(|status| {
        status["stage"] = second_stage();
        let told = json!({"time": "2026-01-01T00:00:00Z", "reason": "StageStarted", "message": "why"});
        status["history"].as_array_mut().unwrap().push(told);
    });
    story.wait(10);
    story.hear("node-0", true);
})]
#[case::an_event_that_is_not_true("L17 evidence", |story: &mut Story| {
    let event = json!({"metadata": {"name": "e"}, "reason": "StageStarted", "note": "all of them",
        "regarding": {"name": "pooling"}});
    story.write("replica-1", &key("Event", "untrue"), Some(event.clone()), event);
})]
#[case::a_secret_in_a_file("L18 secrets", |story: &mut Story| {
    story.edit(Some("replica-1"), &map(), json!({"metadata": {"resourceVersion": "1"}, "data": {"x": CANARY}}), |_| {});
})]
fn a_broken_law_is_named(#[case] law: &str, #[case] breaks: fn(&mut Story)) {
    let mut story = Story::new();
    breaks(&mut story);
    assert_eq!(story.broken(), [law], "{:#?}", story.laws.violations());
}

#[test]
fn a_pod_that_somebody_else_takes_out_after_the_end_stays_out() {
    let mut story = Story::new();
    story.edit(None, &map(), json!({}), |map| *map = settings(1, &[("node-1", "b")]));
    story.edit(None, &rollout(), json!({}), |rollout| {
        rollout["status"]["run"]["abortedAt"] = json!("2026-01-01T00:01:00Z");
        rollout["status"]["retreat"] = json!({"reason": "AbortRequested", "message": "", "decidedAt":
            "2026-01-01T00:01:00Z", "acknowledgedAt": "2026-01-01T00:01:00Z"});
    });
    let set = |serving: &'static str| {
        move |pod: &mut Value| {
            pod["metadata"]["labels"][COHORT] = json!("baseline");
            pod["metadata"]["labels"][SERVING] = json!(serving);
        }
    };
    story.edit(None, &key("Pod", "node-0"), json!({}), set("true"));
    story.edit(None, &key("Pod", "node-0"), json!({}), set("false"));
    story.laws.check(&Entry::Calm { at: story.at });
    assert!(!story.broken().contains(&"L13 convergence and quiet"), "{:#?}", story.laws.violations());
}

#[test]
fn a_map_that_was_tried_right_before_the_first_mark_was_tried() {
    let mut story = Story::new();
    let mark = json!({"metadata": {"annotations": {"optimization.qudag.io/retreat": RUN}}});
    story.refused("replica-1", &map(), mark.clone());
    story.edit(Some("replica-1"), &rollout(), mark.clone(), |rollout| {
        rollout["metadata"]["annotations"] = mark["metadata"]["annotations"].clone();
    });
    story.wait(10);
    story.hear("node-0", true);
    assert!(!story.broken().contains(&"L15 independence"), "{:#?}", story.laws.violations());
}

#[rstest]
#[case::in_time(8, None, false)]
#[case::much_too_late(30, None, true)]
#[case::held_up_on_its_way(30, Some(0), false)]
#[case::some_time_after_it_was_held_up(30, Some(1), true)]
fn a_commit_may_arrive_late(#[case] seconds: u64, #[case] released: Option<u64>, #[case] breaks: bool) {
    let mut story = Story::new();
    story.wait(70);
    story.hear("node-0", true);
    let lease = key("Lease", "optimization-operator");
    let held = story.objects[&lease].clone();
    story.write("replica-1", &lease, Some(held), version());
    story.wait(seconds);
    story.hear("node-0", true);
    if let Some(ago) = released {
        let (user, what) = ("replica-1".to_owned(), GOES_ON.to_owned());
        let at = story.at - Duration::from_secs(ago);
        story.laws.check(&Entry::Fault { at, user, key: None, what });
    }
    story.transition("StageStarted", |status| status["stage"] = second_stage());
    assert_eq!(story.broken().contains(&"L14 one advances"), breaks, "{:#?}", story.laws.violations());
}

#[rstest]
#[case::a_retreat(true, false)]
#[case::a_stage(false, true)]
fn only_a_retreat_may_be_decided_by_the_spec_of_a_moment_ago(#[case] retreats: bool, #[case] breaks: bool) {
    let mut story = Story::new();
    story.edit(None, &rollout(), json!({}), |rollout| rollout["metadata"]["generation"] = json!(2));
    if retreats {
        story.retreat();
    } else {
        story.promote();
    }
    assert_eq!(story.broken().contains(&"L17 evidence"), breaks, "{:#?}", story.laws.violations());
}
