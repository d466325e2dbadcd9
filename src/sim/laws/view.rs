//! What the history says at one point of it, in the terms of the laws.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use api::OptimizationRollout;
use api::names::{MEMBER_ANNOTATION, ROLLOUT_LABEL};
use domain::record::Cohort;
use serde_json::Value;
use tokio::time::Instant;

use super::answers::Answers;
use super::map::{Map, added, files, switches};
use crate::history::{Entry, GOES_ON, HELD, Write};
use crate::kind::Key;
use crate::object::{is_being_deleted, labels, text, texts};

/// A run, as what was written tells of it.
#[derive(Clone, Debug)]
pub(super) struct Run {
    pub(super) rollout: Key,
    /// Index and quota of the stage that was committed last.
    pub(super) stage: i32,
    pub(super) quota: i32,
    /// When the first object got its mark, or the status said so; and who wrote it.
    pub(super) aborted: Option<(Instant, String)>,
    pub(super) settling: bool,
    pub(super) settled: bool,
    /// The largest number of pods that the fleet has had since it started.
    pub(super) largest: usize,
    /// Names of the optimizations that it switches.
    pub(super) switches: Vec<String>,
}

/// Everything that is there.
pub(super) struct View {
    account: String,
    objects: BTreeMap<Key, Arc<Value>>,
    rollouts: BTreeMap<Key, OptimizationRollout>,
    maps: BTreeMap<Key, Map>,
    runs: BTreeMap<String, Run>,
    /// The ConfigMap that the last entry changed, before and after.
    map: Option<(Map, Map)>,
    /// The same of a rollout's status, where it was a write of the operator.
    status: Option<(OptimizationRollout, OptimizationRollout)>,
    /// Since when pods are not ready, by their keys.
    pub(super) unready: BTreeMap<Key, Instant>,
    /// When requests of each user that were held up on their way were last let go on.
    released: BTreeMap<String, Instant>,
    answers: Answers,
    /// Files that somebody else has written to since the operator did, and when, by ConfigMap.
    edited: BTreeMap<Key, BTreeMap<String, Instant>>,
    /// Files that somebody else has ever changed.
    changed: BTreeSet<(Key, String)>,
    /// What a file said when its member was switched on.
    given: BTreeMap<(Key, String), String>,
    /// Members that a run has ever switched on, with its id.
    switched: BTreeSet<(String, String)>,
}

impl View {
    pub(super) fn new(account: &str) -> Self {
        Self {
            account: account.to_owned(),
            objects: BTreeMap::new(),
            rollouts: BTreeMap::new(),
            maps: BTreeMap::new(),
            runs: BTreeMap::new(),
            map: None,
            status: None,
            unready: BTreeMap::new(),
            released: BTreeMap::new(),
            answers: Answers::default(),
            edited: BTreeMap::new(),
            changed: BTreeSet::new(),
            given: BTreeMap::new(),
            switched: BTreeSet::new(),
        }
    }

    /// What members said.
    pub(super) fn answers(&self) -> &Answers {
        &self.answers
    }

    /// When somebody else last wrote to a file, if the operator has not done so since.
    pub(super) fn edited(&self, map: &Key, file: &str) -> Option<Instant> {
        self.edited.get(map)?.get(file).copied()
    }

    /// Whether somebody else has ever changed a file: what it said before a run is not what it said at first.
    pub(super) fn is_changed(&self, map: &Key, file: &str) -> bool {
        self.changed.contains(&(map.clone(), file.to_owned()))
    }

    /// What a file said when its member was last switched on.
    pub(super) fn given(&self, map: &Key, file: &str) -> Option<&String> {
        self.given.get(&(map.clone(), file.to_owned()))
    }

    /// Whether a run has ever switched a member on.
    pub(super) fn was_switched(&self, run: &str, member: &str) -> bool {
        self.switched.contains(&(run.to_owned(), member.to_owned()))
    }

    /// The write, if it is one of the operator, accepted or not.
    pub(super) fn sent<'e>(&self, entry: &'e Entry) -> Option<&'e Write> {
        match entry {
            Entry::Write(write) if write.user.starts_with(&self.account) => Some(write),
            _ => None,
        }
    }

    /// The write, if it is an accepted one of the operator.
    pub(super) fn ours<'e>(&self, entry: &'e Entry) -> Option<&'e Write> {
        self.sent(entry).filter(|write| write.is_accepted())
    }

    /// Whether a write may have been sent long before it arrived, and held up on its way.
    pub(super) fn was_held(&self, write: &Write) -> bool {
        self.released.get(&write.user).is_some_and(|at| write.at.duration_since(*at) < HELD)
    }

    /// The ConfigMap that this entry, an accepted write of the operator, changed: before and after.
    pub(super) fn map_write<'v>(&'v self, entry: &'v Entry) -> Option<(&'v Write, &'v Map, &'v Map)> {
        let (before, after) = self.map.as_ref()?;
        Some((self.ours(entry)?, before, after))
    }

    /// The rollout whose status this entry, an accepted write of the operator, changed: before and after.
    pub(super) fn status_write<'v>(
        &'v self,
        entry: &'v Entry,
    ) -> Option<(&'v Write, &'v OptimizationRollout, &'v OptimizationRollout)> {
        let (before, after) = self.status.as_ref()?;
        Some((self.ours(entry)?, before, after))
    }

    pub(super) fn object(&self, key: &Key) -> Option<&Value> {
        self.objects.get(key).map(Arc::as_ref)
    }

    /// The Lease of this name.
    pub(super) fn lease(&self, name: &str) -> Option<&Value> {
        let mut leases = self.objects.iter().filter(|(key, _)| key.plural == "leases" && key.name == name);
        leases.next().map(|(_, lease)| lease.as_ref())
    }

    /// Objects of a kind in a namespace.
    pub(super) fn objects<'v>(
        &'v self,
        plural: &'v str,
        namespace: &'v str,
    ) -> impl Iterator<Item = (&'v Key, &'v Value)> {
        let is_one = move |key: &Key| key.plural == plural && key.namespace == namespace;
        self.objects.iter().filter(move |(key, _)| is_one(key)).map(|(key, object)| (key, object.as_ref()))
    }

    pub(super) fn rollout(&self, key: &Key) -> Option<&OptimizationRollout> {
        self.rollouts.get(key)
    }

    pub(super) fn rollouts(&self) -> impl Iterator<Item = (&Key, &OptimizationRollout)> {
        self.rollouts.iter()
    }

    pub(super) fn run(&self, id: &str) -> Option<&Run> {
        self.runs.get(id)
    }

    /// The rollout of a run, while it is there.
    pub(super) fn rollout_of(&self, run: &str) -> Option<&OptimizationRollout> {
        self.rollout(&self.run(run)?.rollout)
    }

    /// All ConfigMaps.
    pub(super) fn maps(&self) -> impl Iterator<Item = (&Key, &Map)> {
        self.maps.iter()
    }

    /// ConfigMaps with a record of a run.
    pub(super) fn maps_of<'v>(&'v self, run: &'v str) -> impl Iterator<Item = (&'v Key, &'v Map)> {
        self.maps.iter().filter(move |(_, map)| map.record.run == run)
    }

    /// ConfigMaps that bring a rollout's settings to its members.
    pub(super) fn maps_for<'v>(&'v self, rollout: &'v OptimizationRollout) -> impl Iterator<Item = (&'v Key, &'v Map)> {
        let namespace = rollout.metadata.namespace.as_deref().unwrap_or_default();
        let brings = move |key: &Key, map: &Map| !files(rollout, key, map.files.keys()).is_empty();
        self.maps.iter().filter(move |(key, map)| key.namespace == namespace && brings(key, map))
    }

    /// Whether a ConfigMap may not be written: its owner does not allow it, or it is immutable.
    pub(super) fn is_locked(&self, map: &Key) -> bool {
        let Some(object) = self.object(map) else { return false };
        let is_ours = labels(object).contains_key(ROLLOUT_LABEL);
        let is_allowed = is_ours || texts(object, "/metadata/annotations").contains_key(MEMBER_ANNOTATION);
        !is_allowed || object.get("immutable") == Some(&Value::Bool(true))
    }

    /// How many members a run has in a cohort.
    pub(super) fn count(&self, run: &str, cohort: Cohort) -> usize {
        self.maps_of(run).map(|(_, map)| map.members(cohort).count()).sum()
    }

    /// The pods of a rollout's fleet.
    pub(super) fn fleet<'v>(&'v self, rollout: &'v OptimizationRollout) -> impl Iterator<Item = (&'v Key, &'v Value)> {
        let wanted = rollout.spec.fleet.selector.match_labels.clone().unwrap_or_default();
        let namespace = rollout.metadata.namespace.as_deref().unwrap_or_default();
        let matches = move |pod: &Value| {
            let labels = labels(pod);
            wanted.iter().all(|(key, value)| labels.get(key) == Some(value))
        };
        self.objects("pods", namespace).filter(move |(_, pod)| matches(pod))
    }

    /// Whether a pod said last that any optimization is on that the run of a rollout switches, or the rollout where it has
    /// none: an edit of the list takes back what was switched before.
    pub(super) fn enables_any(&self, pod: &Value, rollout: &OptimizationRollout) -> bool {
        let run = rollout.status.as_ref().and_then(|status| self.run(&status.run.as_ref()?.id));
        let is_on = |name: &String| self.answers.enabled(pod).contains(name);
        run.map_or_else(|| switches(rollout).any(is_on), |run| run.switches.iter().any(is_on))
    }

    /// Takes in what happened.
    pub(super) fn apply(&mut self, entry: &Entry) {
        (self.map, self.status) = (None, None);
        self.answers.apply(entry);
        if let Entry::Fault { at, user, what, .. } = entry
            && what == GOES_ON
        {
            self.released.insert(user.clone(), *at);
        }
        let Some((key, before, after)) = entry.change() else { return };
        let mark = after.map(|object| text(object, "/metadata/annotations/optimization.qudag.io~1retreat"));
        if let Some(run) = mark.and_then(|mark| self.runs.get_mut(mark)) {
            run.aborted.get_or_insert_with(|| (entry.at(), writer(entry)));
        }
        match after {
            Some(object) => self.objects.insert(key.clone(), object.clone()),
            None => self.objects.remove(key),
        };
        let ours = self.ours(entry).is_some();
        match key.plural.as_str() {
            "optimizationrollouts" => {
                let before = self.rollouts.get(key).cloned();
                self.apply_rollout(key, after.map(Arc::as_ref), entry);
                let after = self.rollouts.get(key).cloned().filter(|_| ours);
                self.status = before.zip(after).filter(|(before, after)| before.status != after.status);
            }
            "configmaps" => {
                let before = match after {
                    Some(object) => self.maps.insert(key.clone(), Map::read(object)),
                    None => self.maps.remove(key),
                };
                let after = self.maps.get(key).cloned();
                if let (Some(before), Some(after)) = (&before, &after) {
                    self.apply_files(key, before, after, entry);
                }
                self.map = after.map(|after| (before.unwrap_or_default(), after));
                // The first members of a run are switched on by a ConfigMap that is new.
                if let Some((before, after)) = &self.map {
                    let switched = added(before, after).into_iter();
                    self.switched.extend(switched.map(|member| (after.record.run.clone(), member)));
                }
            }
            "pods" => self.apply_pod(key, before.is_none(), after.map(Arc::as_ref), entry.at()),
            _ => {}
        }
    }

    fn apply_files(&mut self, key: &Key, before: &Map, after: &Map, entry: &Entry) {
        let ours = self.ours(entry).is_some();
        let switches = !added(before, after).is_empty();
        let edited = self.edited.entry(key.clone()).or_default();
        for (file, _) in after.files.iter().filter(|(file, text)| before.files.get(*file) != Some(*text)) {
            if ours {
                edited.remove(file);
                if switches {
                    self.given.insert((key.clone(), file.clone()), before.files.get(file).cloned().unwrap_or_default());
                }
                continue;
            }
            edited.insert(file.clone(), entry.at());
            if before.files.contains_key(file) {
                self.changed.insert((key.clone(), file.clone()));
            }
        }
    }

    fn apply_rollout(&mut self, key: &Key, after: Option<&Value>, entry: &Entry) {
        let rollout = after.and_then(|object| serde_json::from_value::<OptimizationRollout>(object.clone()).ok());
        let Some(rollout) = rollout else {
            self.rollouts.remove(key);
            return;
        };
        if let Some((run, stage)) =
            rollout.status.as_ref().and_then(|status| Some((status.run.as_ref()?, &status.stage)))
        {
            let largest = self.fleet(&rollout).count();
            let known = self.runs.entry(run.id.clone()).or_insert_with(|| Run {
                rollout: key.clone(),
                stage: -1,
                quota: 0,
                aborted: None,
                settling: false,
                settled: false,
                largest,
                switches: switches(&rollout).cloned().collect(),
            });
            if let Some(stage) = stage {
                known.stage = stage.index;
                known.quota = stage.quota;
            }
            known.settling |= run.settling_at.is_some();
            known.settled |= run.settled_at.is_some();
            if run.aborted_at.is_some() {
                known.aborted.get_or_insert_with(|| (entry.at(), writer(entry)));
            }
        }
        self.rollouts.insert(key.clone(), rollout);
    }

    fn apply_pod(&mut self, key: &Key, is_new: bool, after: Option<&Value>, at: Instant) {
        match after {
            Some(pod) if !is_ready(pod) => {
                self.unready.entry(key.clone()).or_insert(at);
            }
            _ => {
                self.unready.remove(key);
            }
        }
        if !is_new {
            return;
        }
        let sizes: Vec<(String, usize)> = self
            .runs
            .iter()
            .filter_map(|(id, run)| Some((id.clone(), self.fleet(self.rollout(&run.rollout)?).count())))
            .collect();
        for (id, size) in sizes {
            if let Some(run) = self.runs.get_mut(&id) {
                run.largest = run.largest.max(size);
            }
        }
    }
}

fn writer(entry: &Entry) -> String {
    match entry {
        Entry::Write(write) => write.user.clone(),
        _ => String::new(),
    }
}

/// Whether a pod is ready, and not on its way out: the router sends nobody to a pod that ends.
pub(super) fn is_ready(pod: &Value) -> bool {
    if is_being_deleted(pod) {
        return false;
    }
    let conditions = pod.pointer("/status/conditions").and_then(Value::as_array).into_iter().flatten();
    let mut ready = conditions.filter(|condition| text(condition, "/type") == "Ready");
    ready.any(|condition| text(condition, "/status") == "True")
}
