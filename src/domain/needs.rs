//! What to look at.

use std::{collections::BTreeSet, time::Duration};

use api::{OptimizationRollout, fleet::Acknowledgement, indicator::Indicator, metrics::Source};
use jiff::Timestamp;

use crate::{
    decide::pass::{Pass, Phase},
    observation::Observation,
    record::Cohort,
};

/// How often a rollout without a source of measurements is looked at.
const DEFAULT_INTERVAL: Duration = Duration::from_secs(2);
/// Members of each cohort that one look asks at most.
const MOST_PER_COHORT: usize = 100;

/// The looks that a rollout needs while it runs.
#[derive(Clone, Debug, PartialEq)]
pub struct Sampling {
    /// The run.
    pub run: String,
    /// When the bake started that looks count for.
    pub bake: Timestamp,
    /// What the status says is covered of it.
    pub covered: Duration,
    /// Whether passing looks count now: not before every optimized member has acknowledged.
    pub counting: bool,
    /// Time between two looks.
    pub interval: Duration,
    /// Path of the members' metrics; `None` without a source.
    pub endpoint: Option<String>,
    /// What to judge.
    pub indicators: Vec<Indicator>,
    /// How members report what they run.
    pub acknowledgement: Acknowledgement,
    /// Whom to ask.
    pub targets: Vec<Target>,
    /// Names of those that are optimized.
    pub optimized: BTreeSet<String>,
}

/// One member's metrics endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The member.
    pub member: String,
    /// UID of its pod.
    pub pod: String,
    /// Address of its pod.
    pub ip: String,
    /// Port of its metrics.
    pub port: u16,
}

/// The looks that this rollout needs now; `None` while nothing runs.
#[must_use]
pub fn needs(rollout: &OptimizationRollout, seen: &Observation) -> Option<Sampling> {
    let pass = Pass::new(rollout, seen);
    let run = pass.run.clone()?;
    let (bake, covered) = match pass.phase {
        Phase::Idle | Phase::Settled => return None,
        Phase::Staging | Phase::Watching | Phase::Settling | Phase::Retreating => {
            let stage = pass.status.stage.as_ref()?;
            let bake = run.succeeded_at.as_ref().unwrap_or(&stage.started_at).0;
            (bake, stage.covered.get())
        }
    };
    let metrics = rollout.spec.metrics.as_ref();
    let endpoint = metrics.map(|metrics| match &metrics.source {
        Source::Pods(source) => source.path.clone(),
    });
    let optimized: BTreeSet<String> = pass
        .roster
        .standings
        .iter()
        .filter(|standing| standing.cohort() == Some(Cohort::Optimized))
        .map(|standing| standing.member.name.clone())
        .collect();
    Some(Sampling {
        run: run.id.clone(),
        bake,
        covered,
        counting: pass.awaited().is_empty() && pass.is_stamped(),
        interval: metrics.map_or(DEFAULT_INTERVAL, |metrics| metrics.interval.get()),
        targets: if endpoint.is_some() { targets(&pass) } else { Vec::new() },
        endpoint,
        indicators: rollout.spec.indicators.clone(),
        acknowledgement: rollout.spec.fleet.acknowledgement.clone(),
        optimized,
    })
}

/// Members that go back are asked as well: they have to acknowledge it.
fn targets(pass: &Pass<'_>) -> Vec<Target> {
    let (mut optimized, mut others) = (0, 0);
    let mut targets = Vec::new();
    for standing in &pass.roster.standings {
        let count = match standing.cohort() {
            Some(Cohort::Optimized | Cohort::Returning) => &mut optimized,
            Some(Cohort::Baseline | Cohort::Holdout) => &mut others,
            None if standing.is_stray() => &mut optimized,
            None => continue,
        };
        let pod = &standing.member.pod;
        let (Some(ip), Some(port)) = (&pod.ip, pod.metrics_port) else { continue };
        if *count == MOST_PER_COHORT {
            continue;
        }
        *count += 1;
        targets.push(Target { member: standing.member.name.clone(), pod: pod.uid.clone(), ip: ip.clone(), port });
    }
    targets
}
