//! kubectl-optimize: `kubectl optimize` shows rollouts and steers them.
//!
//! Exit codes: 0 done; 1 it could not be done; and of `status` for one rollout 2 when it waits for a person, 3 when its
//! run was taken back.

use std::process::ExitCode;

use clap::{CommandFactory, Parser};
use options::{Command, Options};

mod connection;
mod control;
mod kill;
mod options;
mod status;
mod view;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run(Options::parse()).await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(options: Options) -> Result<ExitCode, String> {
    if let Command::Completion { shell } = options.command {
        clap_complete::generate(shell, &mut Options::command(), "kubectl-optimize", &mut std::io::stdout());
        return Ok(ExitCode::SUCCESS);
    }
    let cluster = connection::Cluster::connect(&options.connection).await?;
    match options.command {
        Command::Status(arguments) => status::run(&cluster, &arguments).await,
        Command::Pause { name } => control::apply(&cluster, &name, control::Verb::Pause).await,
        Command::Resume { name } => control::apply(&cluster, &name, control::Verb::Resume).await,
        Command::Abort { name, reason } => control::apply(&cluster, &name, control::Verb::Abort(reason)).await,
        Command::Retry { name } => control::apply(&cluster, &name, control::Verb::Retry).await,
        Command::Promote { name, through } => control::apply(&cluster, &name, control::Verb::Promote(through)).await,
        Command::Kill { name, reason } => kill::run(&cluster, name.as_deref(), &reason).await,
        Command::Completion { .. } => Ok(ExitCode::SUCCESS),
    }
}
