//! What became of all runs.

use std::{collections::BTreeMap, fmt, path::Path};

use sim::laws::{Account, PENDING};

use crate::{
    check::{Place, Verdict},
    draw::{Draw, Point, Strike},
    run::{Length, Outcome},
};

/// The sum of all runs.
pub struct Tally {
    wanted: usize,
    runs: usize,
    violations: usize,
    writes: u64,
    unaccounted: usize,
    accounts: Vec<Account>,
    places: BTreeMap<(Strike, Place), usize>,
    restored: BTreeMap<Strike, Vec<f64>>,
    again: usize,
}

impl Tally {
    /// Nothing yet of so many runs.
    #[must_use]
    pub const fn new(wanted: usize) -> Self {
        Self {
            wanted,
            runs: 0,
            violations: 0,
            writes: 0,
            unaccounted: 0,
            accounts: Vec::new(),
            places: BTreeMap::new(),
            restored: BTreeMap::new(),
            again: 0,
        }
    }

    /// Takes in a run that nobody disturbed. The laws hold for it as well.
    pub fn measured(&mut self, patched: bool, length: Length, outcome: Outcome, folder: &Path) {
        let delivery = if patched { "patched" } else { "rendered" };
        println!("undisturbed, {delivery}: {:.1} s and {} writes", length.time.as_secs_f64(), length.writes);
        self.sum(&format!("undisturbed-{delivery}"), Strike::None, outcome, folder);
    }

    /// Takes in a run; whether the strike came in the midst of its retreat.
    pub fn add(&mut self, number: usize, draw: &Draw, outcome: Outcome, folder: &Path) -> bool {
        let Verdict { place, of_retreat: (done, all), .. } = outcome.verdict;
        let point = match draw.point {
            Point::Time(_) => "by time",
            Point::Write(_) => "by write",
        };
        let end = match &outcome.restored {
            Ok(after) => format!("restored after {:.1} s", after.as_secs_f64()),
            Err(why) => format!("NOT RESTORED {why}"),
        };
        let struck = outcome.struck.as_secs_f64();
        println!(
            "run {number:>3}: {} {struck:.3} s after the breach ({point}), {done} of {all} writes, {place}; {end}",
            draw.strike.text()
        );
        let in_midst = place != Place::Over;
        if in_midst {
            self.runs += 1;
            *self.places.entry((draw.strike, place)).or_default() += 1;
            if let Ok(after) = &outcome.restored {
                self.restored.entry(draw.strike).or_default().push(after.as_secs_f64());
            }
        } else {
            self.again += 1;
        }
        self.sum(&format!("run-{}", draw.number), draw.strike, outcome, folder);
        in_midst
    }

    fn sum(&mut self, name: &str, strike: Strike, outcome: Outcome, folder: &Path) {
        let Outcome { restored, verdict, .. } = outcome;
        self.writes += verdict.writes;
        self.unaccounted += verdict.unaccounted;
        if self.accounts.is_empty() {
            self.accounts = verdict.accounts;
        } else {
            for (sum, account) in self.accounts.iter_mut().zip(verdict.accounts) {
                sum.premises += account.premises;
            }
        }
        self.violations += verdict.broken.len() + usize::from(restored.is_err());
        for broken in &verdict.broken {
            println!("{name} ({}) breaks {broken}\n", strike.text());
        }
        let file = folder.join("logs").join(format!("{name}.story"));
        if let Err(error) = std::fs::write(&file, verdict.story) {
            println!("cannot write {}: {error}", file.display());
        }
        if !verdict.broken.is_empty() || restored.is_err() {
            println!("all of it: {}", file.display());
        }
    }

    /// Whether every run came to its end under every law.
    #[must_use]
    pub const fn holds(&self) -> bool {
        self.runs == self.wanted && self.violations == 0
    }

    /// The last line.
    #[must_use]
    pub fn result(&self) -> String {
        format!("runs {}/{} violations {}", self.runs, self.wanted, self.violations)
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out)?;
        for ((strike, place), count) in &self.places {
            writeln!(out, "{:<20}{place:<30}{count:>5}", strike.text())?;
        }
        for (strike, times) in &self.restored {
            let mut times = times.clone();
            times.sort_by(f64::total_cmp);
            let at = |share: f64| times.get((share * (times.len() - 1) as f64) as usize).copied().unwrap_or_default();
            writeln!(out, "{:<20}restored after {:.1} s (median), {:.1} s at most", strike.text(), at(0.5), at(1.0))?;
        }
        writeln!(out, "{} points fell after the end and were drawn again", self.again)?;
        for Account { law, sentence, premises } in &self.accounts {
            writeln!(out, "{law:<28}{premises:>10}  {sentence}")?;
        }
        for (law, sentence) in PENDING {
            writeln!(out, "{law:<28}{:>10}  {sentence}", "pending")?;
        }
        write!(out, "{} writes, {} versions without a line in the audit log", self.writes, self.unaccounted)
    }
}
