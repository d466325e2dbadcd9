//! What has to be right before anything is touched.

use api::{
    OptimizationRollout,
    fleet::{Delivery, Identity, Reload, Rendered},
    indicator::{Indicator, Mode},
    metrics::{Metrics, SilenceAction, Source},
    names::{BASE_KEY, MEMBERS_KEY, RECORD_ANNOTATION},
    optimization::Optimization,
    reason::Reason,
};

use super::{
    cohorts::is_eligible,
    intent::{Intent, Kind},
    pass::{Pass, Phase},
    stamp,
};
use crate::{
    analysis::query::Query,
    cohort::holdout,
    delivery,
    observation::{Member, Neighbour, Observation, Problem, Shard},
    settings,
};

/// Longest name of a ConfigMap, and longest key in one.
const LONGEST_NAME: usize = 253;

/// Stalls on the first thing that is not right.
#[must_use]
pub fn policy(pass: &Pass<'_>) -> Option<Intent> {
    let problem = problem(pass)?;
    Some(Intent::state(pass, Kind::Stalled, problem.reason, problem.message))
}

/// The first thing that is not right.
#[must_use]
pub fn problem(pass: &Pass<'_>) -> Option<Problem> {
    pass.seen.problems.first().cloned().or_else(|| spec(pass)).or_else(|| fleet(pass))
}

/// The first thing that is not right with a rollout by itself, whatever the cluster looks like.
#[must_use]
pub fn offline(rollout: &OptimizationRollout) -> Option<Problem> {
    spec(&Pass::new(rollout, &Observation::default()))
}

fn spec(pass: &Pass<'_>) -> Option<Problem> {
    if let Err(problem) = settings::check_paths(&pass.spec.optimizations) {
        return Some(problem);
    }
    for indicator in &pass.spec.indicators {
        if let Err(error) = Query::new(&indicator.metric) {
            let message = format!("spec.indicators[{}].metric: {error}", indicator.name);
            return Some(Problem::new(Reason::InvalidSpec, message));
        }
    }
    let config = &pass.spec.fleet.config;
    if let Some(path) = config.revision_path.as_ref().filter(|path| pass.settings.optimized.contains_key(*path)) {
        let message =
            format!("spec.fleet.config.revisionPath: {path} is a setting of an optimization too; choose another");
        return Some(Problem::new(Reason::DuplicatePath, message));
    }
    let acknowledgement = &pass.spec.fleet.acknowledgement;
    let by_switch = acknowledgement.metric.is_some() && acknowledgement.revision_label.is_none();
    let untold = |optimization: &&Optimization| !pass.settings.is_told_by_switch(optimization, &pass.settled);
    if let Some(optimization) = pass.spec.optimizations.iter().find(untold).filter(|_| by_switch) {
        let message = format!(
            "spec.fleet.acknowledgement: optimization {} is on already and only changes values, which a metric of 1 and 0 \
             cannot tell; set config.revisionPath and acknowledgement.revisionLabel, or a timer",
            optimization.name
        );
        return Some(Problem::new(Reason::InvalidSpec, message));
    }
    if let Some(problem) = pass.spec.metrics.as_ref().and_then(|metrics| impatience(metrics, &pass.spec.indicators)) {
        return Some(problem);
    }
    [&pass.settings.optimized, &pass.settings.baseline].into_iter().find_map(|values| {
        let error = delivery::file(config, None, values).err()?;
        Some(Problem::new(Reason::InvalidSpec, format!("spec.optimizations: {error}")))
    })
}

/// A silence that ends a stage before its indicators can be judged: after their delay, at the second look of a member.
fn impatience(metrics: &Metrics, indicators: &[Indicator]) -> Option<Problem> {
    let enforced = indicators.iter().filter(|indicator| indicator.mode == Mode::Enforce);
    let last = enforced.max_by_key(|indicator| indicator.initial_delay)?;
    let needed = metrics.interval.get().saturating_mul(2).saturating_add(last.initial_delay.get());
    let deadline = metrics.silence.deadline;
    (metrics.silence.action == SilenceAction::Retreat && deadline.get() < needed).then(|| {
        let message = format!(
            "spec.metrics.silence.deadline {deadline} is over before indicator {} can be judged: after its initialDelay \
             {} and two intervals of {}; raise the deadline, or set silence.action: Hold",
            last.name, last.initial_delay, metrics.interval
        );
        Problem::new(Reason::InvalidSpec, message)
    })
}

fn fleet(pass: &Pass<'_>) -> Option<Problem> {
    let members = &pass.seen.members;
    if members.is_empty() {
        let message = "spec.fleet.selector matches no pod in this namespace; compare it with the pods' labels";
        return Some(Problem::new(Reason::NoMembers, message));
    }
    if let (Some(problem), true) = (&pass.seen.shared_node, pass.may_start()) {
        return Some(problem.clone());
    }
    let config = &pass.spec.fleet.config;
    let without = |lacks: &dyn Fn(&Member) -> bool| {
        let names: Vec<&str> =
            members.iter().filter(|member| lacks(member)).map(|member| member.name.as_str()).collect();
        (!names.is_empty()).then(|| stamp::listed(names.into_iter()))
    };
    if let (Delivery::Rendered(Rendered { name, .. }), Some(names)) =
        (&config.delivery, without(&|member| !member.pod.mounts_config))
    {
        let message = format!(
            "pods {names} do not mount ConfigMap {name} as a directory; mount it as a volume without subPath, with \
             optional: true (environment variables and subPath mounts are never updated)"
        );
        return Some(Problem::new(Reason::NotMounted, message));
    }
    if let Some(problem) = base(pass).or_else(|| further(pass)).or_else(|| lost(pass)) {
        return Some(problem);
    }
    if let Some(metrics) = &pass.spec.metrics {
        match &metrics.source {
            Source::Pods(source) => {
                if let Some(names) = without(&|member| member.pod.metrics_port.is_none()) {
                    let message = format!(
                        "pods {names} declare no container port named {}; name it in the pod template or change \
                         spec.metrics.source.pods.port",
                        source.port
                    );
                    return Some(Problem::new(Reason::NoMetricsPort, message));
                }
            }
            Source::Connection(name) => {
                if let Some(problem) = connection(pass, name, metrics) {
                    return Some(problem);
                }
            }
        }
    }
    if let Some(names) = without(&|member| {
        let key = delivery::file_key(config, &member.name);
        let map = delivery::config_map(config, &member.name).unwrap_or_default();
        key.len().max(map.len()) > LONGEST_NAME || [MEMBERS_KEY, BASE_KEY].contains(&key.as_str())
    }) {
        let message = format!(
            "spec.fleet.config: the files of {names} would have names of over 253 characters, or {MEMBERS_KEY} or \
             {BASE_KEY}, which the operator keeps for itself; choose another key"
        );
        return Some(Problem::new(Reason::InvalidSpec, message));
    }
    let refused = pass.seen.services.iter().find_map(|service| service.refused.clone());
    if let (Some(refused), true) = (refused, pass.may_start()) {
        return Some(Problem::new(Reason::ServiceRefused, refused));
    }
    let eligible = pass.roster.standings.iter().filter(|standing| is_eligible(standing)).count();
    if eligible == 0 && pass.may_start() && !is_optimized_already(pass) {
        return Some(nobody(pass));
    }
    let compares = pass.spec.indicators.iter().find(|indicator| {
        indicator.mode == Mode::Enforce && (indicator.max_increase.is_some() || indicator.max_decrease.is_some())
    });
    let held_out = holdout(eligible, pass.spec.holdout_percent);
    if let (Some(indicator), true, true) = (compares, held_out < 2, pass.may_start()) {
        let message = format!(
            "indicator {} compares with the baseline, which needs two members in the holdout; {eligible} eligible \
             members leave {held_out}: add members, raise spec.holdoutPercent, or use an absolute limit",
            indicator.name
        );
        return Some(Problem::new(Reason::FleetTooSmall, message));
    }
    None
}

/// That members' files are in another ConfigMap than the one that everybody mounts, and their pods do not see it.
fn further(pass: &Pass<'_>) -> Option<Problem> {
    let Delivery::Rendered(rendered) = &pass.spec.fleet.config.delivery else { return None };
    // In a run somebody else joins at most, and a ConfigMap that is begun for one is there then.
    if !pass.may_start() && pass.seen.shards.len() < 2 {
        return None;
    }
    let (name, pods) = stamp::rendered::unmounted(pass, rendered)?;
    let message = format!(
        "the files of {} do not fit into ConfigMap {} and stand in {name}, which their pods do not mount; mount both into \
         the same directory: a projected volume with each as a source, and optional: true",
        stamp::listed(pods.into_iter()),
        rendered.name
    );
    Some(Problem::new(Reason::NotMounted, message))
}

/// That evictions would end members for good.
fn lost(pass: &Pass<'_>) -> Option<Problem> {
    if pass.spec.fleet.config.reload != Reload::RestartPod || !pass.may_start() {
        return None;
    }
    let lost = pass.seen.members.iter().filter(|member| !comes_back(pass, member));
    let names = stamp::listed(lost.map(|member| member.pod.name.as_str()));
    (!names.is_empty()).then(|| {
        let message = format!(
            "spec.fleet.config.reload: RestartPod evicts pods, and {names} would not come back under that name: no \
             controller makes them again, or one that gives other names; let a StatefulSet do it, or set reload: Watch"
        );
        Problem::new(Reason::InvalidSpec, message)
    })
}

/// Whether a member is there again after its pod was evicted: some controller makes it again, as the same member.
#[must_use]
pub fn comes_back(pass: &Pass<'_>, member: &Member) -> bool {
    match member.pod.controller.as_str() {
        "" => false,
        "ReplicaSet" | "ReplicationController" | "Job" | "DaemonSet" => pass.spec.fleet.identity == Identity::Node,
        _ => true,
    }
}

/// What is wrong with the base, before a run starts. Later files go by the copy that a ConfigMap of ours has.
fn base(pass: &Pass<'_>) -> Option<Problem> {
    let problem = pass.base()?.err()?;
    (pass.may_start() || stamp::base::of_new(pass).is_none()).then_some(problem)
}

/// What is wrong with the Connection, before a run starts. Later it is a silence of measurements.
fn connection(pass: &Pass<'_>, name: &str, metrics: &Metrics) -> Option<Problem> {
    if !pass.may_start() {
        return None;
    }
    let spec = match pass.seen.connection.as_ref()? {
        Ok(spec) => spec,
        Err(problem) => return Some(problem.clone()),
    };
    let (deadline, stale_after) = (metrics.silence.deadline, spec.stale_after);
    (deadline < stale_after).then(|| {
        let message = format!(
            "spec.metrics.silence.deadline {deadline} is shorter than staleAfter {stale_after} of Connection {name}: two \
             good samples may be that far apart; raise the deadline"
        );
        Problem::new(Reason::InvalidSpec, message)
    })
}

/// Whether every member runs the optimized values without us.
#[must_use]
pub fn is_optimized_already(pass: &Pass<'_>) -> bool {
    pass.roster
        .standings
        .iter()
        .all(|standing| standing.unfit.as_ref().is_some_and(|problem| problem.reason == Reason::AlreadyOptimized))
}

/// Why nobody can take part: what is wrong with the first member that does not run the optimized values already.
fn nobody(pass: &Pass<'_>) -> Problem {
    let unfit = pass.roster.standings.iter().filter_map(|standing| standing.unfit.as_ref());
    match unfit.clone().find(|problem| problem.reason != Reason::AlreadyOptimized) {
        Some(problem) if problem.reason != Reason::NodeNotSelected => {
            let message = format!("no member can take part, {} of them; {}", unfit.count(), problem.message);
            Problem::new(problem.reason, message)
        }
        _ => {
            let message = "spec.fleet.nodeSelector: no member runs on a Node with these labels";
            Problem::new(Reason::NoEligibleMembers, message)
        }
    }
}

/// Waits while another rollout has an unfinished run on members of this fleet.
#[must_use]
pub fn busy(pass: &Pass<'_>) -> Option<Intent> {
    let wants = pass.phase == Phase::Idle || pass.phase == Phase::Settled;
    if !wants || pass.is_wanted() || pass.settings.is_settled() || pass.spec.abort.is_some() {
        return None;
    }
    if let Some((does, Neighbour { name, .. })) = in_the_way(&pass.seen.neighbours) {
        let message = format!("rollout {name} {does} members of this fleet; this one starts after it");
        let mut intent = Intent::state(pass, Kind::Waiting, Reason::FleetBusy, message);
        intent.requeue = super::intent::ACTIVE;
        return Some(intent);
    }
    let shard = pass
        .seen
        .shards
        .iter()
        .find(|shard| !shard.record.members.is_empty() && !pass.is_wanted_id(&shard.record.run))?;
    let run = &shard.record.run;
    let known =
        pass.run.iter().map(|run| &run.id).chain(pass.seen.neighbours.iter().filter_map(|one| one.run.as_ref()));
    let mut intent = if known.into_iter().any(|known| known == run) {
        let message = format!(
            "ConfigMap {} has members of run {run}, which has not finished; this rollout starts after it",
            shard.name
        );
        Intent::state(pass, Kind::Waiting, Reason::FleetBusy, message)
    } else {
        Intent::state(pass, Kind::Stalled, Reason::FleetBusy, orphaned(pass, shard))
    };
    intent.requeue = super::intent::ACTIVE;
    Some(intent)
}

/// The neighbour that this rollout waits for, and what it does to the fleet: who holds it before who waits for it.
fn in_the_way(neighbours: &[Neighbour]) -> Option<(&'static str, &Neighbour)> {
    let first = |holds: fn(&Neighbour) -> bool| neighbours.iter().find(|neighbour| holds(neighbour));
    let runs = first(|neighbour| neighbour.unfinished).map(|one| ("has a run on", one));
    let restores = || first(|one| one.restores).map(|one| ("is being deleted and takes its values from", one));
    let waits = || first(|one| one.waits_before_us).map(|one| ("waits longer for", one));
    runs.or_else(restores).or_else(waits)
}

/// That nobody will finish a run, and what a person does about it.
fn orphaned(pass: &Pass<'_>, shard: &Shard) -> String {
    let (name, run) = (&shard.name, &shard.record.run);
    let command = match pass.spec.fleet.config.delivery {
        Delivery::Rendered(_) => format!("kubectl delete configmap {name} (settled values go with it)"),
        Delivery::Patched(_) => {
            format!("kubectl annotate configmap {name} {RECORD_ANNOTATION}- (look at its file first)")
        }
    };
    format!(
        "ConfigMap {name} has members of run {run}, and no rollout has that run: its rollout was deleted before it could \
         finish; close it with: {command}"
    )
}

#[cfg(test)]
mod tests;
