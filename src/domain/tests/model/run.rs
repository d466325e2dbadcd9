//! Visits every state of one configuration after the other: `make model`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod action;
mod config;
mod end;
mod execute;
mod explore;
mod intern;
mod laws;
mod model;
mod object;
mod state;
mod step;
mod trace;
mod view;
mod write;

use std::process::ExitCode;

use config::{Config, Mutation};
use explore::explore;
use strum::IntoEnumIterator;

/// What is explored unless something else is asked for: changes of the small configuration.
const CONFIGURATIONS: [&str; 9] = [
    "stages=2 faults=1",
    "members=4 stages=3 replicas=1 lapses=0 faults=2",
    "members=4 stages=2 holdout=25 replicas=1 lapses=0 faults=1 traffic=1",
    "members=3 stages=2 replicas=1 lapses=0 faults=1 shrink=1",
    "stages=2 replicas=1 lapses=0 lag=1 faults=1 retry=1",
    "stages=2 replicas=1 lapses=0 lag=1 faults=1 silence=1",
    "faults=1 harm=0",
    "replicas=1 lapses=0 lag=1 faults=1 delete=1 restore=1",
    "members=3 stages=2 replicas=1 lapses=0 faults=1 traffic=1 delete=1",
];

fn main() -> ExitCode {
    let asked: Vec<String> = std::env::args().skip(1).collect();
    let configurations: Vec<Vec<String>> = if asked.is_empty() {
        CONFIGURATIONS.iter().map(|changes| changes.split(' ').map(str::to_owned).collect()).collect()
    } else {
        vec![asked.clone()]
    };
    let (mut states, mut transitions, mut broken) = (0, 0, 0);
    for changes in &configurations {
        let config = changes.iter().try_fold(Config::SMALL, |config, change| config.with(change));
        let explored = match config {
            Ok(config) => explore(config),
            Err(error) => {
                eprintln!("{error}");
                return ExitCode::FAILURE;
            }
        };
        println!("{explored}");
        states += explored.states;
        transitions += explored.transitions;
        broken += usize::from(explored.broken.is_some());
    }
    let mut caught = 0;
    let mutations: Vec<Mutation> = if asked.is_empty() { Mutation::iter().collect() } else { Vec::new() };
    for mutation in &mutations {
        let explored = explore(Config { mutation: Some(*mutation), ..Config::SMALL });
        println!("{explored}");
        caught += usize::from(explored.broken.is_some());
    }
    println!(
        "configurations={} states={states} transitions={transitions} violations={broken} mutations caught {caught}/{}",
        configurations.len(),
        mutations.len()
    );
    if broken == 0 && caught == mutations.len() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
