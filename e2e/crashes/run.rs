//! One run: a rollout that hurts, a strike in the midst of its retreat, and the end that it has to come to.

use std::{sync::Arc, time::Duration};

use domain::election::LEASE_DURATION;
use jiff::Timestamp;
use sim::audit::Origin;
use tokio::time::{Instant, sleep, timeout};

use crate::{
    check::{self, Struck, Verdict},
    draw::{Draw, Point, Strike},
    fleet,
    lane::Lane,
    members::Members,
    node::{Node, Seen},
    replica::Replica,
    restored,
};

/// From the rollout to its second stage.
const BEGINNING: Duration = Duration::from_secs(90);
/// From the breach to the end, whoever is struck on the way.
const LONGEST: Duration = Duration::from_secs(90);
/// What is under way when all is restored has come to its end by then.
const SETTLING: Duration = Duration::from_secs(3);
/// How long nothing may be written then.
const QUIET: Duration = Duration::from_secs(4);

/// How long a retreat takes that nobody disturbs, and how many writes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Length {
    /// From the breach to the end.
    pub time: Duration,
    /// Accepted writes of the operator.
    pub writes: usize,
}

/// What became of a run.
pub struct Outcome {
    /// From the breach to the strike.
    pub struck: Duration,
    /// From the breach to the end; why there was none.
    pub restored: Result<Duration, String>,
    /// What its history says.
    pub verdict: Verdict,
}

/// Carries out one run. Without a length it is one that is measured, and the point does not matter.
///
/// # Errors
/// When something beside the operator fails.
pub async fn run(lane: &mut Lane, draw: &Draw, length: Option<Length>) -> Result<Outcome, String> {
    fleet::clear(&lane.client).await?;
    let (after, audited, origin) = (lane.etcd.newest().await?, lane.audited(), Origin::now());
    let members = Arc::new(Members::start(&fleet::names(draw), lane.number).await?);
    fleet::create(&lane.client, draw, &members).await?;
    let node = Node::start(lane.client.clone(), members.clone(), draw.patched);
    let mut replicas = vec![start(lane)?, start(lane)?];
    fleet::begin(&lane.client, draw).await?;
    node.until(BEGINNING, |seen| begun(seen, &replicas)).await.map_err(|why| format!("it never began: {why}"))?;
    sleep(Duration::from_secs_f64(draw.moment)).await;

    let from = lane.audited();
    members.fail();
    let breach = (Instant::now(), Timestamp::now());
    let ends = async {
        let ended = node.until(LONGEST, |seen| restored::holds(seen, &members).map(|()| seen.at)).await;
        ended.map(|at| at.saturating_duration_since(breach.0))
    };
    let strikes = async {
        if let Some(length) = length {
            wait(lane, draw.point, length, from).await?;
        }
        let struck = Timestamp::now();
        strike(lane, draw, &node, &mut replicas).await.map(|faults| (struck, faults))
    };
    let (restored, struck) = tokio::join!(ends, strikes);
    let (struck, faults) = struck?;
    sleep(SETTLING).await;
    let calm = Timestamp::now();
    sleep(QUIET).await;
    for mut replica in replicas {
        if replica.has_ended() {
            return Err(format!("{} ended by itself; its log is in {}", replica.name(), lane.folder.display()));
        }
        replica.end().await;
    }
    drop(node);
    let last = lane.etcd.newest().await?;
    let revisions = lane.etcd.history(&[fleet::NAMESPACE, crate::replica::NAMESPACE], after, last).await?;
    let times = Struck { breach: breach.1, struck, faults, calm };
    let verdict = check::check(&lane.audit(audited)?, revisions, members.said(), origin, &times)?;
    let struck = Duration::try_from(struck.duration_since(breach.1)).unwrap_or_default();
    Ok(Outcome { struck, restored, verdict })
}

fn start(lane: &mut Lane) -> Result<Replica, String> {
    let (name, kubeconfig) = lane.identity()?;
    Replica::start(&lane.program, &name, &kubeconfig, &lane.folder.join("logs"))
}

/// Whether the second stage is watched, and one of the replicas leads.
fn begun(seen: &Seen, replicas: &[Replica]) -> Result<(), String> {
    let status = seen.rollout.as_ref().and_then(|rollout| rollout.status.as_ref()).ok_or("there is no status")?;
    let summary = status.summary.clone().unwrap_or_default();
    let members = status.members.clone().unwrap_or_default();
    let leads = replicas.iter().any(|replica| seen.holder.as_deref() == Some(replica.name()));
    let is_last = status.stage.as_ref().is_some_and(|stage| stage.index == 1);
    let all = members.optimized > 1 && members.acknowledged == members.optimized;
    (leads && is_last && all && summary.reason == "Baking")
        .then_some(())
        .ok_or_else(|| format!("{summary:?} {members:?}"))
}

/// Waits until the point in the retreat.
async fn wait(lane: &Lane, point: Point, length: Length, from: u64) -> Result<(), String> {
    match point {
        Point::Time(share) => sleep(length.time.mul_f64(share)).await,
        Point::Write(share) => {
            // After the last one there would be nothing left to do.
            let writes = (share * length.writes.saturating_sub(1) as f64) as usize + 1;
            // A retreat with fewer writes than usual is over by then.
            let _ = timeout(2 * length.time, lane.written(from, writes)).await;
        }
    }
    Ok(())
}

/// Strikes; returns what went wrong for which replica, from when on and until when, when all is well again.
async fn strike(
    lane: &mut Lane,
    draw: &Draw,
    node: &Node,
    replicas: &mut Vec<Replica>,
) -> Result<Vec<check::Fault>, String> {
    let from = Timestamp::now();
    let back = Duration::from_secs_f64(draw.back);
    let holder = node.last().and_then(|seen| seen.holder.clone());
    let leader = replicas.iter().position(|replica| holder.as_deref() == Some(replica.name()));
    let leader = || leader.ok_or_else(|| format!("the leader is {holder:?}, which is none of ours"));
    let fault = |user: &str, what: &'static str, until| check::Fault { user: user.to_owned(), what, from, until };
    match draw.strike {
        Strike::None => Ok(Vec::new()),
        Strike::Kill => {
            let leader = replicas.swap_remove(leader()?);
            leader.signal("KILL")?;
            let killed = fault(leader.name(), "Crash: it was killed", None);
            leader.end().await;
            sleep(back).await;
            replicas.push(start(lane)?);
            Ok(vec![killed])
        }
        Strike::Stop => {
            let leader = replicas.get(leader()?).ok_or("there is no leader")?;
            leader.signal("STOP")?;
            sleep(LEASE_DURATION + back).await;
            let until = Timestamp::now();
            leader.signal("CONT")?;
            Ok(vec![fault(leader.name(), "it was stopped", Some(until))])
        }
        Strike::ApiServer | Strike::Etcd => {
            let process = if draw.strike == Strike::Etcd { "etcd" } else { "api-server" };
            lane.restart(process).await?;
            let until = Some(Timestamp::now());
            Ok(replicas.iter().map(|replica| fault(replica.name(), "the control plane was killed", until)).collect())
        }
    }
}
