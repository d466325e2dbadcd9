//! Asking the replica of the operator that leads, through the API server.

use std::time::Duration;

use api::names::LEASE;
use domain::preview::Preview;
use http::{HeaderValue, Request, StatusCode, header};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use k8s_openapi::api::{coordination::v1::Lease, core::v1::Pod};
use kube::Api;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::connection::Cluster;

/// The container port of `/plan`.
const PORT: u16 = 8080;
/// The answer is there by then.
const DEADLINE: Duration = Duration::from_secs(10);
/// A plan for ten thousand members is far smaller.
const LARGEST: usize = 64 * 1024 * 1024;

/// Why there is no plan of the operator's.
#[derive(Debug, PartialEq, Eq)]
pub enum Unanswered {
    /// It was asked, and says no for a reason that holds anywhere.
    Refused(String),
    /// It could not be asked.
    Unreachable(String),
}

/// The plan of the replica that leads.
pub async fn ask(cluster: &Cluster, operator: &str, name: &str) -> Result<Preview, Unanswered> {
    let unreachable = Unanswered::Unreachable;
    let token = cluster.token().await.map_err(unreachable)?;
    let token = token.ok_or_else(|| {
        let why = "the operator lets in by token, and your kubeconfig has none (client certificates do not reach it)";
        Unanswered::Unreachable(why.to_owned())
    })?;
    let asked = async {
        let pod = leader(cluster, operator).await.map_err(unreachable)?;
        let pods: Api<Pod> = Api::namespaced(cluster.client(), operator);
        let mut forwarder = pods
            .portforward(&pod, &[PORT])
            .await
            .map_err(|error| unreachable(format!("pod {pod} cannot be reached: {}", cluster.why(&error))))?;
        let stream = forwarder
            .take_stream(PORT)
            .ok_or_else(|| unreachable(format!("pod {pod} cannot be reached: the forwarded port is closed")))?;
        let path = format!("/plan/{}/{name}", cluster.namespace);
        let (code, body) = get(stream, &path, token)
            .await
            .map_err(|error| unreachable(format!("pod {pod} does not answer: {error}")))?;
        read(code, &body)
    };
    let late = || unreachable(format!("the operator does not answer within {} s", DEADLINE.as_secs()));
    tokio::time::timeout(DEADLINE, asked).await.unwrap_or_else(|_| Err(late()))
}

/// The pod that holds the Lease.
async fn leader(cluster: &Cluster, operator: &str) -> Result<String, String> {
    let leases: Api<Lease> = Api::namespaced(cluster.client(), operator);
    let elsewhere = "is it running, and is --operator-namespace right?";
    let lease = leases.get_opt(LEASE).await.map_err(|error| match &error {
        kube::Error::Api(status) if status.code == 403 => {
            format!("you may not read the operator's Lease in namespace {operator}")
        }
        error => cluster.why(error),
    })?;
    let lease = lease.ok_or_else(|| format!("there is no operator in namespace {operator}: {elsewhere}"))?;
    let spec = lease.spec.unwrap_or_default();
    let holder = spec.holder_identity.filter(|holder| !holder.is_empty());
    let renewed = spec.renew_time.map(|renewed| jiff::Timestamp::now().duration_since(renewed.0).as_secs());
    match (holder, renewed) {
        // Clocks differ by seconds; a dead operator is silent for long.
        (Some(_), Some(age)) if age > STALE => {
            Err(format!("no replica of the operator in namespace {operator} has led for {age} s: {elsewhere}"))
        }
        (Some(holder), _) => Ok(holder),
        (None, _) => Err(format!("no replica of the operator in namespace {operator} leads: {elsewhere}")),
    }
}

/// Seconds after which a Lease that nobody renews has no holder.
const STALE: i64 = 30;

/// One request over a stream.
async fn get(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    path: &str,
    token: HeaderValue,
) -> Result<(StatusCode, Bytes), String> {
    let said = |error: hyper::Error| error.to_string();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(said)?;
    let connection = tokio::spawn(connection);
    let request = Request::get(path)
        .header(header::HOST, "operator")
        .header(header::AUTHORIZATION, token)
        .body(Empty::<Bytes>::new())
        .map_err(|error| error.to_string())?;
    let answer = sender.send_request(request).await.map_err(said)?;
    let code = answer.status();
    let body = Limited::new(answer.into_body(), LARGEST).collect().await.map_err(|error| error.to_string())?;
    connection.abort();
    Ok((code, body.to_bytes()))
}

/// The plan, or the operator's own sentence.
fn read(code: StatusCode, body: &[u8]) -> Result<Preview, Unanswered> {
    let sentence = || String::from_utf8_lossy(body).trim().chars().take(1000).collect::<String>();
    match code {
        StatusCode::OK => serde_json::from_slice(body).map_err(|error| {
            Unanswered::Unreachable(format!("its plan cannot be read ({error}); use the version of the operator"))
        }),
        StatusCode::NOT_FOUND if body.is_empty() => {
            Err(Unanswered::Unreachable("this version of the operator answers no plans; upgrade it".to_owned()))
        }
        StatusCode::FORBIDDEN | StatusCode::NOT_FOUND | StatusCode::UNPROCESSABLE_ENTITY => {
            Err(Unanswered::Refused(sentence()))
        }
        _ => Err(Unanswered::Unreachable(format!("the operator says: {}", sentence()))),
    }
}

#[cfg(test)]
mod tests;
