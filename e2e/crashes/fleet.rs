//! A fleet without kubelets: its objects, and a rollout over it.

use std::{fmt::Debug, time::Duration};

use api::{OptimizationRollout, names::LEASE};
use k8s_openapi::api::{
    coordination::v1::Lease,
    core::v1::{ConfigMap, Pod, Service},
    discovery::v1::EndpointSlice,
};
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{DeleteParams, Patch, PatchParams, PostParams},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use sim::laws::CANARY;

use crate::{
    draw::Draw,
    members::{Address, Members},
    replica,
};

/// Namespace of the fleet.
pub const NAMESPACE: &str = "qudag";
/// Name of the fleet and of its Service.
pub const NAME: &str = "qudag-node";
/// Name of the rollout.
pub const ROLLOUT: &str = "pooling";
/// The optimization that it switches on.
pub const OPTIMIZATION: &str = "connection_pooling";
/// Key of the file in a member's own ConfigMap.
pub const OWN_KEY: &str = "node.toml";
const CONFIG_MAP: &str = "qudag-optimizations";
const OWN_FILE: &str =
    "# tuned by hand\nlog = \"info\"\n\n[network.pool]\nenabled = false   # see the runbook\nmax = 20\n";

/// Names of the members.
#[must_use]
pub fn names(draw: &Draw) -> Vec<String> {
    (0..draw.members).map(|number| format!("{NAME}-{number}")).collect()
}

/// The ConfigMap in which a member's file lies, and its key.
#[must_use]
pub fn file(patched: bool, member: &str) -> (String, String) {
    if patched {
        (format!("{member}-config"), OWN_KEY.to_owned())
    } else {
        (CONFIG_MAP.to_owned(), format!("{member}.toml"))
    }
}

/// Creates the objects of a fleet, with ready pods.
///
/// # Errors
/// When the API server does not take them.
pub async fn create(client: &Client, draw: &Draw, members: &Members) -> Result<(), String> {
    put::<Service>(client, service()).await?;
    let pods: Api<Pod> = Api::namespaced(client.clone(), NAMESPACE);
    for (name, address) in members.addresses() {
        if draw.patched {
            put::<ConfigMap>(client, own(name)).await?;
        }
        let created = put::<Pod>(client, pod(draw, name, *address)).await?;
        members.begin(name, &created.uid().unwrap_or_default());
        let status = Patch::Merge(json!({"status": running(*address)}));
        let ready = pods.patch_status(name, &PatchParams::default(), &status).await;
        ready.map_err(|error| format!("cannot say that pod {name} is ready: {error}"))?;
    }
    Ok(())
}

/// Creates the rollout.
///
/// # Errors
/// When the API server does not take it.
pub async fn begin(client: &Client, draw: &Draw) -> Result<(), String> {
    put::<OptimizationRollout>(client, rollout(draw)).await.map(drop)
}

/// Deletes everything of an earlier run.
///
/// # Errors
/// When it does not go away.
pub async fn clear(client: &Client) -> Result<(), String> {
    let rollouts: Api<OptimizationRollout> = Api::namespaced(client.clone(), NAMESPACE);
    // Nobody is there to restore anything: the pods go as well.
    let release = Patch::Merge(json!({"metadata": {"finalizers": null}}));
    let _ = rollouts.patch(ROLLOUT, &PatchParams::default(), &release).await;
    all::<OptimizationRollout>(client, NAMESPACE).await?;
    all::<Pod>(client, NAMESPACE).await?;
    all::<Service>(client, NAMESPACE).await?;
    all::<EndpointSlice>(client, NAMESPACE).await?;
    all::<ConfigMap>(client, NAMESPACE).await?;
    let leases: Api<Lease> = Api::namespaced(client.clone(), replica::NAMESPACE);
    match leases.delete(LEASE, &DeleteParams::default()).await {
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        deleted => deleted.map(drop).map_err(|error| format!("cannot delete the Lease: {error}")),
    }
}

async fn all<K>(client: &Client, namespace: &str) -> Result<(), String>
where
    K: Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope> + Clone + DeserializeOwned + Debug,
{
    let (api, kind): (Api<K>, _) = (Api::namespaced(client.clone(), namespace), K::kind(&()));
    let failed = |error: kube::Error| format!("cannot delete each {kind}: {error}");
    for _ in 0..200 {
        let left = api.list_metadata(&Default::default()).await.map_err(failed)?;
        // The one that every namespace has.
        let left: Vec<String> =
            left.iter().map(ResourceExt::name_any).filter(|name| name != "kube-root-ca.crt").collect();
        if left.is_empty() {
            return Ok(());
        }
        for name in left {
            let _ = api.delete(&name, &DeleteParams::default().grace_period(0)).await;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Err(format!("objects of kind {kind} do not go away"))
}

async fn put<K>(client: &Client, object: Value) -> Result<K, String>
where
    K: Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>
        + Clone
        + DeserializeOwned
        + Serialize
        + Debug,
{
    let kind = K::kind(&());
    let object: K = serde_json::from_value(object).map_err(|error| format!("a {kind} does not parse: {error}"))?;
    let api: Api<K> = Api::namespaced(client.clone(), NAMESPACE);
    api.create(&PostParams::default(), &object).await.map_err(|error| format!("cannot create a {kind}: {error}"))
}

fn service() -> Value {
    json!({
        "metadata": {"name": NAME},
        "spec": {
            "selector": {"app": NAME, "optimization.qudag.io/serving": "true"},
            "ports": [{"name": "http", "port": 80, "targetPort": 8080}],
        },
    })
}

fn own(member: &str) -> Value {
    let (name, key) = file(true, member);
    json!({
        "metadata": {"name": name, "annotations": {"optimization.qudag.io/member": member}},
        "data": {key: OWN_FILE, "other.toml": format!("password = \"{CANARY}\"\n")},
    })
}

fn pod(draw: &Draw, name: &str, address: Address) -> Value {
    json!({
        "metadata": {"name": name, "labels": {
            "app": NAME, "optimization.qudag.io/cohort": "baseline", "optimization.qudag.io/serving": "true",
        }},
        "spec": {
            "automountServiceAccountToken": false,
            "containers": [{
                "name": "node", "image": "fleet-node",
                "ports": [{"name": "metrics", "containerPort": address.port}],
                "volumeMounts": [{"name": "optimizations", "mountPath": "/etc/optimizations"}],
            }],
            "volumes": [{
                "name": "optimizations",
                "configMap": {"name": file(draw.patched, name).0, "optional": true},
            }],
        },
    })
}

fn running(address: Address) -> Value {
    let now = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    json!({
        "phase": "Running", "podIP": address.ip, "podIPs": [{"ip": address.ip}], "startTime": now,
        "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": now}],
        "containerStatuses": [{
            "name": "node", "image": "fleet-node", "imageID": "", "ready": true, "restartCount": 0,
            "state": {"running": {"startedAt": now}},
        }],
    })
}

/// Two stages; the second one is watched until something happens.
fn rollout(draw: &Draw) -> Value {
    let config = if draw.patched {
        json!({"patched": {"name": "{member}-config", "key": OWN_KEY}, "format": "Toml"})
    } else {
        json!({"rendered": {"name": CONFIG_MAP, "key": "{member}.toml"}, "format": "Toml"})
    };
    json!({
        "apiVersion": "optimization.qudag.io/v1alpha1",
        "kind": "OptimizationRollout",
        "metadata": {"name": ROLLOUT},
        "spec": {
            "fleet": {
                "selector": {"matchLabels": {"app": NAME}},
                "config": config,
                "acknowledgement": {"metric": "optimization_enabled"},
            },
            "optimizations": [{"name": OPTIMIZATION, "settings": [
                {"path": "network.pool.enabled", "optimized": true, "baseline": false},
                {"path": "network.pool.max", "optimized": 100},
            ]}],
            "stages": [
                {"name": "canary", "percent": 20, "bake": "2s"},
                {"name": "many", "percent": draw.percent, "bake": "1h"},
            ],
            "holdoutPercent": 20,
            "metrics": {"interval": "1s", "source": {"pods": {"port": "metrics"}}},
            "indicators": [{
                "name": "errors", "max": "1%", "window": "1s", "confirm": {"breaches": 1, "looks": 1},
                "metric": {"ratio": {"numerator": "errors_total", "denominator": "requests_total"}},
            }],
            "traffic": {"services": [{"name": NAME}]},
        },
    })
}
