use rstest::rstest;
use serde_json::json;

use super::*;

fn service(spec: serde_json::Value) -> Service {
    let mut service = json!({
        "metadata": {"name": "fleet"},
        "spec": {"clusterIP": "10.0.0.1", "selector": {"app": "x"}},
    });
    for (key, value) in spec.as_object().unwrap() {
        service["spec"][key] = value.clone();
    }
    serde_json::from_value(service).unwrap()
}

#[rstest]
#[case::headless(json!({"clusterIP": "None"}), "is headless")]
#[case::external(json!({"type": "ExternalName"}), "ExternalName")]
#[case::sick_members(json!({"publishNotReadyAddresses": true}), "publishNotReadyAddresses")]
#[case::local_from_outside(json!({"externalTrafficPolicy": "Local"}), "externalTrafficPolicy Local")]
#[case::local(json!({"internalTrafficPolicy": "Local"}), "internalTrafficPolicy Local")]
fn a_service_that_cannot_be_rerouted_says_why(#[case] spec: serde_json::Value, #[case] words: &str) {
    let refusal = refused(&service(spec)).unwrap();
    assert!(refusal.contains("Service fleet") && refusal.contains(words), "{refusal}");
}

#[test]
fn an_ordinary_service_can_be_rerouted() {
    assert_eq!(refused(&service(json!({}))), None);
}

#[test]
fn only_pods_that_may_get_traffic_are_endpoints() {
    let slice: EndpointSlice = serde_json::from_value(json!({
        "addressType": "IPv4",
        "endpoints": [
            {"addresses": ["10.0.0.2"], "conditions": {"ready": true}, "targetRef": {"name": "ready"}},
            {"addresses": ["10.0.0.3"], "conditions": {"ready": false}, "targetRef": {"name": "unready"}},
            {"addresses": ["10.0.0.4"], "targetRef": {"name": "unknown"}},
            {"addresses": ["10.0.0.5"], "conditions": {"ready": true}},
        ],
    }))
    .unwrap();
    assert_eq!(ready_pods(&slice), ["ready", "unknown"]);
}
