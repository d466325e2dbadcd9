//! How long members that are taken back are waited for.

use std::time::Duration;

use api::fleet::Reload;
use jiff::Timestamp;

use crate::{
    acknowledgement::{Acknowledgement, UNKNOWN, elapsed},
    decide::{
        pass::Pass,
        roster::Standing,
        tell::{RESTART_AT_LAST, is_to_be_restarted},
    },
    record::Cohort,
};

/// How long a member may stay silent that could say that it runs its baseline, before it counts as unreachable.
const SILENT: Duration = Duration::from_secs(60);

/// The same, with the timer by which members of this fleet acknowledge, or the time that is taken for an acknowledgement
/// of those who cannot say that they are back; longer where some still have to be restarted.
#[must_use]
pub fn patience(pass: &Pass<'_>, away: &[&Standing<'_>]) -> Duration {
    if away.iter().any(|standing| is_to_be_restarted(pass, standing)) {
        return RESTART_AT_LAST;
    }
    let assumed = if away.iter().any(|standing| standing.acknowledgement == Acknowledgement::Open) {
        UNKNOWN
    } else {
        Duration::ZERO
    };
    SILENT + pass.spec.fleet.acknowledgement.timer.map_or(assumed, |timer| timer.get())
}

/// Whether these members had their settings back so long ago as they are waited for. Where processes read them at start
/// alone, that begins with the last restart; members that still have to be restarted are waited for as long as others are.
#[must_use]
pub fn is_over(pass: &Pass<'_>, away: &[&Standing<'_>]) -> bool {
    has_lasted(pass, away, 1)
}

/// The same so many times as long ago, and the rollout was deleted a minute ago: what cannot be written holds that up no
/// longer.
#[must_use]
pub fn is_exhausted(pass: &Pass<'_>, away: &[&Standing<'_>], times: u32) -> bool {
    let deleted = pass.rollout.metadata.deletion_timestamp.as_ref();
    let is_tried = deleted.is_some_and(|deleted| elapsed(deleted.0, pass.seen.now) >= SILENT);
    is_tried && has_lasted(pass, away, times)
}

fn has_lasted(pass: &Pass<'_>, away: &[&Standing<'_>], times: u32) -> bool {
    let retreat = pass.status.retreat.as_ref();
    let Some(off) = retreat.and_then(|retreat| retreat.off_at.as_ref()).map(|off| off.0) else { return false };
    let since = match pass.spec.fleet.config.reload {
        Reload::Watch if pass.is_deleted() => off,
        // Who was told of another file since has not been silent for so long.
        Reload::Watch => {
            let told = |standing: &&Standing<'_>| {
                let touch = standing.member.pod.touched.as_ref().filter(|touch| touch.at > off)?;
                Some(if touch.file == standing.fingerprint { touch.first() } else { pass.seen.now })
            };
            away.iter().filter_map(told).fold(off, Timestamp::max)
        }
        Reload::RestartPod => {
            let back = pass.roster.in_cohort(Cohort::Returning).chain(away.iter().copied());
            back.map(|standing| standing.member.pod.created).fold(off, Timestamp::max)
        }
    };
    elapsed(since, pass.seen.now) >= patience(pass, away) * times
}

#[cfg(test)]
mod tests;
