//! What a topic plays its behaviours on.

use http::Method;
use serde_json::{Value, json};

use crate::target::{ADMIN, Message, Policy, Target};
use crate::transcript::{Behaviour, Step};

pub const JSON: &str = "application/json";
pub const METADATA: &str = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";
pub const METADATA_LIST: &str = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";
pub const MERGE: &str = "application/merge-patch+json";
pub const JSON_PATCH: &str = "application/json-patch+json";
pub const APPLY: &str = "application/apply-patch+yaml";

/// Plays requests one after the other and writes down what comes back. Each behaviour has a namespace of its own.
pub struct Session {
    target: Target,
    topic: &'static str,
    user: String,
    accept: &'static str,
    pub behaviours: Vec<Behaviour>,
}

/// What came back.
pub struct Answer {
    /// The events in a list, for a watch.
    pub body: Value,
}

impl Answer {
    /// The text at a JSON pointer.
    pub fn text(&self, pointer: &str) -> String {
        self.body.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
    }

    pub fn version(&self) -> String {
        self.text("/metadata/resourceVersion")
    }

    pub fn uid(&self) -> String {
        self.text("/metadata/uid")
    }
}

impl Session {
    pub fn new(target: Target, topic: &'static str) -> Self {
        Self { target, topic, user: ADMIN.to_owned(), accept: JSON, behaviours: Vec::new() }
    }

    /// Begins a behaviour.
    pub async fn behaviour(&mut self, name: &str) {
        let namespace = format!("{}-{}", self.topic, self.behaviours.len() + 1);
        self.target.make_namespace(&namespace).await;
        self.user = ADMIN.to_owned();
        self.accept = JSON;
        self.behaviours.push(Behaviour::new(name, &namespace));
    }

    /// The namespace of this behaviour; names without a namespace begin with it.
    pub fn namespace(&self) -> String {
        self.behaviours.last().unwrap().namespace.clone()
    }

    /// Lets the transcript tell who manages which fields.
    pub fn tell_managers(&mut self) {
        self.current().tells_managers = true;
    }

    /// Sends what follows as somebody else.
    pub fn act_as(&mut self, user: &str) {
        user.clone_into(&mut self.user);
    }

    /// Asks for this form of the answers that follow.
    pub fn accept(&mut self, accept: &'static str) {
        self.accept = accept;
    }

    /// Lets a user do one thing in this namespace, and nothing else.
    pub async fn grant(&mut self, user: &str, verb: &'static str, group: &str, resource: &'static str) {
        let namespace = self.namespace();
        self.target.grant(user, &namespace, verb, group, resource).await;
        self.current().steps.push(Step::Note(format!("{user} may {verb} {resource}")));
    }

    /// Refuses ConfigMaps of this namespace whose key `a` says `bad`.
    pub async fn refuse_bad(&mut self, message: &'static str, reason: &'static str) {
        let namespace = self.namespace();
        let policy = Policy {
            name: format!("{namespace}-policy"),
            namespace: namespace.clone(),
            resource: "configmaps",
            expression: "!has(object.data) || !('a' in object.data) || object.data['a'] != 'bad'",
            allows: |object| object.pointer("/data/a") != Some(&json!("bad")),
            message,
            reason,
        };
        let refused = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}, "data": {"a": "bad"}});
        self.target.enforce(policy, refused).await;
        self.current().steps.push(Step::Note("a policy refuses ConfigMaps with a: bad".to_owned()));
    }

    /// A token of a ServiceAccount of this namespace.
    pub async fn token(&mut self, name: &str) -> String {
        let namespace = self.namespace();
        let token = self.target.token(&namespace, name).await;
        self.current().secrets.push((token.clone(), format!("<token of {name}>")));
        token
    }

    /// What happened so far is too long ago for a watch.
    pub fn forget_history(&mut self) {
        self.target.forget_history();
    }

    pub async fn get(&mut self, path: &str) -> Answer {
        self.send(Method::GET, path, "", Vec::new()).await
    }

    pub async fn create(&mut self, path: &str, object: Value) -> Answer {
        self.send(Method::POST, path, JSON, object.to_string().into_bytes()).await
    }

    pub async fn replace(&mut self, path: &str, object: Value) -> Answer {
        self.send(Method::PUT, path, JSON, object.to_string().into_bytes()).await
    }

    pub async fn merge(&mut self, path: &str, patch: Value) -> Answer {
        self.send(Method::PATCH, path, MERGE, patch.to_string().into_bytes()).await
    }

    pub async fn json_patch(&mut self, path: &str, patch: Value) -> Answer {
        self.send(Method::PATCH, path, JSON_PATCH, patch.to_string().into_bytes()).await
    }

    /// Server-side apply; the manager stands in the query of the path.
    pub async fn apply(&mut self, path: &str, object: Value) -> Answer {
        self.send(Method::PATCH, path, APPLY, object.to_string().into_bytes()).await
    }

    pub async fn delete(&mut self, path: &str) -> Answer {
        self.send(Method::DELETE, path, "", Vec::new()).await
    }

    pub async fn delete_with(&mut self, path: &str, options: Value) -> Answer {
        self.send(Method::DELETE, path, JSON, options.to_string().into_bytes()).await
    }

    /// What a watch sends in one second.
    pub async fn watch(&mut self, path: &str) -> Answer {
        let query = if path.contains("timeoutSeconds") { "watch=true" } else { "watch=true&timeoutSeconds=1" };
        let separator = if path.contains('?') { '&' } else { '?' };
        self.send(Method::GET, &format!("{path}{separator}{query}"), "", Vec::new()).await
    }

    pub async fn send(&mut self, method: Method, path: &str, content_type: &'static str, body: Vec<u8>) -> Answer {
        let path = full_path(&self.namespace(), path);
        let user = self.user.clone();
        let message = Message { user, method, path, accept: self.accept, content_type, body };
        let (code, answer) = self.target.send(&message).await;
        let text = String::from_utf8_lossy(&answer);
        let is_watch = message.path.contains("watch=true") && code == 200;
        let parsed: Option<Vec<Value>> = text.lines().map(|line| serde_json::from_str(line).ok()).collect();
        let body = match parsed {
            Some(mut events) if is_watch => {
                // The real server may send its last bookmark twice.
                events.dedup_by(|next, last| next == last && next["type"] == "BOOKMARK");
                Value::Array(events)
            }
            _ => serde_json::from_str(&text).unwrap_or_else(|_| Value::String(text.into_owned())),
        };
        self.current().sent(message, code, &body);
        Answer { body }
    }

    fn current(&mut self) -> &mut Behaviour {
        self.behaviours.last_mut().unwrap()
    }
}

/// Where the server serves what a short path names, such as `configmaps/a?x=y`; others begin with `/`.
fn full_path(namespace: &str, short: &str) -> String {
    if short.starts_with('/') {
        return short.to_owned();
    }
    let end = short.find(['/', '?']).unwrap_or(short.len());
    let prefix = match &short[..end] {
        "optimizationrollouts" => format!("/apis/optimization.qudag.io/v1alpha1/namespaces/{namespace}"),
        "connections" => "/apis/optimization.qudag.io/v1alpha1".to_owned(),
        "leases" => format!("/apis/coordination.k8s.io/v1/namespaces/{namespace}"),
        "endpointslices" => format!("/apis/discovery.k8s.io/v1/namespaces/{namespace}"),
        "tokenreviews" => "/apis/authentication.k8s.io/v1".to_owned(),
        "subjectaccessreviews" => "/apis/authorization.k8s.io/v1".to_owned(),
        "nodes" => "/api/v1".to_owned(),
        "events.k8s.io" => {
            return format!("/apis/events.k8s.io/v1/namespaces/{namespace}/events{}", &short[end..]);
        }
        _ => format!("/api/v1/namespaces/{namespace}"),
    };
    format!("{prefix}/{short}")
}
