//! What one pass does. The order of the fields is the order of execution.

use std::collections::BTreeMap;

use api::{
    OptimizationRolloutStatus,
    fleet::{Config, Delivery},
    names::{INVERSE_ANNOTATION, MEMBERS_KEY, RECORD_ANNOTATION, SETTLED_ANNOTATION, SETTLED_BY_ANNOTATION},
    reason::Reason,
};
use serde::Serialize;

use crate::{
    acknowledgement::Touch,
    mark::Mark,
    observation::Shard,
    record::Record,
    settings::{Settings, Values},
    settled::Owners,
};

/// The decision of one pass.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Plan {
    /// Taking away: allowed to any replica at any time, each independent of the others.
    pub withdraw: Vec<Withdraw>,
    /// The new status, committed under the version that was read. Equal to the old one: nothing is written.
    pub status: OptimizationRolloutStatus,
    /// Going on: only after the status is committed, with the versions that were read.
    pub advance: Vec<Advance>,
    /// Events about transitions, after the commit.
    pub notices: Vec<Notice>,
    /// When to look again without being woken.
    pub requeue: std::time::Duration,
}

/// A pod, by name and by what was read of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct PodTarget {
    /// Its name.
    pub name: String,
    /// Its UID: a write to another pod of the same name is refused.
    pub uid: String,
}

/// Taking traffic or settings away. Idempotent.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub enum Withdraw {
    /// Marks the rollout itself, so that a leader that has not noticed cannot commit an advance.
    MarkRollout(Mark),
    /// Narrows a Service's selector to the baseline cohort.
    RerouteService {
        /// Name of the Service.
        service: String,
        /// The retreat.
        mark: Mark,
    },
    /// Takes a pod out of every Service by its serving label, a moment after the Services were rerouted.
    StopServing {
        /// The pod.
        pod: PodTarget,
        /// The retreat.
        mark: Mark,
    },
    /// Writes the baseline into the files of a ConfigMap's optimized members.
    Restore(Box<Restoration>),
    /// Makes a member read its file again, after the pod's ConfigMap was written.
    Touch(TouchPod),
    /// Evicts a pod whose member reads its file only at start, as far as its disruption budget allows.
    Evict(PodTarget),
}

/// What restoring one ConfigMap means, for whatever version of it is the newest.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Restoration {
    /// The ConfigMap as it was seen.
    pub seen: Shard,
    /// Where and how files are kept.
    pub config: Config,
    /// Values between which the run switches.
    pub settings: Settings,
    /// UIDs of the members' pods as they were seen: with another one a process has started since.
    pub pods: BTreeMap<String, String>,
    /// The retreat.
    pub mark: Mark,
}

/// A touch of one pod.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TouchPod {
    /// The pod.
    pub pod: PodTarget,
    /// The touch.
    pub touch: Touch,
    /// The ConfigMap whose write, if this plan has one, comes first.
    pub after: String,
}

/// Going on. Each is refused by the API server if its object has changed since it was seen.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub enum Advance {
    /// Goes on only if the rollout is still the one that was decided on: a cache may lag behind our own commit.
    Confirm,
    /// Goes on only if no other rollout has a run on these members, as the API server itself says.
    ConfirmAlone,
    /// Puts our finalizer on the rollout, before there is anything to restore.
    HoldFinalizer,
    /// Takes our finalizer away: nothing is left to restore.
    ReleaseFinalizer,
    /// Sets a pod's cohort and serving labels.
    LabelPod {
        /// The pod.
        pod: PodTarget,
        /// Version that was seen.
        resource_version: String,
        /// New value of the cohort label.
        cohort: &'static str,
        /// New value of the serving label; `None` leaves it.
        serving: Option<bool>,
    },
    /// Writes members' files, and who they are, into a ConfigMap.
    WriteShard(ShardWrite),
    /// Makes a member read its file again, after the pod's ConfigMap was written.
    Touch(TouchPod),
    /// Evicts a pod whose member reads its file only at start, as far as its disruption budget allows.
    Evict(PodTarget),
    /// Takes the cohort key out of a Service's selector: no endpoint needs it any more.
    WidenService {
        /// Name of the Service.
        service: String,
        /// Version that was seen.
        resource_version: String,
    },
}

/// One write to a ConfigMap with members' files.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ShardWrite {
    /// Name of the ConfigMap.
    pub name: String,
    /// Version that was seen; `None` creates it.
    pub resource_version: Option<String>,
    /// Keys to set, or to remove.
    pub data: BTreeMap<String, Option<String>>,
    /// Labels to set.
    pub labels: BTreeMap<String, String>,
    /// Annotations to set, or to remove.
    pub annotations: BTreeMap<String, Option<String>>,
}

impl ShardWrite {
    /// Adds who the members are, where this delivery keeps it; `None` forgets it.
    pub fn record(&mut self, config: &Config, record: Option<&Record>) {
        let text = record.map(Record::text);
        match config.delivery {
            Delivery::Rendered(_) => self.data.insert(MEMBERS_KEY.to_owned(), text),
            Delivery::Patched(_) => self.annotations.insert(RECORD_ANNOTATION.to_owned(), text),
        };
    }

    /// Leaves nothing of a run in a member's own ConfigMap but its file.
    pub fn forget(&mut self, config: &Config) {
        self.record(config, None);
        self.annotations.insert(INVERSE_ANNOTATION.to_owned(), None);
    }

    /// Says what is settled from now on, and whose it is.
    pub fn settle(&mut self, settled: &Values, owners: &Owners) {
        let text = |value: serde_json::Value| (!settled.is_empty()).then(|| value.to_string());
        self.annotations.insert(SETTLED_ANNOTATION.to_owned(), text(serde_json::json!(settled)));
        self.annotations.insert(SETTLED_BY_ANNOTATION.to_owned(), text(serde_json::json!(owners)));
    }
}

/// An event on the rollout.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Notice {
    /// Reason of the event.
    pub reason: Reason,
    /// Text of the event, one line of at most [`MESSAGE`](crate::line::MESSAGE) bytes.
    pub message: String,
    /// A warning rather than normal business.
    pub warning: bool,
}
