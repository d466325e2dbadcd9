//! What was measured, and whether it holds what was promised.

use comfy_table::{Cell, CellAlignment, Table, presets::UTF8_FULL_CONDENSED};
use serde::Serialize;

/// Measurements below which the 99th percentile would be the largest one.
const ENOUGH_FOR_P99: usize = 100;

/// How a number has to be for its goal to hold.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Goal {
    /// At most this much.
    AtMost(f64),
    /// None: the number is only reported.
    None,
}

/// One line of the table.
#[derive(Clone, Debug, Serialize)]
pub struct Figure {
    name: String,
    value: f64,
    unit: &'static str,
    goal: Goal,
    holds: Option<bool>,
    #[serde(flatten)]
    spread: Spread,
    /// What has to be known of the conditions.
    #[serde(skip_serializing_if = "String::is_empty")]
    note: String,
}

/// All measurements behind a figure; 99 percent of them only where there are enough.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Spread {
    /// How many.
    pub n: usize,
    /// Half of them are at most this.
    pub p50: f64,
    /// Nineteen of twenty are at most this.
    pub p95: f64,
    /// Ninety-nine of a hundred are at most this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p99: Option<f64>,
    /// The largest.
    pub max: f64,
}

impl Spread {
    /// Of these measurements; `None` of none.
    #[must_use]
    pub fn of(measured: &[f64]) -> Option<Self> {
        let mut sorted = measured.to_vec();
        sorted.sort_by(f64::total_cmp);
        let max = *sorted.last()?;
        let n = sorted.len();
        // The smallest that so many are at most equal to.
        let share = |percent: usize| sorted.get((n * percent).div_ceil(100).saturating_sub(1)).copied().unwrap_or(max);
        Some(Self { n, p50: share(50), p95: share(95), p99: (n >= ENOUGH_FOR_P99).then(|| share(99)), max })
    }
}

/// Which number of a spread a goal is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    /// Half of them.
    P50,
    /// Ninety-nine of a hundred; the largest of fewer than a hundred.
    P99,
    /// The largest.
    Max,
}

impl Figure {
    /// One number of several measurements. Without any, the goal is missed.
    #[must_use]
    pub fn spread(name: &str, unit: &'static str, measured: &[f64], of: Of, goal: Goal) -> Self {
        let spread = Spread::of(measured);
        let value = spread.as_ref().map_or(f64::NAN, |spread| match of {
            Of::P50 => spread.p50,
            Of::P99 => spread.p99.unwrap_or(spread.max),
            Of::Max => spread.max,
        });
        let suffix = match of {
            Of::P50 => ", p50",
            Of::P99 => ", p99",
            Of::Max => "",
        };
        Self { spread: spread.unwrap_or_default(), ..Self::single(&format!("{name}{suffix}"), unit, value, goal) }
    }

    /// A number that was measured once.
    #[must_use]
    pub fn single(name: &str, unit: &'static str, value: f64, goal: Goal) -> Self {
        let holds = match goal {
            Goal::AtMost(most) => Some(value <= most),
            Goal::None => None,
        };
        let spread = Spread { n: 1, p50: value, p95: value, p99: None, max: value };
        Self { name: name.to_owned(), value, unit, goal, holds, spread, note: String::new() }
    }

    /// With a note on the conditions.
    #[must_use]
    pub fn noted(self, note: impl Into<String>) -> Self {
        Self { note: note.into(), ..self }
    }

    /// Whether its goal holds; `None` without a goal.
    #[must_use]
    pub const fn holds(&self) -> Option<bool> {
        self.holds
    }
}

/// The figures as a table for a terminal.
#[must_use]
pub fn table(figures: &[Figure]) -> String {
    let mut table = Table::new();
    table
        .load_style(UTF8_FULL_CONDENSED)
        .set_header(["", "value", "unit", "goal", "holds", "n", "p50", "p95", "p99", "max", "note"]);
    for figure in figures {
        let goal = match figure.goal {
            Goal::AtMost(most) => format!("<= {}", number(most)),
            Goal::None => String::new(),
        };
        let holds = figure.holds.map_or("", |holds| if holds { "yes" } else { "NO" });
        let Spread { n, p50, p95, p99, max } = &figure.spread;
        let right = |text: String| Cell::new(text).set_alignment(CellAlignment::Right);
        table.add_row([
            Cell::new(&figure.name),
            right(number(figure.value)),
            Cell::new(figure.unit),
            right(goal),
            Cell::new(holds),
            right(n.to_string()),
            right(number(*p50)),
            right(number(*p95)),
            right(p99.map_or_else(String::new, number)),
            right(number(*max)),
            Cell::new(&figure.note),
        ]);
    }
    table.to_string()
}

fn number(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests;
