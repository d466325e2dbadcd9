//! Many rollouts that breach at the same moment.

use std::{collections::BTreeSet, time::Duration};

use kube::ResourceExt;

use crate::{
    bench::Bench,
    figure::{Figure, Goal, Of},
    fleet::ready_pods,
    plan::Judging,
    replica::Replicas,
    round::seconds,
    seen::now,
    stage::Stage,
};

const MEMBERS: usize = 4;
/// Namespace of fleets that do not exist.
pub const NAMESPACE: &str = "bench-stub";

/// Ten, and a hundred.
///
/// # Errors
/// When one is not taken back.
pub async fn run(bench: &Bench) -> Result<Vec<Figure>, String> {
    let mut figures = Vec::new();
    for (count, later) in [(10, 0.2), (100, 1.0)] {
        let (mut spreads, mut all, mut from_look) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..bench.rounds(1, 3) {
            let once = once(bench, count).await?;
            let looks: Vec<f64> = once.iter().map(|(_, after_look)| *after_look).collect();
            let spread =
                looks.iter().copied().fold(f64::MIN, f64::max) - looks.iter().copied().fold(f64::MAX, f64::min);
            eprintln!("{count} at once: the last {spread:.3} s later than the first, each after its own look");
            spreads.push(spread);
            from_look.extend(looks);
            all.extend(once.into_iter().map(|(after_breach, _)| after_breach));
        }
        let name = format!("{count} breach at once");
        figures.push(
            Figure::spread(
                &format!("{name}: the last later than the first"),
                "s",
                &spreads,
                Of::Max,
                Goal::AtMost(later),
            )
            .noted("each from its own first bad look to the EndpointSlice"),
        );
        figures.push(Figure::spread(
            &format!("{name}: bad look to EndpointSlice"),
            "s",
            &from_look,
            Of::Max,
            Goal::None,
        ));
        figures.push(Figure::spread(&format!("{name}: breach to EndpointSlice"), "s", &all, Of::Max, Goal::None));
    }
    Ok(figures)
}

/// For each rollout, seconds from the breach and from its own first bad look until no EndpointSlice leads to its
/// optimized members.
async fn once(bench: &Bench, count: usize) -> Result<Vec<(f64, f64)>, String> {
    let replicas = Replicas::watch(bench);
    let leader = replicas.address(&replicas.leader().await?)?;
    let stage = Stage::set(bench, NAMESPACE, count, MEMBERS).await?;
    // Where one look decides, noise would.
    stage.fleets.iter().for_each(|fleet| stage.stub.fail(&stage.members(fleet), Some(0.0)));
    stage.begin(Judging::OneBadLook).await?;
    stage.baking().await?;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let optimized: Vec<_> = stage.fleets.iter().map(|fleet| (fleet, stage.optimized(fleet))).collect();
    let addresses: BTreeSet<_> = optimized.iter().flat_map(|(_, (_, addresses))| addresses.iter().copied()).collect();
    stage.slices.forget();
    let breach = now();
    stage.stub.fail(&addresses, Some(0.5));
    stage.restored().await?;
    let measured = optimized
        .iter()
        .map(|(fleet, (names, addresses))| {
            let unrouted = stage.slices.first(|_, slice| {
                slice.is_some_and(|slice| {
                    slice.labels().get("kubernetes.io/service-name") == Some(&fleet.name)
                        && !ready_pods(slice).any(|pod| names.contains(&pod))
                })
            });
            let unrouted = unrouted.ok_or_else(|| format!("{} was not rerouted", fleet.name))?;
            let told = stage.stub.told(addresses, leader).ok_or("the leader was not told of the breach")?;
            Ok((seconds(breach, unrouted), seconds(told, unrouted)))
        })
        .collect();
    bench.empty(NAMESPACE).await?;
    measured
}
