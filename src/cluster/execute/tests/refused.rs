//! Writes that the API server refuses.

use std::sync::{Arc, Mutex};

use super::*;

fn refusal(code: u16, reason: &str, message: &str) -> http::Response<Body> {
    let status = json!({"kind": "Status", "status": "Failure", "code": code, "reason": reason, "message": message});
    let mut answer = http::Response::new(Body::from(status.to_string().into_bytes()));
    *answer.status_mut() = http::StatusCode::from_u16(code).unwrap();
    answer
}

#[rstest]
#[case::another_pod(
    422,
    "Invalid",
    "Pod \"node-0\" is invalid: metadata.uid: Invalid value: \"b\": field is immutable",
    true
)]
#[case::something_invalid(422, "Invalid", "Pod \"node-0\" is invalid: metadata.labels: Invalid value: \"x\"", false)]
#[case::another_version(409, "Conflict", "the object has been modified", true)]
#[case::no_right(403, "Forbidden", "no right to it", false)]
#[tokio::test]
async fn an_object_that_was_replaced_under_its_name_is_no_refusal(
    #[case] code: u16,
    #[case] reason: &'static str,
    #[case] message: &'static str,
    #[case] is_conflict: bool,
) {
    let answer = move |_: http::Request<Body>| async move { Ok::<_, Infallible>(refusal(code, reason, message)) };
    let writer = Writer::new(Client::new(tower::service_fn(answer), "qudag"));
    let withdrawn = writer.withdraw(&rollout(), &[leaving(0)]).await;
    let errors = &withdrawn.errors;
    assert_eq!(matches!(errors.as_slice(), [WriteError::Conflict(_)]), is_conflict, "{errors:?}");
    assert_eq!(matches!(errors.as_slice(), [WriteError::Refused { .. }]), !is_conflict, "{errors:?}");
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_is_refused_keeps_no_other_one_out_of_traffic() {
    let written: Arc<Mutex<Vec<String>>> = Arc::default();
    let log = written.clone();
    let answer = move |request: http::Request<Body>| {
        let pod = request.uri().path().rsplit('/').next().unwrap().to_owned();
        let log = log.clone();
        async move {
            if pod == "pod-0" {
                return Ok::<_, Infallible>(refusal(403, "Forbidden", "not this one"));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
            log.lock().unwrap().push(pod);
            Ok(object("Pod"))
        }
    };
    let writer = Writer::new(Client::new(tower::service_fn(answer), "qudag"));
    let labels: Vec<Advance> = (0..40)
        .map(|number| Advance::LabelPod {
            pod: PodTarget { name: format!("pod-{number}"), uid: "uid".to_owned() },
            resource_version: "1".to_owned(),
            cohort: "baseline",
            serving: Some(true),
        })
        .collect();
    let outcome = writer.advance(&rollout(), &labels, &|| true).await;
    assert!(matches!(outcome, Err(WriteError::Refused { .. })), "{outcome:?}");
    assert_eq!(written.lock().unwrap().len(), 39);
}
