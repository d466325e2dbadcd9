//! What one pass sees of the world. Nothing here is intended; everything was read.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use api::{ConnectionSpec, reason::Reason, status::IndicatorStatus};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    acknowledgement::{Touch, elapsed},
    line::{MESSAGE, line},
    mark::Mark,
    patching::Inverse,
    record::Record,
    settings::Values,
    settled::Owners,
};

/// Everything that [`crate::decide::decide`] may know beside the rollout itself.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Observation {
    /// The wall clock. Only ever compared with times that we wrote, and never to shorten a bake.
    pub now: Timestamp,
    /// The fleet, sorted by name, without pods that have ended.
    pub members: Vec<Member>,
    /// Which Node runs several pods of the fleet although its members are its Nodes; the first of them stands for all.
    #[serde(default)]
    pub shared_node: Option<Problem>,
    /// Members whose pod is being deleted and is still there, and when its time to end is over.
    #[serde(default)]
    pub ending: BTreeMap<String, Timestamp>,
    /// For how long this replica has watched the fleet.
    #[serde(default)]
    pub watched_for: Duration,
    /// Members that have gone meanwhile and are not back, and how long ago.
    #[serde(default)]
    pub gone_for: BTreeMap<String, Duration>,
    /// Pods that their disruption budget did not let be evicted when that was tried last, by UID.
    #[serde(default)]
    pub unevicted: BTreeMap<String, Unevicted>,
    /// The ConfigMaps with members' files that exist: rendered ones in order of their index, patched ones by name.
    pub shards: Vec<Shard>,
    /// Such ConfigMaps that may not be written any more, and tell whose file says what.
    #[serde(default)]
    pub locked: Vec<Locked>,
    /// Why what was recorded in one of them cannot be read: whose file says what is not known then.
    #[serde(default)]
    pub unread: Option<Problem>,
    /// The text of the base that members' files are made from, or why it cannot be used; `None` where the spec names
    /// none.
    pub base: Option<Result<String, Problem>>,
    /// The Services of `spec.traffic`, in that order.
    pub services: Vec<Service>,
    /// Services that it does not name, and that bear the mark of a retreat: somebody edited it meanwhile.
    #[serde(default)]
    pub unnamed_services: Vec<Service>,
    /// Other rollouts that name members of this fleet.
    pub neighbours: Vec<Neighbour>,
    /// The Connection that the rollout measures by, or why it cannot be used; `None` where it names none.
    pub connection: Option<Result<ConnectionSpec, Problem>>,
    /// What was measured; `None` before the first look.
    pub measurements: Option<Measurements>,
    /// What could not be read or may not be used, each a reason to stop before anything is touched.
    pub problems: Vec<Problem>,
    /// Whether the status may be written only because measured numbers moved.
    pub report_due: bool,
}

impl Observation {
    /// For how long a member is known to be away: a replica that did not see it go knows since when it has watched. One
    /// whose pod is still ending is so since that should have ended.
    #[must_use]
    pub fn away_for(&self, member: &str) -> Duration {
        if let Some(until) = self.ending.get(member) {
            return elapsed(*until, self.now);
        }
        self.gone_for.get(member).copied().unwrap_or(self.watched_for)
    }

    /// A write that the API server refuses, as was found when it was tried last.
    #[must_use]
    pub fn refusal(&self) -> Option<&Problem> {
        self.problems.iter().find(|problem| problem.reason == Reason::WriteRefused)
    }

    /// The Services that a retreat may have narrowed, those that are named no more as well.
    pub fn every_service(&self) -> impl Iterator<Item = &Service> {
        self.services.iter().chain(&self.unnamed_services)
    }
}

/// One member of the fleet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Member {
    /// The stable identity: the pod's name, or its Node's.
    pub name: String,
    /// The zone of its Node, empty when unknown.
    pub zone: String,
    /// Why it cannot take part, as far as its Node and its ConfigMap tell; `None` when it can.
    pub unfit: Option<Problem>,
    /// Its pod.
    pub pod: Pod,
}

/// What is known of a member's pod.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Pod {
    /// Name of the pod.
    pub name: String,
    /// UID of the pod: another one is another process.
    pub uid: String,
    /// Version that was read.
    pub resource_version: String,
    /// Address, once it has one.
    pub ip: Option<String>,
    /// Number of the declared metrics port.
    pub metrics_port: Option<u16>,
    /// The condition Ready.
    pub ready: bool,
    /// Since when it is not ready, while it is not.
    pub unready_since: Option<Timestamp>,
    /// Value of the cohort label.
    pub cohort: Option<String>,
    /// Value of the serving label.
    pub serving: Option<String>,
    /// Retreat mark, if any.
    pub mark: Option<Mark>,
    /// When and how often it was told to read its files again.
    pub touched: Option<Touch>,
    /// Sum of its containers' restarts.
    pub restarts: i32,
    /// Life of the process that ended last.
    #[serde(default)]
    pub ended: Option<Lifetime>,
    /// A container's last end was an out-of-memory kill or an illegal instruction (exit 132).
    pub killed: bool,
    /// Whether it mounts the ConfigMap with its file as a directory.
    pub mounts_config: bool,
    /// Further rendered ConfigMaps that it mounts as a directory, by their names.
    #[serde(default)]
    pub mounts_further: BTreeSet<String>,
    /// When it was made.
    pub created: Timestamp,
    /// The kind of the controller that makes it again, empty without one.
    #[serde(default)]
    pub controller: String,
}

/// An eviction that was refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unevicted {
    /// Why, in the API server's words.
    pub message: String,
    /// Whether it is time to try again.
    pub due: bool,
}

/// From when to when a process ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lifetime {
    /// When it was started.
    pub started: Timestamp,
    /// When it ended.
    pub ended: Timestamp,
}

/// One ConfigMap with members' files: of many members if it is rendered, of one if it is patched.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Shard {
    /// Name of the ConfigMap.
    pub name: String,
    /// Version that was read.
    pub resource_version: String,
    /// Retreat mark, if any.
    pub mark: Option<Mark>,
    /// Who is a member and since which stage.
    pub record: Record,
    /// The settled values.
    pub settled: Values,
    /// Whose these are.
    pub owners: Owners,
    /// A copy of the base that the files were made from: whoever takes them back needs no other.
    pub base: Option<String>,
    /// The rollout that wrote a rendered one last.
    pub rollout: Option<String>,
    /// Members' files by member name.
    pub files: BTreeMap<String, String>,
    /// How to give a patched file back as it was, while it is not.
    pub inverse: Option<Inverse>,
    /// Field manager of the latest write that was not ours.
    pub last_writer: Option<String>,
}

/// A ConfigMap with members' files that can be read, and may not be written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Locked {
    /// What it says.
    pub shard: Shard,
    /// Why it may not be written.
    pub problem: Problem,
}

/// A Service that routes to the fleet.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Service {
    /// Name of the Service.
    pub name: String,
    /// Version that was read.
    pub resource_version: String,
    /// Its selector.
    pub selector: BTreeMap<String, String>,
    /// Retreat mark, if any.
    pub mark: Option<Mark>,
    /// Why it cannot be rerouted, as a sentence; `None` when it can.
    pub refused: Option<String>,
    /// Names of pods that its EndpointSlices hold as ready.
    pub endpoints: Vec<String>,
}

/// Another rollout with members in common.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Neighbour {
    /// Its name.
    pub name: String,
    /// Id of its run.
    pub run: Option<String>,
    /// It has a run whose members are not all settled or restored.
    pub unfinished: bool,
    /// It is being deleted and takes back what it has settled.
    #[serde(default)]
    pub restores: bool,
    /// Its run has baked its last stage and only watches.
    pub watching: bool,
    /// It waits for this fleet and has the older claim.
    pub waits_before_us: bool,
    /// It waits for this fleet, whatever its claim.
    pub waits: bool,
}

/// A reason to stop, with a sentence for the user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// Reason of the condition Stalled.
    pub reason: Reason,
    /// What, where, what to do.
    pub message: String,
}

impl Problem {
    /// A problem with its sentence, which is one line: it may quote what others wrote.
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self { reason, message: line(&message.into(), MESSAGE) }
    }
}

/// What the looks have shown so far.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Measurements {
    /// Run that these looks belong to.
    pub run: String,
    /// When the bake started that they belong to.
    pub bake: Timestamp,
    /// Time of the bake that was watched with sufficient, passing looks, including what the status had before.
    pub covered: std::time::Duration,
    /// Time since the last look that was sufficient on every required indicator, or since the looks began.
    pub silent_for: std::time::Duration,
    /// The breach, once there was one. Stays.
    pub breach: Option<Breach>,
    /// The latest verdicts.
    pub indicators: Vec<IndicatorStatus>,
    /// What each member itself reports to run, from its latest scrape.
    pub reports: BTreeMap<String, Report>,
    /// Whether the latest look counted for the bake.
    pub passing: bool,
}

/// A breach of an indicator.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Breach {
    /// LimitBreached or Catastrophe.
    pub reason: Reason,
    /// The indicator.
    pub indicator: String,
    /// The numbers, as a sentence.
    pub message: String,
    /// The members that are worst, worst first.
    pub worst: Vec<String>,
}

/// What a member reports of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// UID of the pod that was asked.
    pub pod: String,
    /// When it was asked.
    pub at: Timestamp,
    /// Whether each optimization is on.
    pub enabled: BTreeMap<String, bool>,
    /// Revision of the file that it runs, where it repeats one.
    pub revision: Option<String>,
}
