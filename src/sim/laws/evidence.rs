//! L17: every transition says why.

use std::collections::BTreeMap;
use std::time::Duration;

use api::OptimizationRollout;
use api::status::OptimizationRolloutStatus;
use tokio::time::Instant;

use super::view::View;
use super::{Found, Law};
use crate::history::{Entry, Write};
use crate::object::text;

/// From a transition to its event.
const DEADLINE: Duration = Duration::from_secs(3);
/// How long a fault may delay a request.
const FAULT: Duration = Duration::from_secs(5);

/// Events that are owed: by whom, for which reason, until when.
#[derive(Default)]
pub(super) struct Evidence {
    owed: Vec<(String, String, Instant)>,
    /// When something last went wrong with a user's requests.
    faulty: BTreeMap<String, Instant>,
}

impl Law for Evidence {
    fn law(&self) -> (&'static str, &'static str) {
        ("L17 evidence", "every transition leaves conditions, an event and an entry of the history that says why")
    }

    fn check(&mut self, entry: &Entry, view: &View, found: &mut Found) {
        match entry {
            Entry::Fault { at, user, .. } => {
                self.faulty.insert(user.clone(), *at);
                self.owed.retain(|(owes, ..)| owes != user);
            }
            Entry::Write(write) if write.key.plural == "events" && write.is_accepted() => {
                let reason = text(&write.body, "/reason");
                self.owed.retain(|(user, owed, _)| *user != write.user || owed != reason);
                found.violations.extend(untrue(write, view));
            }
            _ => {}
        }
        let late: Vec<_> = self.owed.extract_if(.., |(.., due)| *due < entry.at()).collect();
        found.violations.extend(late.into_iter().map(|(user, reason, _)| format!("{user} told no event {reason}")));
        let Some((write, before, after)) = view.status_write(entry) else { return };
        let (old, new) = (before.status.clone().unwrap_or_default(), after.status.clone().unwrap_or_default());
        let Some(transition) = transition(&old, &new) else { return };
        found.stake(missing(after, &old, &new).map(|what| format!("{transition}, but {what}")));
        // Whoever dies, or is not answered, right after it tells nobody.
        let faulty = self.faulty.get(&write.user).is_some_and(|at| write.at.duration_since(*at) <= FAULT);
        if let Some(last) = new.history.last().filter(|_| !faulty) {
            self.owed.push((write.user.clone(), last.reason.to_string(), write.at + DEADLINE));
        }
    }
}

/// An event of something that no status says.
fn untrue(write: &Write, view: &View) -> Option<String> {
    view.ours(&Entry::Write(write.clone()))?;
    let (name, note) = (text(&write.body, "/regarding/name"), text(&write.body, "/note"));
    let (_, rollout) = view.rollouts().find(|(key, _)| key.namespace == write.key.namespace && key.name == name)?;
    let status = rollout.status.as_ref();
    let told = status.into_iter().flat_map(|status| &status.history).any(|entry| entry.message == note)
        // A stall is no transition: the conditions say it.
        || status.into_iter().flat_map(|status| &status.conditions).any(|condition| condition.message == note);
    (!told).then(|| format!("{} told what no status says: {note}", write.user))
}

/// A fact that is new in a status.
fn transition(old: &OptimizationRolloutStatus, new: &OptimizationRolloutStatus) -> Option<&'static str> {
    let run = new.run.as_ref()?;
    let Some(before) = old.run.as_ref().filter(|old| old.id == run.id) else { return Some("a run started") };
    let index = |status: &OptimizationRolloutStatus| status.stage.as_ref().map(|stage| stage.index);
    let facts = [
        (index(old) != index(new), "the stage changed"),
        (run.aborted_at.is_some() && before.aborted_at.is_none(), "the run was aborted"),
        (run.succeeded_at.is_some() && before.succeeded_at.is_none(), "the last stage has baked"),
        (run.settling_at.is_some() && before.settling_at.is_none(), "the holdout follows"),
        (run.settled_at.is_some() && before.settled_at.is_none(), "the run is settled"),
    ];
    facts.into_iter().find(|(is_new, _)| *is_new).map(|(_, name)| name)
}

fn missing(
    rollout: &OptimizationRollout,
    old: &OptimizationRolloutStatus,
    new: &OptimizationRolloutStatus,
) -> Option<String> {
    let told = new.history.last().filter(|last| !last.message.is_empty());
    if told.is_none() || old.history.last() == told {
        return Some("the history does not say so".to_owned());
    }
    let run = new.run.as_ref()?;
    let facts = [
        ("Aborted", run.aborted_at.is_some()),
        ("Succeeded", run.succeeded_at.is_some() && run.aborted_at.is_none()),
        ("Settled", run.settled_at.is_some()),
    ];
    for (kind, holds) in facts {
        let condition = new.conditions.iter().find(|condition| condition.type_ == kind);
        let is_told = condition.is_some_and(|condition| {
            // Who retreats may do so by the spec of a moment ago, and says so.
            let generation =
                if run.aborted_at.is_some() { new.observed_generation } else { rollout.metadata.generation };
            (condition.status == "True") == holds && condition.observed_generation == generation
        });
        if !is_told {
            return Some(format!("condition {kind} does not say so: {condition:?}"));
        }
    }
    None
}
