//! A rollout, a fleet and time, without a cluster: each plan is carried out at once, and members do as they are told.

use std::{fmt::Write, time::Duration};

use api::{OptimizationRollout, names};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::{Value, json};

use crate::{
    decide::decide,
    needs::needs,
    observation::{Measurements, Member, Observation, Pod, Report, Service, Shard},
    record::Record,
};

mod execution;
mod telling;

/// The play.
pub struct Play {
    pub rollout: OptimizationRollout,
    pub seen: Observation,
    /// Members that say nothing of what they run.
    pub deaf: Vec<String>,
    /// Whether looks are good.
    pub healthy: bool,
    began: Timestamp,
    told: String,
    last: String,
    versions: usize,
}

impl Play {
    /// A fleet of so many members in two zones, behind one Service.
    pub fn new(members: usize, edit: impl FnOnce(&mut Value)) -> Self {
        let mut rollout = json!({
            "apiVersion": "optimization.qudag.io/v1alpha1", "kind": "OptimizationRollout",
            "metadata": {"name": "pooling", "namespace": "qudag", "uid": "1", "generation": 1},
            "spec": {
                "fleet": {
                    "selector": {"matchLabels": {"app": "x"}},
                    "config": {"rendered": {"name": "settings", "key": "{member}.toml"}},
                    "acknowledgement": {"metric": "enabled"},
                },
                "optimizations": [{"name": "pool", "settings": [
                    {"path": "pool.enabled", "optimized": true, "baseline": false},
                ]}],
                "stages": [
                    {"name": "canary", "percent": 20, "bake": "5s"}, {"name": "full", "percent": 100, "bake": "5s"},
                ],
                "holdoutPercent": 25,
                "metrics": {"interval": "1s", "source": {"pods": {"port": "metrics"}}},
                "traffic": {"services": [{"name": "front"}]},
                "watchAfter": "5s",
            },
        });
        edit(&mut rollout["spec"]);
        let rollout: OptimizationRollout = serde_json::from_value(rollout).unwrap();
        let now: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let selector = [(names::SERVING_LABEL.to_owned(), "true".to_owned())].into();
        let service = Service { name: "front".to_owned(), selector, ..Service::default() };
        let seen = Observation { now, services: vec![service], report_due: true, ..Observation::default() };
        let mut play = Self {
            rollout,
            seen,
            deaf: Vec::new(),
            healthy: true,
            began: now,
            told: String::new(),
            last: String::new(),
            versions: 0,
        };
        (0..members).for_each(|number| play.join(number));
        play
    }

    /// One more member.
    pub fn join(&mut self, number: usize) {
        let name = format!("node-{number}");
        let pod = Pod {
            name: name.clone(),
            uid: format!("uid-{number}"),
            ip: Some(format!("10.0.0.{number}")),
            metrics_port: Some(9090),
            ready: true,
            cohort: Some(names::cohort::BASELINE.to_owned()),
            serving: Some("true".to_owned()),
            mounts_config: true,
            controller: "StatefulSet".to_owned(),
            created: self.seen.now,
            ..Pod::default()
        };
        self.seen.members.push(Member { name, zone: format!("zone-{}", number % 2), unfit: None, pod });
    }

    /// Each member with a ConfigMap of its own, whose file says this.
    pub fn own_files(&mut self, file: &str) {
        self.seen.shards = (0..self.seen.members.len())
            .map(|number| Shard {
                name: format!("node-{number}-config"),
                resource_version: "1".to_owned(),
                record: Record::parse(None).unwrap(),
                files: [(format!("node-{number}"), file.to_owned())].into(),
                ..Shard::default()
            })
            .collect();
    }

    /// What has been told so far.
    pub fn story(&self) -> &str {
        &self.told
    }

    /// Somebody edits the spec.
    pub fn edit(&mut self, what: &str, edit: impl FnOnce(&mut api::OptimizationRolloutSpec)) {
        self.tell(&format!("-- {what}"));
        edit(&mut self.rollout.spec);
        self.rollout.metadata.generation = self.rollout.metadata.generation.map(|generation| generation + 1);
    }

    /// Something happens to the fleet or to what is measured.
    pub fn happen(&mut self, what: &str, happen: impl FnOnce(&mut Self)) {
        self.tell(&format!("-- {what}"));
        happen(self);
    }

    /// Somebody deletes the rollout.
    pub fn delete(&mut self) {
        self.tell("-- it is deleted");
        self.rollout.metadata.deletion_timestamp = Some(Time(self.seen.now));
    }

    /// So many seconds pass, with four looks and passes in each.
    pub fn pass(&mut self, seconds: u32) {
        for _ in 0..seconds * 4 {
            self.look();
            let plan = decide(&self.rollout, &self.seen);
            self.tell_of(&plan);
            self.execute(plan);
            self.seen.now += Duration::from_millis(250);
        }
    }

    fn tell(&mut self, line: &str) {
        let at = self.seen.now.duration_since(self.began).as_millis();
        writeln!(self.told, "{:>6}.{:02} {line}", at / 1000, at % 1000 / 10).unwrap();
    }

    /// One look at what each member runs, and at the load.
    fn look(&mut self) {
        let Some(sampling) = needs(&self.rollout, &self.seen) else {
            self.seen.measurements = None;
            return;
        };
        let old = self.seen.measurements.take().filter(|old| old.run == sampling.run);
        let mut new = Measurements { run: sampling.run, bake: sampling.bake, ..Measurements::default() };
        let same = old.as_ref().filter(|old| old.bake == new.bake);
        new.covered = same.map_or(sampling.covered, |old| old.covered);
        new.passing = self.healthy && sampling.counting;
        if new.passing && same.is_some() {
            new.covered += Duration::from_millis(250);
        }
        new.silent_for = match &old {
            Some(old) if !self.healthy => old.silent_for + Duration::from_millis(250),
            _ => Duration::ZERO,
        };
        new.breach = old.and_then(|old| old.breach);
        for target in sampling.targets.iter().filter(|target| !self.deaf.contains(&target.member)) {
            let file = self.seen.shards.iter().find_map(|shard| shard.files.get(&target.member));
            let on = file.is_some_and(|file| file.contains("enabled = true"));
            let enabled = [("pool".to_owned(), on)].into();
            let report = Report { pod: target.pod.clone(), at: self.seen.now, enabled, revision: None };
            new.reports.insert(target.member.clone(), report);
        }
        self.seen.measurements = Some(new);
    }
}
