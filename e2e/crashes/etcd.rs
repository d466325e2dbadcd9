//! What etcd holds, and held: every version of every object, over its JSON gateway.

use std::time::Duration;

use futures::StreamExt;
use k8s_openapi::ByteString;
use serde_json::{Value, json};
use sim::{Key, audit::Revision};

/// An answer takes less.
const DEADLINE: Duration = Duration::from_secs(20);

/// Where the objects of a kind lie, their API group and the plural name.
const KINDS: &[(&str, &str, &str)] = &[
    ("/registry/pods/", "", "pods"),
    ("/registry/services/specs/", "", "services"),
    ("/registry/configmaps/", "", "configmaps"),
    ("/registry/leases/", "coordination.k8s.io", "leases"),
    ("/registry/events/", "events.k8s.io", "events"),
    ("/registry/optimization.qudag.io/optimizationrollouts/", "optimization.qudag.io", "optimizationrollouts"),
];

/// The etcd of a control plane.
#[derive(Clone)]
pub struct Etcd {
    client: reqwest::Client,
    address: String,
}

impl Etcd {
    /// The one at this address.
    ///
    /// # Errors
    /// When no HTTP client can be made.
    pub fn new(address: &str) -> Result<Self, String> {
        let client = reqwest::Client::builder().no_proxy().tls_certs_only([]).build();
        let client = client.map_err(|error| format!("cannot make an HTTP client: {error}"))?;
        Ok(Self { client, address: address.trim().to_owned() })
    }

    /// Number of the newest version.
    ///
    /// # Errors
    /// When etcd does not say.
    pub async fn newest(&self) -> Result<u64, String> {
        let question = json!({"key": bytes("/"), "limit": 1, "keys_only": true});
        let answer = self.client.post(format!("{}/v3/kv/range", self.address)).json(&question).timeout(DEADLINE);
        let answer = answer.send().await.map_err(failed)?.json::<Value>().await.map_err(failed)?;
        number(&answer, "/header/revision").ok_or_else(|| format!("etcd does not say its revision: {answer}"))
    }

    /// All versions of these namespaces' objects after one of them, up to another one, that one included.
    ///
    /// # Errors
    /// When etcd does not tell them.
    pub async fn history(&self, namespaces: &[&str], after: u64, last: u64) -> Result<Vec<Revision>, String> {
        if after >= last {
            return Ok(Vec::new());
        }
        tokio::time::timeout(DEADLINE, self.told(namespaces, after, last))
            .await
            .map_err(|_| format!("etcd has not told its history up to {last} within {} s", DEADLINE.as_secs()))?
    }

    async fn told(&self, namespaces: &[&str], after: u64, last: u64) -> Result<Vec<Revision>, String> {
        // Everything, so that the last version is among it.
        let question = json!({"create_request": {
            "key": bytes("\0"), "range_end": bytes("\0"), "start_revision": (after + 1).to_string(),
        }});
        let answer = self.client.post(format!("{}/v3/watch", self.address)).json(&question);
        let mut chunks = answer.send().await.map_err(failed)?.bytes_stream();
        let (mut text, mut revisions) = (Vec::new(), Vec::new());
        while let Some(chunk) = chunks.next().await {
            text.extend_from_slice(&chunk.map_err(failed)?);
            while let Some(end) = text.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = text.drain(..=end).collect();
                let message: Value =
                    serde_json::from_slice(&line).map_err(|error| format!("etcd says what is no JSON: {error}"))?;
                let cancelled = message.pointer("/result/cancel_reason").filter(|reason| *reason != "");
                if let Some(error) = message.get("error").or(cancelled) {
                    return Err(format!("etcd does not tell its history: {error}"));
                }
                for event in message.pointer("/result/events").and_then(Value::as_array).into_iter().flatten() {
                    let number = number(event, "/kv/mod_revision").unwrap_or_default();
                    if number > last {
                        return Ok(revisions);
                    }
                    revisions.extend(revision(event, number, namespaces)?);
                    if number == last {
                        // A version changes one object; what is left of the message comes later.
                        return Ok(revisions);
                    }
                }
            }
        }
        Err("etcd ended in the middle of its history".to_owned())
    }
}

/// A version of an object that matters.
fn revision(event: &Value, number: u64, namespaces: &[&str]) -> Result<Option<Revision>, String> {
    let path = String::from_utf8(unbyte(event.pointer("/kv/key"))?).map_err(|_| "a key is no text")?;
    let found = KINDS.iter().find_map(|(prefix, group, plural)| {
        let (namespace, name) = path.strip_prefix(prefix)?.split_once('/')?;
        let (group, plural) = ((*group).to_owned(), (*plural).to_owned());
        Some(Key { group, plural, namespace: namespace.to_owned(), name: name.to_owned() })
    });
    let Some(key) = found.filter(|key| namespaces.contains(&key.namespace.as_str())) else { return Ok(None) };
    let object = if event.get("type").and_then(Value::as_str) == Some("DELETE") {
        None
    } else {
        let object = unbyte(event.pointer("/kv/value"))?;
        Some(serde_json::from_slice(&object).map_err(|error| format!("{key} in etcd is no JSON: {error}"))?)
    };
    Ok(Some(Revision { key, number, object }))
}

/// Numbers are texts here.
fn number(message: &Value, place: &str) -> Option<u64> {
    message.pointer(place)?.as_str()?.parse().ok()
}

fn bytes(text: &str) -> Value {
    serde_json::to_value(ByteString(text.as_bytes().to_vec())).unwrap_or_default()
}

fn unbyte(value: Option<&Value>) -> Result<Vec<u8>, String> {
    let decoded = serde_json::from_value::<ByteString>(value.cloned().unwrap_or_default());
    decoded.map(|bytes| bytes.0).map_err(|error| format!("etcd says what is not base64: {error}"))
}

fn failed(error: reqwest::Error) -> String {
    format!("etcd does not answer: {error}")
}
