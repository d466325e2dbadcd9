//! L15: nothing holds up another write of a retreat.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use api::names::RETREAT_ANNOTATION;
use domain::record::Cohort;
use serde_json::Value;
use tokio::time::Instant;

use super::view::{Run, View};
use super::{Found, Law};
use crate::history::Entry;
use crate::kind::Key;

/// From the first mark to an attempt at every other object: the next pass, after one deadline.
const DEADLINE: Duration = Duration::from_secs(3);

/// How long it may take a replica that was away to see everything again.
const SIGHT: Duration = Duration::from_secs(10);

/// ConfigMaps that a retreat has not tried to restore yet.
#[derive(Default)]
pub(super) struct Independence {
    seen: BTreeSet<String>,
    due: BTreeMap<Key, (String, Instant)>,
    /// When a retreat last tried each.
    tried: BTreeMap<Key, Instant>,
    /// When something last went wrong with everything that a replica asks and sees.
    blind: BTreeMap<String, Instant>,
}

impl Law for Independence {
    fn law(&self) -> (&'static str, &'static str) {
        ("L15 independence", "no outage delays another write of a retreat: every ConfigMap is tried at once")
    }

    fn check(&mut self, entry: &Entry, view: &View, found: &mut Found) {
        if let Entry::Write(write) = entry
            && says_mark(&write.body)
        {
            self.tried.insert(write.key.clone(), write.at);
        }
        match entry {
            // Who is dead, cut off or blind cannot try; the laws of the end hold for it.
            Entry::Fault { at, user, key: None, .. } => {
                self.blind.insert(user.clone(), *at);
                self.due.clear();
            }
            Entry::Fault { what, .. } if what.starts_with("Crash") => self.due.clear(),
            Entry::Fault { key: Some(key), .. } => {
                self.due.remove(key);
            }
            Entry::Write(write) if self.due.contains_key(&write.key) && says_mark(&write.body) => {
                self.due.remove(&write.key);
                found.premises += 1;
            }
            _ => {}
        }
        let late: Vec<Key> =
            self.due.iter().filter(|(_, (_, due))| *due < entry.at()).map(|(key, _)| key.clone()).collect();
        for key in late {
            let Some((run, _)) = self.due.remove(&key) else { continue };
            let still = !view.is_locked(&key)
                && view.maps_of(&run).any(|(at, map)| *at == key && map.members(Cohort::Optimized).count() > 0);
            found.stake(still.then(|| format!("{key} was not tried within {DEADLINE:?} of the first mark of {run}")));
        }
        let Some(write) = view.ours(entry) else { return };
        let mark = write.after.as_deref().map(|object| crate::object::texts(object, "/metadata/annotations"));
        let Some(run) = mark.and_then(|mut all| all.remove(RETREAT_ANNOTATION)) else { return };
        // Who was away may not know yet who is optimized.
        let blind = self.blind.get(&write.user).is_some_and(|at| write.at.duration_since(*at) < SIGHT);
        let aborted = matches!(view.run(&run), Some(Run { aborted: Some(_), .. }));
        if blind || !aborted || !self.seen.insert(run.clone()) {
            return;
        }
        let tried = |key: &Key| self.tried.get(key).is_some_and(|at| *at + DEADLINE > write.at);
        let maps = view.maps_of(&run).filter(|(key, map)| map.members(Cohort::Optimized).count() > 0 && !tried(key));
        self.due.extend(maps.map(|(key, _)| (key.clone(), (run.clone(), write.at + DEADLINE))));
    }
}

/// Whether a patch writes the mark of a retreat.
fn says_mark(body: &Value) -> bool {
    body.pointer("/metadata/annotations").is_some_and(|all| all.get(RETREAT_ANNOTATION).is_some_and(Value::is_string))
}
