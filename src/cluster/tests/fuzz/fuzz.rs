//! Inputs by the million for everything that reads what others wrote.

use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    time::{Duration, Instant},
};

use peak_alloc::PeakAlloc;

use super::{answer, exposition, format, source::Source, spec, status};

/// Counts the memory that an input takes.
#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// Bytes that an input of any length may take, and for each of its bytes.
const MEMORY_BASE: usize = 4 << 20;
const MEMORY_PER_BYTE: usize = 256;
/// Nobody waits longer than this for one input, on however busy a machine.
const LONGEST: Duration = Duration::from_secs(10);

/// What became of an input.
#[derive(Clone, Copy, Debug)]
pub struct Outcome {
    /// It was read, and not refused.
    pub taken: bool,
    /// Its length.
    pub bytes: usize,
}

impl Outcome {
    pub fn taken(bytes: usize) -> Self {
        Self { taken: true, bytes }
    }
}

/// Something that reads what others wrote.
#[derive(Clone, Copy)]
pub struct Target {
    pub name: &'static str,
    check: fn(&mut Source) -> Outcome,
    /// Out of 100 inputs, how many are its.
    pub share: u64,
}

/// All of them. A decision takes longer than a line of metrics.
pub const TARGETS: [Target; 7] = [
    Target { name: "exposition", check: exposition::check, share: 25 },
    Target { name: "answer", check: answer::check, share: 15 },
    Target { name: "toml", check: format::toml, share: 15 },
    Target { name: "json", check: format::json, share: 15 },
    Target { name: "env", check: format::env, share: 15 },
    Target { name: "spec", check: spec::check, share: 8 },
    Target { name: "status", check: status::check, share: 7 },
];

/// What came of many inputs.
#[derive(Debug, Default)]
pub struct Tally {
    pub inputs: u64,
    pub taken: u64,
    pub bytes: u64,
    pub took: Duration,
    pub slowest: Duration,
    pub most_memory: usize,
    /// Seeds that broke something, with what.
    pub broken: Vec<(u64, String)>,
}

/// A refusal that a person can act on: one sentence, and of a length that fits into a condition.
pub fn sentence(text: &str) {
    assert!(
        !text.trim().is_empty() && !text.contains(['\n', '\r', '\0']) && text.len() < 4096,
        "no sentence: {text:?}"
    );
}

impl Target {
    /// Checks inputs out of these seeds; stops at the tenth that breaks something.
    pub fn fuzz(&self, seeds: std::ops::Range<u64>) -> Tally {
        let began = Instant::now();
        let mut tally = Tally::default();
        for seed in seeds {
            let (started, before) = (Instant::now(), MEMORY.current_usage());
            MEMORY.reset_peak_usage();
            let outcome = catch_unwind(AssertUnwindSafe(|| (self.check)(&mut Source::new(seed))));
            let (took, memory) = (started.elapsed(), MEMORY.peak_usage().saturating_sub(before));
            tally.inputs += 1;
            tally.slowest = tally.slowest.max(took);
            tally.most_memory = tally.most_memory.max(memory);
            match outcome {
                Ok(outcome) => {
                    tally.taken += u64::from(outcome.taken);
                    tally.bytes += outcome.bytes as u64;
                    let allowed = MEMORY_BASE + MEMORY_PER_BYTE * outcome.bytes;
                    if took > LONGEST || memory > allowed {
                        tally.broken.push((seed, format!("{took:?} and {memory} bytes for {} bytes", outcome.bytes)));
                    }
                }
                Err(panic) => {
                    let what = panic.downcast_ref::<String>().cloned();
                    let what = what.or_else(|| panic.downcast_ref::<&str>().map(|what| (*what).to_owned()));
                    tally.broken.push((seed, what.unwrap_or_default()));
                }
            }
            if tally.broken.len() == 10 {
                break;
            }
        }
        tally.took = began.elapsed();
        tally
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { inputs, taken, bytes, took, slowest, most_memory, broken } = self;
        let percent = taken * 100 / (*inputs).max(1);
        write!(
            out,
            "{inputs:>9} inputs, {percent:>3} % taken, {:>5} MB, {:>5.0} s, slowest {:>6.1} ms, most memory {:>6} KB, \
             {} broken",
            bytes / 1_000_000,
            took.as_secs_f64(),
            slowest.as_secs_f64() * 1000.0,
            most_memory / 1000,
            broken.len()
        )?;
        broken.iter().try_for_each(|(seed, what)| write!(out, "\n  SEED={seed}: {what}"))
    }
}
