//! One look at everything, for programs that do not watch.

use std::fmt::Debug;

use api::OptimizationRollout;
use kube::{
    Api, Client, Resource,
    api::ListParams,
    runtime::{
        reflector::{self, Store},
        watcher::Event,
    },
};
use serde::de::DeserializeOwned;

use super::{Namespace, World};

/// Objects of one namespace, and what is seen from everywhere, as they are now.
///
/// # Errors
/// When a list is refused, or not answered.
pub async fn take(client: &Client, namespace: &str) -> kube::Result<(World, Namespace)> {
    let (rollouts, nodes, pods, services, config_maps, endpoint_slices) = tokio::try_join!(
        list(Api::namespaced(client.clone(), namespace)),
        list(Api::all(client.clone())),
        list(Api::namespaced(client.clone(), namespace)),
        list(Api::namespaced(client.clone(), namespace)),
        list(Api::namespaced(client.clone(), namespace)),
        list(Api::namespaced(client.clone(), namespace)),
    )?;
    Ok((
        World { rollouts, nodes, connections: reflector::store().0 },
        Namespace { pods, services, config_maps, endpoint_slices },
    ))
}

async fn list<K>(api: Api<K>) -> kube::Result<Store<K>>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync + 'static,
{
    let (store, mut writer) = reflector::store();
    writer.apply_watcher_event(&Event::Init);
    for object in api.list(&ListParams::default()).await?.items {
        writer.apply_watcher_event(&Event::InitApply(object));
    }
    writer.apply_watcher_event(&Event::InitDone);
    Ok(store)
}

/// The rollouts of the snapshot that have a run which is not settled.
#[must_use]
pub fn unfinished(world: &World) -> Vec<OptimizationRollout> {
    let rollouts = world.rollouts.state();
    let parsed = rollouts.iter().filter_map(|guard| guard.0.as_ref().ok());
    let runs = |rollout: &&OptimizationRollout| {
        let run = rollout.status.as_ref().and_then(|status| status.run.as_ref());
        run.is_some_and(|run| run.settled_at.is_none())
    };
    parsed.filter(runs).cloned().collect()
}
