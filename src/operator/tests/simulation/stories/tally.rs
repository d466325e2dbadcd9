//! Many seeds, and how the laws fared.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    ops::Range,
    sync::Mutex,
};

use domain::run::stable_hash;
use sim::laws::{Account, PENDING, Violation};

use super::{
    parallel,
    play::{End, Outcome, play},
    script::Script,
    shrink::shrink,
};

/// Broken laws that are told of many seeds.
const TOLD: usize = 3;

/// What became of many stories.
#[derive(Default)]
pub struct Tally {
    seeds: u64,
    writes: u64,
    accounts: Vec<Account>,
    /// Per seed a hash of all that happened, where that was asked for.
    traces: BTreeMap<u64, u64>,
    /// Seeds that broke a law, which, and how.
    pub broken: Vec<(u64, Violation)>,
    /// The fault matrix: how often stories with a class of trouble ended how.
    matrix: BTreeMap<&'static str, BTreeMap<End, u64>>,
    /// The stories of the first of them, made short.
    stories: Vec<String>,
}

/// Plays the stories of these seeds, on all processors. With `traced`, it hashes all that happened.
pub fn tally(seeds: Range<u64>, traced: bool) -> Tally {
    let tally = Mutex::new(Tally::default());
    parallel::for_each(seeds, |seed| {
        let script = Script::new(seed);
        let outcome = play(&script);
        tally.lock().unwrap().add(&script, outcome, traced);
    });
    let mut tally = tally.into_inner().unwrap();
    tally.broken.sort_unstable_by_key(|(seed, _)| *seed);
    tally.stories = tally.broken.iter().take(TOLD).map(|(seed, broken)| story(*seed, broken.law)).collect();
    tally
}

/// How a seed breaks a law, in as few steps as it takes.
pub fn story(seed: u64, law: &str) -> String {
    let breaks = |script: &Script| play(script).broken.is_some_and(|(broken, _)| broken.law == law);
    let script = shrink(Script::new(seed), breaks);
    let (broken, story) = play(&script).broken.unwrap();
    format!("seed {seed} breaks {}: {}\n{script}\n{story}", broken.law, broken.what)
}

impl Tally {
    fn add(&mut self, script: &Script, outcome: Outcome, traced: bool) {
        let seed = script.seed;
        self.seeds += 1;
        let mut classes: BTreeSet<&'static str> = script.troubles.iter().map(|(_, trouble)| trouble.class()).collect();
        if classes.is_empty() {
            classes.insert("nothing");
        }
        if script.rollouts.len() > 1 {
            classes.insert("a second rollout");
        }
        if script.skews.iter().any(|skew| *skew != 0) {
            classes.insert("clocks differ");
        }
        for class in classes {
            *self.matrix.entry(class).or_default().entry(outcome.end).or_default() += 1;
        }
        self.writes += outcome.writes;
        if traced {
            self.traces.insert(seed, stable_hash(&[&outcome.server.trace().join("\n")]));
        }
        if self.accounts.is_empty() {
            self.accounts = outcome.accounts;
        } else {
            for (sum, account) in self.accounts.iter_mut().zip(outcome.accounts) {
                sum.premises += account.premises;
            }
        }
        self.broken.extend(outcome.broken.map(|(broken, _)| (seed, broken)));
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for story in &self.stories {
            writeln!(out, "{story}\n")?;
        }
        for (seed, Violation { law, what, .. }) in self.broken.iter().skip(TOLD) {
            writeln!(out, "seed {seed} breaks {law}: {what}")?;
        }
        for Account { law, sentence, premises } in &self.accounts {
            writeln!(out, "{law:<28}{premises:>10}  {sentence}")?;
        }
        for (law, sentence) in PENDING {
            writeln!(out, "{law:<28}{:>10}  {sentence}", "pending")?;
        }
        let ends = [End::Settled, End::TakenBack, End::Deleted, End::Waits];
        writeln!(out, "\n{:<34}{:>12}{:>12}{:>12}{:>12}", "stories with", "settled", "taken back", "deleted", "wait")?;
        for (class, counts) in &self.matrix {
            write!(out, "{class:<34}")?;
            for end in ends {
                write!(out, "{:>12}", counts.get(&end).copied().unwrap_or_default())?;
            }
            writeln!(out)?;
        }
        writeln!(out)?;
        for (seed, trace) in &self.traces {
            writeln!(out, "seed {seed} trace={trace:016x}")?;
        }
        write!(
            out,
            "laws={} pending={} seeds={} writes={} violations={}",
            self.accounts.len(),
            PENDING.len(),
            self.seeds,
            self.writes,
            self.broken.len()
        )
    }
}
