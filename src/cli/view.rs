//! A rollout as text for a terminal.

use std::fmt::Write;

use api::{
    OptimizationRollout,
    reason::ConditionType,
    status::{Members, Verdict},
};
use jiff::Timestamp;
use kube::ResourceExt;

/// Cells of the row of members at most; larger fleets are drawn to scale.
const WIDEST: usize = 60;
/// Cells of a stage's bar.
const BAR: u128 = 20;
/// Transitions that are shown.
const HISTORY: usize = 6;

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
    let is = |kind: ConditionType| {
        status.conditions.iter().any(|condition| condition.type_ == kind.to_string() && condition.status == "True")
    };
    if is(ConditionType::Aborted) {
        State::Aborted { restored: status.retreat.is_some_and(|retreat| retreat.acknowledged_at.is_some()) }
    } else if is(ConditionType::Stalled) {
        State::Stalled
    } else if is(ConditionType::Settled) {
        State::Settled
    } else {
        State::Running
    }
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

/// Everything about one.
pub fn rollout(rollout: &OptimizationRollout, now: Timestamp) -> String {
    let status = rollout.status.clone().unwrap_or_default();
    let summary = status.summary.clone().unwrap_or_default();
    let ready = status.conditions.iter().find(|condition| condition.type_ == ConditionType::Ready.to_string());
    let message = ready.map_or("the operator has not seen it yet", |condition| condition.message.as_str());
    let mut text = format!(
        "{}/{}   {}   {} optimized   traffic {}\n{}: {message}\n\n",
        rollout.namespace().unwrap_or_default(),
        rollout.name_any(),
        summary.stage,
        summary.members,
        summary.traffic,
        summary.reason
    );
    text.push_str(&stages(rollout));
    if let Some(members) = &status.members {
        text.push('\n');
        text.push_str(&cells(members));
    }
    if !status.indicators.is_empty() {
        text.push('\n');
        let mut rows = vec![["INDICATOR", "", "OPTIMIZED", "BASELINE", ""].map(str::to_owned)];
        rows.extend(status.indicators.iter().map(|indicator| {
            let value = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".to_owned());
            let sign = match indicator.verdict {
                Verdict::Pass => "ok",
                Verdict::Breach => "BREACH",
                Verdict::Inconclusive => "?",
            };
            [
                indicator.name.clone(),
                sign.to_owned(),
                value(&indicator.optimized),
                value(&indicator.baseline),
                indicator.message.clone(),
            ]
        }));
        text.push_str(&table(&rows));
    }
    if !status.history.is_empty() {
        text.push('\n');
        let skipped = status.history.len().saturating_sub(HISTORY);
        let rows: Vec<[String; 3]> = status
            .history
            .iter()
            .skip(skipped)
            .map(|transition| {
                let age = now.duration_since(transition.time.0).as_secs().max(0);
                let age = api::Duration::from_secs(u64::try_from(age).unwrap_or(0));
                [format!("{age} ago"), transition.reason.to_string(), transition.message.clone()]
            })
            .collect();
        text.push_str(&table(&rows));
    }
    text
}

fn stages(rollout: &OptimizationRollout) -> String {
    let status = rollout.status.clone().unwrap_or_default();
    let current = status.stage.as_ref().and_then(|stage| usize::try_from(stage.index).ok());
    let baked = status.run.as_ref().is_some_and(|run| run.succeeded_at.is_some());
    let aborted = status.run.as_ref().is_some_and(|run| run.aborted_at.is_some());
    let rows: Vec<[String; 4]> = rollout
        .spec
        .stages
        .iter()
        .enumerate()
        .map(|(index, stage)| {
            let done = baked || current.is_some_and(|current| index < current);
            let (sign, bar) = match (done, current == Some(index), aborted) {
                (true, ..) => ("x", String::new()),
                (_, true, true) => ("!", "taken back".to_owned()),
                (_, true, false) => {
                    let covered = status.stage.as_ref().map(|stage| stage.covered).unwrap_or_default();
                    let share = covered.get().as_millis() * BAR / stage.bake.get().as_millis().max(1);
                    let filled = usize::try_from(share.min(BAR)).unwrap_or(0);
                    let empty = usize::try_from(BAR).unwrap_or(0) - filled;
                    (">", format!("[{}{}] {covered} of {}", "#".repeat(filled), ".".repeat(empty), stage.bake))
                }
                _ => ("", String::new()),
            };
            [sign.to_owned(), stage.name.clone(), format!("{} %", stage.percent), bar]
        })
        .collect();
    table(&rows)
}

/// The fleet as a row of cells, and its key.
fn cells(members: &Members) -> String {
    let count = |number: i32| usize::try_from(number).unwrap_or(0);
    let parts = [
        ('#', "optimized", count(members.optimized)),
        ('<', "going back", count(members.returning)),
        ('o', "overridden", count(members.overridden)),
        ('.', "baseline", count(members.baseline)),
        ('h', "holdout", count(members.holdout)),
    ];
    let known: usize = parts.iter().map(|(_, _, number)| number).sum();
    let parts: Vec<(char, &str, usize)> =
        parts.into_iter().chain([('-', "not in the run", count(members.fleet).saturating_sub(known))]).collect();
    let total: usize = parts.iter().map(|(_, _, number)| number).sum();
    let scaled = |number: usize| if total <= WIDEST { number } else { (number * WIDEST).div_ceil(total) };
    let row: String = parts.iter().map(|(cell, _, number)| cell.to_string().repeat(scaled(*number))).collect();
    let key: Vec<String> = parts
        .iter()
        .filter(|(_, _, number)| *number > 0)
        .map(|(cell, what, number)| format!("{cell} {number} {what}"))
        .collect();
    format!("{row}\n{}\n", key.join("   "))
}

/// Rows in columns that are as wide as their widest cell.
fn table<const COLUMNS: usize>(rows: &[[String; COLUMNS]]) -> String {
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate() {
            let width = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
            // Writing to a string cannot fail.
            let _ = write!(line, "{cell:<width$}  ", width = width.unwrap_or(0));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests;
