//! Golden stories, and a crash at each of their writes.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use serde_json::json;
use sim::Fault;

use super::{
    play::play,
    script::{NAME, Script},
    trouble::Trouble,
};

/// A story without a fault: it goes well, it goes badly, somebody aborts it, or somebody deletes it.
pub fn golden(seed: u64) -> Script {
    let mut script = Script::new(seed);
    let at = Duration::from_secs(60 + seed % 120);
    script.skews = vec![0, 0];
    script.troubles = match seed % 4 {
        0 => Vec::new(),
        1 => vec![(Duration::ZERO, Trouble::Harm { share: 0.5, from: 1 })],
        2 => {
            let (path, value) = ("/abort".to_owned(), json!({"reason": "somebody says so"}));
            vec![(at, Trouble::Edit { rollout: NAME, path, value, back: None })]
        }
        _ => vec![(at, Trouble::Delete { rollout: NAME })],
    };
    script
}

/// What became of the sweeps of some stories.
#[derive(Debug, Default)]
pub struct Swept {
    /// How many runs were played.
    pub runs: u64,
    /// What differed, and from what.
    pub differences: Vec<String>,
}

/// Plays each of these golden stories with a crash of the leader before, and after, each of its writes.
pub fn sweep(seeds: u64) -> Swept {
    let (next, swept) = (AtomicU64::new(0), Mutex::new(Swept::default()));
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::SeqCst);
                    if seed >= seeds {
                        return;
                    }
                    let mut all = Swept::default();
                    sweep_one(&golden(seed), &mut all);
                    let mut swept = swept.lock().unwrap();
                    swept.runs += all.runs;
                    swept.differences.extend(all.differences);
                }
            });
        }
    });
    swept.into_inner().unwrap()
}

fn sweep_one(script: &Script, swept: &mut Swept) {
    let expected = play(script);
    swept.runs += 1;
    let mut tell = |what: String| swept.differences.push(format!("{what}\n{script}"));
    if let Some((broken, story)) = &expected.broken {
        return tell(format!("{}: {}\n{story}", broken.law, broken.what));
    }
    let writes = expected.server.writes().into_iter();
    let by_leader = writes.filter(|write| write.user == "replica-1" && write.key.plural != "leases").count();
    for at in 0..by_leader {
        for fault in [Fault::CrashBefore, Fault::CrashAfter] {
            let mut faulted = script.clone();
            let crash = Trouble::AtWrite { replica: 1, after: at, fault: fault.clone() };
            faulted.troubles.insert(0, (Duration::ZERO, crash));
            let outcome = play(&faulted);
            swept.runs += 1;
            if let Some((broken, story)) = outcome.broken {
                tell(format!("{fault:?} at write {at}: {}: {}\n{story}", broken.law, broken.what));
            } else if outcome.left != expected.left {
                tell(format!("{fault:?} at write {at} leaves {:#}\ninstead of {:#}", outcome.left, expected.left));
            }
        }
    }
}
