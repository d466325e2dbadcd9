//! Many rollouts that breach at the same moment.

use std::{collections::BTreeSet, time::Duration};

use kube::ResourceExt;

use crate::{
    bench::Bench,
    figure::{Figure, Goal, Of},
    fleet::ready_pods,
    plan::Judging,
    replica::Replicas,
    round::{is_narrowed, seconds},
    seen::now,
    stage::Stage,
};

const MEMBERS: usize = 4;
/// How long members take to acknowledge. They come back to traffic then, which must not be before the controller of
/// EndpointSlices has come to theirs.
const ACKNOWLEDGED_AFTER: &str = "15s";
/// The share of failed requests that no window of a second dilutes below the limit.
const BEYOND_DOUBT: f64 = 0.04;
/// Namespace of fleets that do not exist.
pub const NAMESPACE: &str = "bench-stub";

/// Ten, and a hundred.
///
/// # Errors
/// When one is not taken back.
pub async fn run(bench: &Bench) -> Result<Vec<Figure>, String> {
    let mut figures = Vec::new();
    for (count, later) in [(10, 0.2), (100, 1.0)] {
        let mut all: Vec<Taken> = Vec::new();
        let (mut narrowed, mut unrouted) = (Vec::new(), Vec::new());
        for _ in 0..bench.rounds(1, 3) {
            let once = once(bench, count).await?;
            narrowed.push(spread(once.iter().map(|taken| taken.narrowed - taken.look)));
            unrouted.push(spread(once.iter().map(|taken| taken.unrouted - taken.look)));
            eprintln!(
                "{count} at once, each after its own look: the last Service {:.3} s later than the first, the last \
                 EndpointSlice {:.3} s",
                narrowed.last().copied().unwrap_or_default(),
                unrouted.last().copied().unwrap_or_default()
            );
            all.extend(once);
        }
        let name = format!("{count} breach at once");
        let figure = |what: &str, measured: &[f64], goal| {
            Figure::spread(&format!("{name}: {what}"), "s", measured, Of::Max, goal)
        };
        let each = |of: fn(&Taken) -> f64| all.iter().map(of).collect::<Vec<f64>>();
        figures.extend([
            figure("the last EndpointSlice later than the first", &unrouted, Goal::AtMost(later))
                .noted("each from its own first bad look"),
            figure("the last Service narrowed later than the first", &narrowed, Goal::None)
                .noted("the same; the rest is the controller of EndpointSlices"),
            figure("bad look to Service narrowed", &each(|taken| taken.narrowed - taken.look), Goal::None),
            figure("bad look to EndpointSlice", &each(|taken| taken.unrouted - taken.look), Goal::None),
            figure("breach to EndpointSlice", &each(|taken| taken.unrouted), Goal::None),
        ]);
    }
    Ok(figures)
}

/// How one of them was taken back, in seconds after the breach.
struct Taken {
    /// The operator's first bad look.
    look: f64,
    /// The Service leads to the baseline alone.
    narrowed: f64,
    /// No EndpointSlice leads to an optimized member.
    unrouted: f64,
}

/// The first look that showed the breach. One that fell into its first moments shows little more than the limit of 1 %,
/// which its window may or may not exceed: then the next one counts, if nothing was done before it.
fn decisive(shown: &[(i64, f64)], acted: Option<i64>) -> Option<i64> {
    let mut bad = shown.iter().filter(|(_, share)| *share > 0.01);
    let (first, share) = bad.next()?;
    match bad.next() {
        Some((second, _)) if *share < BEYOND_DOUBT && acted.is_some_and(|acted| acted > *second) => Some(*second),
        _ => Some(*first),
    }
}

fn spread(times: impl Iterator<Item = f64>) -> f64 {
    let (first, last) = times.fold((f64::MAX, f64::MIN), |(first, last), time| (first.min(time), last.max(time)));
    last - first
}

async fn once(bench: &Bench, count: usize) -> Result<Vec<Taken>, String> {
    let replicas = Replicas::watch(bench);
    let leader = replicas.address(&replicas.leader().await?)?;
    let stage = Stage::set(bench, NAMESPACE, count, MEMBERS).await?;
    // Where one look decides, noise would.
    stage.fleets.iter().for_each(|fleet| stage.stub.fail(&stage.members(fleet), Some(0.0)));
    stage.begin(Judging::OneBadLook, ACKNOWLEDGED_AFTER).await?;
    stage.baking().await?;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let optimized: Vec<_> = stage.fleets.iter().map(|fleet| (fleet, stage.optimized(fleet))).collect();
    let addresses: BTreeSet<_> = optimized.iter().flat_map(|(_, (_, addresses))| addresses.iter().copied()).collect();
    stage.services.forget();
    stage.slices.forget();
    let breach = now();
    stage.stub.fail(&addresses, Some(0.5));
    stage.restored().await?;
    let measured = optimized
        .iter()
        .map(|(fleet, (names, addresses))| {
            let narrowed = stage.services.first(|name, service| name == fleet.name && is_narrowed(service));
            let unrouted = stage.slices.first(|_, slice| {
                slice.is_some_and(|slice| {
                    slice.labels().get("kubernetes.io/service-name") == Some(&fleet.name)
                        && !ready_pods(slice).any(|pod| names.contains(&pod))
                })
            });
            let since = |at: Option<i64>, what: &str| {
                at.map(|at| seconds(breach, at)).ok_or_else(|| format!("{}: {what}", fleet.name))
            };
            Ok(Taken {
                look: since(
                    decisive(&stage.stub.shown(addresses, leader), narrowed.or(unrouted)),
                    "the leader was not told of the breach",
                )?,
                // Where the labels were quicker there was nothing left to narrow.
                narrowed: since(narrowed.or(unrouted), "its Service was not narrowed")?,
                unrouted: since(unrouted, "it was not rerouted")?,
            })
        })
        .collect();
    bench.empty(NAMESPACE).await?;
    measured
}
