//! What the shell remembers of a rollout between two passes. Losing it costs a repeated write, never a wrong one.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use domain::{
    decide::report::REPORT_INTERVAL,
    observation::{Observation, Problem, Unevicted},
};
use tokio::time::Instant;

use crate::reconcile::Key;

/// How long a refusal is believed before the write is tried again, at first and at most.
const FIRST_RETRY: Duration = Duration::from_secs(2);
const LAST_RETRY: Duration = Duration::from_secs(60);

/// How long a budget that refuses an eviction is not asked again for that pod, at first and at most.
const FIRST_EVICTION: Duration = Duration::from_secs(5);
const LAST_EVICTION: Duration = Duration::from_secs(20);

/// After a conflict the watch has to bring the newer version, and wakes the rollout when it does. One that comes back
/// late, after an outage, must not be waited for by writing.
const AFTER_CONFLICT: Duration = Duration::from_millis(50);
const AFTER_CONFLICTS: Duration = Duration::from_secs(2);
/// After five conflicts in a row: what a watch has not brought in three quarters of a second it may not bring soon.
const OUTDATED: Duration = Duration::from_millis(800);
/// Conflicts that are further apart have nothing to do with each other.
const APART: Duration = Duration::from_secs(10);

/// How long who has gone is remembered; later it counts as gone since the fleet is watched.
const REMEMBERED: Duration = Duration::from_secs(600);

/// What is remembered, by rollout.
#[derive(Default)]
pub struct Memory {
    rollouts: Mutex<HashMap<Key, Remembered>>,
}

#[derive(Default)]
struct Remembered {
    reported: Option<Instant>,
    refusal: Option<Refusal>,
    /// A pass that was decided on an old version.
    conflict: Option<Backoff>,
    /// By the pods' UIDs.
    unevicted: BTreeMap<String, Refused>,
    fleet: Option<Fleet>,
    /// When a standby first saw a breach that the leader has not marked.
    breach_seen: Option<Instant>,
}

/// The members of a fleet.
struct Fleet {
    watched_since: Instant,
    present: BTreeSet<String>,
    gone: BTreeMap<String, Instant>,
}

/// How long something is not tried again.
struct Backoff {
    until: Instant,
    wait: Duration,
}

impl Backoff {
    fn new(wait: Duration) -> Self {
        Self { until: Instant::now() + wait, wait }
    }

    fn is_over(&self) -> bool {
        self.until <= Instant::now()
    }

    /// From now on, twice as long.
    fn again(&self, most: Duration) -> Self {
        Self::new((self.wait * 2).min(most))
    }
}

/// An eviction that a budget refuses.
struct Refused {
    message: String,
    backoff: Backoff,
}

struct Refusal {
    problem: Problem,
    backoff: Backoff,
}

impl Memory {
    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Remembered>> {
        self.rollouts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether measured numbers may be reported again.
    pub fn report_due(&self, key: &Key) -> bool {
        let reported = self.lock().get(key).and_then(|remembered| remembered.reported);
        reported.is_none_or(|reported| reported.elapsed() >= REPORT_INTERVAL)
    }

    /// A status was written.
    pub fn reported(&self, key: &Key) {
        self.lock().entry(key.clone()).or_default().reported = Some(Instant::now());
    }

    /// The refusal of a write that is still believed.
    pub fn problem(&self, key: &Key) -> Option<Problem> {
        let rollouts = self.lock();
        let refusal = rollouts.get(key)?.refusal.as_ref()?;
        (!refusal.backoff.is_over()).then(|| refusal.problem.clone())
    }

    /// The API server refused a write; each repetition is believed twice as long. What it refuses beside is none.
    pub fn refused(&self, key: &Key, problem: Problem) {
        let mut rollouts = self.lock();
        let remembered = rollouts.entry(key.clone()).or_default();
        let backoff = match &remembered.refusal {
            Some(Refusal { backoff, .. }) if backoff.is_over() => backoff.again(LAST_RETRY),
            Some(Refusal { backoff, .. }) => Backoff::new(backoff.wait),
            None => Backoff::new(FIRST_RETRY),
        };
        remembered.refusal = Some(Refusal { problem, backoff });
    }

    /// A budget refused to let a pod be evicted; each repetition is waited for twice as long.
    pub fn unevicted(&self, key: &Key, uid: &str, message: &str) {
        let mut rollouts = self.lock();
        let unevicted = &mut rollouts.entry(key.clone()).or_default().unevicted;
        let backoff = match unevicted.get(uid) {
            Some(refused) => refused.backoff.again(LAST_EVICTION),
            None => Backoff::new(FIRST_EVICTION),
        };
        unevicted.insert(uid.to_owned(), Refused { message: message.to_owned(), backoff });
    }

    /// A pass was decided on an old version; how long to wait now, which is twice as long each time. Who is woken earlier
    /// and meets the same version waits no longer for it.
    pub fn conflicted(&self, key: &Key) -> Duration {
        let now = Instant::now();
        let mut rollouts = self.lock();
        let conflict = &mut rollouts.entry(key.clone()).or_default().conflict;
        let next = match conflict {
            Some(conflict) if conflict.until > now => return conflict.until - now,
            Some(conflict) if conflict.until + APART > now => conflict.again(AFTER_CONFLICTS),
            _ => Backoff::new(AFTER_CONFLICT),
        };
        conflict.insert(next).wait
    }

    /// Whether the watches have not brought what several passes waited for.
    pub fn is_outdated(&self, key: &Key) -> bool {
        let rollouts = self.lock();
        let conflict = rollouts.get(key).and_then(|remembered| remembered.conflict.as_ref());
        conflict.is_some_and(|conflict| conflict.wait >= OUTDATED)
    }

    /// A pass was decided on the newest versions.
    pub fn agreed(&self, key: &Key) {
        if let Some(remembered) = self.lock().get_mut(key) {
            remembered.conflict = None;
        }
    }

    /// All writes went through.
    pub fn accepted(&self, key: &Key) {
        if let Some(remembered) = self.lock().get_mut(key) {
            remembered.refusal = None;
        }
    }

    /// Tells an observation how long its fleet has been watched, and who has gone since. Who is still ending has not. And
    /// which of its pods no budget lets go.
    pub fn watch(&self, key: &Key, seen: &mut Observation) {
        let now = Instant::now();
        let mut rollouts = self.lock();
        let Remembered { fleet, unevicted, .. } = rollouts.entry(key.clone()).or_default();
        if !unevicted.is_empty() {
            let pods: BTreeSet<&String> = seen.members.iter().map(|member| &member.pod.uid).collect();
            unevicted.retain(|uid, _| pods.contains(uid));
        }
        seen.unevicted = unevicted
            .iter()
            .map(|(uid, refused)| {
                (uid.clone(), Unevicted { message: refused.message.clone(), due: refused.backoff.is_over() })
            })
            .collect();
        let new = || Fleet { watched_since: now, present: BTreeSet::new(), gone: BTreeMap::new() };
        let fleet = fleet.get_or_insert_with(new);
        let names = || seen.members.iter().map(|member| &member.name).chain(seen.ending.keys());
        let is_same = fleet.present.len() == names().count() && names().all(|name| fleet.present.contains(name));
        if !is_same {
            let present: BTreeSet<String> = names().cloned().collect();
            fleet.gone.extend(fleet.present.difference(&present).map(|name| (name.clone(), now)));
            fleet.gone.retain(|name, since| !present.contains(name) && since.elapsed() < REMEMBERED);
            fleet.present = present;
        }
        seen.watched_for = fleet.watched_since.elapsed();
        seen.gone_for = fleet.gone.iter().map(|(name, since)| (name.clone(), since.elapsed())).collect();
    }

    /// How long this replica has known of a breach, from the first call on.
    pub fn breach_age(&self, key: &Key) -> Duration {
        let mut rollouts = self.lock();
        let seen = rollouts.entry(key.clone()).or_default().breach_seen.get_or_insert_with(Instant::now);
        seen.elapsed()
    }

    /// There is no breach.
    pub fn no_breach(&self, key: &Key) {
        if let Some(remembered) = self.lock().get_mut(key) {
            remembered.breach_seen = None;
        }
    }

    /// Forgets rollouts that are gone.
    pub fn retain(&self, exists: impl Fn(&Key) -> bool) {
        self.lock().retain(|key, _| exists(key));
    }
}

#[cfg(test)]
mod tests;
