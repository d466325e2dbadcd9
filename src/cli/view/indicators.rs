//! What is measured of both cohorts, now and while somebody watches.

use std::collections::{BTreeMap, VecDeque};

use api::{
    status::{IndicatorStatus, Verdict},
    threshold::Threshold,
};

use super::{
    paint::{Paint, Style},
    table::table,
};

/// Samples that a line shows.
const LENGTH: usize = 16;
const LEVELS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// Both lines together span at least this share of their largest value: less is noise.
const LEAST_SPAN: f64 = 0.1;

/// What was measured since somebody watches, by indicator: optimized and baseline.
#[derive(Clone, Debug, Default)]
pub struct Tracks {
    lines: BTreeMap<String, [VecDeque<Option<f64>>; 2]>,
}

impl Tracks {
    /// Adds one sample of each indicator; one that is not measured now is a gap.
    pub fn add(&mut self, indicators: &[IndicatorStatus]) {
        for indicator in indicators {
            let lines = self.lines.entry(indicator.name.clone()).or_default();
            for (line, text) in lines.iter_mut().zip([&indicator.optimized, &indicator.baseline]) {
                line.push_back(text.as_deref().and_then(number));
                while line.len() > LENGTH {
                    line.pop_front();
                }
            }
        }
    }

    /// Both lines of an indicator, on one scale.
    fn draw(&self, name: &str) -> [String; 2] {
        let Some(lines) = self.lines.get(name) else { return Default::default() };
        let values: Vec<f64> = lines.iter().flatten().flatten().copied().collect();
        let most = values.iter().copied().fold(f64::MIN, f64::max);
        let least = values.iter().copied().fold(f64::MAX, f64::min);
        let span = (most - least).max(most.abs() * LEAST_SPAN);
        let level = |value: f64| {
            let share = if span > 0.0 { (value - least) / span } else { 0.0 };
            // From 0 to 1, so the product is a small whole number.
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 7")]
            let index = (share.clamp(0.0, 1.0) * 7.0).round() as usize;
            LEVELS.get(index).copied().unwrap_or(' ')
        };
        lines.each_ref().map(|line| line.iter().map(|value| value.map_or(' ', level)).collect())
    }
}

/// The number of a value as the status has it: `6.2ms`, `0.1%`.
fn number(text: &str) -> Option<f64> {
    let (sign, text) = text.strip_prefix('-').map_or((1.0, text), |rest| (-1.0, rest));
    Some(sign * text.parse::<Threshold>().ok()?.value())
}

/// A row for each indicator, with the sentence of its verdict below; empty without any.
pub fn indicators(indicators: &[IndicatorStatus], tracks: &Tracks, paint: Paint) -> String {
    if indicators.is_empty() {
        return String::new();
    }
    let mut rows = vec![["INDICATOR", "", "OPTIMIZED", "", "BASELINE", ""].map(str::to_owned)];
    for indicator in indicators {
        let (style, word) = match indicator.verdict {
            Verdict::Pass => (Style::Good, "ok"),
            Verdict::Breach => (Style::Bad, "BREACH"),
            Verdict::Inconclusive => (Style::Busy, "?"),
        };
        let value = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".to_owned());
        let [optimized, baseline] = tracks.draw(&indicator.name);
        rows.push([
            indicator.name.clone(),
            paint.paint(style, word),
            value(&indicator.optimized),
            paint.paint(style, &optimized),
            value(&indicator.baseline),
            baseline,
        ]);
    }
    let table = table(&rows);
    let mut text = String::new();
    for (index, row) in table.lines().enumerate() {
        text.push_str(row);
        text.push('\n');
        let indicator = index.checked_sub(1).and_then(|index| indicators.get(index));
        if let Some(indicator) = indicator.filter(|indicator| !indicator.message.is_empty()) {
            text.push_str(&paint.paint(Style::Faint, &format!("  {}", indicator.message)));
            text.push('\n');
        }
    }
    text
}

#[cfg(test)]
mod tests;
