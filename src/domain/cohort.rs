//! Who is optimized next: one order per run, by a seeded hash of the members' names and the balance of zones.

use std::collections::BTreeMap;

use crate::run::stable_hash;

/// A member that takes part in the order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its zone.
    pub zone: &'a str,
}

/// All candidates in the order in which they are optimized: the next one is of the zone with the largest deficit
/// against its share of the fleet, and within the zone the one with the smallest seeded hash of its name. The order
/// does not depend on the order of the input.
#[must_use]
pub fn order<'a>(seed: &str, candidates: &[Candidate<'a>]) -> Vec<&'a str> {
    let mut members: BTreeMap<&str, Vec<(u64, &'a str)>> = BTreeMap::new();
    for candidate in candidates {
        let rank = stable_hash(&[seed, candidate.name]);
        members.entry(candidate.zone).or_default().push((rank, candidate.name));
    }
    let mut zones: Vec<Zone<'a>> = members
        .into_iter()
        .map(|(zone, mut waiting)| {
            waiting.sort_unstable_by(|a, b| b.cmp(a));
            Zone { rank: stable_hash(&[seed, "zone", zone]), size: waiting.len(), waiting }
        })
        .collect();
    zones.sort_unstable_by_key(|zone| zone.rank);
    let total = candidates.len();
    let mut ordered = Vec::with_capacity(total);
    while ordered.len() < total {
        let waiting = zones.iter_mut().filter(|zone| !zone.waiting.is_empty());
        // Equal deficits are decided by the seeded hash of the zone.
        let next = waiting.max_by_key(|zone| (zone.deficit(ordered.len(), total), std::cmp::Reverse(zone.rank)));
        match next.and_then(|zone| zone.waiting.pop()) {
            Some((_, name)) => ordered.push(name),
            None => break,
        }
    }
    ordered
}

/// A zone and its members that have no place in the order yet; the next one is the last.
struct Zone<'a> {
    rank: u64,
    size: usize,
    waiting: Vec<(u64, &'a str)>,
}

impl Zone<'_> {
    /// What the zone lacks against its share after the next placement, in units of 1/`total` member.
    fn deficit(&self, placed: usize, total: usize) -> i128 {
        let taken = self.size - self.waiting.len();
        self.size as i128 * (placed as i128 + 1) - total as i128 * taken as i128
    }
}

/// How many members stay out: `percent` of the eligible, rounded up, or by default 5 % but at least three; never more
/// than half.
#[must_use]
pub fn holdout(eligible: usize, percent: Option<i32>) -> usize {
    let wanted = match percent {
        Some(percent) => (eligible * usize::try_from(percent).unwrap_or(0)).div_ceil(100),
        None => eligible.div_ceil(20).max(3),
    };
    wanted.min(eligible / 2)
}

/// How many members a stage allows: `percent` of the eligible without the holdout, rounded down, at least one.
#[must_use]
pub fn quota(eligible: usize, holdout: usize, percent: i32) -> usize {
    let pool = eligible.saturating_sub(holdout);
    (pool * usize::try_from(percent).unwrap_or(0) / 100).max(1).min(pool)
}

#[cfg(test)]
mod tests;
