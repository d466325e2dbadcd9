//! A proxy in front of the API server that can make trouble, and an operator of our own behind it.

use std::{
    path::Path,
    process::Stdio,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{
    Json, Router,
    body::{Body, to_bytes},
    extract::{Request, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use e2e::process::companion;
use kube::Client;
use serde_json::json;
use tokio::{net::TcpListener, process::Child, task::AbortHandle};

use crate::{bench::Bench, replica};

/// Bytes of a request that are passed on at most.
const MOST_BYTES: usize = 4 * 1024 * 1024;

/// What the proxy answers itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Trouble {
    /// Nothing.
    #[default]
    None,
    /// 409 to the next PATCH of an object of this resource.
    ConflictOnce(&'static str),
    /// 429 to everything.
    TooManyRequests,
}

/// The proxy and the operator, until this is dropped.
pub struct Proxied {
    trouble: Arc<Mutex<Trouble>>,
    server: AbortHandle,
    _operator: Child,
}

impl Drop for Proxied {
    fn drop(&mut self) {
        self.server.abort();
    }
}

#[derive(Clone)]
struct Front {
    client: Client,
    trouble: Arc<Mutex<Trouble>>,
}

impl Proxied {
    /// Starts both, in place of the chart's operator, which comes back at the end of the section. This one serves one
    /// namespace, has its Lease there, and all rights.
    ///
    /// # Errors
    /// When one of them does not start.
    pub async fn start(bench: &Bench, namespace: &str) -> Result<Self, String> {
        replica::scale(bench, 0).await?;
        let failed = |error: std::io::Error| format!("the proxy does not start: {error}");
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(failed)?;
        let server = format!("http://{}", listener.local_addr().map_err(failed)?);
        let trouble = Arc::new(Mutex::new(Trouble::None));
        let front = Front { client: bench.client.clone(), trouble: trouble.clone() };
        let router = Router::new().fallback(pass).with_state(front);
        let server_task = tokio::spawn(async move { _ = axum::serve(listener, router).await }).abort_handle();
        let kubeconfig = Path::new("target/bench.kubeconfig");
        let text = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "proxy", "cluster": {"server": server}}],
            "contexts": [{"name": "proxy", "context": {"cluster": "proxy", "user": "nobody"}}],
            "users": [{"name": "nobody", "user": {}}],
            "current-context": "proxy",
        });
        std::fs::write(kubeconfig, text.to_string()).map_err(failed)?;
        let log = std::fs::File::create("target/bench-operator.log").map_err(failed)?;
        let operator = companion(&bench.operator)
            .env("KUBECONFIG", kubeconfig)
            .args(["--namespaces", namespace, "--pod-namespace", namespace, "--pod-name", "proxied"])
            .args(["--listen", "127.0.0.1:0"])
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .map_err(|error| format!("cannot start the operator {}: {error}", bench.operator))?;
        Ok(Self { trouble, server: server_task, _operator: operator })
    }

    /// Makes this trouble from now on.
    pub fn make(&self, trouble: Trouble) {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = trouble;
    }

    /// The trouble that is left to make.
    #[must_use]
    pub fn trouble(&self) -> Trouble {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes this trouble for a while.
    pub async fn make_for(&self, trouble: Trouble, time: Duration) {
        self.make(trouble);
        tokio::time::sleep(time).await;
        self.make(Trouble::None);
    }
}

impl Front {
    /// The answer that is made here, if any.
    fn answer(&self, request: &Request) -> Option<Response> {
        let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        match *trouble {
            Trouble::ConflictOnce(resource)
                if request.method() == "PATCH" && request.uri().path().contains(&format!("/{resource}/")) =>
            {
                *trouble = Trouble::None;
                Some(refusal(StatusCode::CONFLICT, "Conflict"))
            }
            Trouble::TooManyRequests => {
                let mut answer = refusal(StatusCode::TOO_MANY_REQUESTS, "TooManyRequests");
                answer.headers_mut().insert("retry-after", http::HeaderValue::from_static("1"));
                Some(answer)
            }
            Trouble::None | Trouble::ConflictOnce(_) => None,
        }
    }
}

fn refusal(status: StatusCode, reason: &str) -> Response {
    let body = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": "made by the benchmark", "reason": reason, "code": status.as_u16(),
    });
    (status, Json(body)).into_response()
}

async fn pass(State(front): State<Front>, request: Request) -> Response {
    if let Some(answer) = front.answer(&request) {
        return answer;
    }
    let (mut parts, body) = request.into_parts();
    for header in ["host", "authorization", "connection"] {
        parts.headers.remove(header);
    }
    let Ok(body) = to_bytes(body, MOST_BYTES).await else { return StatusCode::PAYLOAD_TOO_LARGE.into_response() };
    match front.client.send(http::Request::from_parts(parts, body.to_vec().into())).await {
        Ok(answer) => answer.map(Body::new),
        Err(error) => (StatusCode::BAD_GATEWAY, error.to_string()).into_response(),
    }
}
