//! Reviews: whose token it is, and what somebody may do.

use serde_json::{Value, json};

use crate::session::Session;

fn of_a_token(token: &str) -> Value {
    json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "metadata": {}, "spec": {"token": token}})
}

fn of_access(user: &str, namespace: &str, verb: &str, resource: &str) -> Value {
    json!({
        "apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "metadata": {},
        "spec": {"user": user, "resourceAttributes": {
            "group": "optimization.qudag.io", "namespace": namespace, "resource": resource, "verb": verb, "name": "a",
        }},
    })
}

pub async fn play(s: &mut Session) {
    s.behaviour("a token is that of its account").await;
    let token = s.token("robot").await;
    s.create("tokenreviews", of_a_token(&token)).await;

    s.behaviour("a token that nobody has is nobody's").await;
    s.create("tokenreviews", of_a_token("unknown")).await;

    s.behaviour("a review of a token needs a token").await;
    s.create("tokenreviews", of_a_token("")).await;

    s.behaviour("who was granted reading may read").await;
    let namespace = s.namespace();
    s.grant("ann", "get", "optimization.qudag.io", "optimizationrollouts").await;
    s.create("subjectaccessreviews", of_access("ann", &namespace, "get", "optimizationrollouts")).await;
    s.create("subjectaccessreviews", of_access("ann", "elsewhere", "get", "optimizationrollouts")).await;
    s.create("subjectaccessreviews", of_access("ann", &namespace, "patch", "optimizationrollouts")).await;
    s.create("subjectaccessreviews", of_access("bob", &namespace, "get", "optimizationrollouts")).await;

    s.behaviour("a review of access is about somebody").await;
    let namespace = s.namespace();
    s.create("subjectaccessreviews", of_access("", &namespace, "get", "optimizationrollouts")).await;
}
