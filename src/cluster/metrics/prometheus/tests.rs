use std::{
    net::IpAddr,
    sync::atomic::{AtomicUsize, Ordering},
};

use api::connection::{ConnectionType, SecretKey};
use domain::needs::Target;
use k8s_openapi::ByteString;
use rstest::rstest;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use super::{resolver::Failure, *};

const TOKEN: &str = "token-1234";
const EMPTY: &str = r#"{"status":"success","data":{"resultType":"matrix","result":[]}}"#;

/// Every name has this address.
struct Names(IpAddr);

impl Lookup for Names {
    fn addresses<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Vec<IpAddr>, Failure>> {
        Box::pin(std::future::ready(Ok(vec![self.0])))
    }
}

/// A server with one answer, and how often it was asked and with what.
struct Endpoint {
    port: u16,
    connections: Arc<AtomicUsize>,
    requests: Arc<Mutex<Vec<String>>>,
}

async fn endpoint(answer: String) -> Endpoint {
    endpoint_that(move |_| answer.clone()).await
}

/// A server whose answer depends on the request.
async fn endpoint_that(answers: impl Fn(&str) -> String + Send + Sync + 'static) -> Endpoint {
    let answers = Arc::new(answers);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (connections, requests) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(Vec::new())));
    let (counted, heard) = (connections.clone(), requests.clone());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::SeqCst);
            let (answers, heard) = (answers.clone(), heard.clone());
            tokio::spawn(async move {
                let mut request = vec![0; 65_536];
                let read = stream.read(&mut request).await.unwrap_or_default();
                let request = String::from_utf8_lossy(&request[..read]).into_owned();
                let answer = answers(&request);
                heard.lock().unwrap().push(request);
                let _ = stream.write_all(answer.as_bytes()).await;
                if answer.is_empty() {
                    std::future::pending::<()>().await;
                }
            });
        }
    });
    Endpoint { port, connections, requests }
}

fn ok(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
}

/// A Kubernetes whose only object is a Secret with a token, or that answers with this status.
fn kubernetes(code: u16) -> kube::Client {
    let service = tower::service_fn(move |_: http::Request<kube::client::Body>| async move {
        let secret = k8s_openapi::api::core::v1::Secret {
            data: Some([("token".to_owned(), ByteString(TOKEN.as_bytes().to_vec()))].into()),
            ..Default::default()
        };
        let refusal = serde_json::json!({
            "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "message": TOKEN,
            "reason": if code == 404 { "NotFound" } else { "Forbidden" },
        });
        let body = if code == 200 { serde_json::to_vec(&secret) } else { serde_json::to_vec(&refusal) };
        let answer = http::Response::builder().status(code).body(kube::client::Body::from(body.unwrap()));
        Ok::<_, std::convert::Infallible>(answer.unwrap())
    });
    kube::Client::new(service, "default")
}

fn prometheus(names: &str, code: u16) -> Prometheus {
    let _ = rustls::crypto::ring::default_provider().install_default();
    Prometheus::new(kubernetes(code), "operator", Arc::new(Names(names.parse().unwrap())), Arc::new(Timestamp::now))
}

fn connection(url: String, allowed: &[&str], secret: bool) -> Connection {
    let spec = ConnectionSpec {
        kind: ConnectionType::Prometheus,
        url,
        allowed_namespaces: vec!["qudag".to_owned()],
        allow_addresses: allowed.iter().map(|network| (*network).to_owned()).collect(),
        ca: None,
        secret: secret.then(|| SecretKey { name: "prometheus".to_owned(), key: "token".to_owned() }),
        labels: Default::default(),
        stale_after: api::Duration::from_secs(60),
        timeout: api::Duration::from_millis(500),
    };
    Connection { name: "prometheus".to_owned(), namespace: "qudag".to_owned(), spec: Ok(spec) }
}

async fn look(prometheus: &Prometheus, connection: Connection, expressions: &[String]) -> Answer {
    look_for(prometheus, connection, &["requests_total".to_owned()], expressions).await
}

async fn look_for(
    prometheus: &Prometheus,
    connection: Connection,
    wanted: &[String],
    expressions: &[String],
) -> Answer {
    let source = Source::Connection(Box::new(connection));
    let target = |name: &str| Target {
        member: name.to_owned(),
        name: name.to_owned(),
        pod: format!("{name}-uid"),
        ip: String::new(),
        port: 0,
        measured: true,
    };
    let targets = [target("node-0"), target("node-1")];
    let question =
        Question { source: &source, targets: &targets, wanted, expressions, interval: Duration::from_secs(2) };
    prometheus.look(question).await
}

#[tokio::test]
async fn samples_reach_the_members_that_they_name_in_their_namespace_alone() {
    let row = |namespace: &str, pod: &str, value: &str| {
        format!(
            r#"{{"metric":{{"__name__":"requests_total","namespace":"{namespace}","pod":"{pod}"}},"values":[[1763978400.5,"{value}"]]}}"#
        )
    };
    let rows = [row("qudag", "node-0", "7"), row("other", "node-1", "9"), row("qudag", "node-9", "9")].join(",");
    let body = format!(r#"{{"status":"success","data":{{"resultType":"matrix","result":[{rows}]}}}}"#);
    let server = endpoint(ok(&body)).await;
    let connection = connection(format!("http://prometheus:{}/prefix/", server.port), &["127.0.0.0/8"], false);
    let answer = look(&prometheus("127.0.0.1", 200), connection, &[]).await;
    assert_eq!(answer.trouble, None);
    let found: Vec<Vec<f64>> = answer
        .scrapes
        .iter()
        .map(|scrape| scrape.series.iter().flatten().map(|series| series.value).collect())
        .collect();
    assert_eq!(found, [vec![7.0], vec![]]);
    let request = server.requests.lock().unwrap()[0].clone();
    assert!(request.starts_with("POST /prefix/api/v1/query HTTP/1.1"), "{request}");
    assert!(request.contains("%22node-0%7Cnode-1%22"), "{request}");
}

#[rstest]
#[case::unavailable(
    "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 63\r\n\r\n{\"status\":\"error\",\"errorType\":\"timeout\",\"error\":\"token-1234 xxx\"}",
    "answers 503 Service Unavailable"
)]
#[case::points_elsewhere(
    "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
    "answers 302 Found"
)]
#[case::no_json("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\ntoken-1234", "not of Prometheus' HTTP API")]
#[case::never("", "does not answer within 500ms")]
#[case::no_http("token-1234\r\n\r\n", "breaks off")]
#[case::stops_halfway("HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n{\"status\"", "breaks off")]
#[case::ahead("HTTP/1.1 200 OK\r\nDate: Fri, 01 Jan 2100 00:00:00 GMT\r\nContent-Length: 2\r\n\r\n{}", "ahead")]
#[tokio::test]
async fn an_outage_is_told_in_a_sentence_that_repeats_nothing(#[case] answer: &str, #[case] words: &str) {
    let server = endpoint(answer.to_owned()).await;
    let connection = connection(format!("http://prometheus:{}", server.port), &["127.0.0.0/8"], false);
    let answer = look(&prometheus("127.0.0.1", 200), connection, &[]).await;
    let trouble = answer.trouble.unwrap();
    assert!(trouble.contains(words) && trouble.contains("Connection prometheus"), "{trouble}");
    assert!(!trouble.contains(TOKEN), "{trouble}");
    assert!(answer.scrapes.len() == 2 && answer.scrapes.iter().all(|scrape| scrape.series.is_none()));
    assert_eq!(server.connections.load(Ordering::SeqCst), 1, "nobody is asked twice, or elsewhere");
}

#[rstest]
#[case::a_name_that_leads_to_loopback("prometheus", "127.0.0.1")]
#[case::a_name_that_leads_to_mapped_loopback("prometheus", "::ffff:127.0.0.1")]
#[case::a_name_that_leads_to_metadata("metadata.google.internal", "169.254.169.254")]
#[case::localhost("localhost", "127.0.0.1")]
#[case::localhost_with_a_dot("localhost.", "127.0.0.1")]
#[case::loopback("127.0.0.1", "127.0.0.1")]
#[case::short("127.1", "127.0.0.1")]
#[case::decimal("2130706433", "127.0.0.1")]
#[case::hexadecimal("0x7f000001", "127.0.0.1")]
#[case::octal("0177.0.0.1", "127.0.0.1")]
#[case::mapped("[::ffff:127.0.0.1]", "127.0.0.1")]
#[case::unspecified("0.0.0.0", "127.0.0.1")]
#[case::unspecified_by_a_zero("0", "127.0.0.1")]
#[case::a_user("prometheus@127.0.0.1", "127.0.0.1")]
#[tokio::test]
async fn nothing_goes_out_to_where_nobody_may_go(#[case] host: &str, #[case] leads_to: &str) {
    let server = endpoint(ok(EMPTY)).await;
    let connection = connection(format!("http://{host}:{}", server.port), &[], false);
    let prometheus = prometheus(leads_to, 200);
    let problem = prometheus.check(&connection).await.unwrap();
    assert_eq!(problem.reason, Reason::AddressRefused);
    let answer = look(&prometheus, connection, &["up".to_owned()]).await;
    let trouble = answer.trouble.unwrap();
    assert!(trouble.contains("cannot be used"), "{trouble}");
    assert_eq!(server.connections.load(Ordering::SeqCst), 0, "{trouble}");
}

#[rstest]
#[case::missing(404, "does not exist")]
#[case::forbidden(403, "connections.secrets")]
#[case::out_of_order(500, "cannot be read now")]
#[tokio::test]
async fn a_secret_that_cannot_be_read_is_a_problem_before_anything_starts(#[case] code: u16, #[case] words: &str) {
    let problem =
        prometheus("192.0.2.1", code).check(&connection("http://prometheus".to_owned(), &[], true)).await.unwrap();
    assert_eq!(problem.reason, Reason::SecretMissing);
    assert!(problem.message.contains(words) && !problem.message.contains(TOKEN), "{}", problem.message);
}

#[tokio::test]
async fn a_token_is_sent_and_shown_to_nobody() {
    let server =
        endpoint("HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_owned()).await;
    let connection = connection(format!("http://prometheus:{}", server.port), &["127.0.0.0/8"], true);
    let prometheus = prometheus("127.0.0.1", 200);
    assert_eq!(prometheus.check(&connection).await, None);
    let answer = look(&prometheus, connection, &[]).await;
    assert!(server.requests.lock().unwrap()[0].contains("Bearer token-1234"));
    assert!(!format!("{answer:?}").contains(TOKEN), "{answer:?}");
}

#[tokio::test]
async fn the_result_of_a_query_of_the_users_is_a_series_of_each_pod() {
    let body = r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{"pod":"node-1"},"value":[1763978400,"0.5"]},{"metric":{"pod":"node-0","namespace":"other"},"value":[1763978400,"0.5"]}]}}"#;
    let server = endpoint(ok(body)).await;
    let connection = connection(format!("http://prometheus:{}", server.port), &["127.0.0.0/8"], false);
    let query = "sum by (pod) (up)".to_owned();
    let answer = look(&prometheus("127.0.0.1", 200), connection, std::slice::from_ref(&query)).await;
    let found: Vec<usize> = answer.scrapes.iter().map(|scrape| scrape.series.iter().flatten().count()).collect();
    assert_eq!(found, [0, 1], "{answer:?}");
    assert_eq!(answer.scrapes[1].series.as_ref().unwrap()[0].name, expression_name(&query));
}

#[tokio::test]
async fn a_query_of_the_users_that_is_refused_takes_nothing_from_the_others() {
    let body = r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{"pod":"node-1"},"value":[1763978400,"0.5"]}]}}"#;
    let sample = r#"{"status":"success","data":{"resultType":"matrix","result":[{"metric":{"__name__":"requests_total","namespace":"qudag","pod":"node-1"},"values":[[1763978400,"9"]]}]}}"#;
    let server = endpoint_that(move |request| match request {
        _ if request.ends_with("query=bad") => {
            "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_owned()
        }
        _ if request.ends_with("query=good") => ok(body),
        _ => ok(sample),
    })
    .await;
    let connection = connection(format!("http://prometheus:{}", server.port), &["127.0.0.0/8"], false);
    let queries = ["bad".to_owned(), "good".to_owned()];
    let answer = look(&prometheus("127.0.0.1", 200), connection, &queries).await;
    assert_eq!(answer.trouble, None);
    let refused: Vec<(&str, &str)> = answer.refused.iter().map(|(query, why)| (query.as_str(), why.as_str())).collect();
    assert_eq!(refused, [("bad", "Connection prometheus answers 400 Bad Request")]);
    let found: Vec<&str> = answer.scrapes[1].series.iter().flatten().map(|series| series.name.as_str()).collect();
    assert_eq!(found, ["requests_total", "promql good"]);
}

#[tokio::test]
async fn a_server_that_answers_none_of_the_users_queries_is_an_outage_where_there_are_no_others() {
    let answer = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    let server = endpoint(answer.to_owned()).await;
    let connection = connection(format!("http://prometheus:{}", server.port), &["127.0.0.0/8"], false);
    let queries = ["up".to_owned(), "down".to_owned()];
    let answer = look_for(&prometheus("127.0.0.1", 200), connection, &[], &queries).await;
    assert_eq!(answer.trouble.as_deref(), Some("Connection prometheus answers 503 Service Unavailable"));
    assert!(answer.scrapes.iter().all(|scrape| scrape.series.is_none()));
}
