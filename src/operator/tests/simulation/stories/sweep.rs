//! Golden stories, and a crash at each of their writes.

use std::{sync::Mutex, time::Duration};

use serde_json::json;
use sim::Fault;

use super::{
    parallel,
    play::{Outcome, play},
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
    /// How many times the leader died.
    pub crashes: u64,
    /// What differed, and from what.
    pub differences: Vec<String>,
}

/// Plays the golden stories of these seeds with a crash of the leader before, and after, each of its writes.
pub fn sweep(seeds: u64) -> Swept {
    let golden = Mutex::new(Vec::new());
    parallel::for_each(0..seeds, |seed| {
        let outcome = play(&self::golden(seed));
        golden.lock().unwrap().push((seed, outcome));
    });
    let golden = golden.into_inner().unwrap();
    let crashes: Vec<(&(u64, Outcome), usize, Fault)> = golden
        .iter()
        .flat_map(|story| (0..by_leader(&story.1)).map(move |at| (story, at)))
        .flat_map(|(story, at)| [Fault::CrashBefore, Fault::CrashAfter].map(|fault| (story, at, fault)))
        .collect();
    let broken = golden.iter().filter_map(|(seed, outcome)| told(outcome).map(|what| format!("seed {seed}: {what}")));
    let differences = Mutex::new(broken.collect::<Vec<_>>());
    parallel::for_each(0..crashes.len() as u64, |index| {
        let ((seed, expected), at, fault) = &crashes[usize::try_from(index).unwrap()];
        if let Some(what) = difference(*seed, expected, *at, fault) {
            differences.lock().unwrap().push(what);
        }
    });
    Swept { crashes: crashes.len() as u64, differences: differences.into_inner().unwrap() }
}

/// How many writes are the leader's in a story.
fn by_leader(outcome: &Outcome) -> usize {
    let writes = outcome.server.writes().into_iter();
    writes.filter(|write| write.user == "replica-1" && write.key.plural != "leases").count()
}

/// What differs where the leader dies at one of its writes.
fn difference(seed: u64, expected: &Outcome, at: usize, fault: &Fault) -> Option<String> {
    let mut script = golden(seed);
    let crash = Trouble::AtWrite { replica: 1, after: at, fault: fault.clone() };
    script.troubles.insert(0, (Duration::ZERO, crash));
    let outcome = play(&script);
    let what = told(&outcome).or_else(|| {
        let same = outcome.left == expected.left;
        (!same).then(|| format!("leaves {:#}\ninstead of {:#}", outcome.left, expected.left))
    })?;
    Some(format!("seed {seed}, {fault:?} at write {at}: {what}\n{script}"))
}

/// The law that a story broke.
fn told(outcome: &Outcome) -> Option<String> {
    outcome.broken.as_ref().map(|(broken, story)| format!("{}: {}\n{story}", broken.law, broken.what))
}
