//! From the first request that fails to the last that a failing member answers, on real members with real traffic.

use std::collections::BTreeMap;

use api::reason::Reason;

use crate::{
    bench::Bench,
    figure::{Figure, Goal, Of},
    fleet::Fleet,
    load::Load,
    plan::{self, Judging, Target},
    round::{Rounds, Times, seconds},
    seen::now,
};

/// Members of the fleet.
pub const MEMBERS: usize = 8;
/// Requests per second on the whole fleet: 200 for each member.
pub const RATE: u32 = 1600;

/// One bad look decides, as the peers were measured.
///
/// # Errors
/// When a round does not come to its end.
pub async fn like_for_like(bench: &Bench) -> Result<Vec<Figure>, String> {
    let rounds = measure(bench, Judging::OneBadLook).await?;
    let name = "like for like: breach served to rerouted";
    let served: Vec<f64> = rounds.iter().map(|times| seconds(times.served, times.last)).collect();
    let mut figures = vec![
        Figure::spread(name, "s", &served, Of::P50, Goal::AtMost(0.65)),
        Figure::spread(name, "s", &served, Of::P99, Goal::AtMost(1.15)),
    ];
    figures.extend(steps("like for like", &rounds));
    Ok(figures)
}

/// Everything at its defaults but the interval.
///
/// # Errors
/// When a round does not come to its end.
pub async fn catastrophe(bench: &Bench) -> Result<Vec<Figure>, String> {
    let rounds = measure(bench, Judging::Defaults).await?;
    let by_rule = rounds.iter().filter(|times| times.reason == Reason::Catastrophe).count();
    let served: Vec<f64> = rounds.iter().map(|times| seconds(times.served, times.last)).collect();
    let name = "catastrophe at 1 s: breach served to rerouted";
    let note = format!("{by_rule} of {} by the catastrophe rule", rounds.len());
    let mut figures = vec![
        Figure::spread(name, "s", &served, Of::P50, Goal::None),
        Figure::spread(name, "s", &served, Of::P99, Goal::AtMost(1.8)).noted(note),
    ];
    figures.extend(steps("catastrophe at 1 s", &rounds));
    Ok(figures)
}

async fn measure(bench: &Bench, judging: Judging) -> Result<Vec<Times>, String> {
    let fleet = Fleet::start(bench, "bench", MEMBERS).await?;
    let load = Load::start(&bench.member, &fleet.address().await?, RATE)?;
    let mut rounds = Rounds::new(bench, &fleet, &plan::rollout("reroute", &Target::example(), judging)).await?;
    let mut all = Vec::new();
    let began = now();
    let count = bench.rounds(10, 100);
    for number in 1..=count {
        let optimized = rounds.baking().await?;
        rounds.moment().await;
        let times = rounds.breach(&load, &optimized, || Ok(())).await?;
        eprintln!("round {number} of {count}: {:.3} s by {}", seconds(times.served, times.last), times.reason);
        all.push(times);
        rounds.again(&optimized).await?;
    }
    let recent = load.between(now() - 5_000, now() - 1_000);
    let lost = load.between(began, now()).iter().filter(|request| request.status == 0).count();
    eprintln!("load: {} requests a second of {RATE}, {lost} without an answer", recent.len() / 4);
    Ok(all)
}

/// Where the time goes. Without goals: the sum has one.
fn steps(name: &str, rounds: &[Times]) -> Vec<Figure> {
    type Step = fn(&Times) -> Option<(i64, i64)>;
    let steps: BTreeMap<&str, Step> = [
        ("1 served to decided", (|times| Some((times.served, times.decided?))) as Step),
        ("2 decided to Service narrowed", |times| Some((times.decided?, times.narrowed?))),
        ("3 decided to EndpointSlice", |times| Some((times.decided?, times.unrouted?))),
        ("4 decided to last answer", |times| Some((times.decided?, times.last))),
        ("5 served to off in the API", |times| Some((times.served, times.off?))),
        ("6 served to acknowledged", |times| Some((times.served, times.acknowledged))),
    ]
    .into();
    steps
        .into_iter()
        .map(|(step, of)| {
            let measured: Vec<f64> = rounds.iter().filter_map(of).map(|(from, to)| seconds(from, to)).collect();
            Figure::spread(&format!("{name}: {step}"), "s", &measured, Of::P50, Goal::None)
        })
        .collect()
}
