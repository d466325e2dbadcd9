//! Who is a member and since which stage: kept beside the members' files, written in the same request. A rendered
//! ConfigMap has it in a key, a patched one in an annotation.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::observation::Pod;

/// The record of one ConfigMap.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// The run that these entries belong to; empty before the first.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub run: String,
    /// Index of the last stage that was stamped here; -1 before the first.
    #[serde(default = "no_stage")]
    pub stage: i32,
    /// The optimizations that the run switches, or takes out: what members are asked for, whatever the spec says meanwhile.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub optimizations: Vec<String>,
    /// Entries by member.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub members: BTreeMap<String, Entry>,
}

/// What was decided for one member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its cohort.
    #[serde(rename = "c")]
    pub cohort: Cohort,
    /// Index of the stage in which it took this cohort.
    #[serde(rename = "s")]
    pub stage: i32,
    /// UID of its pod at that time, and again when it went back.
    #[serde(rename = "u")]
    pub pod: String,
    /// Restarts of that pod at that time.
    #[serde(rename = "r", default)]
    pub restarts: i32,
    /// Somebody else gave it the optimized values in this cohort, and that was taken back once.
    #[serde(rename = "f", default, skip_serializing_if = "std::ops::Not::not")]
    pub reverted: bool,
}

/// The cohorts of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Cohort {
    /// Runs the optimized values.
    #[serde(rename = "o")]
    Optimized,
    /// Runs the baseline values, and may be optimized in a later stage.
    #[serde(rename = "b")]
    Baseline,
    /// Runs the baseline values to the end of the watch.
    #[serde(rename = "h")]
    Holdout,
    /// Was optimized and goes back: in a retreat, or because its stage was edited.
    #[serde(rename = "r")]
    Returning,
}

const fn no_stage() -> i32 {
    -1
}

impl Entry {
    /// The entry of a member that takes this cohort now.
    #[must_use]
    pub fn new(cohort: Cohort, stage: i32, pod: &Pod) -> Self {
        Self { cohort, stage, pod: pod.uid.clone(), restarts: pod.restarts, reverted: false }
    }
}

impl Record {
    /// The record that a ConfigMap holds; without one it is empty.
    ///
    /// # Errors
    /// A sentence when the text is no record of ours.
    pub fn parse(text: Option<&str>) -> Result<Self, String> {
        match text {
            None => Ok(Self { stage: -1, ..Self::default() }),
            Some(text) => {
                serde_json::from_str(text).map_err(|error| format!("the record of its members does not parse: {error}"))
            }
        }
    }

    /// The record as text.
    #[must_use]
    pub fn text(&self) -> String {
        serde_json::json!(self).to_string()
    }
}

#[cfg(test)]
mod tests;
