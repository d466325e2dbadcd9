//! A ConfigMap, whose files say what in it, and what a rollout asks for.

use std::collections::BTreeMap;

use api::fleet::{Config, Delivery};
use api::metrics::Source;
use api::names::{
    BASE_KEY, MEMBERS_KEY, RECORD_ANNOTATION, RETREAT_ANNOTATION, SETTLED_ANNOTATION, SETTLED_BY_ANNOTATION,
};
use api::{OptimizationRollout, Scalar};
use domain::record::{Cohort, Record};
use domain::settings::{Values, optimized_values};
use domain::settled::Owners;
use domain::{delivery, format};
use serde_json::Value;

use crate::kind::Key;
use crate::object::texts;

/// A ConfigMap as the laws read it.
#[derive(Clone, Debug, Default)]
pub(super) struct Map {
    /// Empty where it cannot be read.
    pub(super) record: Record,
    pub(super) unreadable: bool,
    pub(super) files: BTreeMap<String, String>,
    pub(super) mark: Option<String>,
    pub(super) settled: Values,
    /// Who settled that.
    pub(super) owners: Owners,
}

impl Map {
    pub(super) fn read(object: &Value) -> Self {
        let mut files = texts(object, "/data");
        let annotations = texts(object, "/metadata/annotations");
        files.remove(BASE_KEY);
        let record = files.remove(MEMBERS_KEY).or_else(|| annotations.get(RECORD_ANNOTATION).cloned());
        let settled = annotations.get(SETTLED_ANNOTATION).and_then(|text| serde_json::from_str(text).ok());
        let owners = annotations.get(SETTLED_BY_ANNOTATION).and_then(|text| serde_json::from_str(text).ok());
        let record = Record::parse(record.as_deref());
        Self {
            unreadable: record.is_err(),
            record: record.unwrap_or_default(),
            files,
            mark: annotations.get(RETREAT_ANNOTATION).cloned(),
            settled: settled.unwrap_or_default(),
            owners: owners.unwrap_or_default(),
        }
    }

    /// Members of a cohort of its run.
    pub(super) fn members(&self, cohort: Cohort) -> impl Iterator<Item = &String> {
        self.record.members.iter().filter(move |(_, entry)| entry.cohort == cohort).map(|(member, _)| member)
    }

    /// Whether a file says a value that a rollout switches, and that is not settled.
    pub(super) fn switches_on(&self, file: &str, rollout: &OptimizationRollout) -> bool {
        self.switched(file, rollout).next().is_some()
    }

    /// These values, each by itself.
    pub(super) fn switched(&self, file: &str, rollout: &OptimizationRollout) -> impl Iterator<Item = Values> {
        let switched = switched(rollout).into_iter().filter(|(path, _)| !self.settled.contains_key(path));
        let values = switched.map(|value| Values::from([value]));
        values.filter(move |value| says(&rollout.spec.fleet.config, self.files.get(file), value))
    }

    /// The cohort of a member in a run.
    pub(super) fn cohort(&self, run: &str, member: &str) -> Option<Cohort> {
        self.record.members.get(member).filter(|_| self.record.run == run).map(|entry| entry.cohort)
    }
}

/// Members that a write newly records as optimized.
pub(super) fn added(before: &Map, after: &Map) -> Vec<String> {
    let is_new = |member: &&String| before.cohort(&after.record.run, member) != Some(Cohort::Optimized);
    after.members(Cohort::Optimized).filter(is_new).cloned().collect()
}

/// What a rollout switches.
pub(super) fn switched(rollout: &OptimizationRollout) -> Values {
    rollout.spec.optimizations.iter().flat_map(optimized_values).collect()
}

/// Names of the optimizations that a rollout switches on.
pub(super) fn switches(rollout: &OptimizationRollout) -> impl Iterator<Item = &String> {
    rollout.spec.optimizations.iter().map(|optimization| &optimization.name)
}

/// Whether a file says all of these values.
pub(super) fn says(config: &Config, file: Option<&String>, values: &Values) -> bool {
    let found = |file: &String| format::read(config.format, file, values.keys().map(String::as_str)).ok();
    let Some(found) = file.and_then(found) else { return false };
    let same = |(path, value): (&String, &Scalar)| {
        found.get(path).is_some_and(|found| format::same(config.format, found, value))
    };
    !values.is_empty() && values.iter().all(same)
}

/// The member whose file this is, and its key; the ConfigMap is one that this rollout delivers by.
pub(super) fn files<'a>(
    rollout: &'a OptimizationRollout,
    key: &'a Key,
    keys: impl Iterator<Item = &'a String>,
) -> Vec<(String, &'a String)> {
    match &rollout.spec.fleet.config.delivery {
        Delivery::Rendered(rendered) if domain::rendering::shard_index(rendered, &key.name).is_some() => {
            keys.filter_map(|file| Some((delivery::member_of(&rendered.key, file)?.to_owned(), file))).collect()
        }
        Delivery::Patched(patched) => {
            let member = delivery::member_of(&patched.name, &key.name);
            keys.filter(|file| **file == patched.key).filter_map(|file| Some((member?.to_owned(), file))).collect()
        }
        Delivery::Rendered(_) => Vec::new(),
    }
}

/// Whether a rollout asks its members themselves what it measures.
pub(super) fn asks_members(rollout: &OptimizationRollout) -> bool {
    rollout.spec.metrics.as_ref().is_some_and(|metrics| matches!(metrics.source, Source::Pods(_)))
}
