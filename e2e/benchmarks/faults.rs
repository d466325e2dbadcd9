//! Breaches while something else goes wrong: the harm has to end all the same, and the status has to say what is.

use std::time::Duration;

use futures::future::join_all;
use serde_json::{Value, json};

use crate::{
    bench::Bench,
    conflict,
    fault::{Apparatus, Fault},
    figure::{Figure, Goal, Of},
    fleet::{CONFIG_MAP, Fleet},
    load::Load,
    plan::{self, Judging, Target},
    prometheus::{self, Prometheus},
    proxy::Proxied,
    reroute::MEMBERS,
    round::{Rounds, is_off, seconds},
    seen::now,
};

/// Enough for the catastrophe rule to see twenty requests of each member in a look.
const RATE: u32 = 400;
/// No request fails for so long when the harm is over.
const CALM: Duration = Duration::from_secs(3);
const LONGEST: Duration = Duration::from_secs(60);
const FAULTS: [Fault; 9] = [
    Fault::Denied("services"),
    Fault::Denied("configmaps"),
    Fault::Denied("pods"),
    Fault::Revoked("pods"),
    Fault::Revoked("configmaps"),
    Fault::Unready(Some(1)),
    Fault::Unready(None),
    Fault::ServiceDeleted,
    Fault::ConfigMapDeleted,
];
/// The same where a Prometheus measures.
const OF_PROMETHEUS: [Fault; 3] = [Fault::PrometheusKilled, Fault::PrometheusStopped, Fault::ConnectionDeleted];
/// How long such a rollout goes without measurements before it is taken back.
const SILENCE: &str = "30s";

/// Each of them several times.
///
/// # Errors
/// When a rollout does not get to the point of its breach, or not back after the fault.
pub async fn run(bench: &Bench) -> Result<Vec<Figure>, String> {
    let fleet = Fleet::start(bench, "bench", MEMBERS).await?;
    let rollout = plan::rollout("faults", &Target::example(), Judging::Defaults);
    each(bench, &fleet, &rollout, Apparatus::default(), &FAULTS).await
}

/// What can happen to the Prometheus by which a rollout is measured.
///
/// # Errors
/// As [`run`].
pub async fn prometheus(bench: &Bench) -> Result<Vec<Figure>, String> {
    let fleet = Fleet::start(bench, "bench", MEMBERS).await?;
    let prometheus = Prometheus::start(bench, &fleet).await?;
    let mut rollout = plan::rollout("faults", &Target::example(), Judging::Defaults);
    let silence = json!({"deadline": SILENCE, "action": "Retreat"});
    let metrics = json!({"interval": "1s", "source": {"connection": prometheus::CONNECTION}, "silence": silence});
    plan::set(&mut rollout, "/spec", "metrics", metrics);
    let with = Apparatus { prometheus: Some(&prometheus), ..Apparatus::default() };
    each(bench, &fleet, &rollout, with, &OF_PROMETHEUS).await
}

/// The API server answers 429, to an operator of our own behind a proxy.
///
/// # Errors
/// As [`run`].
pub async fn throttled(bench: &Bench) -> Result<Vec<Figure>, String> {
    let fleet = Fleet::start(bench, conflict::NAMESPACE, MEMBERS).await?;
    let proxied = Proxied::start(bench, conflict::NAMESPACE).await?;
    let rollout = plan::rollout("faults", &Target::example(), Judging::Defaults);
    let with = Apparatus { proxied: Some(&proxied), ..Apparatus::default() };
    each(bench, &fleet, &rollout, with, &[Fault::TooManyRequests]).await
}

async fn each(
    bench: &Bench,
    fleet: &Fleet,
    rollout: &Value,
    with: Apparatus<'_>,
    faults: &[Fault],
) -> Result<Vec<Figure>, String> {
    let load = Load::start(&bench.member, &fleet.address().await?, RATE)?;
    let mut rounds = Rounds::new(bench, fleet, rollout).await?;
    let mut figures = Vec::new();
    for fault in faults {
        let (mut harm, mut lies) = (Vec::new(), Vec::new());
        for _ in 0..bench.rounds(1, 3) {
            let trial = trial(bench, fleet, with, &load, &mut rounds, *fault).await?;
            eprintln!("{}: {:.2} s; {}", fault.name(), trial.harm, trial.says);
            harm.push(trial.harm);
            lies.extend(trial.lie);
        }
        let goal = Goal::AtMost(LONGEST.as_secs_f64());
        figures.push(Figure::spread(&format!("{}: harm over", fault.name()), "s", &harm, Of::Max, goal));
        figures.push(
            Figure::single(&format!("{}: untrue statuses", fault.name()), "", lies.len() as f64, Goal::AtMost(0.0))
                .noted(lies.join("; ")),
        );
    }
    Ok(figures)
}

struct Trial {
    /// Seconds from the first to the last request that failed.
    harm: f64,
    /// The condition at the end of it.
    says: String,
    /// What in the status is not so.
    lie: Option<String>,
}

async fn trial(
    bench: &Bench,
    fleet: &Fleet,
    with: Apparatus<'_>,
    load: &Load,
    rounds: &mut Rounds<'_>,
    fault: Fault,
) -> Result<Trial, String> {
    let optimized = rounds.baking().await?;
    let before = fault.before(bench, fleet, &optimized).await?;
    rounds.moment().await;
    fleet.forget();
    let told = now();
    fleet.tell(&optimized, &json!({"errors": 50})).await?;
    let (harm, more) = futures::join!(harm(load, told), fault.at_breach(bench, fleet, with));
    more?;
    let (says, lie) = judge(fleet, rounds, fault, &optimized).await;
    fault.lift(bench, fleet, with, before).await?;
    // Where traffic went away before anything could be measured, nobody was harmed and the run goes on.
    if !rounds.is_aborted() {
        rounds.abort().await?;
    }
    rounds.restored().await.map_err(|error| format!("{}, lifted: {error}", fault.name()))?;
    rounds.again(&optimized).await?;
    Ok(Trial { harm, says, lie })
}

/// Seconds from the first request that failed to the last, once none has failed for a while; the time of the trial when
/// they go on.
async fn harm(load: &Load, told: i64) -> f64 {
    let calm = i64::try_from(CALM.as_millis()).unwrap_or(i64::MAX);
    loop {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let failed: Vec<i64> = load
            .between(told, now())
            .iter()
            .filter(|request| request.status == 500)
            .map(|request| request.sent)
            .collect();
        let first = failed.iter().min().copied().unwrap_or(told);
        let last = failed.iter().max().copied().unwrap_or(told);
        let late = seconds(told, now()) > LONGEST.as_secs_f64() + CALM.as_secs_f64();
        if now() - last >= calm && now() - told >= 2 * calm || late {
            return seconds(first, last);
        }
    }
}

/// What the status says, and which part of it is not so.
async fn judge(
    fleet: &Fleet,
    rounds: &Rounds<'_>,
    fault: Fault,
    optimized: &std::collections::BTreeSet<String>,
) -> (String, Option<String>) {
    let Some(rollout) = rounds.rollout() else { return (String::new(), Some("there is no rollout".to_owned())) };
    let status = rollout.status.clone().unwrap_or_default();
    let ready = status.conditions.iter().find(|condition| condition.type_ == "Ready");
    let says = ready.map_or_else(String::new, |ready| format!("{}: {}", ready.reason, ready.message));
    let retreat = status.retreat.as_ref();
    let routed =
        fleet.slices.all().values().any(|slice| crate::fleet::ready_pods(slice).any(|pod| optimized.contains(&pod)));
    let running = join_all(optimized.iter().map(|member| fleet.runs_optimized(member))).await;
    let back = retreat.is_some_and(|retreat| retreat.acknowledged_at.is_some());
    let map = fleet.config_maps.all().get(CONFIG_MAP).cloned();
    let harmed = fault != Fault::ServiceDeleted || retreat.is_some();
    let lie = if harmed && !rounds.is_aborted() {
        Some("it does not say that the run is aborted".to_owned())
    } else if retreat.is_some_and(|retreat| retreat.off_at.is_some()) && !is_off(map.as_deref()) {
        Some("it says off, and files are optimized".to_owned())
    } else if back && running.contains(&true) {
        Some("it says everybody is back, and a member runs the optimization".to_owned())
    } else if retreat.is_some_and(|retreat| retreat.rerouted_at.is_some()) && routed && !back {
        Some("it says rerouted, and a Service leads to a member that is not back".to_owned())
    } else {
        fault.named().filter(|kind| !back && !says.contains(kind)).map(|kind| format!("it does not name the {kind}"))
    };
    (says, lie)
}
