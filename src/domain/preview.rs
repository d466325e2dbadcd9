//! A decision in words, for people who ask what would happen: the same [`Plan`], without contents of files.

use api::{
    OptimizationRollout, OptimizationRolloutStatus,
    names::{BASE_KEY, MEMBERS_KEY},
    reason::Reason,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    decide::{cohorts::is_eligible, foreign, intent::Kind, pass::Pass, roster::Standing},
    observation::Observation,
    plan::{Advance, Plan, Withdraw},
    record::Cohort,
};

/// What would be done now, and why.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Preview {
    /// Namespace of the rollout.
    pub namespace: String,
    /// Name of the rollout.
    pub name: String,
    /// Generation of the spec that was decided on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<i64>,
    /// The time of the decision.
    pub at: Timestamp,
    /// The replica of the operator that decided; none where it was decided elsewhere, on what could be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replica: Option<String>,
    /// Whether that replica leads: another one only takes back.
    pub leads: bool,
    /// Whether measurements of the current bake were known to the decision.
    pub measured: bool,
    /// Who has to act.
    pub state: Kind,
    /// Why it is as it is.
    pub reason: Reason,
    /// The same in a sentence.
    pub message: String,
    /// What is taken away, first.
    pub withdraw: Vec<Step>,
    /// Transitions that this decision makes, for history and events.
    pub transitions: Vec<String>,
    /// The status that is committed then; none if it stays as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<OptimizationRolloutStatus>,
    /// What goes on, after the commit.
    pub advance: Vec<Step>,
    /// Where every member stands, by name.
    pub members: Vec<MemberStanding>,
    /// When it is looked at again without being woken.
    pub requeue: api::Duration,
}

/// One write.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// What kind of write: the name of the plan's own step.
    pub action: String,
    /// Kind and name of the object that is written.
    pub object: String,
    /// What changes on it.
    pub change: String,
}

/// Where one member stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MemberStanding {
    /// Name of the member.
    pub name: String,
    /// Its cohort in this run; none for one that joined, or without a run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cohort: Option<CohortName>,
    /// Whether it acknowledged the file that it has.
    pub acknowledged: bool,
    /// Somebody else gave it the values of another cohort.
    pub overridden: bool,
    /// Whether its pod is ready.
    pub ready: bool,
    /// Whether the run may choose it.
    pub eligible: bool,
}

/// A cohort as people read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum CohortName {
    /// Runs the optimized values.
    Optimized,
    /// Runs the baseline values, and may be optimized in a later stage.
    Baseline,
    /// Runs the baseline values to the end of the watch.
    Holdout,
    /// Was optimized and goes back.
    Returning,
}

impl From<Cohort> for CohortName {
    fn from(cohort: Cohort) -> Self {
        match cohort {
            Cohort::Optimized => Self::Optimized,
            Cohort::Baseline => Self::Baseline,
            Cohort::Holdout => Self::Holdout,
            Cohort::Returning => Self::Returning,
        }
    }
}

/// Decides as [`crate::decide::decide`] does, and says what came of it.
#[must_use]
pub fn preview(rollout: &OptimizationRollout, seen: &Observation) -> Preview {
    let pass = Pass::new(rollout, seen);
    let (intent, plan) = crate::decide::conclude(&pass);
    let Plan { withdraw, status, advance, notices, requeue } = plan;
    Preview {
        namespace: rollout.metadata.namespace.clone().unwrap_or_default(),
        name: rollout.metadata.name.clone().unwrap_or_default(),
        generation: rollout.metadata.generation,
        at: seen.now,
        replica: None,
        leads: false,
        measured: pass.measurements().is_some(),
        state: intent.state.kind,
        reason: intent.state.reason,
        message: intent.state.message,
        withdraw: withdraw.iter().map(withdrawal).collect(),
        transitions: notices.into_iter().map(|notice| format!("{}: {}", notice.reason, notice.message)).collect(),
        status: (rollout.status.as_ref() != Some(&status)).then_some(status),
        advance: advance.iter().map(advancement).collect(),
        members: standings(&pass),
        requeue: requeue.into(),
    }
}

/// Where every member of a rollout stands, by name.
#[must_use]
pub fn members(rollout: &OptimizationRollout, seen: &Observation) -> Vec<MemberStanding> {
    standings(&Pass::new(rollout, seen))
}

fn standings(pass: &Pass<'_>) -> Vec<MemberStanding> {
    let is_foreign = foreign::detect(pass);
    pass.roster.standings.iter().map(|each| standing(each, is_foreign(each))).collect()
}

fn standing(standing: &Standing<'_>, is_foreign: bool) -> MemberStanding {
    MemberStanding {
        name: standing.member.name.clone(),
        cohort: standing.cohort().map(Into::into),
        acknowledged: standing.acknowledgement.is_done(),
        overridden: standing.overridden || is_foreign,
        ready: standing.member.pod.ready,
        eligible: is_eligible(standing),
    }
}

fn step(action: &str, object: String, change: impl Into<String>) -> Step {
    Step { action: action.to_owned(), object, change: change.into() }
}

fn withdrawal(withdraw: &Withdraw) -> Step {
    match withdraw {
        Withdraw::MarkRollout(mark) => {
            step("MarkRollout", "OptimizationRollout".to_owned(), format!("marked: run {} is taken back", mark.run))
        }
        Withdraw::RerouteService { service, .. } => {
            step("RerouteService", format!("Service {service}"), "its selector is narrowed to the baseline members")
        }
        Withdraw::StopServing { pod, .. } => step("StopServing", format!("Pod {}", pod.name), "taken out of traffic"),
        Withdraw::Restore(restoration) => step(
            "Restore",
            format!("ConfigMap {}", restoration.seen.name),
            "the files of all optimized members get the baseline values",
        ),
        Withdraw::Evict(pod) => {
            step("Evict", format!("Pod {}", pod.name), "evicted, so that its next start reads the file")
        }
        Withdraw::Touch(touch) => step("Touch", format!("Pod {}", touch.pod.name), "told to read its file again"),
    }
}

fn advancement(advance: &Advance) -> Step {
    match advance {
        Advance::Confirm => {
            step("Confirm", "OptimizationRollout".to_owned(), "read again: nothing goes on if it changed")
        }
        Advance::ConfirmAlone => step(
            "ConfirmAlone",
            "OptimizationRollout".to_owned(),
            "all are read: nothing goes on if another one has a run",
        ),
        Advance::HoldFinalizer => step("HoldFinalizer", "OptimizationRollout".to_owned(), "our finalizer is set"),
        Advance::ReleaseFinalizer => {
            step("ReleaseFinalizer", "OptimizationRollout".to_owned(), "our finalizer is removed")
        }
        Advance::LabelPod { pod, cohort, serving, .. } => {
            let traffic = match serving {
                Some(true) => ", back into traffic",
                Some(false) => ", out of traffic",
                None => "",
            };
            step("LabelPod", format!("Pod {}", pod.name), format!("labelled {cohort}{traffic}"))
        }
        Advance::WriteShard(write) => {
            let keys = write.data.keys().map(String::as_str);
            let files: Vec<&str> = keys.filter(|key| ![MEMBERS_KEY, BASE_KEY].contains(key)).collect();
            let change = match (files.is_empty(), write.resource_version.is_some()) {
                (true, _) => "the record of its members".to_owned(),
                (false, true) => format!("files {}", listed(&files)),
                (false, false) => format!("created with files {}", listed(&files)),
            };
            step("WriteShard", format!("ConfigMap {}", write.name), change)
        }
        Advance::Evict(pod) => {
            step("Evict", format!("Pod {}", pod.name), "evicted, so that its next start reads the file")
        }
        Advance::Touch(touch) => step("Touch", format!("Pod {}", touch.pod.name), "told to read its file again"),
        Advance::WidenService { service, .. } => {
            step("WidenService", format!("Service {service}"), "selects every member again")
        }
    }
}

fn listed(files: &[&str]) -> String {
    crate::decide::stamp::listed(files.iter().copied())
}

#[cfg(test)]
mod tests;
