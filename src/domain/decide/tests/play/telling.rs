//! What is told of a plan.

use serde_json::json;

use super::Play;
use crate::plan::{Advance, Plan, ShardWrite, TouchPod, Withdraw};

impl Play {
    /// Tells how things are, where that has changed, and what is written.
    pub(super) fn tell_of(&mut self, plan: &Plan) {
        let status = &plan.status;
        let summary = status.summary.clone().unwrap_or_default();
        let holds = status.conditions.iter().filter(|one| one.status == "True");
        let holds: Vec<String> = holds.map(|one| format!("{}={}", one.type_, one.reason)).collect();
        let message = status.conditions.iter().find(|one| one.type_ == "Ready").map_or("", |one| one.message.as_str());
        let members = status.members.clone().unwrap_or_default();
        let counts = [members.optimized, members.acknowledged, members.baseline, members.holdout, members.returning];
        let stage = status.stage.as_ref().map_or_else(String::new, |stage| {
            format!("{} of {} at {}", stage.covered, stage.quota, stage.started_at.0.strftime("%M:%S"))
        });
        let retreat = status.retreat.as_ref().map_or_else(String::new, |retreat| {
            let clocks = [&retreat.rerouted_at, &retreat.off_at, &retreat.acknowledged_at];
            let clocks: Vec<String> = clocks
                .map(|clock| clock.as_ref().map_or("-".to_owned(), |clock| clock.0.strftime("%M:%S").to_string()))
                .to_vec();
            format!("; retreat {}: {}", retreat.reason, clocks.join(" "))
        });
        let now = format!(
            "[{} | {} | {} | {} | {counts:?} | {stage}{retreat}] {message}\n              {} every {:?}",
            summary.stage,
            summary.members,
            summary.traffic,
            summary.reason,
            holds.join(" "),
            plan.requeue
        );
        if self.last != now {
            self.tell(&now);
            self.last = now;
        }
        let withdraws: Vec<String> = plan.withdraw.iter().map(withdraw_line).collect();
        let advances: Vec<String> = plan.advance.iter().map(advance_line).collect();
        withdraws.into_iter().chain(advances).for_each(|line| self.tell(&format!("  {line}")));
        for notice in &plan.notices {
            let kind = if notice.warning { "warning" } else { "event" };
            self.tell(&format!("  {kind} {}: {}", notice.reason, notice.message));
        }
    }
}

fn withdraw_line(withdraw: &Withdraw) -> String {
    match withdraw {
        Withdraw::MarkRollout(mark) => format!("mark rollout: {}", mark.cause.message),
        Withdraw::RerouteService { service, .. } => format!("narrow {service}"),
        Withdraw::StopServing { pod, .. } => format!("out {}", pod.name),
        Withdraw::Restore(restoration) => {
            let write = restoration.write(&restoration.seen);
            format!("restore {}", write.as_ref().map_or_else(String::new, shard_line))
        }
        Withdraw::Touch(touch) => touch_line(touch),
        Withdraw::Evict(pod) => format!("evict {}", pod.name),
    }
}

fn advance_line(advance: &Advance) -> String {
    match advance {
        Advance::Confirm => "confirm".to_owned(),
        Advance::ConfirmAlone => "confirm alone".to_owned(),
        Advance::HoldFinalizer => "hold".to_owned(),
        Advance::ReleaseFinalizer => "release".to_owned(),
        Advance::LabelPod { pod, cohort, serving, .. } => format!("label {} {cohort} {serving:?}", pod.name),
        Advance::WriteShard(write) => format!("write {}", shard_line(write)),
        Advance::Touch(touch) => touch_line(touch),
        Advance::Evict(pod) => format!("evict {}", pod.name),
        Advance::WidenService { service, .. } => format!("widen {service}"),
    }
}

fn touch_line(touch: &TouchPod) -> String {
    format!("touch {} #{} after {}", touch.pod.name, touch.touch.count, touch.after)
}

fn shard_line(write: &ShardWrite) -> String {
    let texts = write.data.iter().chain(&write.annotations);
    let texts: Vec<String> = texts
        .map(|(key, text)| format!("{}={}", key.trim_start_matches("optimization.qudag.io/"), json!(text)))
        .collect();
    let new = if write.resource_version.is_none() { " (new)" } else { "" };
    format!("{}{new} {}", write.name, texts.join(" "))
}
