//! The Connection that a rollout measures by.

use api::{Connection, ConnectionSpec, OptimizationRollout, metrics::Source, reason::Reason};
use domain::observation::Problem;
use kube::{
    ResourceExt,
    core::DeserializeGuard,
    runtime::reflector::{ObjectRef, Store},
};

/// Name of the Connection that a rollout names.
#[must_use]
pub fn name(rollout: &OptimizationRollout) -> Option<&str> {
    match &rollout.spec.metrics.as_ref()?.source {
        Source::Connection(name) => Some(name),
        Source::Pods(_) => None,
    }
}

/// The Connection that a rollout names, or why it cannot be used; `None` for a rollout that names none.
#[must_use]
pub fn find(
    connections: &Store<DeserializeGuard<Connection>>,
    rollout: &OptimizationRollout,
) -> Option<Result<ConnectionSpec, Problem>> {
    let name = name(rollout)?;
    let found = connections.get(&ObjectRef::new(name));
    Some(read(name, &rollout.namespace().unwrap_or_default(), found.as_deref()))
}

fn read(name: &str, namespace: &str, found: Option<&DeserializeGuard<Connection>>) -> Result<ConnectionSpec, Problem> {
    let missing = |what: &str| {
        let message = format!("spec.metrics.source.connection: Connection {name} {what}");
        Err(Problem::new(Reason::ConnectionMissing, message))
    };
    let connection = match found.map(|guard| &guard.0) {
        None => return missing("does not exist; ask whoever looks after the cluster for it"),
        Some(Err(_)) => return missing("is of a version that this operator cannot read"),
        Some(Ok(connection)) => connection,
    };
    if !connection.spec.allows(namespace) {
        let message = format!(
            "spec.metrics.source.connection: Connection {name} does not allow namespace {namespace}; its \
             spec.allowedNamespaces has to list it"
        );
        return Err(Problem::new(Reason::ConnectionNotAllowed, message));
    }
    Ok(connection.spec.clone())
}

#[cfg(test)]
mod tests;
