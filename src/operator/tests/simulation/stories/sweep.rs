//! Golden stories, and a crash at each of their writes.

use std::{sync::Mutex, time::Duration};

use serde_json::{Value, json};
use sim::Fault;

use super::{
    edit::Edit,
    parallel,
    play::{Outcome, play},
    script::{NAME, Script},
    trouble::Trouble,
};

/// A story without a fault: it goes well, it goes badly, somebody aborts it, or somebody deletes it.
pub fn golden(seed: u64) -> Script {
    let mut script = Script::plain(seed);
    let at = Duration::from_secs(60 + seed % 120);
    script.skews = vec![0, 0];
    script.troubles = match seed % 4 {
        0 => Vec::new(),
        1 => vec![(Duration::ZERO, Trouble::Harm { share: 0.5, from: 1 })],
        2 => {
            let edit = Edit::of("/abort", json!({"reason": "somebody says so"}));
            vec![(at, Trouble::Edit { rollout: NAME, edit, back: None })]
        }
        _ => vec![(at, Trouble::Delete { rollout: NAME })],
    };
    script
}

/// What became of the sweeps of some stories.
#[derive(Debug, Default)]
pub struct Swept {
    /// How many times a replica died.
    pub crashes: u64,
    /// What differed, and from what.
    pub differences: Vec<String>,
}

/// One write of a golden story, and whether who writes it dies before or after it.
struct Crash<'a> {
    seed: u64,
    expected: &'a Outcome,
    replica: usize,
    /// How many writes this replica has done before.
    after: usize,
    fault: Fault,
}

/// Plays the golden stories of these seeds with a crash of the replica that writes before, and after, each of its writes.
pub fn sweep(seeds: u64) -> Swept {
    let golden = Mutex::new(Vec::new());
    parallel::for_each(0..seeds, |seed| {
        let outcome = play(&self::golden(seed));
        golden.lock().unwrap().push((seed, outcome));
    });
    let golden = golden.into_inner().unwrap();
    let crashes: Vec<Crash<'_>> = golden.iter().flat_map(|(seed, expected)| crashes(*seed, expected)).collect();
    let broken = golden.iter().filter_map(|(seed, outcome)| told(outcome).map(|what| format!("seed {seed}: {what}")));
    let differences = Mutex::new(broken.collect::<Vec<_>>());
    parallel::for_each(0..crashes.len() as u64, |index| {
        if let Some(what) = crashes[usize::try_from(index).unwrap()].difference() {
            differences.lock().unwrap().push(what);
        }
    });
    Swept { crashes: crashes.len() as u64, differences: differences.into_inner().unwrap() }
}

/// All crashes of a story. A golden one restarts nobody, so that a replica's name says its number.
fn crashes(seed: u64, expected: &Outcome) -> Vec<Crash<'_>> {
    let writes = expected.server.writes();
    let by = |user: &str| writes.iter().filter(|write| write.user == user && write.key.plural != "leases").count();
    let replicas = 1..=golden(seed).skews.len();
    let writes = replicas.flat_map(|replica| (0..by(&format!("replica-{replica}"))).map(move |after| (replica, after)));
    let crash = |replica, after, fault| Crash { seed, expected, replica, after, fault };
    let both = |(replica, after)| [Fault::CrashBefore, Fault::CrashAfter].map(|fault| crash(replica, after, fault));
    writes.flat_map(both).collect()
}

impl Crash<'_> {
    /// What differs from the story without it.
    fn difference(&self) -> Option<String> {
        let Self { seed, expected, replica, after, fault } = self;
        let mut script = golden(*seed);
        let crash = Trouble::AtWrite { replica: *replica, after: *after, fault: fault.clone() };
        script.troubles.insert(0, (Duration::ZERO, crash));
        let outcome = play(&script);
        let what = told(&outcome).or_else(|| differing(&outcome.left, &expected.left))?;
        Some(format!("seed {seed}, {fault:?} of replica {replica} after {after} writes: {what}\n{script}"))
    }
}

/// What of an end state is not as expected.
fn differing(left: &Value, expected: &Value) -> Option<String> {
    let parts = expected.as_object().unwrap().iter().filter(|(name, part)| left[*name] != **part);
    let parts: Vec<String> =
        parts.map(|(name, part)| format!("{name} is {:#} instead of {part:#}", left[name])).collect();
    (!parts.is_empty()).then(|| parts.join("\n"))
}

/// The law that a story broke.
fn told(outcome: &Outcome) -> Option<String> {
    outcome.broken.as_ref().map(|(broken, story)| format!("{}: {}\n{story}", broken.law, broken.what))
}
