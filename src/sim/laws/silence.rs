//! L6: what nobody has measured promotes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use api::metrics::Source;
use api::optimization::Optimization;
use domain::record::Cohort;
use k8s_openapi::api::core::v1::Pod;
use tokio::time::Instant;

use super::clocks::is_edit;
use super::map::{files, says, switched};
use super::view::View;
use super::{Found, Law};
use crate::history::Entry;
use crate::kind::Key;

/// Beyond two looks, how old an answer may be when a stage ends.
const SLACK: Duration = Duration::from_secs(5);
/// The same for a server that scrapes at its own pace.
const SERVER_SLACK: Duration = Duration::from_secs(60);

/// How long it may take to learn what somebody wrote.
const SIGHT: Duration = Duration::from_secs(1);
/// How long it may take to learn what happened during a fault.
pub(super) const NEWS: Duration = Duration::from_secs(90);

/// What a replica may not know yet, or not wait for.
#[derive(Default)]
pub(super) struct Silence {
    /// When something last went wrong with a user's requests.
    faulty: BTreeMap<String, Instant>,
    /// Paths of the settings that rollouts were made with: members know nothing of edits.
    made: BTreeSet<String>,
}

impl Law for Silence {
    fn law(&self) -> (&'static str, &'static str) {
        ("L6 silence never promotes", "a stage ends on fresh data and acknowledged members")
    }

    fn check(&mut self, entry: &Entry, view: &View, found: &mut Found) {
        if let Entry::Fault { at, user, .. } = entry {
            self.faulty.insert(user.clone(), *at);
        }
        if let Some((key, None, _)) = entry.change() {
            self.made.extend(view.rollout(key).into_iter().flat_map(|rollout| switched(rollout).into_keys()));
        }
        let Some((write, before, after)) = view.status_write(entry) else { return };
        let (old, new) = (before.status.clone().unwrap_or_default(), after.status.clone().unwrap_or_default());
        let (Some(old_run), Some(run), Some(metrics)) = (old.run, new.run, &after.spec.metrics) else { return };
        let index = |stage: &Option<api::status::StageStatus>| stage.as_ref().map_or(-1, |stage| stage.index);
        let succeeds = run.succeeded_at.is_some() && old_run.succeeded_at.is_none();
        if old_run.id != run.id || !(index(&new.stage) > index(&old.stage) || succeeds) || is_edit(&new.stage) {
            return;
        }
        let slack = if matches!(metrics.source, Source::Pods(_)) { SLACK } else { SERVER_SLACK };
        let freshest = write.at.checked_sub(metrics.interval.get() * 2 + slack);
        // Who could not read of late may not know yet what somebody else did meanwhile.
        let blind = self.faulty.get(&write.user).is_some_and(|at| write.at.duration_since(*at) < NEWS);
        let mut fresh = 0;
        let mut broken = None;
        let (config, values) = (&after.spec.fleet.config, switched(after));
        if values.is_empty() {
            // A run that only takes values out: its members are those whose files say nothing.
            return;
        }
        let acknowledgement = &after.spec.fleet.acknowledgement;
        // By its revision, a member acknowledges optimizations and settings as well that it does not know.
        let is_made = |optimization: &Optimization| {
            optimization.settings.iter().all(|setting| self.made.contains(&setting.path))
                && view.answers().knows(&optimization.name)
        };
        let tells = |one: &&Optimization| acknowledgement.revision_label.is_none() || is_made(one);
        for (key, map) in view.maps_of(&run.id) {
            for (member, file) in files(after, key, map.files.keys()) {
                let pod = view.object(&Key::of::<Pod>(&key.namespace, &member));
                let Some(pod) = pod.filter(|_| map.cohort(&run.id, &member) == Some(Cohort::Optimized)) else {
                    continue;
                };
                // Nobody waits for what is said by members whose files somebody else has written to.
                let edited = view.edited(key, file);
                let just_now = edited.is_some_and(|at| write.at.duration_since(at) < SIGHT);
                if !just_now && !says(config, map.files.get(file), &values) {
                    continue;
                }
                let is_fresh = |at| freshest.is_none_or(|freshest| at >= freshest);
                fresh += usize::from(view.answers().at(pod).is_some_and(is_fresh));
                let is_awaited = acknowledgement.metric.is_some() && !blind && edited.is_none();
                let mut awaited = after.spec.optimizations.iter().filter(tells);
                if is_awaited && !awaited.all(|one| view.answers().enabled(pod).contains(&one.name)) {
                    broken = Some(format!("the stage ended although {member} never said that it is optimized"));
                }
            }
        }
        if fresh == 0 && !after.spec.indicators.is_empty() && !blind {
            broken = Some("the stage ended although no optimized member has answered of late".to_owned());
        }
        found.stake(broken);
    }
}
