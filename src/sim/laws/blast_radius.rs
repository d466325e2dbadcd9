//! L1: how many, and who.

use api::OptimizationRollout;
use api::fleet::Delivery;
use domain::record::Cohort;
use domain::settings::Values;

use super::map::{Map, added, files, says, switched};
use super::view::{Run, View};
use super::{Found, Law};
use crate::history::Entry;
use crate::kind::Key;

pub(super) struct BlastRadius;

impl Law for BlastRadius {
    fn law(&self) -> (&'static str, &'static str) {
        ("L1 blast radius", "never more members optimized than the stage allows; a joiner stays baseline in that stage")
    }

    fn check(&mut self, entry: &Entry, view: &View, found: &mut Found) {
        if let Some((write, before, after)) = view.map_write(entry) {
            let run = &after.record.run;
            let added = added(before, after);
            if !added.is_empty() {
                found.stake(excess(view, before, after, &added));
            }
            if let Some(rollout) = view.rollout_of(run) {
                found.violations.extend(unrecorded(rollout, &write.key, before, after));
            }
        }
        if let Some((_, before, after)) = view.status_write(entry)
            && let Some(run) = after.status.as_ref().and_then(|status| status.run.as_ref())
            && let Some(stage) = after.status.as_ref().and_then(|status| status.stage.as_ref())
            && before.status.as_ref().and_then(|status| status.stage.as_ref()) != Some(stage)
            && stage.quota > 0
            // A stage that is over is not edited any more.
            && run.succeeded_at.is_none()
        {
            let largest = view.run(&run.id).map_or(0, |run| i32::try_from(run.largest).unwrap_or(i32::MAX));
            // The list may have become shorter since the last stage.
            let declared = after.spec.stages.get(usize::try_from(stage.index).unwrap_or(0));
            let percent = declared.map_or(stage.percent, |declared| declared.percent);
            let allowed = ((largest - run.holdout).max(0) * percent / 100).max(1);
            let excess = stage.quota > allowed;
            found.stake(excess.then(|| {
                format!(
                    "{percent} % of {largest} members without {} held out are {allowed}, not {}",
                    run.holdout, stage.quota
                )
            }));
        }
    }
}

fn excess(view: &View, before: &Map, after: &Map, added: &[String]) -> Option<String> {
    let id = &after.record.run;
    let Some(Run { quota, settling, .. }) = view.run(id) else {
        return Some(format!("{added:?} are optimized in run {id}, which no status has committed"));
    };
    let all = view.count(id, Cohort::Optimized);
    if !settling && all > usize::try_from(*quota).unwrap_or(0) {
        return Some(format!("{all} members are optimized where {quota} may be; {added:?} came last"));
    }
    let rollout = view.rollout_of(id)?;
    let edited = rollout.status.as_ref().and_then(|status| status.stage.as_ref()).is_some_and(|stage| stage.edited);
    // At the end everybody follows, whenever they come back.
    let rendered = matches!(rollout.spec.fleet.config.delivery, Delivery::Rendered(_)) && !edited && !settling;
    let stamped = before.record.run == *id && before.record.stage >= after.record.stage;
    (rendered && stamped).then(|| format!("{added:?} came into stage {} after it was stamped", after.record.stage))
}

/// Files that a write turned to the optimized values although the record does not say so.
fn unrecorded(rollout: &OptimizationRollout, key: &Key, before: &Map, after: &Map) -> Option<String> {
    let values: Values =
        switched(rollout).into_iter().filter(|(path, value)| after.settled.get(path) != Some(value)).collect();
    let config = &rollout.spec.fleet.config;
    let turned =
        |file: &String| says(config, after.files.get(file), &values) && !says(config, before.files.get(file), &values);
    let (member, _) = files(rollout, key, after.files.keys())
        .into_iter()
        .filter(|(member, _)| after.cohort(&after.record.run, member) != Some(Cohort::Optimized))
        .find(|(_, file)| turned(file))?;
    Some(format!("the file of {member} says the optimized values, the record does not"))
}
