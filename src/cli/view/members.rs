//! A cell for each member.

use std::collections::BTreeMap;

use api::{OptimizationRollout, status::Members};
use domain::preview::{CohortName, MemberStanding};

use super::paint::{Paint, Style};

/// Cells that stand together.
const GROUP: usize = 10;
/// A member's name before a row is no longer than this; longer names are left out.
const LONGEST_LABEL: usize = 30;
/// Members of one kind that are named.
const NAMED: usize = 3;

/// What a cell says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cell {
    Optimized,
    Pending,
    Returning,
    Unready,
    Overridden,
    Baseline,
    Holdout,
    Outside,
    Ineligible,
}

impl Cell {
    const fn look(self) -> (char, &'static str, Style) {
        match self {
            Self::Optimized => ('#', "optimized", Style::Good),
            Self::Pending => ('+', "optimized, not acknowledged", Style::Busy),
            Self::Returning => ('<', "going back", Style::Busy),
            Self::Unready => ('!', "not ready", Style::Bad),
            Self::Overridden => ('o', "overridden", Style::Bad),
            Self::Baseline => ('.', "baseline", Style::Plain),
            Self::Holdout => ('h', "holdout", Style::Plain),
            Self::Outside => ('-', "not in the run", Style::Faint),
            Self::Ineligible => ('x', "not eligible", Style::Faint),
        }
    }

    /// Whether people have to know who it is.
    const fn is_named(self) -> bool {
        matches!(self, Self::Pending | Self::Returning | Self::Unready | Self::Overridden)
    }
}

/// Rows of cells in the order of the members' names, with the first name of each row, then what the cells mean.
pub fn cells(rollout: &OptimizationRollout, members: &[MemberStanding], width: usize, paint: Paint) -> String {
    let mut cells: Vec<(&str, Cell)> =
        members.iter().map(|member| (member.name.as_str(), cell(rollout, member))).collect();
    cells.sort_by_key(|(name, _)| natural(name));
    let longest = cells.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    let label = if longest <= LONGEST_LABEL { longest + 2 } else { 0 };
    let groups = (width.saturating_sub(label + 1) / (GROUP + 1)).max(1);
    let mut text = String::new();
    for row in cells.chunks(groups * GROUP) {
        if label > 0 {
            let first = row.first().map(|(name, _)| *name).unwrap_or_default();
            text.push_str(&paint.paint(Style::Faint, &format!("{first:<label$}")));
        }
        let drawn: Vec<String> = row.chunks(GROUP).map(|group| drawn(group, paint)).collect();
        text.push_str(drawn.join(" ").trim_end());
        text.push('\n');
    }
    text.push_str(&key(rollout, &cells, paint));
    text
}

/// Cells of one look are painted together.
fn drawn(group: &[(&str, Cell)], paint: Paint) -> String {
    group
        .chunk_by(|(_, a), (_, b)| a == b)
        .map(|same| {
            let (character, _, style) = same.first().map_or((' ', "", Style::Plain), |(_, cell)| cell.look());
            paint.paint(style, &character.to_string().repeat(same.len()))
        })
        .collect()
}

fn key(rollout: &OptimizationRollout, cells: &[(&str, Cell)], paint: Paint) -> String {
    let mut kinds: BTreeMap<Cell, Vec<&str>> = BTreeMap::new();
    for (name, cell) in cells {
        kinds.entry(*cell).or_default().push(name);
    }
    let entries: Vec<String> = kinds
        .iter()
        .map(|(cell, names)| {
            let (character, what, style) = cell.look();
            let what = match cell {
                Cell::Pending => pending(rollout).unwrap_or_else(|| what.to_owned()),
                _ => what.to_owned(),
            };
            format!("{} {} {what}", paint.paint(style, &character.to_string()), names.len())
        })
        .collect();
    let mut text = format!("{}\n", entries.join("   "));
    for (cell, names) in
        kinds.iter().filter(|(cell, names)| cell.is_named() && !names.is_empty() && !is_blurred(rollout, **cell))
    {
        let (_, what, style) = cell.look();
        let shown: Vec<&str> = names.iter().take(NAMED).copied().collect();
        let more = names.len().saturating_sub(NAMED);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        text.push_str(&format!("{}: {}{more}\n", paint.paint(style, what), shown.join(", ")));
    }
    text
}

/// Where a metric acknowledges, only the operator knows who has; the status has their number alone.
fn is_blurred(rollout: &OptimizationRollout, cell: Cell) -> bool {
    matches!(cell, Cell::Pending | Cell::Returning) && rollout.spec.fleet.acknowledgement.timer.is_none()
}

fn pending(rollout: &OptimizationRollout) -> Option<String> {
    let known = rollout.status.as_ref()?.members.as_ref()?.acknowledged;
    is_blurred(rollout, Cell::Pending).then(|| format!("optimized, {known} acknowledged"))
}

fn cell(rollout: &OptimizationRollout, member: &MemberStanding) -> Cell {
    let status = rollout.status.as_ref();
    let run = status.and_then(|status| status.run.as_ref());
    let counts = status.and_then(|status| status.members.clone()).unwrap_or_default();
    // Who has acknowledged by a metric is known here when it is all or none of them.
    let by_metric = rollout.spec.fleet.acknowledgement.timer.is_none();
    let all_acknowledged = by_metric && counts.acknowledged >= counts.optimized;
    let all_back = by_metric && counts.returning == 0;
    match member.cohort {
        _ if member.overridden => Cell::Overridden,
        _ if !member.ready => Cell::Unready,
        Some(CohortName::Optimized) if member.acknowledged || all_acknowledged => Cell::Optimized,
        Some(CohortName::Optimized) => Cell::Pending,
        Some(CohortName::Returning) if member.acknowledged || all_back => Cell::Baseline,
        Some(CohortName::Returning) => Cell::Returning,
        Some(CohortName::Baseline) => Cell::Baseline,
        Some(CohortName::Holdout) => Cell::Holdout,
        None if !member.eligible => Cell::Ineligible,
        None if run.is_some_and(|run| run.settled_at.is_some()) => Cell::Optimized,
        None if run.is_none_or(|run| run.aborted_at.is_some()) => Cell::Baseline,
        None => Cell::Outside,
    }
}

/// Where nobody knows the members by name: their numbers, drawn in order of cohorts and to scale.
pub fn counts(members: &Members, width: usize, paint: Paint) -> String {
    let count = |number: i32| usize::try_from(number).unwrap_or(0);
    let pending = count(members.optimized).saturating_sub(count(members.acknowledged));
    let mut parts = vec![
        (Cell::Optimized, count(members.optimized).saturating_sub(pending)),
        (Cell::Pending, pending),
        (Cell::Returning, count(members.returning)),
        (Cell::Overridden, count(members.overridden)),
        (Cell::Baseline, count(members.baseline)),
        (Cell::Holdout, count(members.holdout)),
    ];
    let known: usize = parts.iter().map(|(_, number)| number).sum();
    parts.push((Cell::Outside, count(members.fleet).saturating_sub(known)));
    parts.retain(|(_, number)| *number > 0);
    let total: usize = parts.iter().map(|(_, number)| number).sum();
    // Each kind may be rounded up by one.
    let room = width.saturating_sub(parts.len()).max(1);
    let scaled = |number: usize| if total <= room { number } else { (number * room).div_ceil(total) };
    let mut row = String::new();
    let mut key = Vec::new();
    for (cell, number) in parts {
        let (character, what, style) = cell.look();
        row.push_str(&paint.paint(style, &character.to_string().repeat(scaled(number))));
        key.push(format!("{} {number} {what}", paint.paint(style, &character.to_string())));
    }
    format!("{row}\n{}\n", key.join("   "))
}

/// Orders `node-2` before `node-10`.
fn natural(name: &str) -> (String, u64, String) {
    let stem = name.trim_end_matches(|character: char| character.is_ascii_digit());
    let number = name.strip_prefix(stem).and_then(|digits| digits.parse().ok()).unwrap_or(0);
    (stem.to_owned(), number, name.to_owned())
}

#[cfg(test)]
mod tests;
