//! A deletion waits for nobody for ever: neither for members that stay silent, nor for what the API server refuses.

use std::time::Duration;

use api::reason::Reason;

use super::{
    Back, displaced, is_marked,
    patience::{self, patience},
    widen,
};
use crate::{
    decide::{
        closing::{closed, forgotten},
        intent::{Intent, Kind, State},
        pass::Pass,
        stamp::{self, label_returned},
    },
    plan::Advance,
};

/// What holds up a rollout that is being deleted.
fn leaving(pass: &Pass<'_>) -> State {
    let message = "the rollout is being deleted".to_owned();
    match pass.seen.refusal() {
        Some(problem) => {
            State { kind: Kind::Stalled, reason: problem.reason, message: format!("{message}; {}", problem.message) }
        }
        None => State { kind: Kind::Working, reason: Reason::Deleted, message },
    }
}

impl Back<'_> {
    /// Whether the rollout is being deleted, and goes without members that have stayed silent for long, or without what was
    /// refused for long.
    pub(super) fn is_given_up(&self, pass: &Pass<'_>) -> bool {
        let acknowledged = pass.status.retreat.as_ref().is_some_and(|retreat| retreat.acknowledged_at.is_some());
        let is_over = pass.run_shards().all(|shard| shard.record.members.is_empty());
        let silent = !self.away.is_empty() || is_over && !acknowledged;
        let is_refused = pass.seen.refusal().is_some() && patience::is_exhausted(pass, &self.away, 2);
        pass.is_deleted() && (silent || is_refused) && self.is_restored(pass) && patience::is_over(pass, &self.away)
    }

    /// Leaves the fleet as it would be if everybody had acknowledged: a rollout that is gone can finish nothing, and the
    /// next one could not start. Neither labels nor records that cannot be written hold the deletion up longer than as long
    /// again each; a Service that is narrowed does: nobody would widen it then.
    pub(super) fn give_up(&self, pass: &Pass<'_>, mut intent: Intent) -> Intent {
        intent.state = leaving(pass);
        let widened = || pass.seen.every_service().filter(|service| is_marked(pass, service)).map(widen);
        intent.advance =
            displaced(pass).map(|standing| label_returned(&standing.member.pod)).chain(widened()).collect();
        intent.requeue = Duration::from_millis(500);
        if !intent.advance.is_empty() && !patience::is_exhausted(pass, &self.away, 2) {
            return intent;
        }
        intent.advance = closed(pass, -1).into_iter().map(|(shard, write)| forgotten(pass, shard, write)).collect();
        if intent.advance.is_empty() || patience::is_exhausted(pass, &self.away, 3) {
            intent.advance = widened().chain([Advance::ReleaseFinalizer]).collect();
            return intent;
        }
        intent.state = self.given_up(pass);
        let is_told = pass.status.history.last().is_some_and(|last| last.reason == intent.state.reason);
        let reason = intent.state.reason;
        if is_told { intent } else { intent.transition(reason) }
    }

    /// Without what the rollout goes.
    fn given_up(&self, pass: &Pass<'_>) -> State {
        if let Some(problem) = pass.seen.refusal().filter(|_| self.away.is_empty()) {
            let names = stamp::listed(displaced(pass).map(|standing| standing.member.name.as_str()));
            let remedy = match names.as_str() {
                "" => String::new(),
                names => format!("; replace the pods of {names}, so that they bear the labels of their template again"),
            };
            let message = format!("the rollout is deleted although {}{remedy}", problem.message);
            return State { kind: Kind::Stalled, reason: problem.reason, message };
        }
        let names = stamp::listed(self.away.iter().map(|standing| standing.member.name.as_str()));
        let message = format!(
            "the rollout is deleted although {names} did not acknowledge the baseline within {}s; look at their pods",
            patience(pass, &self.away).as_secs()
        );
        State { kind: Kind::Stalled, reason: Reason::Unreachable, message }
    }
}
