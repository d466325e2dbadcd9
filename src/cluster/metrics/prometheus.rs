//! A Connection as a source: Prometheus' HTTP API, asked for raw samples, so that growth, windows and verdicts are the
//! same as over the members' own endpoints.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use api::{ConnectionSpec, reason::Reason};
use domain::{
    analysis::{Scrape, query::expression_name},
    needs::{Connection, Source},
    observation::Problem,
    series::Series,
};
use futures::{StreamExt, future::BoxFuture};
use jiff::Timestamp;
use reqwest::{
    Certificate, Client, Response, StatusCode, Url,
    header::{AUTHORIZATION, CONTENT_TYPE, DATE, HeaderValue},
};

use super::{Answer, MetricsSource, Question};
use answer::Row;
use found::Found;
use resolver::{Guarded, Lookup};
use secret::Tokens;

pub mod address;
pub mod answer;
mod found;
pub mod resolver;
pub mod secret;
pub mod text;

/// Bytes of one answer that are read at most: 200 members with a few hundred series each.
const MOST_BYTES: usize = 32 * 1024 * 1024;
/// Bytes of an answer that says no.
const MOST_ERROR_BYTES: usize = 64 * 1024;
/// How far the server's clock may be ahead of ours: its samples look newer than they are by so much.
const MOST_AHEAD: Duration = Duration::from_secs(2);
/// How long an idle connection is kept.
const IDLE: Duration = Duration::from_secs(30);

/// Asks the servers that Connections name.
pub struct Prometheus {
    tokens: Tokens,
    lookup: Arc<dyn Lookup>,
    clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    clients: Mutex<HashMap<String, Known>>,
}

/// What was made of a Connection; made anew when it changes.
#[derive(Clone)]
struct Known {
    spec: ConnectionSpec,
    server: Server,
}

/// A server that may be asked.
#[derive(Clone)]
struct Server {
    client: Client,
    url: Url,
}

impl Prometheus {
    /// Reads tokens from Secrets of `namespace`.
    #[must_use]
    pub fn new(
        client: kube::Client,
        namespace: &str,
        lookup: Arc<dyn Lookup>,
        clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    ) -> Self {
        Self { tokens: Tokens::new(client, namespace), lookup, clock, clients: Mutex::default() }
    }

    fn server(&self, name: &str, spec: &ConnectionSpec) -> Result<Server, Problem> {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = clients.get(name).filter(|known| known.spec == *spec) {
            return Ok(known.server.clone());
        }
        let server = self.connect(spec).map_err(|what| refused(name, &what))?;
        clients.insert(name.to_owned(), Known { spec: spec.clone(), server: server.clone() });
        Ok(server)
    }

    fn connect(&self, spec: &ConnectionSpec) -> Result<Server, String> {
        let url = address::url(spec)?;
        let allowed = address::allowed(spec)?;
        if let Some((address, what)) =
            address::literal(&url).and_then(|address| Some((address, address::refusal(address, &allowed)?)))
        {
            return Err(resolver::refusal(&address.to_string(), what));
        }
        let certificates = match &spec.ca {
            Some(ca) => Certificate::from_pem_bundle(ca.as_bytes()).map_err(|_| "ca holds no certificates in PEM")?,
            None => Vec::new(),
        };
        let client = Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .tls_certs_only(certificates)
            .dns_resolver(Arc::new(Guarded::new(self.lookup.clone(), allowed)))
            .connect_timeout(spec.timeout.get())
            .timeout(spec.timeout.get())
            .pool_idle_timeout(IDLE)
            .user_agent("optimization-operator")
            .build()
            .map_err(|_| "its HTTP client cannot be made".to_owned())?;
        Ok(Server { client, url })
    }

    /// The series that a query returns, or why there are none, as what follows the Connection's name.
    async fn query(&self, connection: &Connection, spec: &ConnectionSpec, query: &str) -> Result<Vec<Row>, String> {
        let server = self.server(&connection.name, spec).map_err(|problem| problem.message)?;
        let fails = |what: String| format!("Connection {} {what}", connection.name);
        let token = match &spec.secret {
            Some(secret) => Some(self.tokens.get(&connection.name, secret).await.map_err(|problem| problem.message)?),
            None => None,
        };
        let answer = server.ask(query, token).await.map_err(|error| fails(cause(&error, spec)))?;
        let status = answer.status();
        if status != StatusCode::OK {
            if matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
                self.tokens.forget(spec.secret.as_ref());
            }
            let body = body(answer, MOST_ERROR_BYTES).await.unwrap_or_default();
            let known = answer::error(&body).map_or_else(String::new, |error| format!(" ({error})"));
            return Err(fails(format!("answers {status}{known}")));
        }
        if let Some(ahead) = ahead(&answer, (self.clock)()) {
            return Err(fails(format!("has a clock that is {} s ahead of the operator's", ahead.as_secs())));
        }
        let body = body(answer, MOST_BYTES).await.map_err(|unread| match unread {
            Unread::TooLong => {
                fails(format!("answers with more than {MOST_BYTES} bytes; a shorter staleAfter makes it less"))
            }
            Unread::Failed(error) => fails(cause(&error, spec)),
        })?;
        answer::read(&body).map_err(|unusable| fails(unusable.to_string()))
    }

    /// The series of each target, and why queries of the user's were not answered, by query.
    async fn read(
        &self,
        connection: &Connection,
        question: &Question<'_>,
    ) -> Result<(Vec<Vec<Series>>, BTreeMap<String, String>), String> {
        let spec = connection.spec.as_ref().map_err(Clone::clone)?;
        let mut names = question.wanted.to_vec();
        names.sort_unstable();
        names.dedup();
        let range = spec.stale_after.get();
        let samples = async {
            if names.is_empty() || question.targets.is_empty() {
                return Ok::<_, String>(Vec::new());
            }
            let queries = text::samples(&names, &spec.labels, &connection.namespace, question.targets, range);
            let answers = queries.iter().map(|query| self.query(connection, spec, query));
            Ok(futures::future::try_join_all(answers).await?.concat())
        };
        let own = futures::future::join_all(
            question.expressions.iter().map(|expression| self.query(connection, spec, expression)),
        );
        let (samples, own) = futures::future::join(samples, own).await;
        let mut found = Found::new(connection, spec, question.targets);
        for row in samples? {
            found.sample(row);
        }
        let mut refused = BTreeMap::new();
        for (expression, answer) in question.expressions.iter().zip(own) {
            match answer {
                Ok(rows) => rows.into_iter().for_each(|row| found.result(&expression_name(expression), row)),
                Err(trouble) => {
                    refused.insert(expression.clone(), trouble);
                }
            }
        }
        match refused.first_key_value() {
            // Nothing at all was answered.
            Some((_, trouble)) if names.is_empty() && refused.len() == question.expressions.len() => {
                Err(trouble.clone())
            }
            _ => Ok((found.series, refused)),
        }
    }
}

impl MetricsSource for Prometheus {
    fn look<'a>(&'a self, question: Question<'a>) -> BoxFuture<'a, Answer> {
        let Source::Connection(connection) = question.source else {
            return Box::pin(std::future::ready(Answer::default()));
        };
        Box::pin(async move {
            let (series, trouble, refused) = match self.read(connection, &question).await {
                Ok((series, refused)) => (series.into_iter().map(Some).collect(), None, refused),
                Err(trouble) => (vec![None; question.targets.len()], Some(trouble), BTreeMap::new()),
            };
            let scrapes = question
                .targets
                .iter()
                .zip(series)
                .map(|(target, series)| Scrape { member: target.member.clone(), pod: target.pod.clone(), series })
                .collect();
            Answer { scrapes, trouble, refused }
        })
    }

    fn check<'a>(&'a self, connection: &'a Connection) -> BoxFuture<'a, Option<Problem>> {
        Box::pin(async move {
            let spec = connection.spec.as_ref().ok()?;
            let server = match self.server(&connection.name, spec) {
                Ok(server) => server,
                Err(problem) => return Some(problem),
            };
            let allowed = address::allowed(spec).unwrap_or_default();
            if let (None, Some(host)) = (address::literal(&server.url), server.url.host_str()) {
                // A name that cannot be resolved now is an outage, and no refusal.
                let addresses = self.lookup.addresses(host).await.unwrap_or_default();
                if let Some(what) = addresses.into_iter().find_map(|address| address::refusal(address, &allowed)) {
                    return Some(refused(&connection.name, &resolver::refusal(host, what)));
                }
            }
            let secret = spec.secret.as_ref()?;
            self.tokens.get(&connection.name, secret).await.err()
        })
    }
}

impl Server {
    async fn ask(&self, query: &str, token: Option<HeaderValue>) -> reqwest::Result<Response> {
        let mut url = self.url.clone();
        url.query_pairs_mut().append_pair("query", query);
        let form = url.query().unwrap_or_default().to_owned();
        url.set_query(None);
        url.set_path(&format!("{}/api/v1/query", url.path().trim_end_matches('/')));
        let request = self.client.post(url).header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(form);
        let request = match token {
            Some(token) => request.header(AUTHORIZATION, token),
            None => request,
        };
        request.send().await
    }
}

enum Unread {
    TooLong,
    Failed(reqwest::Error),
}

async fn body(answer: Response, most: usize) -> Result<Vec<u8>, Unread> {
    let mut body = Vec::new();
    let mut chunks = answer.bytes_stream();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(Unread::Failed)?;
        if body.len() + chunk.len() > most {
            return Err(Unread::TooLong);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// How far the server's clock is ahead, when that is too far.
fn ahead(answer: &Response, now: Timestamp) -> Option<Duration> {
    let date = answer.headers().get(DATE)?.to_str().ok()?;
    let date = jiff::fmt::rfc2822::parse(date).ok()?.timestamp();
    Duration::try_from(date.duration_since(now)).ok().filter(|ahead| *ahead > MOST_AHEAD)
}

/// Why a request failed, without anything that the server said.
fn cause(error: &reqwest::Error, spec: &ConnectionSpec) -> String {
    let mut source: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(inner) = source {
        if let Some(refused) = inner.downcast_ref::<resolver::Failure>() {
            return refused.to_string();
        }
        source = inner.source();
    }
    if error.is_timeout() {
        format!("does not answer within {}", spec.timeout)
    } else if error.is_connect() {
        "cannot be reached: the connection is refused, or its certificate is not signed by ca".to_owned()
    } else {
        "breaks off its answer".to_owned()
    }
}

fn refused(name: &str, what: &str) -> Problem {
    Problem::new(Reason::AddressRefused, format!("Connection {name} cannot be used: {what}"))
}

#[cfg(test)]
mod tests;
