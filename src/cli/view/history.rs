//! What happened last.

use api::OptimizationRolloutStatus;
use jiff::Timestamp;

use super::{
    paint::{Paint, Style},
    table::table,
};

/// Transitions that are shown.
const MOST: usize = 6;

/// The latest transitions, newest last, and how long ago they were; empty without any.
pub fn history(status: &OptimizationRolloutStatus, now: Timestamp, paint: Paint) -> String {
    let skipped = status.history.len().saturating_sub(MOST);
    let rows: Vec<[String; 3]> = status
        .history
        .iter()
        .skip(skipped)
        .map(|transition| {
            let seconds = u64::try_from(now.duration_since(transition.time.0).as_secs()).unwrap_or(0);
            let ago = format!("{} ago", api::Duration::from_secs(seconds));
            [paint.paint(Style::Faint, &ago), transition.reason.to_string(), transition.message.clone()]
        })
        .collect();
    table(&rows)
}
