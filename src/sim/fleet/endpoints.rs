//! Keeps EndpointSlices in step with Services and pods.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::sleep;

use crate::object::{is_being_deleted, labels, text, texts};
use crate::server::ApiServer;

/// From a change to the EndpointSlice that shows it.
const SYNC: Duration = Duration::from_millis(50);

pub(super) async fn follow(server: ApiServer, namespace: String) {
    let mut changes = server.shared.signals.of_all();
    let mut seen = 0;
    loop {
        let news = server.changes_after(&mut seen);
        let concerns = |plural: &str| matches!(plural, "pods" | "services");
        if news.iter().any(|change| change.key.namespace == namespace && concerns(&change.key.plural)) {
            sleep(SYNC).await;
            server.changes_after(&mut seen);
            sync(&server, &namespace);
        } else if changes.changed().await.is_err() {
            return;
        }
    }
}

/// Writes the EndpointSlice of each Service that has a selector.
pub(super) fn sync(server: &ApiServer, namespace: &str) {
    let in_namespace = |object: &Value| text(object, "/metadata/namespace") == namespace;
    let pods: Vec<Value> = server.objects("pods").into_iter().filter(in_namespace).collect();
    for service in server.objects("services").into_iter().filter(in_namespace) {
        if !texts(&service, "/spec/selector").is_empty() {
            server.put(slice(&service, &pods));
        }
    }
}

fn slice(service: &Value, pods: &[Value]) -> Value {
    let name = text(service, "/metadata/name");
    let selector = texts(service, "/spec/selector");
    let is_selected = |pod: &&Value| {
        let labels = labels(pod);
        !text(pod, "/status/podIP").is_empty() && selector.iter().all(|(key, value)| labels.get(key) == Some(value))
    };
    let endpoints: Vec<Value> = pods.iter().filter(is_selected).map(endpoint).collect();
    let ports = service.pointer("/spec/ports").and_then(Value::as_array).into_iter().flatten();
    let ports: Vec<Value> = ports
        .map(|port| json!({"name": port.get("name"), "port": port.get("port"), "protocol": port.get("protocol")}))
        .collect();
    json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
        "metadata": {
            "name": format!("{name}-0"), "namespace": text(service, "/metadata/namespace"),
            "labels": {
                "kubernetes.io/service-name": name,
                "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
            },
            "ownerReferences": [{
                "apiVersion": "v1", "kind": "Service", "name": name, "uid": text(service, "/metadata/uid"),
                "controller": true, "blockOwnerDeletion": true,
            }],
        },
        "addressType": "IPv4", "endpoints": endpoints, "ports": ports,
    })
}

fn endpoint(pod: &Value) -> Value {
    let conditions = pod.pointer("/status/conditions").and_then(Value::as_array).into_iter().flatten();
    let is_serving = conditions
        .filter(|condition| text(condition, "/type") == "Ready")
        .any(|condition| text(condition, "/status") == "True");
    let is_terminating = is_being_deleted(pod);
    json!({
        "addresses": [text(pod, "/status/podIP")],
        "conditions": {"ready": is_serving && !is_terminating, "serving": is_serving, "terminating": is_terminating},
        "nodeName": text(pod, "/spec/nodeName"),
        "targetRef": {
            "kind": "Pod", "namespace": text(pod, "/metadata/namespace"), "name": text(pod, "/metadata/name"),
            "uid": text(pod, "/metadata/uid"),
        },
    })
}
