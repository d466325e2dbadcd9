//! The leader is killed at the moment of the breach: a standby has to take back, and somebody has to advance again. And
//! the leader is asked to end, as an update of the operator does.

use tokio::sync::oneshot;

use crate::{
    bench::Bench,
    figure::{Figure, Goal, Of},
    fleet::Fleet,
    load::Load,
    plan::{self, Judging, Target},
    replica::{self, Replicas},
    reroute::{MEMBERS, RATE},
    round::{Rounds, seconds},
    seen::now,
};

/// Kills the leader of each round.
///
/// # Errors
/// When a round does not come to its end.
pub async fn run(bench: &Bench) -> Result<Vec<Figure>, String> {
    let fleet = Fleet::start(bench, "bench", MEMBERS).await?;
    let replicas = Replicas::watch(bench);
    let load = Load::start(&bench.member, &fleet.address().await?, RATE)?;
    let rollout = plan::rollout("failover", &Target::example(), Judging::OneBadLook);
    let mut rounds = Rounds::new(bench, &fleet, &rollout).await?;
    let (mut rerouted, mut elected, mut advanced) = (Vec::new(), Vec::new(), Vec::new());
    let count = bench.rounds(2, 20);
    for number in 1..=count {
        let optimized = rounds.baking().await?;
        let leader = replicas.leader().await?;
        let process = replica::process(&leader)?;
        rounds.moment().await;
        let (sender, killed) = oneshot::channel();
        let kill = || {
            replica::kill(&process)?;
            sender.send(now()).map_err(|_| "nobody waits for the kill".to_owned())
        };
        // Its pod as well: the kubelet would start the container again, under the name that holds the lease.
        let successor = async {
            let killed = killed.await.map_err(|_| "the leader was not killed")?;
            replicas.delete(&leader, Some(0)).await?;
            Ok::<_, String>((killed, replicas.another_leads(&leader).await?))
        };
        let (times, successor) = futures::join!(rounds.breach(&load, &optimized, kill), successor);
        let (times, (killed, led)) = (times?, successor?);
        advanced.push(seconds(killed, times.acknowledged));
        rerouted.push(seconds(times.served, times.last));
        elected.push(seconds(killed, led));
        eprintln!(
            "round {number} of {count}: rerouted {:.3} s, another leads after {:.3} s, it has brought everybody back after {:.3} s",
            seconds(times.served, times.last),
            seconds(killed, led),
            seconds(killed, times.acknowledged)
        );
        rounds.again(&optimized).await?;
    }
    drop(load);
    let handed_over = hand_over(&replicas, bench.rounds(2, 10)).await?;
    Ok(vec![
        Figure::spread("leader killed at the breach: served to rerouted", "s", &rerouted, Of::Max, Goal::AtMost(1.6)),
        Figure::spread("leader killed: another one holds the Lease", "s", &elected, Of::Max, Goal::None),
        Figure::spread("leader killed: another one has advanced", "s", &advanced, Of::Max, Goal::AtMost(8.0))
            .noted("every member back in traffic, status written"),
        Figure::spread(
            "leader asked to end: another one holds the Lease",
            "s",
            &handed_over,
            Of::Max,
            Goal::AtMost(2.0),
        )
        .noted("from the deletion of its pod, which the kubelet tells it by SIGTERM"),
    ])
}

/// Deletes the leader's pod as an update does, so many times: seconds until another replica holds the Lease.
async fn hand_over(replicas: &Replicas, rounds: usize) -> Result<Vec<f64>, String> {
    let mut measured = Vec::new();
    for _ in 0..rounds {
        let leader = replicas.leader().await?;
        let asked = now();
        replicas.delete(&leader, None).await?;
        measured.push(seconds(asked, replicas.another_leads(&leader).await?));
        eprintln!("handed over after {:.3} s", measured.last().copied().unwrap_or_default());
    }
    Ok(measured)
}
