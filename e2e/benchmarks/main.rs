//! The benchmarks, on a real cluster. `e2e/bench` starts what they need; docs/benchmarks.md says what they measure.

use std::{path::Path, process::ExitCode, time::Instant};

use futures::{FutureExt, future::BoxFuture};
use kube::Client;

use bench::Bench;
use figure::Figure;

mod bench;
mod burst;
mod conflict;
mod failover;
mod fault;
mod faults;
mod figure;
mod fleet;
mod healthy;
mod idle;
mod load;
mod noise;
mod plan;
mod prometheus;
mod proxy;
mod replica;
mod reroute;
mod round;
mod scale;
mod seen;
mod stage;
mod stub;
mod visible;

type Section = for<'a> fn(&'a Bench) -> BoxFuture<'a, Result<Vec<Figure>, String>>;

/// Name, whether it belongs to a quick run, and what to run; in this order.
const SECTIONS: &[(&str, bool, Section)] = &[
    ("reroute", true, |bench| reroute::like_for_like(bench).boxed()),
    ("catastrophe", true, |bench| reroute::catastrophe(bench).boxed()),
    ("healthy", false, |bench| healthy::run(bench).boxed()),
    ("failover", false, |bench| failover::run(bench).boxed()),
    ("burst", false, |bench| burst::run(bench).boxed()),
    ("conflict", false, |bench| conflict::run(bench).boxed()),
    ("visible", false, |bench| visible::run(bench).boxed()),
    ("scale", false, |bench| scale::run(bench).boxed()),
    ("idle", false, |bench| idle::run(bench).boxed()),
    ("faults", false, |bench| faults::run(bench).boxed()),
    ("prometheus", false, |bench| faults::prometheus(bench).boxed()),
    ("throttled", false, |bench| faults::throttled(bench).boxed()),
];

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Whether every section came to its end.
async fn run() -> Result<bool, String> {
    rustls::crypto::ring::default_provider().install_default().map_err(|_| "a TLS provider is installed already")?;
    let variable = |name: &str| std::env::var(name).unwrap_or_default();
    let bench = Bench {
        client: Client::try_default().await.map_err(|error| format!("no access to a cluster: {error}"))?,
        quick: variable("QUICK") == "1",
        image: variable("MEMBER_IMAGE"),
        member: variable("MEMBER_PROGRAM"),
        operator: variable("OPERATOR_PROGRAM"),
        prometheus: variable("PROMETHEUS_PROGRAM"),
    };
    let wanted = variable("BENCH");
    let wanted: Vec<&str> = wanted.split(',').filter(|name| !name.is_empty()).collect();
    if let Some(unknown) = wanted.iter().find(|name| !SECTIONS.iter().any(|(known, _, _)| known == *name)) {
        let known: Vec<&str> = SECTIONS.iter().map(|(name, _, _)| *name).collect();
        return Err(format!("BENCH names no section {unknown}; there are {}", known.join(", ")));
    }
    let (mut figures, mut failed) = (Vec::new(), Vec::new());
    for (name, in_quick, section) in SECTIONS {
        let chosen = if wanted.is_empty() { !bench.quick || *in_quick } else { wanted.contains(name) };
        if !chosen {
            continue;
        }
        let began = Instant::now();
        eprintln!("== {name}");
        match section(&bench).await {
            Ok(more) => figures.extend(more),
            Err(error) => failed.push(format!("{name}: {error}")),
        }
        // A section that failed may have left it without replicas.
        replica::scale(&bench, 2).await?;
        eprintln!("== {name}: {} s", began.elapsed().as_secs());
        write(&figures)?;
    }
    println!("{}", figure::table(&figures));
    for failure in &failed {
        println!("not measured: {failure}");
    }
    let held = figures.iter().filter(|figure| figure.holds() == Some(true)).count();
    let goals = figures.iter().filter(|figure| figure.holds().is_some()).count();
    println!("bench: {held} of {goals} goals hold, {} sections failed", failed.len());
    Ok(failed.is_empty())
}

fn write(figures: &[Figure]) -> Result<(), String> {
    let file = Path::new("target/bench.json");
    let text =
        serde_json::to_string_pretty(figures).map_err(|error| format!("the figures cannot be written: {error}"))?;
    std::fs::write(file, text + "\n").map_err(|error| format!("cannot write {}: {error}", file.display()))
}
