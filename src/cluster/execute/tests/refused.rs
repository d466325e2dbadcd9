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
    assert!(matches!(outcome.as_ref().unwrap_err().as_slice(), [WriteError::Refused { .. }]), "{outcome:?}");
    assert_eq!(written.lock().unwrap().len(), 39);
}

#[rstest]
#[case::is_used_up(
    429,
    json!({
        "message": "Cannot evict pod as it would violate the pod's disruption budget.",
        "details": {"causes": [{
            "reason": "DisruptionBudget",
            "message": "The disruption budget web needs 2 healthy pods and has 2 currently",
        }]},
    }),
    Some("disruption budget. The disruption budget web needs 2 healthy pods and has 2 currently")
)]
#[case::is_one_of_several(
    500,
    json!({"message": "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."}),
    Some("more than one PodDisruptionBudget")
)]
#[case::is_not_what_is_meant(429, json!({"message": "too many requests"}), None)]
#[case::is_what_somebody_else_speaks_of(403, json!({"message": "first remove its PodDisruptionBudget"}), None)]
#[tokio::test]
async fn every_eviction_that_is_refused_is_told_where_the_budget(
    #[case] code: u16,
    #[case] told: Value,
    #[case] words: Option<&str>,
) {
    let answer = move |_: http::Request<Body>| {
        let mut status = json!({"kind": "Status", "status": "Failure", "code": code, "reason": "TooManyRequests"});
        status.as_object_mut().unwrap().extend(told.as_object().unwrap().clone());
        let mut answer = http::Response::new(Body::from(status.to_string().into_bytes()));
        *answer.status_mut() = http::StatusCode::from_u16(code).unwrap();
        async { Ok::<_, Infallible>(answer) }
    };
    let writer = Writer::new(Client::new(tower::service_fn(answer), "qudag"));
    let evict = |uid: &str| Advance::Evict(PodTarget { name: "pod-0".to_owned(), uid: uid.to_owned() });
    let errors = writer.advance(&rollout(), &[evict("a"), evict("b")], &|| true).await.unwrap_err();
    let budgets = errors.iter().filter_map(|error| match error {
        WriteError::Budget { uid, message, .. } => Some((uid.as_str(), message.as_str())),
        _ => None,
    });
    let budgets: Vec<(&str, &str)> = budgets.collect();
    assert_eq!(budgets.len(), words.map_or(0, |_| 2), "{errors:?}");
    assert!(budgets.iter().all(|(_, message)| message.contains(words.unwrap())), "{budgets:?}");
    assert!(budgets.iter().zip(["a", "b"]).all(|((uid, _), expected)| *uid == expected), "{budgets:?}");
}
