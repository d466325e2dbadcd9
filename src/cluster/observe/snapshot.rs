//! One look at everything, for programs that do not watch.

use std::fmt::Debug;

use api::OptimizationRollout;
use k8s_openapi::api::core::v1::{ConfigMap, Node, Service};
use kube::{
    Api, Client, Resource,
    api::ListParams,
    core::ObjectList,
    runtime::{
        reflector::{self, Store},
        watcher::Event,
    },
};
use serde::de::DeserializeOwned;

use super::{Namespace, World, shard};

/// Objects in one answer to a list: a ConfigMap can have a megabyte, and most of them are pruned at once.
pub const PAGE: u32 = 100;

/// What one look has seen.
pub struct Snapshot {
    /// What is seen from everywhere.
    pub world: World,
    /// Objects of the namespace.
    pub namespace: Namespace,
    /// Whether Nodes could be read. Many who may read a namespace may not; then zones and node labels are unknown.
    pub saw_nodes: bool,
    /// Whether Connections could be read.
    pub saw_connections: bool,
}

/// Objects of one namespace, and what is seen from everywhere, as they are now.
///
/// # Errors
/// When a list is refused, except those of Nodes and Connections, or not answered.
pub async fn take(client: &Client, namespace: &str) -> kube::Result<Snapshot> {
    let all = ListParams::default();
    let (every_node, every_connection) = (Api::<Node>::all(client.clone()), Api::all(client.clone()));
    let (rollouts, nodes, connections, pods, services, config_maps, endpoint_slices) = tokio::try_join!(
        list(Api::namespaced(client.clone(), namespace)),
        allowed(every_node.list_metadata(&all)),
        allowed(every_connection.list(&all)),
        list(Api::namespaced(client.clone(), namespace)),
        services(client, namespace),
        config_maps(client, namespace),
        list(Api::namespaced(client.clone(), namespace)),
    )?;
    let (saw_nodes, saw_connections) = (nodes.is_some(), connections.is_some());
    Ok(Snapshot {
        world: World {
            rollouts,
            nodes: store(nodes.unwrap_or_default()),
            connections: store(connections.unwrap_or_default()),
        },
        namespace: Namespace { pods, services, config_maps, endpoint_slices },
        saw_nodes,
        saw_connections,
    })
}

/// Services of one namespace as they are now.
///
/// # Errors
/// When the list is refused or not answered.
pub async fn services(client: &Client, namespace: &str) -> kube::Result<Store<Service>> {
    list(Api::namespaced(client.clone(), namespace)).await
}

/// ConfigMaps of one namespace as they are now, page by page and without the content of those that are not ours.
///
/// # Errors
/// When a page is refused or not answered.
pub async fn config_maps(client: &Client, namespace: &str) -> kube::Result<Store<ConfigMap>> {
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
    let (mut all, mut page) = (Vec::new(), ListParams::default().limit(PAGE));
    loop {
        let list = maps.list(&page).await?;
        all.extend(list.items.into_iter().map(|mut map| {
            shard::prune(&mut map);
            map
        }));
        match list.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => page = page.continue_token(&token),
            None => return Ok(store(all)),
        }
    }
}

/// What a list of the whole cluster has; `None` for those who may not see it.
async fn allowed<K: Clone>(listed: impl Future<Output = kube::Result<ObjectList<K>>>) -> kube::Result<Option<Vec<K>>> {
    match listed.await {
        Ok(list) => Ok(Some(list.items)),
        Err(kube::Error::Api(status)) if status.code == 403 => Ok(None),
        Err(error) => Err(error),
    }
}

async fn list<K>(api: Api<K>) -> kube::Result<Store<K>>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync + 'static,
{
    Ok(store(api.list(&ListParams::default()).await?.items))
}

pub(super) fn store<K>(objects: Vec<K>) -> Store<K>
where
    K: Resource<DynamicType = ()> + Clone + 'static,
{
    let (store, mut writer) = reflector::store();
    writer.apply_watcher_event(&Event::Init);
    for object in objects {
        writer.apply_watcher_event(&Event::InitApply(object));
    }
    writer.apply_watcher_event(&Event::InitDone);
    store
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
