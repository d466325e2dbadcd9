//! A plan for people, in the order in which it would happen.

use std::{collections::BTreeMap, fmt::Write};

use domain::preview::{CohortName, Preview, Step};

use crate::view::table::table;

/// Writes of one kind that are listed.
const MOST: usize = 8;

/// The whole plan.
pub fn plan(preview: &Preview, notes: &[String]) -> String {
    let mut text = format!("{}/{}   {}\n", preview.namespace, preview.name, decider(preview));
    for note in notes {
        let _ = writeln!(text, "note: {note}");
    }
    let _ = writeln!(text, "\n{}: {}\n", preview.reason, preview.message);
    steps(&mut text, "1. takes away", &preview.withdraw);
    match &preview.status {
        None => text.push_str("2. status: stays as it is\n"),
        Some(status) => {
            let summary = status.summary.clone().unwrap_or_default();
            let _ = writeln!(text, "2. status: {}, {} optimized", summary.stage, summary.members);
            for transition in &preview.transitions {
                let _ = writeln!(text, "   {transition}");
            }
        }
    }
    steps(&mut text, "3. goes on", &preview.advance);
    let _ = writeln!(text, "\nLooks again after {}, or when something changes.", preview.requeue);
    let _ = writeln!(text, "Members: {}", members(preview));
    text
}

fn decider(preview: &Preview) -> String {
    match (&preview.replica, preview.leads) {
        (Some(replica), true) => format!("decided by {replica}, which leads"),
        (Some(replica), false) => format!("decided by {replica}, which does not lead: it only takes away"),
        (None, _) => "decided here".to_owned(),
    }
}

fn steps(text: &mut String, title: &str, steps: &[Step]) {
    if steps.is_empty() {
        let _ = writeln!(text, "{title}: nothing");
        return;
    }
    let _ = writeln!(text, "{title}:");
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let mut rows = Vec::new();
    for step in steps {
        let count = counts.entry(&step.action).or_default();
        *count += 1;
        if *count <= MOST {
            rows.push(["  ".to_owned(), step.object.clone(), step.change.clone()]);
        }
    }
    text.push_str(&table(&rows));
    for (action, count) in counts.into_iter().filter(|(_, count)| *count > MOST) {
        let _ = writeln!(text, "   and {} more of {action}", count - MOST);
    }
}

fn members(preview: &Preview) -> String {
    let count = |cohort: Option<CohortName>| preview.members.iter().filter(|member| member.cohort == cohort).count();
    let optimized = preview.members.iter().filter(|member| member.cohort == Some(CohortName::Optimized));
    let acknowledged = optimized.filter(|member| member.acknowledged).count();
    let parts = [
        (count(Some(CohortName::Optimized)), format!("optimized ({acknowledged} acknowledged)")),
        (count(Some(CohortName::Returning)), "going back".to_owned()),
        (count(Some(CohortName::Baseline)), "baseline".to_owned()),
        (count(Some(CohortName::Holdout)), "holdout".to_owned()),
        (count(None), "not in the run".to_owned()),
        (preview.members.iter().filter(|member| member.overridden).count(), "overridden".to_owned()),
        (preview.members.iter().filter(|member| !member.ready).count(), "not ready".to_owned()),
    ];
    let parts: Vec<String> =
        parts.into_iter().filter(|(number, _)| *number > 0).map(|(number, what)| format!("{number} {what}")).collect();
    if parts.is_empty() { "none".to_owned() } else { parts.join(", ") }
}

#[cfg(test)]
mod tests;
