//! What one 409 on the way of a retreat costs.

use crate::{
    bench::Bench,
    figure::{Figure, Goal, Of, Spread},
    fleet::Fleet,
    load::Load,
    plan::{self, Judging, Target},
    proxy::{Proxied, Trouble},
    reroute::MEMBERS,
    round::{Rounds, Times, seconds},
};

/// Namespace of the fleet whose operator goes through the proxy.
pub const NAMESPACE: &str = "bench-proxy";
/// Less than in the main figures: the proxy is on the same cores.
const RATE: u32 = 800;

/// Rounds without, and with a 409 on the ConfigMap and on the Service.
///
/// # Errors
/// When a round does not come to its end.
pub async fn run(bench: &Bench) -> Result<Vec<Figure>, String> {
    let fleet = Fleet::start(bench, NAMESPACE, MEMBERS).await?;
    let proxied = Proxied::start(bench, NAMESPACE).await?;
    let load = Load::start(&bench.member, &fleet.address().await?, RATE)?;
    let rollout = plan::rollout("conflict", &Target::example(), Judging::OneBadLook);
    let mut rounds = Rounds::new(bench, &fleet, &rollout).await?;
    let (mut plain, mut on_map, mut on_service) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..bench.rounds(2, 10) {
        for (trouble, times) in [
            (Trouble::None, &mut plain),
            (Trouble::ConflictOnce("configmaps"), &mut on_map),
            (Trouble::ConflictOnce("services"), &mut on_service),
        ] {
            let optimized = rounds.baking().await?;
            rounds.moment().await;
            proxied.make(trouble);
            times.push(rounds.breach(&load, &optimized, || Ok(())).await?);
            if proxied.trouble() != Trouble::None {
                return Err(format!("nothing was written that {trouble:?} could have hit"));
            }
            rounds.again(&optimized).await?;
        }
    }
    let off = |times: &[Times]| -> Vec<f64> {
        times.iter().filter_map(|times| Some(seconds(times.decided?, times.off?))).collect()
    };
    let rerouted = |times: &[Times]| -> Vec<f64> {
        times.iter().filter_map(|times| Some(seconds(times.decided?, times.last))).collect()
    };
    Ok(vec![
        Figure::spread("decided to off in the API", "s", &off(&plain), Of::P50, Goal::None),
        Figure::spread("the same with a 409 on the ConfigMap", "s", &off(&on_map), Of::P50, Goal::None),
        added("a 409 on the ConfigMap adds", &off(&plain), &off(&on_map)),
        Figure::spread("decided to rerouted", "s", &rerouted(&plain), Of::P50, Goal::None),
        Figure::spread("the same with a 409 on the Service", "s", &rerouted(&on_service), Of::P50, Goal::None),
        added("a 409 on the Service adds", &rerouted(&plain), &rerouted(&on_service)),
    ])
}

/// How much later half of the rounds are.
fn added(name: &str, without: &[f64], with: &[f64]) -> Figure {
    let p50 = |measured: &[f64]| Spread::of(measured).map_or(f64::NAN, |spread| spread.p50);
    Figure::single(name, "s", p50(with) - p50(without), Goal::AtMost(0.1)).noted("difference of the medians")
}
