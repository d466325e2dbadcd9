//! Carrying a plan out, as the writer and a cluster without troubles would.

use std::collections::BTreeMap;

use api::names;

use super::Play;
use crate::{
    mark::Mark,
    observation::{Pod, Shard},
    plan::{Advance, Plan, PodTarget, ShardWrite, TouchPod, Withdraw},
    record::Record,
};

impl Play {
    fn version(&mut self) -> String {
        self.versions += 1;
        self.versions.to_string()
    }

    pub(super) fn execute(&mut self, plan: Plan) {
        for withdraw in plan.withdraw {
            match withdraw {
                Withdraw::MarkRollout(mark) => {
                    let annotations = self.rollout.metadata.annotations.get_or_insert_default();
                    annotations.insert(names::RETREAT_ANNOTATION.to_owned(), mark.run.clone());
                    annotations.insert(names::RETREAT_REASON_ANNOTATION.to_owned(), mark.cause_text());
                }
                Withdraw::RerouteService { service, mark } => {
                    let found = self.seen.services.iter_mut().find(|one| one.name == service).unwrap();
                    let baseline = names::cohort::BASELINE.to_owned();
                    found.selector.insert(names::COHORT_LABEL.to_owned(), baseline);
                    found.mark = Some(mark);
                }
                Withdraw::StopServing { pod, mark } => {
                    let pod = self.pod(&pod);
                    (pod.serving, pod.mark) = (Some("false".to_owned()), Some(mark));
                }
                Withdraw::Restore(restoration) => {
                    let shard = self.seen.shards.iter().find(|shard| shard.name == restoration.seen.name).unwrap();
                    let write = restoration.write(shard).unwrap();
                    self.write(write);
                }
                Withdraw::Touch(touch) => self.touch(touch),
                Withdraw::Evict(pod) => self.evict(&pod),
            }
        }
        self.rollout.status = Some(plan.status);
        for advance in plan.advance {
            match advance {
                Advance::Confirm | Advance::ConfirmAlone => {}
                Advance::HoldFinalizer => self.rollout.metadata.finalizers = Some(vec![names::FINALIZER.to_owned()]),
                Advance::ReleaseFinalizer => self.rollout.metadata.finalizers = None,
                Advance::LabelPod { pod, cohort, serving, .. } => {
                    let pod = self.pod(&pod);
                    pod.cohort = Some(cohort.to_owned());
                    if let Some(serving) = serving {
                        (pod.serving, pod.mark) = (Some(serving.to_string()), None);
                    }
                }
                Advance::WriteShard(write) => self.write(write),
                Advance::Touch(touch) => self.touch(touch),
                Advance::Evict(pod) => self.evict(&pod),
                Advance::WidenService { service, .. } => {
                    let found = self.seen.services.iter_mut().find(|one| one.name == service).unwrap();
                    found.selector.remove(names::COHORT_LABEL);
                    found.mark = None;
                }
            }
        }
        self.route();
    }

    /// Services lead to the pods that they select.
    fn route(&mut self) {
        for service in &mut self.seen.services {
            let narrowed = service.selector.get(names::COHORT_LABEL);
            let pods = self.seen.members.iter().map(|member| &member.pod);
            let serving = pods.filter(|pod| pod.ready && pod.serving.as_deref() == Some("true"));
            let selected = serving.filter(|pod| narrowed.is_none() || pod.cohort.as_ref() == narrowed);
            service.endpoints = selected.map(|pod| pod.name.clone()).collect();
        }
    }

    fn pod(&mut self, target: &PodTarget) -> &mut Pod {
        &mut self.seen.members.iter_mut().find(|member| member.pod.uid == target.uid).unwrap().pod
    }

    fn touch(&mut self, touch: TouchPod) {
        self.pod(&touch.pod).touched = Some(touch.touch);
    }

    fn evict(&mut self, target: &PodTarget) {
        let (now, version) = (self.seen.now, self.version());
        let pod = self.pod(target);
        pod.uid = format!("{}-{version}", pod.name);
        pod.created = now;
        (pod.cohort, pod.serving) = (Some(names::cohort::BASELINE.to_owned()), Some("true".to_owned()));
        (pod.mark, pod.touched) = (None, None);
    }

    fn write(&mut self, write: ShardWrite) {
        let version = self.version();
        let patched = self.rollout.spec.fleet.config.base().is_none()
            && matches!(self.rollout.spec.fleet.config.delivery, api::fleet::Delivery::Patched(_));
        if write.resource_version.is_none() {
            self.seen.shards.push(Shard { name: write.name.clone(), ..Shard::default() });
        }
        let shard = self.seen.shards.iter_mut().find(|shard| shard.name == write.name).unwrap();
        assert!(write.resource_version.is_none_or(|seen| seen == shard.resource_version), "a write on an old version");
        shard.resource_version = version;
        for (key, text) in write.data {
            match key.as_str() {
                names::MEMBERS_KEY => shard.record = Record::parse(text.as_deref()).unwrap(),
                names::BASE_KEY => shard.base = text,
                _ => {
                    let member = if patched {
                        shard.files.keys().next().cloned().unwrap()
                    } else {
                        key.strip_suffix(".toml").unwrap().to_owned()
                    };
                    match text {
                        Some(text) => shard.files.insert(member, text),
                        None => shard.files.remove(&member),
                    };
                }
            }
        }
        if let Some(name) = write.labels.get(names::ROLLOUT_LABEL) {
            shard.rollout = Some(name.clone());
        }
        let mut marks: BTreeMap<&str, Option<String>> = BTreeMap::new();
        for (key, text) in &write.annotations {
            let parsed = text.as_deref();
            match key.as_str() {
                names::RECORD_ANNOTATION => shard.record = Record::parse(parsed).unwrap(),
                names::SETTLED_ANNOTATION => {
                    shard.settled = parsed.map_or_else(Default::default, |text| serde_json::from_str(text).unwrap());
                }
                names::SETTLED_BY_ANNOTATION => {
                    shard.owners = parsed.map_or_else(Default::default, |text| serde_json::from_str(text).unwrap());
                }
                names::INVERSE_ANNOTATION => {
                    shard.inverse = parsed.map(|text| serde_json::from_str(text).unwrap());
                }
                other => drop(marks.insert(other, text.clone())),
            }
        }
        if let Some(run) = marks.get(names::RETREAT_ANNOTATION) {
            let cause = marks.get(names::RETREAT_REASON_ANNOTATION).cloned().flatten();
            shard.mark = Mark::parse(run.as_deref(), cause.as_deref());
        }
    }
}
