//! Plays stories out of seeds and holds them against the laws: `make sim`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(dead_code, unused_imports, reason = "the tests use the rest")]

mod end_state;
mod members;
mod prometheus;
mod stories;
mod world;

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    match (number("SEED"), number("SEEDS")) {
        (Some(seed), _) => narrate(seed),
        (None, seeds) => {
            let base = number("BASE").unwrap_or(1);
            let tally = stories::tally(base..base + seeds.unwrap_or(1000), number("TRACED").is_some());
            println!("{tally}");
            if tally.broken.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
    }
}

/// Tells one story from its beginning to its end; where it breaks a law, the shortest one that does so after it.
fn narrate(seed: u64) -> ExitCode {
    let script = stories::script::Script::new(seed);
    let outcome = stories::play::play(&script);
    println!("{script}\n{}", outcome.server.trace().join("\n"));
    match outcome.broken {
        None => ExitCode::SUCCESS,
        Some((broken, _)) => {
            println!("{} is broken: {}.\n{}\n", broken.law, broken.sentence, broken.what);
            println!("{}", stories::tally::story(seed, broken.law));
            ExitCode::FAILURE
        }
    }
}
