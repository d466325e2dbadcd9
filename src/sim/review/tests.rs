use k8s_openapi::api::authentication::v1::TokenReview;
use k8s_openapi::api::authorization::v1::SubjectAccessReview;
use kube::Api;
use kube::api::PostParams;
use rstest::rstest;
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::ApiServer;

async fn ask<K>(server: &ApiServer, spec: serde_json::Value) -> K
where
    K: kube::Resource<DynamicType = ()> + Clone + DeserializeOwned + serde::Serialize + std::fmt::Debug,
{
    let review: K = serde_json::from_value(json!({"metadata": {}, "spec": spec})).unwrap();
    Api::all(server.client_as("operator")).create(&PostParams::default(), &review).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_token_is_its_users() {
    let server = ApiServer::new();
    server.issue_token("abc", "ann");
    let known: TokenReview = ask(&server, json!({"token": "abc"})).await;
    let status = known.status.unwrap();
    assert_eq!((status.authenticated, status.user.unwrap().username.as_deref()), (Some(true), Some("ann")));
    let unknown: TokenReview = ask(&server, json!({"token": "other"})).await;
    assert_ne!(unknown.status.unwrap().authenticated, Some(true));
    assert!(server.writes().is_empty(), "a review writes nothing");
}

#[rstest]
#[case::granted("ann", "qudag", "get", true)]
#[case::elsewhere("ann", "other", "get", false)]
#[case::writing("ann", "qudag", "patch", false)]
#[case::somebody_else("bob", "qudag", "get", false)]
#[tokio::test(start_paused = true)]
async fn only_what_was_granted_is_allowed(
    #[case] user: &str,
    #[case] namespace: &str,
    #[case] verb: &str,
    #[case] allowed: bool,
) {
    let server = ApiServer::new();
    server.grant_reading("ann", "qudag");
    let attributes = json!({"namespace": namespace, "verb": verb, "resource": "optimizationrollouts"});
    let answer: SubjectAccessReview = ask(&server, json!({"user": user, "resourceAttributes": attributes})).await;
    assert_eq!(answer.status.unwrap().allowed, allowed);
}
