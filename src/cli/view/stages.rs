//! The stages of a run, and how far each has been watched.

use api::OptimizationRollout;

use super::{
    paint::{Paint, Style},
    table::table,
};

/// Cells of a stage's bar.
const BAR: u128 = 20;

/// A row for each stage, and one for the watch after them.
pub fn stages(rollout: &OptimizationRollout, paint: Paint) -> String {
    let status = rollout.status.clone().unwrap_or_default();
    let current = status.stage.as_ref().and_then(|stage| usize::try_from(stage.index).ok());
    let covered = status.stage.as_ref().map(|stage| stage.covered).unwrap_or_default();
    let run = status.run.as_ref();
    let baked = run.is_some_and(|run| run.succeeded_at.is_some());
    let aborted = run.is_some_and(|run| run.aborted_at.is_some());
    let watched = run.is_some_and(|run| run.settling_at.is_some() || run.settled_at.is_some());
    let sign = |done: bool, here: bool| match (done, here, aborted) {
        (_, true, true) => (Style::Bad, "!"),
        (true, ..) => (Style::Good, "✓"),
        (_, true, false) => (Style::Busy, ">"),
        _ => (Style::Plain, ""),
    };
    let progress = |done: bool, here: bool, length: api::Duration| match (done, here, aborted) {
        (_, true, true) => paint.paint(Style::Bad, "taken back"),
        (false, true, false) => format!("{} {covered} of {length}", bar(covered, length)),
        _ => String::new(),
    };
    let mut rows: Vec<[String; 4]> = rollout
        .spec
        .stages
        .iter()
        .enumerate()
        .map(|(index, stage)| {
            let done = baked || current.is_some_and(|current| index < current);
            let here = !baked && current == Some(index);
            let (style, sign) = sign(done, here);
            let bar = progress(done, here, stage.bake);
            [paint.paint(style, sign), stage.name.clone(), format!("{} %", stage.percent), bar]
        })
        .collect();
    let watching = baked && !watched;
    let (style, sign) = sign(watched, watching);
    let bar = progress(watched, watching, rollout.spec.watch_after);
    rows.push([paint.paint(style, sign), "(watch)".to_owned(), String::new(), bar]);
    table(&rows)
}

fn bar(covered: api::Duration, length: api::Duration) -> String {
    let share = covered.get().as_millis() * BAR / length.get().as_millis().max(1);
    let filled = usize::try_from(share.min(BAR)).unwrap_or(0);
    let empty = usize::try_from(BAR).unwrap_or(0).saturating_sub(filled);
    format!("[{}{}]", "#".repeat(filled), ".".repeat(empty))
}
