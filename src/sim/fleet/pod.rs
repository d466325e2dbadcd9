//! The objects of a fleet.

use serde_json::{Value, json};

use super::FleetSpec;
use crate::object::text;

const MOUNT_PATH: &str = "/etc/optimizations";

/// The Nodes and the Service of a fleet.
pub(super) fn surroundings(spec: &FleetSpec) -> Vec<Value> {
    let nodes = (0..spec.nodes.max(1)).map(|node| {
        let zone = format!("zone-{}", node % spec.zones.max(1));
        json!({
            "apiVersion": "v1", "kind": "Node",
            "metadata": {"name": format!("node-{node}"), "labels": {"topology.kubernetes.io/zone": zone}},
            "status": {"conditions": [{"type": "Ready", "status": "True"}]},
        })
    });
    let service = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": spec.service, "namespace": spec.namespace},
        "spec": {
            "type": "ClusterIP", "clusterIP": "10.96.0.10", "selector": spec.selector,
            "ports": [{"name": "metrics", "port": spec.port, "targetPort": "metrics", "protocol": "TCP"}],
        },
    });
    nodes.chain([service]).collect()
}

/// A pod with the labels of the template. `ordinal` counts all pods that there were: no address comes twice.
pub(super) fn pod(spec: &FleetSpec, name: &str, ordinal: usize, ready: bool, now: &str) -> Value {
    let member: usize = name.rsplit('-').next().and_then(|number| number.parse().ok()).unwrap_or_default();
    let address = format!("10.0.{}.{}", ordinal / 250, ordinal % 250 + 1);
    let mut pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "name": name, "namespace": spec.namespace, "labels": spec.labels,
            "ownerReferences": [{
                "apiVersion": "apps/v1", "kind": "StatefulSet", "name": spec.prefix,
                "uid": format!("uid-of-{}", spec.prefix), "controller": true,
            }],
        },
        "spec": {
            "nodeName": format!("node-{}", member % spec.nodes.max(1)),
            "terminationGracePeriodSeconds": spec.termination.as_secs().max(30),
            "containers": [{
                "name": "node", "image": "registry.example.com/fleet-node:1.0.0",
                "ports": [{"name": "metrics", "containerPort": spec.port, "protocol": "TCP"}],
                "volumeMounts": [{"name": "optimizations", "mountPath": MOUNT_PATH}],
            }],
            "volumes": [{
                "name": "optimizations",
                "configMap": {"name": spec.config_map.replace("{member}", name), "optional": true},
            }],
        },
        "status": {
            "phase": "Running", "podIP": address, "podIPs": [{"ip": address}], "startTime": now,
            "conditions": [{"type": "Ready", "status": "False"}],
            "containerStatuses": [{
                "name": "node", "image": "registry.example.com/fleet-node:1.0.0", "imageID": "", "ready": false,
                "restartCount": 0, "state": {"running": {"startedAt": now}}, "lastState": {},
            }],
        },
    });
    set_ready(&mut pod, ready, now);
    pod
}

pub(super) fn set_ready(pod: &mut Value, ready: bool, now: &str) {
    set(pod, "/status/conditions/0/status", json!(if ready { "True" } else { "False" }));
    if let Some(condition) = pod.pointer_mut("/status/conditions/0").and_then(Value::as_object_mut) {
        condition.insert("lastTransitionTime".to_owned(), json!(now));
    }
    set(pod, "/status/containerStatuses/0/ready", json!(ready));
}

/// The container ended and runs again, not yet ready.
pub(super) fn restart(pod: &mut Value, exit_code: i32, now: &str) {
    let restarts = pod.pointer("/status/containerStatuses/0/restartCount").and_then(Value::as_i64).unwrap_or_default();
    let reason = if exit_code == 137 { "OOMKilled" } else { "Error" };
    let end = json!({
        "exitCode": exit_code, "reason": reason, "finishedAt": now,
        "startedAt": text(pod, "/status/containerStatuses/0/state/running/startedAt"),
    });
    set(pod, "/status/containerStatuses/0/restartCount", json!(restarts + 1));
    set(pod, "/status/containerStatuses/0/lastState", json!({"terminated": end}));
    set(pod, "/status/containerStatuses/0/state", json!({"running": {"startedAt": now}}));
    set_ready(pod, false, now);
}

/// Tells one start of a container from every other.
pub(super) fn start_of(pod: &Value) -> (&str, Option<&Value>) {
    (text(pod, "/metadata/uid"), pod.pointer("/status/containerStatuses/0/restartCount"))
}

fn set(pod: &mut Value, pointer: &str, value: Value) {
    if let Some(field) = pod.pointer_mut(pointer) {
        *field = value;
    }
}
