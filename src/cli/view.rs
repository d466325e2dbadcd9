//! A rollout as text for a terminal.

use std::fmt::Write;

use api::{
    OptimizationRollout, OptimizationRolloutStatus,
    reason::{ConditionType, Reason},
};
use domain::preview::MemberStanding;
use jiff::Timestamp;
use kube::ResourceExt;

use indicators::Tracks;
use paint::{Paint, Style};
use table::{table, wrap};

pub mod history;
pub mod indicators;
pub mod members;
pub mod paint;
pub mod stages;
pub mod table;

/// Where a rollout stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It goes on, or has not started.
    Running,
    /// A person has to act.
    Stalled,
    /// It was taken back.
    Aborted {
        /// Every member is back.
        restored: bool,
    },
    /// The optimized values are the baseline.
    Settled,
}

impl State {
    /// Whether nothing happens any more without a person.
    pub fn is_end(self) -> bool {
        matches!(self, Self::Settled | Self::Aborted { restored: true })
    }
}

/// Where a rollout stands.
pub fn state(rollout: &OptimizationRollout) -> State {
    let status = rollout.status.clone().unwrap_or_default();
    let is = |kind: ConditionType| condition(&status, kind).is_some_and(|condition| condition.status == "True");
    if is(ConditionType::Aborted) {
        let acknowledged = status.retreat.is_some_and(|retreat| retreat.acknowledged_at.is_some());
        // Members that are back are let into traffic a moment later.
        let away = status.summary.is_some_and(|summary| ["Rerouted", "Reduced"].contains(&summary.traffic.as_str()));
        State::Aborted { restored: acknowledged && !away }
    } else if is(ConditionType::Stalled) {
        State::Stalled
    } else if is(ConditionType::Settled) {
        State::Settled
    } else {
        State::Running
    }
}

/// The condition of this type, if the status has it.
pub fn condition(
    status: &OptimizationRolloutStatus,
    kind: ConditionType,
) -> Option<&k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition> {
    status.conditions.iter().find(|condition| condition.type_ == kind.to_string())
}

/// One line for each.
pub fn list(rollouts: &[OptimizationRollout]) -> String {
    let mut rows = vec![["NAMESPACE", "NAME", "STAGE", "MEMBERS", "TRAFFIC", "REASON"].map(str::to_owned)];
    rows.extend(rollouts.iter().map(|rollout| {
        let summary = rollout.status.as_ref().and_then(|status| status.summary.clone()).unwrap_or_default();
        [
            rollout.namespace().unwrap_or_default(),
            rollout.name_any(),
            summary.stage,
            summary.members,
            summary.traffic,
            summary.reason,
        ]
    }));
    table(&rows)
}

/// What one picture is drawn from.
pub struct Frame<'a> {
    /// The rollout.
    pub rollout: &'a OptimizationRollout,
    /// Its members, where they may be read.
    pub members: Option<&'a [MemberStanding]>,
    /// What was measured since somebody watches.
    pub tracks: &'a Tracks,
    /// The time.
    pub now: Timestamp,
    /// Columns of the terminal.
    pub width: usize,
    /// Colour, or not.
    pub paint: Paint,
}

/// Why a rollout is where it is, in a sentence.
pub fn why(rollout: &OptimizationRollout) -> String {
    let ready = rollout.status.as_ref().and_then(|status| condition(status, ConditionType::Ready));
    ready.map_or_else(
        || "no operator has seen it yet; is one running that serves this namespace?".to_owned(),
        |condition| condition.message.clone(),
    )
}

/// Everything about one.
pub fn rollout(frame: &Frame<'_>) -> String {
    let Frame { rollout, members, tracks, now, width, paint } = *frame;
    let status = rollout.status.clone().unwrap_or_default();
    let name = format!("{}/{}", rollout.namespace().unwrap_or_default(), rollout.name_any());
    let mut text = paint.paint(Style::Strong, &name);
    if let Some(summary) = &status.summary {
        let (stage, members, traffic) = (&summary.stage, &summary.members, &summary.traffic);
        // Writing to a string cannot fail.
        let _ = write!(text, "   {stage}   {members} optimized   traffic {traffic}");
    }
    let style = match state(rollout) {
        State::Running => Style::Plain,
        State::Settled => Style::Good,
        State::Stalled | State::Aborted { .. } => Style::Bad,
    };
    let reason = status.summary.as_ref().map_or("Unseen", |summary| summary.reason.as_str());
    let sentence = format!("{}: {}", paint.paint(style, reason), why(rollout));
    let _ = write!(text, "\n{}\n", wrap(&sentence, width));
    if let Some(warning) = warning(rollout, &status) {
        let warning = format!("{} {warning}", paint.paint(Style::Busy, "warning:"));
        let _ = writeln!(text, "{}", wrap(&warning, width));
    }
    let sections = [
        stages::stages(rollout, paint),
        match (members, &status.members) {
            (Some(members), _) if !members.is_empty() => members::cells(rollout, members, width, paint),
            (_, Some(counts)) => members::counts(counts, width, paint),
            _ => String::new(),
        },
        indicators::indicators(&status.indicators, tracks, paint),
        history::history(&status, now, paint),
    ];
    for section in sections.iter().filter(|section| !section.is_empty()) {
        let _ = write!(text, "\n{section}");
    }
    text
}

/// What a person should know although nothing waits for it.
fn warning(rollout: &OptimizationRollout, status: &OptimizationRolloutStatus) -> Option<String> {
    if status.observed_generation < rollout.metadata.generation && status.observed_generation.is_some() {
        return Some("the operator has not seen the newest spec yet; is it running?".to_owned());
    }
    let traffic = condition(status, ConditionType::TrafficRetreatReady)?;
    let chosen = traffic.reason == Reason::NoTraffic.to_string();
    (traffic.status == "False" && !chosen && !state(rollout).is_end()).then(|| traffic.message.clone())
}

#[cfg(test)]
mod tests;
