//! kubectl-optimize: `kubectl optimize` shows rollouts and steers them.
//!
//! `--help` says what the exit codes mean.

use std::process::ExitCode;

use clap::{CommandFactory, Parser};
use options::{Command, Options};

mod completion;
mod connection;
mod control;
mod kill;
mod lint;
mod options;
mod output;
mod plan;
mod screen;
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
    match &options.command {
        Command::Completion { shell } => {
            clap_complete::generate(*shell, &mut Options::command(), "kubectl-optimize", &mut std::io::stdout());
            return Ok(ExitCode::SUCCESS);
        }
        Command::Lint { files, output } => return lint::run(files, *output),
        Command::Complete { words } => {
            completion::run(words).await;
            return Ok(ExitCode::SUCCESS);
        }
        _ => {}
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
        Command::Plan(arguments) => plan::run(&cluster, &arguments).await,
        Command::Completion { .. } | Command::Lint { .. } | Command::Complete { .. } => Ok(ExitCode::SUCCESS),
    }
}
