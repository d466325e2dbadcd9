//! What to look at.

use std::{collections::BTreeSet, time::Duration};

use api::{ConnectionSpec, OptimizationRollout, fleet::Acknowledgement, indicator::Indicator, metrics};
use jiff::Timestamp;

use crate::{
    decide::{
        foreign,
        pass::{Pass, Phase},
        roster::Standing,
        shrink,
        stage::is_overridden,
    },
    observation::Observation,
    record::Cohort,
};

/// How often a rollout without a source of measurements is looked at.
const DEFAULT_INTERVAL: Duration = Duration::from_secs(2);
/// Members of each cohort that one look measures at most.
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
    /// Whether passing looks count now: not before every optimized member has acknowledged, and not while most of them
    /// are overridden.
    pub counting: bool,
    /// Whether everybody is optimized by now, or about to be: nobody is left to compare with.
    pub everybody: bool,
    /// Time between two looks.
    pub interval: Duration,
    /// Where measurements come from, if there is such a place.
    pub source: Option<Source>,
    /// What to judge.
    pub indicators: Vec<Indicator>,
    /// How members report what they run.
    pub acknowledgement: Acknowledgement,
    /// Whom to ask.
    pub targets: Vec<Target>,
    /// Names of those that are optimized.
    pub optimized: BTreeSet<String>,
    /// Names of those that go back, or that no record tells of any more: they are asked what they run, and belong to
    /// neither cohort.
    pub returning: BTreeSet<String>,
}

impl Sampling {
    /// Age from which a sample counts as missing, of a source that keeps samples.
    #[must_use]
    pub fn stale_after(&self) -> Option<Duration> {
        match &self.source {
            Some(Source::Connection(connection)) => {
                Some(connection.spec.as_ref().map_or(Duration::ZERO, |spec| spec.stale_after.get()))
            }
            Some(Source::Pods { .. }) | None => None,
        }
    }
}

/// Where measurements come from.
#[derive(Clone, Debug, PartialEq)]
pub enum Source {
    /// The members' own endpoints.
    Pods {
        /// Path of the endpoint.
        path: String,
    },
    /// A server that scrapes the members.
    Connection(Box<Connection>),
}

/// A Connection, for the rollouts of one namespace.
#[derive(Clone, Debug, PartialEq)]
pub struct Connection {
    /// Its name.
    pub name: String,
    /// Namespace of the members.
    pub namespace: String,
    /// What it says, or why it cannot be used, as a sentence.
    pub spec: Result<ConnectionSpec, String>,
}

/// One member's metrics endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The member.
    pub member: String,
    /// Name of its pod.
    pub name: String,
    /// UID of its pod.
    pub pod: String,
    /// Address of its pod, for a source that asks the pods.
    pub ip: String,
    /// Port of its metrics, for the same.
    pub port: u16,
    /// Whether it stands for its cohort; who does not is asked what it runs alone.
    pub measured: bool,
}

/// The looks that this rollout needs now; `None` while nothing runs.
#[must_use]
pub fn needs(rollout: &OptimizationRollout, seen: &Observation) -> Option<Sampling> {
    // To relate everything to everything takes time, which many rollouts that are done need not.
    rollout.status.as_ref()?.run.as_ref().filter(|run| run.settled_at.is_none())?;
    of(&Pass::new(rollout, seen))
}

/// The same, for a pass that decides as well.
pub(crate) fn of(pass: &Pass<'_>) -> Option<Sampling> {
    let rollout = pass.rollout;
    let run = pass.run.clone()?;
    let (bake, covered) = match pass.phase {
        Phase::Idle | Phase::Closing | Phase::Settled => return None,
        Phase::Staging | Phase::Watching | Phase::Settling | Phase::Retreating => {
            let stage = pass.status.stage.as_ref()?;
            let bake = run.succeeded_at.as_ref().unwrap_or(&stage.started_at).0;
            (bake, stage.covered.get())
        }
    };
    let metrics = rollout.spec.metrics.as_ref();
    let source = metrics.map(|metrics| source(pass, &metrics.source));
    let names = |is_one: fn(&Standing<'_>) -> bool| {
        let members = pass.roster.standings.iter().filter(|standing| is_one(standing));
        members.map(|standing| standing.member.name.clone()).collect()
    };
    Some(Sampling {
        run: run.id.clone(),
        bake,
        covered,
        counting: pass.phase != Phase::Retreating
            && pass.unread().is_none()
            && pass.awaited().is_empty()
            && pass.is_stamped()
            && !is_overridden(pass)
            && !shrink::is_due(pass),
        everybody: pass.phase == Phase::Settling,
        interval: metrics.map_or(DEFAULT_INTERVAL, |metrics| metrics.interval.get()),
        targets: source.as_ref().map_or_else(Vec::new, |source| targets(pass, source)),
        source,
        indicators: rollout.spec.indicators.clone(),
        acknowledgement: rollout.spec.fleet.acknowledgement.clone(),
        optimized: names(|standing| standing.cohort() == Some(Cohort::Optimized) && !standing.overridden),
        returning: names(|standing| standing.cohort() == Some(Cohort::Returning) || standing.is_stray()),
    })
}

fn source(pass: &Pass<'_>, source: &metrics::Source) -> Source {
    match source {
        metrics::Source::Pods(source) => Source::Pods { path: source.path.clone() },
        metrics::Source::Connection(name) => Source::Connection(Box::new(Connection {
            name: name.clone(),
            namespace: pass.rollout.metadata.namespace.clone().unwrap_or_default(),
            spec: match &pass.seen.connection {
                Some(Ok(spec)) => Ok(spec.clone()),
                Some(Err(problem)) => Err(problem.message.clone()),
                None => Err(format!("Connection {name} has not been read")),
            },
        })),
    }
}

/// Some members of each cohort, and everybody whose acknowledgement is awaited, those that go back as well. One that is
/// overridden is not asked: it is evidence neither for the optimization nor for the baseline.
fn targets(pass: &Pass<'_>, source: &Source) -> Vec<Target> {
    let (mut optimized, mut others) = (0, 0);
    let report = pass.spec.fleet.acknowledgement.timer.is_none();
    let is_foreign = foreign::detect(pass);
    let mut targets = Vec::new();
    for standing in &pass.roster.standings {
        let count = match standing.cohort() {
            _ if standing.overridden => continue,
            Some(Cohort::Optimized | Cohort::Returning) => &mut optimized,
            Some(Cohort::Baseline | Cohort::Holdout) => &mut others,
            None if standing.is_stray() => &mut optimized,
            None => continue,
        };
        let pod = &standing.member.pod;
        let asks_pods = matches!(source, Source::Pods { .. });
        let (ip, port) = match (&pod.ip, pod.metrics_port) {
            (Some(ip), Some(port)) => (ip.clone(), port),
            _ if asks_pods => continue,
            _ => (String::new(), 0),
        };
        let measured = *count < MOST_PER_COHORT;
        let awaited = report && (standing.is_pending() || standing.is_stray());
        if !measured && !awaited {
            continue;
        }
        // It runs what it is not to run: no measure for either cohort.
        if is_foreign(standing) {
            continue;
        }
        *count += usize::from(measured);
        let member = standing.member.name.clone();
        targets.push(Target { member, name: pod.name.clone(), pod: pod.uid.clone(), ip, port, measured });
    }
    targets
}

#[cfg(test)]
mod tests;
