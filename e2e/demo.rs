//! The demo: one rollout that reaches everybody, and one that hurts in its second stage and is taken back.
//!
//! Needs a cluster with the operator and the example fleet; `e2e/demo` sees to both.

use std::{path::Path, process::ExitCode, time::Duration};

use e2e::{
    fleet::Fleet,
    load::Load,
    outcome::Outcome,
    rollout::{Rollout, decided},
};
use kube::Client;

const MEMBERS: usize = 20;
/// Requests per second on the whole fleet.
const RATE: u32 = 700;
const LONGEST: Duration = Duration::from_secs(240);
const LOAD_SECONDS: u64 = 600;
/// Milliseconds that a step of the retreat takes at most. On a quiet machine it is a tenth of that; how fast it is, is for
/// benchmarks to say.
const SOON: i64 = 15_000;
const LATER: i64 = 60_000;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let outcome = match run().await {
        Ok(outcome) => outcome,
        Err(error) => {
            eprintln!("demo: {error}");
            return ExitCode::FAILURE;
        }
    };
    println!("\n{}", outcome.table());
    if outcome.holds() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

async fn run() -> Result<Outcome, String> {
    rustls::crypto::ring::default_provider().install_default().map_err(|_| "a TLS provider is installed already")?;
    let client = Client::try_default().await.map_err(|error| format!("no access to a cluster: {error}"))?;
    let fleet = Fleet::new(client.clone());
    let program: Vec<String> = std::env::args().skip(1).collect();
    let mut load = Load::start(&program, &fleet.address().await?, RATE, LOAD_SECONDS)?;
    load.next().await?;
    let mut outcome = Outcome::default();
    good(&client, &fleet, &load, &mut outcome).await?;
    bad(&client, &fleet, &mut load, &mut outcome).await?;
    Ok(outcome)
}

async fn good(client: &Client, fleet: &Fleet, load: &Load, outcome: &mut Outcome) -> Result<(), String> {
    println!("\nA rollout that harms nobody:");
    let mut rollout = Rollout::apply(client.clone(), Path::new("examples/rollouts/dns-cache.yaml")).await?;
    rollout.until(LONGEST, |_, status| status.run.as_ref().is_some_and(|run| run.settled_at.is_some())).await?;
    let on = fleet.files().await?.values().filter(|file| file.contains("dns.cache.enabled = true")).count();
    let report = load.report();
    outcome.line("good rollout settled", format!("{on}/{MEMBERS}"), on == MEMBERS);
    outcome.line("requests failed by it", format!("{} of {}", report.failed, report.requests), report.failed == 0);
    Ok(())
}

async fn bad(client: &Client, fleet: &Fleet, load: &mut Load, outcome: &mut Outcome) -> Result<(), String> {
    println!("\nA rollout that hurts in its second stage:");
    let mut before = fleet.files().await?;
    // A member that is not optimized has the declared baseline spelled out.
    before.values_mut().for_each(|file| file.push_str("network.pool.enabled = false\n"));
    let mut rollout = Rollout::apply(client.clone(), Path::new("examples/rollouts/network-tuning.yaml")).await?;
    let begun = rollout
        .until(LONGEST, |rollout, status| {
            decided(rollout).is_some() || status.run.as_ref().is_some_and(|run| run.succeeded_at.is_some())
        })
        .await?;
    let off = {
        let (fleet, before) = (fleet.clone(), &before);
        async move {
            loop {
                if fleet.files().await.is_ok_and(|files| files == *before) {
                    return jiff::Timestamp::now().as_millisecond();
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
    };
    let acknowledged = async {
        let restored = rollout
            .until(LONGEST, |_, status| {
                status.retreat.as_ref().is_some_and(|retreat| retreat.acknowledged_at.is_some())
            })
            .await?;
        Ok::<_, String>((restored, jiff::Timestamp::now().as_millisecond()))
    };
    let (off, acknowledged) = tokio::join!(tokio::time::timeout(LONGEST, off), acknowledged);
    let (restored, acknowledged) = acknowledged?;
    let at_rest = at_rest(fleet).await?;
    // Those under way when the last one was sent are in the report after the next.
    load.next().await?;
    let report = load.next().await?;

    let status = restored.status.unwrap_or_default();
    let stage = status.stage.as_ref().map_or_else(String::new, |stage| stage.name.clone());
    let reason = status.retreat.as_ref().map_or_else(String::new, |retreat| retreat.reason.to_string());
    let millis = |time: Option<u64>| time.and_then(|time| i64::try_from(time).ok());
    let (breach, last) = (millis(report.first_failed), millis(report.last_failed));
    outcome.line("bad rollout taken back in stage", format!("{stage} ({reason})"), stage == "half");
    outcome.clock("breach served to detected", breach, decided(&begun).map(|(_, at)| at), SOON);
    outcome.clock("breach served to rerouted and drained (last failed request)", breach, last, SOON);
    outcome.clock("breach served to off in the API", breach, off.ok(), SOON);
    outcome.clock("breach served to acknowledged", breach, Some(acknowledged), LATER);
    let after = fleet.files().await?;
    let same = before.iter().filter(|(member, file)| after.get(*member) == Some(file)).count();
    outcome.line("rendering restored", format!("{same}/{MEMBERS}"), same == MEMBERS && after.len() == before.len());
    outcome.line("members back in traffic", format!("{at_rest}/{MEMBERS}"), at_rest == MEMBERS);
    let hurt = report.failed + report.lost;
    let share = hurt as f64 / report.requests.max(1) as f64;
    outcome.line("requests hurt", format!("{hurt} of {}", report.requests), hurt > 0 && share < 0.05);
    Ok(())
}

/// Members that serve again, once all do or a minute is over.
async fn at_rest(fleet: &Fleet) -> Result<usize, String> {
    for _ in 0..120 {
        if fleet.at_rest().await? == (MEMBERS, true) {
            return Ok(MEMBERS);
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let (resting, wide) = fleet.at_rest().await?;
    Ok(if wide { resting } else { 0 })
}
