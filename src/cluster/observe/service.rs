//! What matters of a Service and its endpoints.

use api::names::{RETREAT_ANNOTATION, RETREAT_REASON_ANNOTATION};
use domain::{mark::Mark, observation};
use k8s_openapi::api::{core::v1::Service, discovery::v1::EndpointSlice};
use kube::ResourceExt;

use super::{Namespace, SERVICE_NAME_LABEL};

/// What matters of the Service of this name; one that does not exist is refused.
#[must_use]
pub fn read(namespace: &Namespace, name: &str) -> observation::Service {
    let services = namespace.services.state();
    let Some(service) = services.iter().find(|service| service.name_any() == name) else {
        let refused = Some(format!("Service {name} does not exist; create it or take it out of spec.traffic.services"));
        return observation::Service { name: name.to_owned(), refused, ..observation::Service::default() };
    };
    let annotation = |name: &str| service.annotations().get(name).map(String::as_str);
    let slices = namespace.endpoint_slices.state();
    let own = slices.iter().filter(|slice| slice.labels().get(SERVICE_NAME_LABEL).map(String::as_str) == Some(name));
    let mut endpoints: Vec<String> = own.flat_map(|slice| ready_pods(slice)).collect();
    endpoints.sort_unstable();
    endpoints.dedup();
    observation::Service {
        name: name.to_owned(),
        resource_version: service.resource_version().unwrap_or_default(),
        selector: service.spec.as_ref().and_then(|spec| spec.selector.clone()).unwrap_or_default(),
        mark: Mark::parse(annotation(RETREAT_ANNOTATION), annotation(RETREAT_REASON_ANNOTATION)),
        refused: refused(service),
        endpoints,
    }
}

/// Services that bear the mark of a retreat and are none of the `named` ones, by their names.
#[must_use]
pub fn marked(namespace: &Namespace, named: &[&str]) -> Vec<observation::Service> {
    let services = namespace.services.state();
    let marked = services.iter().filter(|service| service.annotations().contains_key(RETREAT_ANNOTATION));
    let mut names: Vec<String> =
        marked.map(|service| service.name_any()).filter(|name| !named.contains(&name.as_str())).collect();
    names.sort_unstable();
    names.iter().map(|name| read(namespace, name)).collect()
}

fn ready_pods(slice: &EndpointSlice) -> Vec<String> {
    slice
        .endpoints
        .iter()
        .filter(|endpoint| endpoint.conditions.as_ref().and_then(|conditions| conditions.ready) != Some(false))
        .filter_map(|endpoint| endpoint.target_ref.as_ref()?.name.clone())
        .collect()
}

/// Why a Service cannot take traffic away from a part of its pods.
fn refused(service: &Service) -> Option<String> {
    let name = service.name_any();
    let spec = service.spec.clone().unwrap_or_default();
    if spec.type_.as_deref() == Some("ExternalName") {
        return Some(format!("Service {name} is an ExternalName: it routes to no pod"));
    }
    if spec.cluster_ip.as_deref() == Some("None") {
        return Some(format!(
            "Service {name} is headless: its clients choose pods themselves; name a Service with an address"
        ));
    }
    if spec.publish_not_ready_addresses == Some(true) {
        return Some(format!("Service {name} has publishNotReadyAddresses: it would route to sick members"));
    }
    if spec.internal_traffic_policy.as_deref() == Some("Local") {
        return Some(format!(
            "Service {name} has internalTrafficPolicy Local: a Node without baseline members would lose it"
        ));
    }
    if spec.external_traffic_policy.as_deref() == Some("Local") {
        return Some(format!(
            "Service {name} has externalTrafficPolicy Local: a Node without baseline members would lose what comes from \
             outside"
        ));
    }
    None
}

#[cfg(test)]
mod tests;
