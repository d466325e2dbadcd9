//! Showing rollouts.

use std::{process::ExitCode, time::Duration};

use api::OptimizationRollout;
use kube::{ResourceExt, api::ListParams};
use tokio::time::sleep;

use crate::{
    connection::Cluster,
    options::{Output, Status},
    view::{self, State},
};

/// How often a watched rollout is drawn.
const PERIOD: Duration = Duration::from_millis(500);
/// Clears the screen and goes to its first cell.
const CLEAR: &str = "\x1b[2J\x1b[H";

/// Shows what is asked for.
pub async fn run(cluster: &Cluster, arguments: &Status) -> Result<ExitCode, String> {
    let Some(name) = &arguments.name else { return list(cluster, arguments).await };
    loop {
        let rollout = cluster.rollout(name).await?;
        if let Some(output) = arguments.output {
            print(output, &rollout)?;
            return Ok(code(&rollout));
        }
        let text = view::rollout(&rollout, jiff::Timestamp::now());
        if !arguments.watch {
            print!("{text}");
            return Ok(code(&rollout));
        }
        print!("{CLEAR}{text}");
        if view::state(&rollout).is_end() {
            return Ok(code(&rollout));
        }
        sleep(PERIOD).await;
    }
}

async fn list(cluster: &Cluster, arguments: &Status) -> Result<ExitCode, String> {
    let api = if arguments.all_namespaces { cluster.all_rollouts() } else { cluster.rollouts() };
    let mut rollouts =
        api.list(&ListParams::default()).await.map_err(|error| format!("cannot list rollouts: {error}"))?.items;
    rollouts.sort_by_key(|rollout| (rollout.namespace(), rollout.name_any()));
    match arguments.output {
        Some(output) => print(output, &rollouts)?,
        None if rollouts.is_empty() && arguments.all_namespaces => println!("No rollouts."),
        None if rollouts.is_empty() => println!("No rollouts in namespace {}.", cluster.namespace),
        None => print!("{}", view::list(&rollouts)),
    }
    Ok(ExitCode::SUCCESS)
}

fn print(output: Output, object: &impl serde::Serialize) -> Result<(), String> {
    let text = match output {
        Output::Json => serde_json::to_string_pretty(object).map_err(|error| error.to_string())?,
        Output::Yaml => serde_saphyr::to_string(object).map_err(|error| error.to_string())?,
    };
    println!("{}", text.trim_end());
    Ok(())
}

fn code(rollout: &OptimizationRollout) -> ExitCode {
    match view::state(rollout) {
        State::Running | State::Settled => ExitCode::SUCCESS,
        State::Stalled => ExitCode::from(2),
        State::Aborted { .. } => ExitCode::from(3),
    }
}
