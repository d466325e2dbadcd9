//! The writes of a plan, one by one, in the order in which the writer executes them.

use api::{OptimizationRollout, OptimizationRolloutStatus};
use domain::{
    claim::{Claim, claim},
    mark::Mark,
    plan::{Advance, Plan, Restoration, ShardWrite, Withdraw},
};
use serde::Serialize;

use super::{config::Mutation, object};

/// One request to the API server, or a question before one.
#[derive(Clone, Debug, Serialize)]
pub enum Write {
    /// Narrows the Service.
    Reroute(Mark),
    /// Gives the members of the ConfigMap their baseline.
    Restore(Box<Restoration>),
    /// Marks the rollout.
    Mark(Mark),
    /// Marks the rollout if it is still the one that was read; nothing follows otherwise.
    Fence(Mark),
    /// Takes a pod out of traffic.
    Stop(usize, Mark),
    /// Tells a pod to read its file.
    Touch(usize, domain::acknowledgement::Touch),
    /// Commits the status.
    Commit(Box<OptimizationRolloutStatus>),
    /// Asks whether the rollout is the one that was committed.
    Confirm,
    /// Holds or releases the finalizer.
    Finalizer(bool),
    /// Creates or changes the ConfigMap.
    Map(ShardWrite),
    /// Sets the labels of a pod.
    Label { member: usize, cohort: &'static str, serving: Option<bool> },
    /// Widens the Service.
    Widen,
}

/// What one pass writes.
#[derive(Clone, Debug, Serialize)]
pub struct Writes {
    pub writes: Vec<Write>,
    /// How many of them any replica may do; the others are begun only by one that leads.
    pub anybodys: usize,
    /// What it claims that a late watch could get wrong, and asks before.
    pub claims: Option<Claim>,
    /// In a few words, for people.
    pub why: String,
}

impl Writes {
    /// The writes of a leader, as `operator::reconcile` executes them. A pass that changes nothing has no writes.
    pub fn of_leader(rollout: &OptimizationRollout, plan: &Plan, mutation: Option<Mutation>) -> Self {
        let status = rollout.status.clone().unwrap_or_default();
        let withdraw = withdrawals(&plan.withdraw, mutation);
        let committed = object::essential(&plan.status);
        let why = plan.status.summary.as_ref().map_or_else(String::new, |summary| summary.reason.clone());
        let mut advance = advances(&plan.advance);
        let commit = Write::Commit(Box::new(committed.clone()));
        let nothing = withdraw.is_empty() && advance.is_empty() && committed == object::essential(&status);
        let anybodys = withdraw.len() + 1;
        let writes = match mutation {
            _ if nothing => Vec::new(),
            Some(Mutation::AdvanceFirst) => {
                advance.retain(|write| !matches!(write, Write::Confirm));
                withdraw.into_iter().chain(advance).chain([commit]).collect()
            }
            _ => withdraw.into_iter().chain([commit]).chain(advance).collect(),
        };
        Self { writes, anybodys, claims: claim(rollout, plan), why }
    }

    /// The writes of a standby, which marks the rollout first: `operator::standby`.
    pub fn of_standby(mark: &Mark, withdraw: &[Withdraw], mutation: Option<Mutation>) -> Self {
        let fence = (mutation != Some(Mutation::NoMarks)).then(|| Write::Fence(mark.clone()));
        let writes: Vec<Write> = fence.into_iter().chain(withdrawals(withdraw, mutation)).collect();
        Self { anybodys: writes.len(), writes, claims: None, why: mark.cause.reason.to_string() }
    }

    /// No writes.
    pub fn none() -> Self {
        Self { writes: Vec::new(), anybodys: 0, claims: None, why: String::new() }
    }
}

/// All withdrawals start together, in this order: `cluster::execute::withdraw`.
fn withdrawals(items: &[Withdraw], mutation: Option<Mutation>) -> Vec<Write> {
    let pick = |choose: fn(&Withdraw) -> Option<Write>| items.iter().filter_map(choose);
    let reroutes = pick(|item| match item {
        Withdraw::RerouteService { mark, .. } => Some(Write::Reroute(mark.clone())),
        _ => None,
    });
    let restored = pick(|item| match item {
        Withdraw::Restore(restoration) => Some(Write::Restore(restoration.clone())),
        _ => None,
    });
    let marked = pick(|item| match item {
        Withdraw::MarkRollout(mark) => Some(Write::Mark(mark.clone())),
        _ => None,
    });
    let told = pick(|item| match item {
        Withdraw::StopServing { pod, mark } => Some(Write::Stop(index(&pod.name), mark.clone())),
        Withdraw::Touch(touch) => Some(Write::Touch(index(&touch.pod.name), touch.touch.clone())),
        _ => None,
    });
    let marked = marked.filter(|_| mutation != Some(Mutation::NoMarks));
    reroutes.chain(restored).chain(marked).chain(told).collect()
}

/// Rollout, new ConfigMaps and Services in their order, then ConfigMaps, then pods: `cluster::execute::advance`.
fn advances(items: &[Advance]) -> Vec<Write> {
    let mut writes: Vec<(u8, Write)> = items
        .iter()
        .flat_map(|item| match item {
            Advance::Confirm => vec![(0, Write::Confirm)],
            // There is no other rollout.
            Advance::ConfirmAlone => Vec::new(),
            Advance::HoldFinalizer => vec![(0, Write::Finalizer(true))],
            Advance::ReleaseFinalizer => vec![(0, Write::Finalizer(false))],
            Advance::WidenService { .. } => vec![(0, Write::Widen)],
            Advance::WriteShard(write) if write.resource_version.is_none() => {
                vec![(0, Write::Confirm), (0, Write::Map(write.clone()))]
            }
            Advance::WriteShard(write) => vec![(1, Write::Map(write.clone()))],
            Advance::LabelPod { pod, cohort, serving, .. } => {
                vec![(2, Write::Label { member: index(&pod.name), cohort, serving: *serving })]
            }
            Advance::Touch(touch) => vec![(2, Write::Touch(index(&touch.pod.name), touch.touch.clone()))],
            Advance::Evict(pod) => unreachable!("members read their files at any time, and {pod:?} is to be evicted"),
        })
        .collect();
    writes.sort_by_key(|(group, _)| *group);
    writes.into_iter().map(|(_, write)| write).collect()
}

fn index(pod: &str) -> usize {
    pod.strip_prefix("node-").and_then(|index| index.parse().ok()).unwrap()
}
