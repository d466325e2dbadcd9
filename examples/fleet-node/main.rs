//! A small member application: it serves requests, reads its settings from a base file and an overlay, and reports
//! what it runs.
//!
//! It is the pattern for applications that are to be optimized by rollouts; see README.md beside this file.

use std::process::ExitCode;

use clap::Parser;

mod fault;
mod load;
mod metrics;
mod reload;
mod request;
mod serve;
mod settings;

/// A member of a fleet, or the load on one.
#[derive(Debug, Parser)]
#[command(name = "fleet-node", version)]
enum Command {
    /// Serve requests and metrics
    Serve(serve::Options),
    /// Send requests, each on a connection of its own, and count who answered
    Load(load::Options),
}

// One thread is enough for a member of a few hundred requests a second, and twenty of them share a small machine.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let outcome = match Command::parse() {
        Command::Serve(options) => serve::run(options).await,
        Command::Load(options) => load::run(options).await,
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("fleet-node: {error}");
            ExitCode::FAILURE
        }
    }
}
