//! L2 and L7: who leaves the optimized members, and that nobody comes and goes.

use std::collections::BTreeMap;

use api::OptimizationRollout;
use domain::record::Cohort;

use super::map::{Map, added};
use super::view::{Run, View};
use super::{Found, Law};
use crate::history::Entry;

pub(super) struct MonotoneCohorts;

impl Law for MonotoneCohorts {
    fn law(&self) -> (&'static str, &'static str) {
        ("L2 monotone cohorts", "members leave only by a retreat or a smaller stage; the holdout follows at the end")
    }

    fn check(&mut self, entry: &Entry, view: &View, found: &mut Found) {
        let Some((_, before, after)) = view.map_write(entry) else { return };
        let Some(run) = view.run(&before.record.run) else { return };
        if before.record.members.is_empty() {
            return;
        }
        found.premises += 1;
        let over = run.settling || run.settled || run.aborted.is_some();
        if after.record.members.is_empty() && !over {
            found.violations.push("the record was emptied before the run was over".to_owned());
        }
        if after.record.members.is_empty() || over && after.record.run != before.record.run {
            return;
        }
        for (member, entry) in &before.record.members {
            let now = after.cohort(&before.record.run, member);
            if !may_become(entry.cohort, now, run, after, shrinks(view, run, before, after)) {
                found.violations.push(format!("{member} was {:?} and is {now:?}", entry.cohort));
            }
        }
    }
}

fn may_become(was: Cohort, is: Option<Cohort>, run: &Run, after: &Map, shrinks: bool) -> bool {
    use Cohort::{Baseline, Holdout, Optimized, Returning};
    match (was, is) {
        (was, Some(is)) if was == is => true,
        (Optimized, Some(Returning)) => after.mark.as_ref() == Some(&after.record.run) || shrinks,
        (Baseline, Some(Optimized)) | (Returning, Some(Baseline)) => true,
        // A stage that was edited to fewer members, and then to more.
        (Returning, Some(Optimized)) => after.mark.as_ref() != Some(&after.record.run),
        (Holdout, Some(Optimized)) => run.settling,
        _ => false,
    }
}

/// Whether the stage allowed fewer members than there were.
fn shrinks(view: &View, run: &Run, before: &Map, after: &Map) -> bool {
    let id = &after.record.run;
    let left = before.members(Cohort::Optimized).count().saturating_sub(after.members(Cohort::Optimized).count());
    view.count(id, Cohort::Optimized) + left > usize::try_from(run.quota).unwrap_or(0)
}

/// How often each member of a run was switched on since it last had to make room.
#[derive(Default)]
pub(super) struct NoFlapping {
    switched: BTreeMap<(String, String), u32>,
}

impl Law for NoFlapping {
    fn law(&self) -> (&'static str, &'static str) {
        ("L7 idempotent retreat", "a member is switched on once and taken back once in a run, whoever repeats a write")
    }

    fn check(&mut self, entry: &Entry, view: &View, found: &mut Found) {
        if let Some((_, before, after)) = view.status_write(entry) {
            let run = |rollout: &OptimizationRollout| rollout.status.as_ref().and_then(|status| status.run.clone());
            if let (Some(new), old) = (run(after), run(before))
                && old.as_ref().map(|old| &old.id) != Some(&new.id)
            {
                // The same plan again, after another one: a run of its own, although of the same name.
                self.switched.retain(|(run, _), _| *run != new.id);
            }
        }
        let Some((_, before, after)) = view.map_write(entry) else { return };
        let run = &after.record.run;
        for member in added(before, after) {
            let times = self.switched.entry((run.clone(), member.clone())).or_default();
            *times += 1;
            if *times > 1 {
                found.violations.push(format!("{member} is switched on for the {times}. time in run {run}"));
            }
        }
        for member in after.members(Cohort::Returning) {
            if before.cohort(run, member) == Some(Cohort::Optimized) {
                found.premises += 1;
                if after.mark.as_ref() != Some(run) {
                    self.switched.remove(&(run.clone(), member.clone()));
                }
            }
        }
    }
}
