//! L3 and L16: what the clocks of a retreat and of a bake say.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use api::OptimizationRollout;
use api::fleet::Delivery;
use api::indicator::Mode;
use api::names::{COHORT_LABEL, cohort};
use api::status::Retreat;
use domain::delivery;
use domain::record::Cohort;
use domain::settings::Values;
use serde_json::Value;
use tokio::time::Instant;

use super::map::{Map, asks_members, files, says};
use super::silence::NEWS;
use super::view::View;
use super::{Found, Law};
use crate::history::{Entry, Write};
use crate::object::{is_being_deleted, labels, text};

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
            let broken =
                (optimized > 0).then(|| format!("offAt is set while {optimized} members are recorded as optimized"));
            found.stake(broken.or_else(|| still_said(&run.id, after, view)));
        }
        if retreat.acknowledged_at.is_some() && !was(|retreat| retreat.acknowledged_at.is_some()) {
            found.stake(still_enabled(&run.id, after, view));
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

/// A file of a member of a run that says a switched value, and was written by nobody else; or a record that nobody can
/// read, of a member that is optimized.
fn still_said(run: &str, rollout: &OptimizationRollout, view: &View) -> Option<String> {
    let is_on = |pod: &Value| {
        let cohort = labels(pod).get(COHORT_LABEL).is_some_and(|cohort| cohort == cohort::OPTIMIZED);
        cohort && view.enables_any(pod, rollout)
    };
    let on: BTreeSet<&str> =
        view.fleet(rollout).filter(|(_, pod)| is_on(pod)).map(|(key, _)| key.name.as_str()).collect();
    view.maps_for(rollout).find_map(|(key, map)| {
        let members = files(rollout, key, map.files.keys());
        if map.unreadable && members.iter().any(|(member, _)| on.contains(member.as_str())) {
            return Some(format!("offAt is set while the record in {key} cannot be read"));
        }
        let config = &rollout.spec.fleet.config;
        // A patched file goes back to what it said before, also what others had made of it.
        let before = |file: &str, value: &Values| match view.given(key, file) {
            _ if matches!(config.delivery, Delivery::Rendered(_)) => false,
            Some(text) => says(config, Some(text), value),
            None => view.is_changed(key, file),
        };
        let ours = |member: &str, file| map.cohort(run, member).is_some() && view.edited(key, file).is_none();
        let says_more = |file: &str| map.switched(file, rollout).any(|value| !before(file, &value));
        let mut members = members.into_iter();
        let said = members.find(|(member, file)| ours(member, file) && says_more(file));
        said.map(|(member, _)| format!("offAt is set while the file of {member} is on"))
    })
}

/// A member whose last answer says that it is optimized, where that tells of this run alone.
fn still_enabled(run: &str, rollout: &OptimizationRollout, view: &View) -> Option<String> {
    let acknowledgement = &rollout.spec.fleet.acknowledgement;
    let by_name = acknowledgement.metric.is_some() && acknowledgement.revision_label.is_none();
    if !by_name || rollout.metadata.deletion_timestamp.is_some() {
        return None;
    }
    let mut elsewhere = view
        .maps_for(rollout)
        .filter(|(key, map)| !map.settled.is_empty() || map.files.keys().any(|file| view.edited(key, file).is_some()));
    if elsewhere.next().is_some() {
        return None;
    }
    // Who was not switched by the run was by somebody else, some time ago.
    let never = |member: &str| {
        let config = &rollout.spec.fleet.config;
        let is_other = |map: &Map| matches!(map.cohort(run, member), Some(Cohort::Baseline | Cohort::Holdout));
        let mut recorded = view.maps_of(run).filter(|(_, map)| is_other(map));
        recorded.any(|(key, _)| {
            !view.was_switched(run, member) || view.is_changed(key, &delivery::file_key(config, member))
        })
    };
    let mut there = view.fleet(rollout).filter(|(key, pod)| !is_being_deleted(pod) && !never(&key.name));
    let enabled = there.find(|(_, pod)| view.enables_any(pod, rollout))?.1;
    Some(format!("acknowledgedAt is set although {} said last that it is optimized", text(enabled, "/metadata/name")))
}

/// Whether a stage is what an edit of the list made of the one before.
pub(super) fn is_edit(stage: &Option<api::status::StageStatus>) -> bool {
    stage.as_ref().is_some_and(|stage| stage.edited)
}

/// When the current stages and watches began, and what was seen of their optimized members, by run.
#[derive(Default)]
pub(super) struct Bakes {
    stages: BTreeMap<String, Bake>,
    watches: BTreeMap<String, Bake>,
    /// When something went wrong with all that a replica asks and sees, or with ConfigMaps.
    blind: Vec<(String, Instant)>,
}

/// A time that is watched.
struct Bake {
    began: Instant,
    /// What members tell that are recorded as optimized.
    recorded: Told,
    /// The same, with those that are optimized although no record says so any more, and since when there are such.
    all: Told,
    lost: Option<Instant>,
    /// The longest time that one answer told of.
    reach: Duration,
}

/// How much of a time is told of by answers up to the last one.
#[derive(Clone, Copy)]
struct Told {
    sum: Duration,
    to: Instant,
}

impl Told {
    fn hear(&mut self, at: Instant, reach: Duration) {
        self.sum += at.duration_since(self.to).min(reach);
        self.to = at;
    }
}

impl Bake {
    fn new(began: Instant) -> Self {
        let nothing = Told { sum: Duration::ZERO, to: began };
        Self { began, recorded: nothing, all: nothing, lost: None, reach: Duration::ZERO }
    }

    /// An optimized member answers: it tells of the time since the last answer, and never of more than two intervals.
    fn hear(&mut self, at: Instant, interval: Duration, is_recorded: bool) {
        self.reach = self.reach.max(interval * 2);
        self.all.hear(at, self.reach);
        if is_recorded {
            self.recorded.hear(at, self.reach);
        } else {
            self.lost.get_or_insert(at);
        }
    }
}

impl Law for Bakes {
    fn law(&self) -> (&'static str, &'static str) {
        ("L16 clocks", "steps, skew, failover and silence only ever lengthen a bake")
    }

    fn check(&mut self, entry: &Entry, view: &View, found: &mut Found) {
        match entry {
            Entry::Scrape { at, pod, says: Some(says), fails: Some(_), .. } => self.hear(*at, pod, says, view),
            Entry::Fault { at, user, key, .. } if key.as_ref().is_none_or(|key| key.plural == "configmaps") => {
                self.blind.push((user.clone(), *at));
            }
            _ => {}
        }
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
            let bake = stage.map_or(Duration::ZERO, |stage| stage.bake.get());
            found.stake(self.cut_short("stage", bake, self.stages.get(&run.id), write, after));
        }
        let alone = view.rollouts().filter(|(key, _)| key.namespace == write.key.namespace).count() == 1;
        if is_same && fact(|run| run.settling_at.is_some()) && alone {
            let watch = after.spec.watch_after.get();
            found.stake(self.cut_short("watch", watch, self.watches.get(&run.id), write, after));
        }
        let started = |stage: &Option<api::status::StageStatus>| {
            stage.as_ref().map(|stage| (stage.index, stage.started_at.clone(), stage.judged_by.clone()))
        };
        if !is_same || started(&old.stage) != started(&new.stage) {
            self.stages.insert(run.id.clone(), Bake::new(write.at));
        }
        if succeeds {
            self.watches.insert(run.id, Bake::new(write.at));
        }
    }
}

impl Bakes {
    fn hear(&mut self, at: Instant, member: &str, says: &[String], view: &View) {
        for (run, bake) in self.stages.iter_mut().chain(&mut self.watches) {
            let Some(metrics) = view.rollout_of(run).and_then(|rollout| rollout.spec.metrics.as_ref()) else {
                continue;
            };
            let cohorts: Vec<Cohort> = view.maps_of(run).filter_map(|(_, map)| map.cohort(run, member)).collect();
            let is_recorded = cohorts.contains(&Cohort::Optimized);
            let is_on = || view.run(run).is_some_and(|run| run.switches.iter().any(|name| says.contains(name)));
            if is_recorded || cohorts.is_empty() && view.was_switched(run, member) && is_on() {
                bake.hear(at, metrics.interval.get(), is_recorded);
            }
        }
    }

    /// How a stage or a watch was over too soon, or with too little seen of it.
    fn cut_short(
        &self,
        what: &str,
        wanted: Duration,
        bake: Option<&Bake>,
        write: &Write,
        rollout: &OptimizationRollout,
    ) -> Option<String> {
        let bake = bake?;
        let watched = write.at.duration_since(bake.began) + ROUNDING;
        if watched < wanted {
            return Some(format!("a {what} of {wanted:?} was over after {watched:?}"));
        }
        let enforces = rollout.spec.indicators.iter().any(|indicator| indicator.mode == Mode::Enforce);
        let told = if self.may_not_know(bake, write) { bake.all.sum } else { bake.recorded.sum };
        let seen = told + bake.reach / 2 + ROUNDING;
        (asks_members(rollout) && enforces && seen < wanted)
            .then(|| format!("a {what} of {wanted:?} was over although its members told of {told:?} of it"))
    }

    /// Whether a replica has not learned yet what somebody did to a record: it could not read when that happened.
    fn may_not_know(&self, bake: &Bake, write: &Write) -> bool {
        let since = |at: &Instant| bake.lost.is_some_and(|lost| *at <= lost) && write.at.duration_since(*at) < NEWS;
        self.blind.iter().any(|(user, at)| *user == write.user && since(at))
    }
}
