//! For tests: a run in its first stage, and what is seen of it.

use std::collections::BTreeMap;

use api::{
    OptimizationRollout,
    fleet::{Base, Config, Delivery},
    reason::Reason,
    status::{Retreat, Run},
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::{Value, json};

use crate::{
    decide::decide,
    observation::{Locked, Member, Observation, Pod, Problem, Shard},
    plan::{Advance, ShardWrite},
    record::Record,
};

/// A rollout with one stage, and the members that it is seen with.
pub struct Fixture {
    pub rollout: OptimizationRollout,
    pub seen: Observation,
}

/// Makes the files of a fleet from a base.
pub fn based(config: &mut Config) {
    if let Delivery::Rendered(rendered) = &mut config.delivery {
        rendered.base = Some(Base { name: "node-base".to_owned(), key: "base.toml".to_owned() });
    }
}

/// What a rendered file says.
pub const BASELINE: &str = "pool.enabled = false\n";
pub const OPTIMIZED: &str = "pool.enabled = true\n";

impl Fixture {
    /// Members `node-0` and so on, of these cohorts, in a stage of this percent that is written.
    pub fn new(cohorts: &str, percent: i32) -> Self {
        let optimized = cohorts.matches(['o', 'r']).count();
        let holdout = cohorts.matches('h').count();
        let mut rollout: OptimizationRollout = serde_json::from_value(json!({
            "apiVersion": "optimization.qudag.io/v1alpha1", "kind": "OptimizationRollout",
            "metadata": {"name": "pooling", "namespace": "qudag", "uid": "1", "finalizers": [api::names::FINALIZER]},
            "spec": {
                "fleet": {
                    "selector": {"matchLabels": {"app": "x"}},
                    "config": {"rendered": {"name": "settings", "key": "{member}.toml"}},
                },
                "optimizations": [
                    {"name": "pool", "settings": [{"path": "pool.enabled", "optimized": true, "baseline": false}]},
                ],
                "stages": [{"name": "half", "percent": percent, "bake": "1m"}],
                "holdoutPercent": 0,
            },
        }))
        .unwrap();
        let at = "2026-01-01T00:00:00Z";
        let plan = crate::run::plan_id(&rollout);
        let id = crate::run::run_id(&plan, 1);
        rollout.status = Some(
            serde_json::from_value(json!({
                "run": {
                    "id": id, "plan": plan, "attempt": 1, "seed": "seed", "eligible": cohorts.len(), "holdout": holdout,
                    "startedAt": at,
                },
                "stage": {
                    "index": 0, "name": "half", "percent": percent, "quota": optimized, "startedAt": at,
                    "judgedBy": crate::run::judged_by(&rollout),
                },
            }))
            .unwrap(),
        );
        let names: Vec<String> = (0..cohorts.len()).map(|index| format!("node-{index}")).collect();
        let entries: serde_json::Map<String, Value> = names
            .iter()
            .zip(cohorts.chars())
            .filter(|(_, cohort)| *cohort != '-')
            .map(|(name, cohort)| (name.clone(), json!({"c": cohort.to_string(), "s": 0, "u": name})))
            .collect();
        let record = json!({"run": id, "stage": 0, "members": entries});
        let file = |cohort| if cohort == 'o' { OPTIMIZED } else { BASELINE }.to_owned();
        let files = names.iter().zip(cohorts.chars()).map(|(name, cohort)| (name.clone(), file(cohort)));
        let shard = Shard {
            name: "settings".to_owned(),
            record: serde_json::from_value(record).unwrap(),
            files: files.collect(),
            ..Shard::default()
        };
        let member = |(name, cohort): (&String, char)| Member {
            name: name.clone(),
            zone: String::new(),
            unfit: None,
            pod: Pod {
                name: name.clone(),
                uid: name.clone(),
                ready: true,
                mounts_config: true,
                controller: "StatefulSet".to_owned(),
                cohort: Some(if matches!(cohort, 'o' | 'r') { "optimized" } else { "baseline" }.to_owned()),
                ..Pod::default()
            },
        };
        let members = names.iter().zip(cohorts.chars()).map(member).collect();
        let seen = Observation { now: at.parse().unwrap(), members, shards: vec![shard], ..Observation::default() };
        Self { rollout, seen }
    }

    /// The run, as the status has it.
    pub fn run(&mut self) -> &mut Run {
        self.rollout.status.as_mut().unwrap().run.as_mut().unwrap()
    }

    /// Somebody has aborted the run, and its settings are back in the API or not.
    pub fn take_back(&mut self, at: Time, is_off: bool) {
        self.run().aborted_at = Some(at.clone());
        self.rollout.status.as_mut().unwrap().retreat = Some(Retreat {
            reason: Reason::AbortRequested,
            message: "ticket 42".to_owned(),
            decided_at: at.clone(),
            rerouted_at: None,
            off_at: is_off.then_some(at),
            acknowledged_at: None,
        });
    }

    /// The run is that of the plan as it was edited.
    pub fn replan(&mut self) {
        let plan = crate::run::plan_id(&self.rollout);
        let id = crate::run::run_id(&plan, 1);
        self.seen.shards[0].record.run.clone_from(&id);
        let run = self.run();
        (run.id, run.plan) = (id, plan);
    }

    /// Members have ConfigMaps of their own.
    pub fn patch(&mut self) {
        self.rollout.spec.fleet.config =
            serde_json::from_value(json!({"patched": {"name": "{member}-config", "key": "node.toml"}})).unwrap();
        self.replan();
        let all = self.seen.shards.remove(0);
        for (member, file) in all.files {
            let members =
                all.record.members.get(&member).map(|entry| (member.clone(), entry.clone())).into_iter().collect();
            let (name, files) = (format!("{member}-config"), [(member, file)].into());
            let record = Record { members, ..all.record.clone() };
            self.seen.shards.push(Shard { name, record, files, ..Shard::default() });
        }
    }

    /// A ConfigMap may not be written any more.
    pub fn lock(&mut self, name: &str, reason: Reason) {
        let (shard, problem) = self.lose(name, Problem::new(reason, format!("ConfigMap {name} is locked")));
        self.seen.locked.push(Locked { shard, problem });
    }

    /// What a ConfigMap records cannot be read any more.
    pub fn garble(&mut self, name: &str) {
        let problem = Problem::new(Reason::ConfigUnreadable, format!("ConfigMap {name} is broken"));
        self.seen.unread = Some(self.lose(name, problem).1);
    }

    fn lose(&mut self, name: &str, problem: Problem) -> (Shard, Problem) {
        let found = self.seen.shards.iter().position(|shard| shard.name == name).unwrap();
        let own = self.seen.members.iter_mut().find(|member| format!("{}-config", member.name) == name);
        match own {
            Some(member) => member.unfit = Some(problem.clone()),
            None => self.seen.problems.push(problem.clone()),
        }
        (self.seen.shards.remove(found), problem)
    }

    /// The stage gets another percent, and the status follows.
    pub fn edit(&mut self, percent: i32) {
        self.rollout.spec.stages[0].percent = percent;
        self.rollout.status = Some(decide(&self.rollout, &self.seen).status);
    }

    /// One decision, as if it were executed: its write to the ConfigMap, if it has one.
    pub fn pass(&mut self) -> Option<ShardWrite> {
        let plan = decide(&self.rollout, &self.seen);
        self.rollout.status = Some(plan.status);
        for advance in &plan.advance {
            if let Advance::LabelPod { pod, cohort, .. } = advance {
                let member = self.seen.members.iter_mut().find(|member| member.pod.uid == pod.uid).unwrap();
                member.pod.cohort = Some((*cohort).to_owned());
            }
        }
        let write = plan.advance.into_iter().find_map(|advance| match advance {
            Advance::WriteShard(write) => Some(write),
            _ => None,
        })?;
        let shard = &mut self.seen.shards[0];
        for (key, file) in &write.data {
            match (key.strip_suffix(".toml"), file) {
                (Some(member), Some(file)) => drop(shard.files.insert(member.to_owned(), file.clone())),
                (Some(member), None) => drop(shard.files.remove(member)),
                (None, text) => shard.record = Record::parse(text.as_deref()).unwrap(),
            }
        }
        Some(write)
    }

    /// The members' cohorts as they are recorded, in the form that [`Self::new`] takes.
    pub fn cohorts(&self) -> String {
        let entries: BTreeMap<String, String> = self.seen.shards[0]
            .record
            .members
            .iter()
            .map(|(name, entry)| (name.clone(), json!(entry.cohort).as_str().unwrap().to_owned()))
            .collect();
        let names = self.seen.shards[0].files.keys();
        names.map(|name| entries.get(name).map_or("-", String::as_str)).collect()
    }
}
