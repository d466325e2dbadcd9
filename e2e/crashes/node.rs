//! What a kubelet and the controller of EndpointSlices do, and what there is to see meanwhile.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use api::{
    OptimizationRollout,
    names::{LEASE, TOUCH_ANNOTATION},
};
use k8s_openapi::api::{
    coordination::v1::Lease,
    core::v1::{ConfigMap, Pod, Service},
    discovery::v1::EndpointSlice,
};
use kube::{
    Api, Client, ResourceExt,
    api::{Patch, PatchParams},
};
use serde_json::{Value, json};
use tokio::{
    sync::watch,
    task::AbortHandle,
    time::{Instant, sleep},
};

use crate::{
    fleet::{NAME, NAMESPACE, ROLLOUT, file},
    members::Members,
    replica,
};

/// How often it looks.
const PERIOD: Duration = Duration::from_millis(200);
/// When a kubelet that was not told comes to a changed ConfigMap by itself.
const BY_ITSELF: Duration = Duration::from_secs(20);
/// An answer takes less; one that does not come is asked for again.
const DEADLINE: Duration = Duration::from_secs(3);

/// What was there at the last look.
#[derive(Clone, Debug)]
pub struct Seen {
    /// When it was looked.
    pub at: Instant,
    /// The rollout.
    pub rollout: Option<OptimizationRollout>,
    /// All pods.
    pub pods: Vec<Pod>,
    /// The Service.
    pub service: Option<Service>,
    /// All ConfigMaps, by name.
    pub maps: BTreeMap<String, ConfigMap>,
    /// Who holds the Lease.
    pub holder: Option<String>,
}

/// The node, until this is dropped.
pub struct Node {
    seen: watch::Receiver<Option<Arc<Seen>>>,
    task: AbortHandle,
}

impl Drop for Node {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Node {
    /// Begins to look after these members.
    #[must_use]
    pub fn start(client: Client, members: Arc<Members>, patched: bool) -> Self {
        let (sender, seen) = watch::channel(None);
        let mut kubelet = Kubelet { members, patched, pods: BTreeMap::new() };
        let task = tokio::spawn(async move {
            let mut written = None;
            loop {
                // An API server that is away is asked again.
                if let Ok(Ok(seen)) = tokio::time::timeout(DEADLINE, look(&client)).await {
                    kubelet.project(&seen);
                    let slice = slice(&seen);
                    if written.as_ref() != Some(&slice) && route(&client, &slice).await {
                        written = Some(slice);
                    }
                    sender.send_replace(Some(Arc::new(seen)));
                }
                sleep(PERIOD).await;
            }
        });
        Self { seen, task: task.abort_handle() }
    }

    /// What was there at the last look.
    #[must_use]
    pub fn last(&self) -> Option<Arc<Seen>> {
        self.seen.borrow().clone()
    }

    /// Waits until something is so.
    ///
    /// # Errors
    /// When that takes longer than `longest`, with the last reason why it is not.
    pub async fn until<T>(
        &self,
        longest: Duration,
        mut find: impl FnMut(&Seen) -> Result<T, String>,
    ) -> Result<T, String> {
        let (mut seen, began, mut why) = (self.seen.clone(), Instant::now(), "nothing was seen".to_owned());
        loop {
            let last = seen.borrow_and_update().clone();
            match last.as_deref().map(&mut find) {
                Some(Ok(found)) => return Ok(found),
                Some(Err(not)) => why = not,
                None => {}
            }
            let left = longest.saturating_sub(began.elapsed());
            if !matches!(tokio::time::timeout(left, seen.changed()).await, Ok(Ok(()))) {
                return Err(format!("after {} s: {why}", longest.as_secs()));
            }
        }
    }
}

async fn look(client: &Client) -> kube::Result<Seen> {
    let at = Instant::now();
    let all = Default::default();
    // The pods before the ConfigMaps: who was told reads at least what was written before.
    let pods = Api::<Pod>::namespaced(client.clone(), NAMESPACE).list(&all).await?.items;
    let maps = Api::<ConfigMap>::namespaced(client.clone(), NAMESPACE).list(&all).await?.items;
    let service = Api::<Service>::namespaced(client.clone(), NAMESPACE).get_opt(NAME).await?;
    let rollout = Api::<OptimizationRollout>::namespaced(client.clone(), NAMESPACE).get_opt(ROLLOUT).await?;
    let lease = Api::<Lease>::namespaced(client.clone(), replica::NAMESPACE).get_opt(LEASE).await?;
    let maps = maps.into_iter().map(|map| (map.name_any(), map)).collect();
    Ok(Seen { at, rollout, pods, service, maps, holder: lease.and_then(|lease| lease.spec?.holder_identity) })
}

/// What the kubelet has done for one pod.
#[derive(Default)]
struct Projected {
    file: Option<String>,
    touch: Option<String>,
    /// Since when its ConfigMap says something else.
    outdated: Option<Instant>,
}

struct Kubelet {
    members: Arc<Members>,
    patched: bool,
    pods: BTreeMap<String, Projected>,
}

impl Kubelet {
    /// Brings files to the pods that were told of them, and to those that wait for long.
    fn project(&mut self, seen: &Seen) {
        for pod in &seen.pods {
            let name = pod.name_any();
            let projected = self.pods.entry(name.clone()).or_default();
            let (map, key) = file(self.patched, &name);
            let newest = seen.maps.get(&map).and_then(|map| map.data.as_ref()?.get(&key)).cloned();
            let touch = pod.annotations().get(TOUCH_ANNOTATION).cloned();
            if newest == projected.file {
                projected.outdated = None;
            } else {
                projected.outdated.get_or_insert(seen.at);
            }
            let waited = projected.outdated.is_some_and(|since| since.elapsed() >= BY_ITSELF);
            if touch != projected.touch || waited {
                self.members.read(&name, newest.as_deref().unwrap_or_default());
                *projected = Projected { file: newest, touch, outdated: None };
            }
        }
    }
}

/// The pods to which the Service leads.
fn slice(seen: &Seen) -> BTreeSet<(String, String)> {
    let selector = seen.service.as_ref().and_then(|service| service.spec.as_ref()?.selector.clone());
    let Some(selector) = selector else { return BTreeSet::new() };
    let leads = |pod: &&Pod| selector.iter().all(|(label, value)| pod.labels().get(label) == Some(value));
    seen.pods.iter().filter(leads).map(|pod| (pod.name_any(), pod.uid().unwrap_or_default())).collect()
}

/// Writes the EndpointSlice; whether that went through.
async fn route(client: &Client, slice: &BTreeSet<(String, String)>) -> bool {
    // No address of loopback may stand there, and nobody calls these.
    let endpoints: Vec<Value> = (1..)
        .zip(slice)
        .map(|(number, (pod, uid)): (u8, _)| {
            json!({
                "addresses": [format!("192.0.2.{number}")],
                "conditions": {"ready": true, "serving": true, "terminating": false},
                "targetRef": {"kind": "Pod", "namespace": NAMESPACE, "name": pod, "uid": uid},
            })
        })
        .collect();
    let object = json!({
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": format!("{NAME}-0"), "labels": {"kubernetes.io/service-name": NAME}},
        "addressType": "IPv4",
        "endpoints": endpoints,
        "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
    });
    let slices: Api<EndpointSlice> = Api::namespaced(client.clone(), NAMESPACE);
    let (name, params, object) = (format!("{NAME}-0"), PatchParams::apply("endpoints").force(), Patch::Apply(object));
    matches!(tokio::time::timeout(DEADLINE, slices.patch(&name, &params, &object)).await, Ok(Ok(_)))
}
