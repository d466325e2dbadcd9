//! What a retreat takes away at once: traffic, settings, and from members the belief that their file still holds.

use std::collections::BTreeSet;

use api::names::cohort;

use super::Back;
use crate::{
    decide::{pass::Pass, roster::Standing, stamp::target, tell},
    mark::Mark,
    plan::{PodTarget, Withdraw},
    record::Cohort,
    traffic::{self, is_narrowed},
};

/// All of it, as far as it is due.
pub(super) fn withdraw(pass: &Pass<'_>, mark: &Mark, back: &Back<'_>) -> Vec<Withdraw> {
    let marked = |other: Option<&Mark>| other.is_some_and(|other| other.run == mark.run);
    let own = pass.rollout.metadata.annotations.as_ref().and_then(|all| all.get(api::names::RETREAT_ANNOTATION));
    let mut items = Vec::new();
    if own != Some(&mark.run) {
        items.push(Withdraw::MarkRollout(mark.clone()));
    }
    let told = back
        .away
        .iter()
        .copied()
        .filter(|standing| standing.cohort() != Some(Cohort::Optimized) && !back.is_barred(standing));
    let told: Vec<&Standing<'_>> = told.collect();
    let evictions = tell::evictions(pass, &told);
    items.extend(traffic_away(pass, mark, back, &evictions, &marked));
    items.extend(back.restorations.values().cloned().map(Box::new).map(Withdraw::Restore));
    // Who reads a file that says optimized values still is told nothing; but for one to whom others gave them again, and who
    // is believed after a time: told of those, it has to be told of the baseline once more.
    let by_timer = pass.spec.fleet.acknowledgement.timer.is_some();
    let is_on_again = |standing: &Standing<'_>| by_timer && back.on_again.contains_key(standing.member.name.as_str());
    let reached = back.away.iter().filter(|standing| !back.is_barred(standing) || is_on_again(standing));
    items.extend(reached.filter_map(|standing| {
        let restoration = back.restoration_of(standing);
        let restored = restoration.map(|restoration| restoration.fingerprint(&standing.member.name));
        let fingerprint = restored.as_ref().unwrap_or(&standing.fingerprint);
        let shard = standing.shard.map_or("", |shard| &shard.name);
        tell::touch(pass, standing, fingerprint, shard).map(Withdraw::Touch)
    }));
    items.extend(evictions.into_iter().map(Withdraw::Evict));
    items
}

/// Takes as many optimized members out of traffic as the rest can bear: first those that are evicted, who leave anyway,
/// then the worst.
fn traffic_away(
    pass: &Pass<'_>,
    mark: &Mark,
    back: &Back<'_>,
    evictions: &[PodTarget],
    marked: &dyn Fn(Option<&Mark>) -> bool,
) -> Vec<Withdraw> {
    let Some(spec) = &pass.spec.traffic else { return Vec::new() };
    let serves = |standing: &&Standing<'_>| standing.member.pod.serving.as_deref() == Some("true");
    let mut serving: Vec<&Standing<'_>> = back.serving().collect();
    let breach = pass.measurements().and_then(|measurements| measurements.breach.as_ref());
    let rank = |standing: &Standing<'_>| {
        breach
            .and_then(|breach| breach.worst.iter().position(|name| *name == standing.member.name))
            .unwrap_or(usize::MAX)
    };
    let evicted: BTreeSet<&str> = evictions.iter().map(|evicted| evicted.uid.as_str()).collect();
    serving.sort_by_cached_key(|standing| (!evicted.contains(standing.member.pod.uid.as_str()), rank(standing)));
    let ready = |standing: &&Standing<'_>| standing.member.pod.ready;
    let fleet = pass.roster.standings.iter().filter(ready).count();
    let away: BTreeSet<&str> = back.away.iter().map(|standing| standing.member.name.as_str()).collect();
    let ready_serving = pass.roster.standings.iter().filter(|standing| ready(standing) && serves(standing));
    // While values are settled also members that run them bear the label of the baseline.
    let (baseline, others): (Vec<_>, Vec<_>) = ready_serving.partition(|standing| {
        standing.member.pod.cohort.as_deref() == Some(cohort::BASELINE) && !away.contains(standing.member.name.as_str())
    });
    let ready_baseline = baseline.len();
    // Who is back and not yet let in again is as little there for the load.
    let not_let_in = pass
        .roster
        .standings
        .iter()
        .filter(|standing| !serves(standing) && !away.contains(standing.member.name.as_str()));
    let gone = back.away.len() - serving.len() + not_let_in.count();
    let allowed = traffic::may_leave(fleet, spec.max_load_increase.value()).saturating_sub(gone);
    let allowed = if ready_baseline == 0 { 0 } else { allowed };
    let leaving = allowed.min(serving.len());
    let mut items = Vec::new();
    // A Service that is narrowed loses who leaves and every pod with another label, also one that is back and not yet
    // relabelled.
    let narrows = others.len() <= allowed && is_led_to_alone(pass);
    if narrows && traffic::reroutes(spec, &pass.seen.services, leaving, serving.len(), ready_baseline) {
        let services =
            pass.seen.services.iter().filter(|service| !is_narrowed(service) || !marked(service.mark.as_ref()));
        items.extend(
            services.map(|service| Withdraw::RerouteService { service: service.name.clone(), mark: mark.clone() }),
        );
    }
    items.extend(
        serving
            .into_iter()
            .take(leaving)
            .map(|standing| Withdraw::StopServing { pod: target(&standing.member.pod), mark: mark.clone() }),
    );
    items
}

/// Whether the Services lead to the fleet alone: one that is narrowed would cut off pods of others.
#[must_use]
pub fn is_led_to_alone(pass: &Pass<'_>) -> bool {
    // Of one that is ending its Service may not know yet.
    let ending = pass.seen.ending.keys().map(String::as_str);
    let own: BTreeSet<&str> = pass.seen.members.iter().map(|member| member.pod.name.as_str()).chain(ending).collect();
    let mut endpoints = pass.seen.services.iter().flat_map(|service| &service.endpoints);
    endpoints.all(|pod| own.contains(pod.as_str()))
}

#[cfg(test)]
mod tests;
