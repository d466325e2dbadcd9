//! Telling members of their new file: by a touch, or by an eviction where they read it only at start.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use api::fleet::Reload;
use jiff::Timestamp;

use super::{
    acceptance::comes_back,
    intent::{ACTIVE, Intent},
    pass::{Pass, Phase},
    roster::Standing,
    stamp::{self, target},
};
use crate::{
    acknowledgement::{Acknowledgement, Touch, elapsed, touch_due},
    line::{MESSAGE, line},
    plan::{Advance, PodTarget, TouchPod},
    record::Cohort,
    traffic,
};

/// How long after its start a process that runs another file than it should is started again, at least: it may have read
/// the file before its kubelet had the new one.
const RESTART_AGAIN: Duration = Duration::from_secs(30);
/// The same at most.
pub const RESTART_AT_LAST: Duration = Duration::from_secs(600);
/// What the pod of a member says that joined and is to be restarted, in place of the file that it is told of.
const RESTART: &str = "restart";
/// How long the pod of a member of which no record tells may be gone before it counts as one that has left.
const REPLACED: Duration = Duration::from_secs(10);
/// How long a member that goes back may be unready and still count as one that bears load.
const UNREADY: Duration = Duration::from_secs(30);
/// How much more load the others may get during evictions when `traffic` does not say.
const LOAD_INCREASE: f64 = 1.0;

/// The touch that is due for a member whose file has this fingerprint.
#[must_use]
pub fn touch(pass: &Pass<'_>, standing: &Standing<'_>, fingerprint: &str, shard: &str) -> Option<TouchPod> {
    if pass.spec.fleet.config.reload == Reload::RestartPod {
        return None;
    }
    let pod = &standing.member.pod;
    let touch = touch_due(pod, fingerprint, pass.seen.now)?;
    Some(TouchPod { pod: target(pod), touch, after: shard.to_owned() })
}

/// Whether a member that joined may be given a file: where it would read it at its start alone, its pod has to say before
/// that it is to be restarted. So whoever goes on finds that, and the pod that comes next does not say it. One that nobody
/// would make again follows at its next start.
#[must_use]
pub fn may_be_given(pass: &Pass<'_>, standing: &Standing<'_>) -> bool {
    pass.spec.fleet.config.reload == Reload::Watch || says_restart(standing) || !comes_back(pass, standing.member)
}

/// Makes the pod of a member say that it is to be restarted.
#[must_use]
pub fn announce(pass: &Pass<'_>, standing: &Standing<'_>) -> Advance {
    let touch = Touch { at: pass.seen.now, count: 1, file: RESTART.to_owned() };
    Advance::Touch(TouchPod { pod: target(&standing.member.pod), touch, after: String::new() })
}

fn says_restart(standing: &Standing<'_>) -> bool {
    standing.member.pod.touched.as_ref().is_some_and(|touch| touch.file == RESTART)
}

/// Tells members that follow of the file that they are given: its fingerprint, and the name of its ConfigMap.
#[must_use]
pub fn followers<'p>(
    pass: &Pass<'_>,
    follow: impl Iterator<Item = (&'p Standing<'p>, &'p str, &'p str)>,
) -> Vec<Advance> {
    match pass.spec.fleet.config.reload {
        Reload::Watch => {
            follow.filter_map(|(who, file, shard)| touch(pass, who, file, shard)).map(Advance::Touch).collect()
        }
        // They started with another file, and will not come to read it otherwise.
        Reload::RestartPod => follow.map(|(who, ..)| Advance::Evict(target(&who.member.pod))).collect(),
    }
}

/// Members that joined, and started before they were given their file. Those that a run has switched since are told by it.
fn newcomers<'p>(pass: &'p Pass<'_>) -> impl Iterator<Item = &'p Standing<'p>> {
    pass.roster.standings.iter().filter(|standing| is_new(pass, standing))
}

fn is_new(pass: &Pass<'_>, standing: &Standing<'_>) -> bool {
    pass.spec.fleet.config.reload == Reload::RestartPod
        && !matches!(standing.cohort(), Some(Cohort::Optimized | Cohort::Returning))
        && standing.file.is_some()
        && says_restart(standing)
        && comes_back(pass, standing.member)
        && stamp::is_given(pass, standing)
}

/// Restarts newcomers while no run is under way, unless another rollout has one.
pub fn restart_newcomers(pass: &Pass<'_>, intent: &mut Intent) {
    let new: Vec<&Standing<'_>> = newcomers(pass).collect();
    if new.is_empty() || pass.seen.neighbours.iter().any(|neighbour| neighbour.unfinished) {
        return;
    }
    intent.advance.extend(evictions(pass, &new).into_iter().map(Advance::Evict));
    intent.requeue = ACTIVE;
    let names = stamp::listed(new.iter().map(|standing| standing.member.name.as_str()));
    let why = refused(pass, new.into_iter()).unwrap_or_default();
    intent.state.message = format!("{}; {names} joined and is to be restarted for that{why}", intent.state.message);
}

/// What is due again for members that have not acknowledged.
#[must_use]
pub fn again(pass: &Pass<'_>) -> Vec<Advance> {
    let pending: Vec<&Standing<'_>> = pass.roster.pending().collect();
    let name = |standing: &Standing<'_>| standing.shard.map_or("", |shard| &shard.name).to_owned();
    let touches = pending.iter().filter_map(|who| touch(pass, who, &who.fingerprint, &name(who))).map(Advance::Touch);
    let due: Vec<&Standing<'_>> = pending.iter().copied().chain(newcomers(pass)).collect();
    touches.chain(evictions(pass, &due).into_iter().map(Advance::Evict)).collect()
}

/// Pods to evict now, of these members: those that bear no load at once, of the others as many as the rest can bear. In a
/// retreat those that have not been ready for long bear none: what is taken back may be why.
#[must_use]
pub fn evictions(pass: &Pass<'_>, members: &[&Standing<'_>]) -> Vec<PodTarget> {
    if pass.spec.fleet.config.reload == Reload::Watch {
        return Vec::new();
    }
    let needs_restart = |standing: &Standing<'_>| is_new(pass, standing) || needs_restart(pass, standing);
    let due: Vec<&Standing<'_>> = members.iter().copied().filter(|standing| needs_restart(standing)).collect();
    let (free, mut bearing): (Vec<&Standing<'_>>, Vec<&Standing<'_>>) = due
        .iter()
        .partition(|standing| standing.member.pod.serving.as_deref() == Some("false") || is_broken(pass, standing));
    // Who is missing already leaves first, and is not missed twice.
    bearing.sort_by_key(|standing| standing.member.pod.ready);
    let (bearing, stays): (Vec<&Standing<'_>>, Vec<_>) =
        bearing.into_iter().partition(|standing| may_be_tried(pass, standing));
    let missing = free.len() + stays.iter().filter(|standing| !standing.member.pod.ready).count();
    let spare = spare(pass, &due).saturating_sub(missing);
    let free = free.into_iter().filter(|standing| may_be_tried(pass, standing));
    free.chain(bearing.into_iter().take(spare)).map(|standing| target(&standing.member.pod)).collect()
}

/// How many members may leave at once, these among them, as far as the others can bear their load.
#[must_use]
pub fn spare(pass: &Pass<'_>, leaving: &[&Standing<'_>]) -> usize {
    let all = &pass.seen.members;
    let increase = pass.spec.traffic.as_ref().map_or(LOAD_INCREASE, |traffic| traffic.max_load_increase.value());
    let counted: BTreeSet<&str> = leaving.iter().map(|standing| standing.member.name.as_str()).collect();
    let unready = all.iter().filter(|member| !member.pod.ready && !counted.contains(member.name.as_str())).count();
    let gone = pass.seen.ending.keys().chain(pass.seen.gone_for.keys()).map(String::as_str);
    let gone = gone.filter(|name| pass.seen.away_for(name) < REPLACED);
    let away: BTreeSet<&str> = pass.expected_back().map(|(name, _)| name).chain(gone).collect();
    let missing = unready + away.len();
    traffic::may_leave(all.len(), increase).max(1).saturating_sub(missing)
}

/// Whether no budget has refused to let this pod go a moment ago.
fn may_be_tried(pass: &Pass<'_>, standing: &Standing<'_>) -> bool {
    pass.seen.unevicted.get(&standing.member.pod.uid).is_none_or(|refused| refused.due)
}

/// Why one of these members cannot be restarted, to follow what they are waited for.
pub fn refused<'p>(pass: &Pass<'_>, mut members: impl Iterator<Item = &'p Standing<'p>>) -> Option<String> {
    let refused = members.find_map(|standing| Some((standing, pass.seen.unevicted.get(&standing.member.pod.uid)?)));
    let (standing, refused) = refused?;
    Some(line(&format!("; {} may not be evicted: {}", standing.member.name, refused.message), MESSAGE))
}

/// Whether a member that is to go back has not been ready for a while.
fn is_broken(pass: &Pass<'_>, standing: &Standing<'_>) -> bool {
    let since = standing.member.pod.unready_since.filter(|_| pass.phase == Phase::Retreating);
    since.is_some_and(|since| elapsed(since, pass.seen.now) >= UNREADY)
}

/// Whether its process has not been restarted since its file was written.
#[must_use]
pub fn is_to_be_restarted(pass: &Pass<'_>, standing: &Standing<'_>) -> bool {
    pass.spec.fleet.config.reload == Reload::RestartPod
        && standing.acknowledgement == Acknowledgement::Pending
        && match standing.entry {
            Some(entry) => entry.pod == standing.member.pod.uid,
            None => standing.member.pod.created < written(pass),
        }
}

/// Whether its process started before its file was written, or says that it runs another one.
fn needs_restart(pass: &Pass<'_>, standing: &Standing<'_>) -> bool {
    let pod = &standing.member.pod;
    let reports: Option<&BTreeMap<_, _>> = pass.seen.measurements.as_ref().map(|measurements| &measurements.reports);
    let reported = reports.and_then(|reports| reports.get(&standing.member.name));
    let says_otherwise = pod.ready
        && reported.is_some_and(|report| report.pod == pod.uid && report.at >= pod.created)
        && pass.spec.fleet.acknowledgement.metric.is_some()
        && elapsed(pod.created, pass.seen.now)
            >= elapsed(written(pass), pod.created).clamp(RESTART_AGAIN, RESTART_AT_LAST);
    is_to_be_restarted(pass, standing) || standing.acknowledgement == Acknowledgement::Pending && says_otherwise
}

/// When the files that members have now were written, or a little before. The longer it is ago that a process started and
/// does not run its file all the same, the less another start helps: each is waited for as long as all before it.
fn written(pass: &Pass<'_>) -> Timestamp {
    let retreat = pass.status.retreat.as_ref().filter(|_| pass.phase == Phase::Retreating);
    let settling = pass.run.as_ref().and_then(|run| run.settling_at.as_ref());
    let stage = pass.status.stage.as_ref().map(|stage| &stage.started_at);
    retreat
        .map(|retreat| retreat.off_at.as_ref().unwrap_or(&retreat.decided_at))
        .or(settling)
        .or(stage)
        .map_or(pass.seen.now, |time| time.0)
}

#[cfg(test)]
mod tests;
