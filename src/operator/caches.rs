//! The watches, and which rollouts a changed object wakes.

use std::{fmt::Debug, time::Duration};

use api::{Connection, names::RETREAT_ANNOTATION};
use cluster::observe::{Namespace, SERVICE_NAME_LABEL, base, connection, pod, shard, snapshot::PAGE};
use futures::{Stream, StreamExt, channel::mpsc::UnboundedSender};
use k8s_openapi::api::{
    core::v1::{ConfigMap, Node, Pod, Service},
    discovery::v1::EndpointSlice,
};
use kube::{
    Api, Client, Resource, ResourceExt,
    core::{DeserializeGuard, PartialObjectMeta, Selector, SelectorExt},
};
use kube_runtime::{
    WatchStreamExt,
    reflector::{self, ObjectRef, Store},
    utils::Backoff,
    watcher::{self, DefaultBackoff, Event},
};
use serde::de::DeserializeOwned;
use tokio::task::JoinSet;

use crate::{reconcile::Guarded, synchronization::Synchronization};

/// Seconds after which a watch is opened anew. A connection that a load balancer dropped in silence is noticed then.
pub const WATCH_TIMEOUT: u32 = 60;

/// The longest pause of a watch that fails. An API server that comes back has to be found soon, because no retreat is seen
/// to its end before, and kube's own pauses grow to half a minute.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Kube's pauses, up to ours.
#[derive(Default)]
struct Pauses(DefaultBackoff);

impl Iterator for Pauses {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        self.0.next().map(|pause| pause.min(LONGEST_PAUSE))
    }
}

impl Backoff for Pauses {
    fn reset(&mut self) {
        self.0.reset();
    }
}

type Wake = UnboundedSender<ObjectRef<Guarded>>;

/// The rollouts, and the stream of those that were touched, which drives the store.
pub fn rollouts(
    client: &Client,
    synchronization: &Synchronization,
) -> (Store<Guarded>, impl Stream<Item = Result<Guarded, watcher::Error>> + Send + 'static) {
    // Who wrote which field is larger than all the rest of an object, and nobody here asks for it.
    let prune = |guard: &mut Guarded| {
        if let Ok(rollout) = &mut guard.0 {
            rollout.metadata.managed_fields = None;
        }
    };
    let (store, events) = stored(Api::all(client.clone()), watcher::Config::default(), prune, synchronization);
    (store, events.touched_objects())
}

/// Watches the metadata of all Nodes.
pub fn nodes(
    client: &Client,
    synchronization: &Synchronization,
    tasks: &mut JoinSet<()>,
) -> Store<PartialObjectMeta<Node>> {
    let prune = |node: &mut PartialObjectMeta<Node>| {
        node.metadata.managed_fields = None;
        node.metadata.annotations = None;
    };
    watch(Api::all(client.clone()), "", prune, |_| {}, synchronization, tasks)
}

/// Watches all Connections.
pub fn connections(
    client: &Client,
    rollouts: &Store<Guarded>,
    wake: &Wake,
    synchronization: &Synchronization,
    tasks: &mut JoinSet<()>,
) -> Store<DeserializeGuard<Connection>> {
    let (rollouts, wake) = (rollouts.clone(), wake.clone());
    let changed = move |connection: Option<&DeserializeGuard<Connection>>| {
        let Some(connection) = connection else { return };
        for guard in rollouts.state() {
            let Ok(rollout) = &guard.0 else { continue };
            if connection::name(rollout) == Some(&connection.name_any()) {
                let _ = wake.unbounded_send(ObjectRef::from_obj(&*guard));
            }
        }
    };
    watch(Api::all(client.clone()), "", |_| {}, changed, synchronization, tasks)
}

/// A namespace whose fleets may be touched.
pub struct Served {
    /// Its objects.
    pub objects: Namespace,
    /// Whether they have been seen. One namespace that may not be read holds up no other.
    pub synchronization: Synchronization,
}

/// Watches everything that matters in one namespace.
pub fn namespace(
    client: &Client,
    namespace: &str,
    rollouts: &Store<Guarded>,
    wake: &Wake,
    tasks: &mut JoinSet<()>,
) -> Served {
    let synchronization = Synchronization::default();
    let objects = objects(client, namespace, rollouts, wake, &synchronization, tasks);
    Served { objects, synchronization }
}

fn objects(
    client: &Client,
    namespace: &str,
    rollouts: &Store<Guarded>,
    wake: &Wake,
    synchronization: &Synchronization,
    tasks: &mut JoinSet<()>,
) -> Namespace {
    Namespace {
        pods: watch(
            Api::namespaced(client.clone(), namespace),
            "",
            pod::prune,
            waker(namespace, rollouts, wake, |pod: &Pod, rollout| {
                let selector = Selector::try_from(rollout.spec.fleet.selector.clone());
                selector.is_ok_and(|selector| selector.matches(pod.labels()))
            }),
            synchronization,
            tasks,
        ),
        services: watch(
            Api::namespaced(client.clone(), namespace),
            "",
            unmanaged,
            waker(namespace, rollouts, wake, |service: &Service, rollout| {
                routes_by(rollout, &service.name_any()) || is_marked(service, rollout)
            }),
            synchronization,
            tasks,
        ),
        config_maps: watch(
            Api::namespaced(client.clone(), namespace),
            "",
            shard::prune,
            waker(namespace, rollouts, wake, |map: &ConfigMap, rollout| {
                let (config, name) = (&rollout.spec.fleet.config, map.name_any());
                shard::is_named(config, &name) || base::is_named(config, &name)
            }),
            synchronization,
            tasks,
        ),
        endpoint_slices: watch(
            Api::namespaced(client.clone(), namespace),
            SERVICE_NAME_LABEL,
            unmanaged,
            waker(namespace, rollouts, wake, |slice: &EndpointSlice, rollout| {
                slice.labels().get(SERVICE_NAME_LABEL).is_some_and(|service| routes_by(rollout, service))
            }),
            synchronization,
            tasks,
        ),
    }
}

fn unmanaged<K: Resource>(object: &mut K) {
    object.meta_mut().managed_fields = None;
}

fn routes_by(rollout: &api::OptimizationRollout, service: &str) -> bool {
    rollout.spec.traffic.iter().flat_map(|traffic| &traffic.services).any(|reference| reference.name == service)
}

/// Whether a Service bears the mark of a rollout's run, which may name it no more.
fn is_marked(service: &Service, rollout: &api::OptimizationRollout) -> bool {
    let run = rollout.status.as_ref().and_then(|status| status.run.as_ref());
    run.is_some_and(|run| service.annotations().get(RETREAT_ANNOTATION) == Some(&run.id))
}

/// Wakes the rollouts of the namespace that an object concerns; all of them when a list is complete, which brings
/// everything at once and says nothing of what is gone.
fn waker<K>(
    namespace: &str,
    rollouts: &Store<Guarded>,
    wake: &Wake,
    concerns: impl Fn(&K, &api::OptimizationRollout) -> bool + Send + 'static,
) -> impl Fn(Option<&K>) + Send + 'static {
    let (namespace, rollouts, wake) = (namespace.to_owned(), rollouts.clone(), wake.clone());
    move |object| {
        for guard in rollouts.state() {
            let Ok(rollout) = &guard.0 else { continue };
            if rollout.namespace().as_deref() == Some(&namespace)
                && object.is_none_or(|object| concerns(object, rollout))
            {
                let _ = wake.unbounded_send(ObjectRef::from_obj(&*guard));
            }
        }
    }
}

/// The objects of a watch, and its events, each after it was stored.
fn stored<K>(
    api: Api<K>,
    config: watcher::Config,
    prune: impl Fn(&mut K) + Send + 'static,
    synchronization: &Synchronization,
) -> (Store<K>, impl Stream<Item = Result<Event<K>, watcher::Error>> + Send + 'static)
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync + 'static,
{
    let (store, writer) = reflector::store();
    let config = config.timeout(WATCH_TIMEOUT);
    let open = move || watcher::watcher(api.clone(), config.clone()).backoff(Pauses::default());
    let events = synchronization.renewable(open).modify(prune).reflect(writer);
    (store, events.inspect(synchronization.watch()))
}

/// Stores the objects of a watch, and tells of each that has changed; of none when a list is complete.
fn watch<K>(
    api: Api<K>,
    labels: &str,
    prune: impl Fn(&mut K) + Send + 'static,
    changed: impl Fn(Option<&K>) + Send + 'static,
    synchronization: &Synchronization,
    tasks: &mut JoinSet<()>,
) -> Store<K>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync + 'static,
{
    let config = watcher::Config::default().labels(labels).page_size(PAGE);
    let (store, events) = stored(api, config, prune, synchronization);
    tasks.spawn(async move {
        let mut events = std::pin::pin!(events);
        while let Some(event) = events.next().await {
            match event {
                Ok(Event::Apply(object) | Event::InitApply(object) | Event::Delete(object)) => changed(Some(&object)),
                Ok(Event::InitDone) => changed(None),
                Ok(Event::Init) => {}
                Err(error) => tracing::warn!(kind = %K::kind(&()), %error, "watch failed, trying again"),
            }
        }
    });
    store
}
