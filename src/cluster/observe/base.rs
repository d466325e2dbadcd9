//! The file that members' files are made from, which somebody else owns.

use api::{
    OptimizationRollout,
    fleet::{Base, Config},
    names::BASE_ANNOTATION,
    reason::Reason,
};
use domain::observation::Problem;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    ResourceExt,
    runtime::reflector::{ObjectRef, Store},
};

/// Whether the ConfigMap of this name has the base of a fleet with this configuration.
#[must_use]
pub fn is_named(config: &Config, name: &str) -> bool {
    config.base().is_some_and(|base| base.name == name)
}

/// The text of the base that a rollout names, or why it cannot be used; `None` for a rollout that names none.
#[must_use]
pub fn find(maps: &Store<ConfigMap>, rollout: &OptimizationRollout) -> Option<Result<String, Problem>> {
    let base = rollout.spec.fleet.config.base()?;
    let namespace = rollout.namespace().unwrap_or_default();
    let found = maps.get(&ObjectRef::new(&base.name).within(&namespace));
    Some(read(base, &namespace, found.as_deref()))
}

fn read(base: &Base, namespace: &str, found: Option<&ConfigMap>) -> Result<String, Problem> {
    let Base { name, key } = base;
    let Some(map) = found else {
        let message = format!("ConfigMap {name} with the base does not exist; create it with the key {key}");
        return Err(Problem::new(Reason::ConfigMapMissing, message));
    };
    if map.annotations().get(BASE_ANNOTATION).map(String::as_str) != Some("true") {
        let message = format!(
            "the owner of ConfigMap {name} does not let the operator make members' files from it; to allow it: kubectl \
             --namespace {namespace} annotate --overwrite configmap {name} {BASE_ANNOTATION}=true"
        );
        return Err(Problem::new(Reason::NotOptedIn, message));
    }
    map.data.as_ref().and_then(|data| data.get(key)).cloned().ok_or_else(|| {
        let message =
            format!("ConfigMap {name} has no key {key}; add the base to it, or correct the rollout's base.key");
        Problem::new(Reason::ConfigUnreadable, message)
    })
}

#[cfg(test)]
mod tests;
