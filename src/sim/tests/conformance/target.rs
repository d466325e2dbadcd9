//! The two servers: the real one and the fake.

use std::time::{Duration, Instant};

use http::header::{CONTENT_TYPE, HeaderName};
use http::{Method, Request};
use http_body_util::BodyExt;
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};
use sim::{ApiServer, Denial, Fault, RequestInfo, Subresource, Verb};

/// Whoever sends requests unless a behaviour says otherwise; may do everything.
pub const ADMIN: &str = "admin";

/// How long the real server may take until it follows new rules.
const PATIENCE: Duration = Duration::from_secs(20);

/// Where requests go.
pub enum Target {
    /// A real API server, as somebody who may do everything.
    Real(Client),
    /// The fake in this process.
    Fake(ApiServer),
}

/// A request before it is sent.
pub struct Message {
    pub user: String,
    pub method: Method,
    pub path: String,
    pub accept: &'static str,
    pub content_type: &'static str,
    pub body: Vec<u8>,
}

/// A policy that refuses what an expression does not hold for.
pub struct Policy {
    pub name: String,
    pub namespace: String,
    /// Plural name of the core kind that it is about.
    pub resource: &'static str,
    /// CEL, for the real server.
    pub expression: &'static str,
    /// The same, for the fake: whether the new object is allowed.
    pub allows: fn(&Value) -> bool,
    pub message: &'static str,
    /// Reason of the refusal; `Invalid` where it is empty.
    pub reason: &'static str,
}

impl Target {
    /// Sends a request; returns the code and the body of the answer, which may take a while to come in.
    pub async fn send(&self, message: &Message) -> (u16, Vec<u8>) {
        let mut request = Request::builder().method(&message.method).uri(&message.path);
        request = request.header("accept", message.accept);
        if !message.content_type.is_empty() {
            request = request.header(CONTENT_TYPE, message.content_type);
        }
        let client = match self {
            Self::Fake(server) => server.client_as(&message.user),
            Self::Real(client) => {
                if message.user != ADMIN {
                    let name = HeaderName::from_static("impersonate-user");
                    request = request.header(name, &message.user);
                }
                client.clone()
            }
        };
        let answer = client.send(request.body(Body::from(message.body.clone())).unwrap()).await.unwrap();
        let code = answer.status().as_u16();
        (code, answer.into_body().collect().await.unwrap().to_bytes().to_vec())
    }

    /// Makes a namespace. The fake has all of them.
    pub async fn make_namespace(&self, name: &str) {
        if let Self::Real(_) = self {
            let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
            self.make("/api/v1/namespaces", &namespace).await;
        }
    }

    /// From now on a user may do this much in a namespace, and nothing else.
    pub async fn grant(&self, user: &str, namespace: &str, verb: &'static str, group: &str, resource: &'static str) {
        match self {
            Self::Fake(server) => {
                server.grant_reading(user, namespace);
                let (user, namespace) = (user.to_owned(), namespace.to_owned());
                server.on_request(move |request| {
                    let granted = verb_of(request) == verb
                        && request.key.plural == resource
                        && request.key.namespace == namespace;
                    let elsewhere = !request.key.namespace.is_empty() && request.key.namespace != namespace;
                    if request.user != user || granted || elsewhere { Fault::None } else { Fault::Forbid }
                });
            }
            Self::Real(_) => {
                let rules = json!([{"apiGroups": [group], "resources": [resource], "verbs": [verb]}]);
                let name = format!("{verb}-{}", resource.replace('/', "-"));
                let metadata = json!({"name": name, "namespace": namespace});
                let api = format!("/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}");
                let role = json!({
                    "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": metadata, "rules": rules,
                });
                self.make(&format!("{api}/roles"), &role).await;
                let binding = json!({
                    "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": metadata,
                    "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name},
                    "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}],
                });
                self.make(&format!("{api}/rolebindings"), &binding).await;
                let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
                let review = json!({
                    "apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview",
                    "spec": {"user": user, "resourceAttributes": {
                        "namespace": namespace, "verb": verb, "group": group, "resource": resource,
                        "subresource": subresource,
                    }},
                });
                self.until(|| async {
                    let answer = self.make("/apis/authorization.k8s.io/v1/subjectaccessreviews", &review).await;
                    answer.pointer("/status/allowed") == Some(&Value::Bool(true))
                })
                .await;
            }
        }
    }

    /// Sets a policy up and waits until it is in force. `refused` is an object of the core group that it refuses.
    pub async fn enforce(&self, policy: Policy, refused: Value) {
        match self {
            Self::Fake(server) => {
                server.on_admission(move |request, _, after| {
                    let ours = request.key.plural == policy.resource && request.key.namespace == policy.namespace;
                    let refused = ours && after.is_some_and(|after| !(policy.allows)(after));
                    refused.then(|| Denial {
                        policy: policy.name.clone(),
                        binding: policy.name.clone(),
                        message: policy.message.to_owned(),
                        reason: policy.reason.to_owned(),
                    })
                });
            }
            Self::Real(_) => {
                let mut validation = json!({"expression": policy.expression, "message": policy.message});
                if !policy.reason.is_empty() {
                    validation["reason"] = json!(policy.reason);
                }
                let rules = json!([{
                    "apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"],
                    "resources": [policy.resource],
                }]);
                let api = "/apis/admissionregistration.k8s.io/v1";
                let object = json!({
                    "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy",
                    "metadata": {"name": policy.name},
                    "spec": {
                        "failurePolicy": "Fail", "matchConstraints": {"resourceRules": rules},
                        "validations": [validation],
                    },
                });
                self.make(&format!("{api}/validatingadmissionpolicies"), &object).await;
                let selector = json!({"matchLabels": {"kubernetes.io/metadata.name": policy.namespace}});
                let binding = json!({
                    "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding",
                    "metadata": {"name": policy.name},
                    "spec": {
                        "policyName": policy.name, "validationActions": ["Deny"],
                        "matchResources": {"namespaceSelector": selector},
                    },
                });
                self.make(&format!("{api}/validatingadmissionpolicybindings"), &binding).await;
                let path = format!("/api/v1/namespaces/{}/{}?dryRun=All", policy.namespace, policy.resource);
                self.until(|| async { self.make(&path, &refused).await["status"] == "Failure" }).await;
            }
        }
    }

    /// A token of a ServiceAccount, made for this.
    pub async fn token(&self, namespace: &str, name: &str) -> String {
        match self {
            Self::Fake(server) => {
                server.issue_token("a-token", &format!("system:serviceaccount:{namespace}:{name}"));
                "a-token".to_owned()
            }
            Self::Real(_) => {
                let accounts = format!("/api/v1/namespaces/{namespace}/serviceaccounts");
                let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}});
                self.make(&accounts, &account).await;
                let request = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}});
                let answer = self.make(&format!("{accounts}/{name}/token"), &request).await;
                answer["status"]["token"].as_str().unwrap().to_owned()
            }
        }
    }

    /// The server forgets its history, as the real one has forgotten what happened before it was last started.
    pub fn forget_history(&self) {
        if let Self::Fake(server) = self {
            server.compact();
        }
    }

    async fn make(&self, path: &str, object: &Value) -> Value {
        let message = Message {
            user: ADMIN.to_owned(),
            method: Method::POST,
            path: path.to_owned(),
            accept: "application/json",
            content_type: "application/json",
            body: object.to_string().into_bytes(),
        };
        let (_, body) = self.send(&message).await;
        serde_json::from_slice(&body).unwrap()
    }

    async fn until<F: Future<Output = bool>>(&self, is_so: impl Fn() -> F) {
        let start = Instant::now();
        while !is_so().await {
            assert!(start.elapsed() < PATIENCE, "the server does not follow its new rules");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// The verb as rules of access name it.
fn verb_of(request: &RequestInfo) -> &'static str {
    match (request.verb, request.subresource) {
        (_, Some(Subresource::Status | Subresource::Eviction)) => "",
        (Verb::Get, None) => "get",
        (Verb::List, None) => "list",
        (Verb::Watch, None) => "watch",
        (Verb::Create, None) => "create",
        (Verb::Update, None) => "update",
        (Verb::Patch, None) => "patch",
        (Verb::Delete, None) => "delete",
    }
}
