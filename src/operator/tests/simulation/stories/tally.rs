//! Many seeds, and how the laws fared.

use std::{
    fmt,
    ops::Range,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

use domain::run::stable_hash;
use sim::laws::{Account, PENDING};

use super::play::{Outcome, play};

/// Broken laws that are told of many seeds.
const TOLD: usize = 5;

/// What became of many stories.
#[derive(Default)]
pub struct Tally {
    seeds: u64,
    writes: u64,
    accounts: Vec<Account>,
    /// A hash of all that happened; 0 where that was not asked for.
    traces: u64,
    /// Seeds that broke a law, with what they broke and how.
    pub broken: Vec<(u64, String)>,
}

/// Plays the stories of these seeds, on all processors. With `traced`, it hashes all that happened.
pub fn tally(seeds: Range<u64>, traced: bool) -> Tally {
    let (next, tally) = (AtomicU64::new(seeds.start), Mutex::new(Tally::default()));
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::SeqCst);
                    if seed >= seeds.end {
                        return;
                    }
                    let outcome = play(seed);
                    tally.lock().unwrap().add(seed, outcome, traced);
                }
            });
        }
    });
    let mut tally = tally.into_inner().unwrap();
    tally.broken.sort();
    tally
}

impl Tally {
    fn add(&mut self, seed: u64, outcome: Outcome, traced: bool) {
        self.seeds += 1;
        self.writes += outcome.writes;
        if traced {
            self.traces ^= stable_hash(&[&seed.to_string(), &outcome.server.trace().join("\n")]);
        }
        if self.accounts.is_empty() {
            self.accounts = outcome.accounts;
        } else {
            for (sum, account) in self.accounts.iter_mut().zip(outcome.accounts) {
                sum.premises += account.premises;
            }
        }
        if let Some((broken, story)) = outcome.broken {
            self.broken.push((seed, format!("{}: {}\n{story}", broken.law, broken.what)));
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (seed, what) in self.broken.iter().take(TOLD) {
            writeln!(out, "seed {seed} breaks {what}\n")?;
        }
        if self.broken.len() > TOLD {
            let seeds: Vec<u64> = self.broken.iter().map(|(seed, _)| *seed).collect();
            writeln!(out, "all seeds that break a law: {seeds:?}")?;
        }
        for Account { law, sentence, premises } in &self.accounts {
            writeln!(out, "{law:<28}{premises:>10}  {sentence}")?;
        }
        for (law, sentence) in PENDING {
            writeln!(out, "{law:<28}{:>10}  {sentence}", "pending")?;
        }
        if self.traces != 0 {
            writeln!(out, "traces={:016x}", self.traces)?;
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
