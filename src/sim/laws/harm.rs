//! L19: harm is answered.

use std::collections::BTreeMap;
use std::time::Duration;

use api::OptimizationRollout;
use api::indicator::{Metric, Mode};
use domain::record::Cohort;
use k8s_openapi::api::core::v1::Pod;
use tokio::time::Instant;

use super::map::asks_members;
use super::view::View;
use super::{Found, Law};
use crate::history::Entry;
use crate::kind::Key;
use crate::object::text;

/// So long optimized members may fail, measured and undisturbed: looks may be 20 s apart, and a limit may want three.
const PATIENCE: Duration = Duration::from_secs(90);
/// Who has not renewed the Lease for so long leads nobody.
const LED: Duration = Duration::from_secs(12);
/// How old the last answer of a member may be.
const FRESH: Duration = Duration::from_secs(25);
/// The share of its requests from which on a member fails beyond doubt, and up to which it is well.
const FAILS: f64 = 0.25;
pub(super) const WELL: f64 = 0.005;
/// An indicator with a limit up to this has to notice.
const LIMIT: f64 = 0.1;

#[derive(Default)]
pub(super) struct Harm {
    /// When each pod last answered, by UID, and the share of its requests that fails.
    answers: BTreeMap<String, (Instant, f64)>,
    last: Option<Instant>,
    /// When a replica last renewed the Lease.
    led: Option<Instant>,
    /// Since when the optimized members of each run fail, and nothing else happens.
    since: BTreeMap<String, Instant>,
}

impl Law for Harm {
    fn law(&self) -> (&'static str, &'static str) {
        ("L19 harm is answered", "a run whose optimized members fail while the others do not is taken back")
    }

    fn check(&mut self, entry: &Entry, view: &View, found: &mut Found) {
        for _ in self.since.extract_if(.., |run, _| view.run(run).is_none_or(|run| run.aborted.is_some())) {
            found.stake(None);
        }
        match entry {
            Entry::Scrape { at, uid, fails: Some(fails), .. } => {
                let gap = self.last.replace(*at).map_or(Duration::ZERO, |last| at.duration_since(last));
                if gap > FRESH || self.led.is_none_or(|led| at.duration_since(led) > LED) {
                    self.since.clear();
                }
                self.answers.insert(uid.clone(), (*at, *fails));
                self.look(*at, view, found);
            }
            Entry::Write(write) if write.key.plural == "leases" && write.code < 300 => self.led = Some(write.at),
            _ if disturbs(entry, view) => self.since.clear(),
            _ => {}
        }
    }
}

impl Harm {
    fn look(&mut self, at: Instant, view: &View, found: &mut Found) {
        for (_, rollout) in view.rollouts() {
            let Some(run) = rollout.status.as_ref().and_then(|status| status.run.as_ref()) else { continue };
            let is_open = run.aborted_at.is_none() && run.settling_at.is_none() && run.settled_at.is_none();
            if !is_open || !watches(rollout) || !self.fails(&run.id, at, view) {
                self.since.remove(&run.id);
                continue;
            }
            let since = *self.since.entry(run.id.clone()).or_insert(at);
            if at.duration_since(since) >= PATIENCE {
                self.since.remove(&run.id);
                found.stake(Some(format!("the optimized members of run {} fail for {PATIENCE:?}", run.id)));
            }
        }
    }

    /// Whether all optimized members of a run fail, and two others at least are well.
    fn fails(&self, run: &str, at: Instant, view: &View) -> bool {
        let (mut failing, mut well) = (0, 0);
        for (key, map) in view.maps_of(run) {
            for (member, entry) in &map.record.members {
                let Some(pod) = view.object(&Key::of::<Pod>(&key.namespace, member)) else { return false };
                let answer = self.answers.get(text(pod, "/metadata/uid"));
                let Some((_, fails)) = answer.filter(|(asked, _)| at.duration_since(*asked) <= FRESH) else {
                    return false;
                };
                match entry.cohort {
                    Cohort::Optimized if *fails >= FAILS => failing += 1,
                    Cohort::Baseline | Cohort::Holdout if *fails <= WELL => well += 1,
                    _ => return false,
                }
            }
        }
        failing > 0 && well >= 2
    }
}

/// Whether a rollout has an indicator that has to notice.
fn watches(rollout: &OptimizationRollout) -> bool {
    asks_members(rollout)
        && rollout.spec.indicators.iter().any(|indicator| {
            let limit = indicator.max.as_ref().map_or(f64::INFINITY, |max| max.value());
            indicator.mode == Mode::Enforce && matches!(indicator.metric, Metric::Ratio(_)) && limit <= LIMIT
        })
}

/// Whether something else happens that may keep an operator from its work.
fn disturbs(entry: &Entry, view: &View) -> bool {
    match entry {
        Entry::Scrape { .. } | Entry::Fault { .. } | Entry::Calm { .. } => true,
        Entry::Change { key, .. } => key.plural != "endpointslices",
        Entry::Write(_) => view.ours(entry).is_none(),
    }
}
