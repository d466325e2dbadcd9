//! Checks INPUTS inputs, or the one of TARGET and SEED: `make fuzz`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod answer;
mod exposition;
mod format;
mod fuzz;
mod json;
mod source;
mod spec;
mod status;

use std::process::ExitCode;

use fuzz::{Outcome, TARGETS, sentence};

fn main() -> ExitCode {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let only = std::env::var("TARGET").unwrap_or_default();
    let chosen = TARGETS.iter().filter(|target| only.is_empty() || target.name == only);
    let inputs = number("INPUTS").unwrap_or(1_000_000);
    let base = number("BASE").unwrap_or(0);
    let (mut done, mut broken, mut targets) = (0, 0, 0);
    // What breaks is told with its seed, in one line.
    std::panic::set_hook(Box::new(|_| {}));
    for target in chosen {
        let share = if only.is_empty() { target.share } else { 100 };
        let seeds = number("SEED").map_or(base..base + inputs * share / 100, |seed| seed..seed + 1);
        let tally = target.fuzz(seeds);
        println!("{:12}{tally}", target.name);
        done += tally.inputs;
        broken += tally.broken.len();
        targets += 1;
    }
    println!("targets={targets} inputs={done} broken={broken}");
    if broken == 0 && targets > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
