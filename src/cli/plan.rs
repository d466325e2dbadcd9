//! What the operator would do, without doing it.

use std::process::ExitCode;

use api::OptimizationRollout;
use cluster::observe::snapshot;
use domain::{
    decide::intent::Kind,
    preview::{Preview, preview},
};
use jiff::Timestamp;
use kube::ResourceExt;
use serde_json::json;

use crate::{
    connection::Cluster,
    lint,
    options::Plan,
    output,
    plan::operator::{Unanswered, ask},
};

mod operator;
mod text;

/// Says what is asked for.
pub async fn run(cluster: &Cluster, arguments: &Plan) -> Result<ExitCode, String> {
    let (preview, notes) = match &arguments.file {
        Some(file) => {
            let rollout = changed(cluster, lint::rollouts(file)?, arguments.name.as_deref()).await?;
            let note = "decided here as if the file were applied; nothing was changed".to_owned();
            here(cluster, &rollout, vec![note]).await?
        }
        None => of(cluster, arguments.name.as_deref().unwrap_or_default(), &arguments.operator_namespace).await?,
    };
    match arguments.output {
        Some(format) => {
            notes.iter().for_each(|note| eprintln!("note: {note}"));
            output::print(format, &preview)?;
        }
        None => print!("{}", text::plan(&preview, &notes)),
    }
    Ok(code(&preview))
}

fn code(preview: &Preview) -> ExitCode {
    match preview.state {
        _ if !preview.withdraw.is_empty() => ExitCode::from(3),
        Kind::Stalled => ExitCode::from(2),
        Kind::Working | Kind::Waiting => ExitCode::SUCCESS,
    }
}

/// The operator's own plan, or else one that is decided here.
async fn of(cluster: &Cluster, name: &str, operator: &str) -> Result<(Preview, Vec<String>), String> {
    match ask(cluster, operator, name).await {
        Ok(preview) => Ok((preview, Vec::new())),
        Err(Unanswered::Refused(why)) => Err(why),
        Err(Unanswered::Unreachable(why)) => {
            let rollout = cluster.rollout(name).await?;
            here(cluster, &rollout, vec![format!("decided here, because {why}")]).await
        }
    }
}

/// The same decision on what this user can read.
async fn here(
    cluster: &Cluster,
    rollout: &OptimizationRollout,
    mut notes: Vec<String>,
) -> Result<(Preview, Vec<String>), String> {
    let client = cluster.client();
    let unreadable = |error: &kube::Error| {
        format!("cannot look at the fleet in namespace {}: {}", cluster.namespace, cluster.why(error))
    };
    let seen = snapshot::take(&client, &cluster.namespace).await.map_err(|error| unreadable(&error))?;
    let mut observation = seen.world.observe(&seen.namespace, rollout, Timestamp::now(), None, true);
    notes.push(
        "the operator's measurements are missing: no breach is seen, and a metric acknowledges nothing".to_owned(),
    );
    if !seen.saw_nodes {
        notes.push("you may not list Nodes: zones and node labels are missing".to_owned());
    }
    if observation.connection.is_some() && !seen.saw_connections {
        observation.connection = None;
        notes.push("you may not list Connections: whether this one can be used is not known".to_owned());
    }
    Ok((preview(rollout, &observation), notes))
}

/// The one rollout of a file that is meant, as it would be after it was applied.
async fn changed(
    cluster: &Cluster,
    rollouts: Vec<OptimizationRollout>,
    name: Option<&str>,
) -> Result<OptimizationRollout, String> {
    let meant: Vec<OptimizationRollout> =
        rollouts.into_iter().filter(|rollout| name.is_none_or(|name| rollout.name_any() == name)).collect();
    let Ok([file]) = <[OptimizationRollout; 1]>::try_from(meant.clone()) else {
        let names: Vec<String> = meant.iter().map(ResourceExt::name_any).collect();
        return Err(match (names.is_empty(), name) {
            (true, Some(name)) => format!("the file has no rollout {name}"),
            (true, None) => "the file has no rollout".to_owned(),
            (false, _) => format!("the file has several rollouts; name one of {}", names.join(", ")),
        });
    };
    if let Some(namespace) = file.namespace().filter(|namespace| *namespace != cluster.namespace) {
        return Err(format!("the file says namespace {namespace}; repeat with --namespace {namespace}"));
    }
    let name = file.name_any();
    let live = cluster.find(&name).await.map_err(|error| format!("cannot read {name}: {}", cluster.why(&error)))?;
    let Some(mut live) = live else {
        let mut file = file;
        file.metadata.namespace = Some(cluster.namespace.clone());
        return Ok(file);
    };
    let old = json!(live);
    if live.spec != file.spec {
        live.spec = file.spec;
        live.metadata.generation = live.metadata.generation.map(|generation| generation + 1);
    }
    let refused = lint::refusals(&json!(live), &old);
    if refused.is_empty() { Ok(live) } else { Err(format!("{name} would be refused: {}", refused.join("; "))) }
}

#[cfg(test)]
mod tests;
