//! Drawing what goes wrong.

use std::time::Duration;

use fastrand::Rng;
use sim::Fault;

use super::{
    edit,
    foreign::Foreign,
    owner::Owner,
    script::{NAME, SECOND},
    trouble::{PodEvent, Trouble},
};
use crate::members::Mute;

/// Up to six troubles, within the time that a run takes; in some stories the leader is lost at the breach.
pub fn troubles(rng: &mut Rng, skews: &[i64]) -> Vec<(Duration, Trouble)> {
    let replicas = skews.len();
    let count = rng.usize(0..=6);
    let mut troubles: Vec<(Duration, Trouble)> =
        (0..count).map(|_| (Duration::from_millis(rng.u64(0..420_000)), one(rng, replicas))).collect();
    if replicas > 1 && rng.u8(0..4) == 0 {
        let breach = Duration::from_millis(rng.u64(20_000..300_000));
        troubles.push((breach, Trouble::Harm { share: 0.5, from: rng.usize(1..3) }));
        let lost = breach + Duration::from_millis(rng.u64(0..12_000));
        let lasting = Duration::from_secs(rng.u64(5..60));
        let loses =
            if rng.bool() { Trouble::Cut { replica: 1, lasting } } else { Trouble::Hold { replica: 1, lasting } };
        troubles.push((lost, loses));
    }
    troubles.sort_by_key(|(at, _)| *at);
    troubles
}

fn one(rng: &mut Rng, replicas: usize) -> Trouble {
    let replica = rng.usize(1..=replicas);
    let lasting = Duration::from_secs(rng.u64(2..60));
    match rng.u8(0..44) {
        0..6 => Trouble::Harm { share: choose(rng, &[0.02, 0.1, 0.5]), from: rng.usize(1..4) },
        6..10 => {
            let faults = [Fault::CrashBefore, Fault::CrashAfter, Fault::LoseResponse, Fault::Hang];
            Trouble::AtWrite { replica, after: rng.usize(0..12), fault: choose(rng, &faults) }
        }
        10..13 => {
            let kinds = ["pods", "configmaps", "services", "optimizationrollouts", "leases", "events"];
            let mut faults = outages();
            faults.extend([
                Fault::Refuse(409, "conflict".to_owned()),
                Fault::Refuse(403, "forbidden".to_owned()),
                Fault::LoseResponse,
            ]);
            let (plural, fault) = (choose(rng, &kinds), choose(rng, &faults));
            Trouble::Writes { plural, one_in: rng.u64(1..4), fault, lasting }
        }
        13 => {
            let replica = rng.bool().then_some(replica);
            Trouble::Outage { replica, fault: choose(rng, &outages()), lasting: lasting * 2 }
        }
        14 => Trouble::Kill { replica, back: lasting },
        15..17 => Trouble::Cut { replica, lasting },
        17..19 => Trouble::Hold { replica, lasting },
        19 => {
            let kinds = ["optimizationrollouts", "configmaps", "pods", "services", "endpointslices"];
            let plural = if rng.bool() { Some(choose(rng, &kinds)) } else { None };
            let most = if plural.is_some() { 20_000 } else { 3000 };
            Trouble::Lag { replica, plural, lag: Duration::from_millis(rng.u64(100..most)), lasting }
        }
        20 => Trouble::Disconnect { forget: rng.bool() },
        21..23 => {
            let how =
                choose(rng, &[Mute::Silent, Mute::Silent, Mute::Empty, Mute::NotANumber, Mute::Infinite, Mute::Stuck]);
            Trouble::Mute { how, all: rng.bool(), lasting: lasting * 4 }
        }
        23 => Trouble::Prometheus { lasting: lasting * 4 },
        24..28 => {
            use PodEvent::{IsKilledForMemory, IsReplaced, IsUnready, Joins, Leaves, Restarts};
            // It counts from half a minute on.
            let unready = IsUnready { seconds: choose(rng, &[20, 50]) };
            let events = [Restarts, IsKilledForMemory, IsReplaced, unready, Joins, Leaves];
            Trouble::Pod { member: rng.usize(0..8), event: choose(rng, &events) }
        }
        28..34 => Trouble::Foreign(Foreign::draw(rng)),
        34..39 => edit::draw(rng, lasting),
        39 => Trouble::Delete { rollout: if rng.u8(0..4) == 0 { SECOND } else { NAME } },
        40..42 => Trouble::Stop { replica, back: lasting },
        _ => Trouble::Clock { replica: rng.bool().then_some(replica), seconds: rng.i64(-300..300) },
    }
}

/// An owner keeps a ConfigMap from being read or written; most mend it.
pub fn owner(rng: &mut Rng) -> (Duration, Trouble) {
    let at = Duration::from_millis(rng.u64(0..420_000));
    let mended = (rng.u8(0..4) > 0).then(|| Duration::from_secs(rng.u64(5..120)));
    (at, Trouble::Owner { member: rng.usize(0..8), does: Owner::draw(rng), mended })
}

/// What an API server answers that cannot.
fn outages() -> Vec<Fault> {
    vec![
        Fault::Refuse(429, "too many requests".to_owned()),
        Fault::Refuse(500, "internal error".to_owned()),
        Fault::Refuse(503, "service unavailable".to_owned()),
        Fault::Delay(Duration::from_millis(1500)),
        Fault::Delay(Duration::from_millis(4000)),
        Fault::Hang,
    ]
}

/// One of these.
pub fn choose<T: Clone>(rng: &mut Rng, from: &[T]) -> T {
    from[rng.usize(0..from.len())].clone()
}
