//! L3 and L16: what the clocks of a retreat and of a bake say.

use std::collections::BTreeMap;
use std::time::Duration;

use api::status::Retreat;
use domain::record::Cohort;
use tokio::time::Instant;

use super::view::View;
use super::{Found, Law};
use crate::history::Entry;

/// Times in a status have whole seconds.
const ROUNDING: Duration = Duration::from_secs(1);

pub(super) struct ClockOrder;

impl Law for ClockOrder {
    fn law(&self) -> (&'static str, &'static str) {
        ("L3 abort deadline", "the clocks of a retreat are set once, in their order, and only when it is so")
    }

    fn check(&mut self, entry: &Entry, view: &View, found: &mut Found) {
        let Some((_, before, after)) = view.status_write(entry) else { return };
        let (old, new) = (before.status.clone().unwrap_or_default(), after.status.clone().unwrap_or_default());
        let (Some(retreat), Some(run)) = (new.retreat, new.run) else { return };
        let started_anew = |old: &Retreat| old.decided_at != retreat.decided_at || old.reason != retreat.reason;
        let old = old.retreat.filter(|old| !started_anew(old));
        let was = |clock: fn(&Retreat) -> bool| old.as_ref().is_some_and(clock);
        let off = retreat.off_at.is_some() && !was(|retreat| retreat.off_at.is_some());
        let optimized = view.count(&run.id, Cohort::Optimized);
        if off {
            let broken = optimized > 0;
            found.stake(broken.then(|| format!("offAt is set while {optimized} members are recorded as optimized")));
        }
        if retreat.acknowledged_at.is_some() && retreat.off_at.is_none() {
            found.violations.push("acknowledgedAt is set before offAt".to_owned());
        }
        let moved = old.as_ref().is_some_and(|old| {
            [
                (&old.rerouted_at, &retreat.rerouted_at),
                (&old.off_at, &retreat.off_at),
                (&old.acknowledged_at, &retreat.acknowledged_at),
            ]
            .iter()
            .any(|(old, new)| old.is_some() && old != new)
        });
        if moved {
            found.violations.push(format!("a clock was set twice: {old:?}, then {retreat:?}"));
        }
    }
}

/// Whether a stage is what an edit of the list made of the one before.
pub(super) fn is_edit(stage: &Option<api::status::StageStatus>) -> bool {
    stage.as_ref().is_some_and(|stage| stage.edited)
}

/// When the current stages and watches began.
#[derive(Default)]
pub(super) struct Bakes {
    stages: BTreeMap<String, Instant>,
    watches: BTreeMap<String, Instant>,
}

impl Law for Bakes {
    fn law(&self) -> (&'static str, &'static str) {
        ("L16 clocks", "steps, skew and failover only ever lengthen a bake")
    }

    fn check(&mut self, entry: &Entry, view: &View, found: &mut Found) {
        let Some((write, before, after)) = view.status_write(entry) else { return };
        let (old, new) = (before.status.clone().unwrap_or_default(), after.status.clone().unwrap_or_default());
        let Some(run) = new.run else { return };
        let (old_run, is_same) = (old.run.clone(), old.run.as_ref().is_some_and(|old| old.id == run.id));
        let fact = |fact: fn(&api::status::Run) -> bool| fact(&run) && !old_run.as_ref().is_some_and(fact);
        let index = |stage: &Option<api::status::StageStatus>| stage.as_ref().map_or(-1, |stage| stage.index);
        let succeeds = is_same && fact(|run| run.succeeded_at.is_some());
        let promoted = is_same && !is_edit(&new.stage) && (index(&new.stage) > index(&old.stage) || succeeds);
        if promoted && after.spec.promote_through.is_none() {
            let stage = usize::try_from(index(&old.stage)).ok().and_then(|index| after.spec.stages.get(index));
            let (bake, began) = (stage.map_or(Duration::ZERO, |stage| stage.bake.get()), self.stages.get(&run.id));
            let watched = began.map_or(Duration::MAX, |began| write.at.duration_since(*began));
            let short = watched + ROUNDING < bake;
            found.stake(short.then(|| format!("a stage that bakes for {bake:?} was over after {watched:?}")));
        }
        let alone = view.rollouts().filter(|(key, _)| key.namespace == write.key.namespace).count() == 1;
        if is_same && fact(|run| run.settling_at.is_some()) && alone {
            let (wanted, began) = (after.spec.watch_after.get(), self.watches.get(&run.id));
            let watched = began.map_or(Duration::MAX, |began| write.at.duration_since(*began));
            let short = watched + ROUNDING < wanted;
            found.stake(short.then(|| format!("a watch of {wanted:?} was over after {watched:?}")));
        }
        let started = |stage: &Option<api::status::StageStatus>| {
            stage.as_ref().map(|stage| (stage.index, stage.started_at.clone(), stage.judged_by.clone()))
        };
        if !is_same || started(&old.stage) != started(&new.stage) {
            self.stages.insert(run.id.clone(), write.at);
        }
        if succeeds {
            self.watches.insert(run.id, write.at);
        }
    }
}
