use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use rstest::rstest;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use super::*;

/// What an endpoint answers, and goes on to say until the other side has enough.
#[derive(Clone)]
struct Answer {
    head: &'static str,
    body: String,
    goes_on: bool,
}

const OK: &str = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n";

/// An endpoint with this answer; counts who asks.
async fn endpoint(answer: Answer) -> (Target, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = asked.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(speak(stream, answer.clone()));
        }
    });
    let target = Target {
        member: "node-0".to_owned(),
        name: "node-0".to_owned(),
        pod: "uid".to_owned(),
        ip: "127.0.0.1".to_owned(),
        port,
        measured: true,
    };
    (target, asked)
}

async fn speak(mut stream: TcpStream, answer: Answer) {
    let mut request = [0; 1024];
    let _ = stream.read(&mut request).await;
    let mut alive = stream.write_all(answer.head.as_bytes()).await.is_ok();
    loop {
        alive = alive && stream.write_all(answer.body.as_bytes()).await.is_ok();
        if !answer.goes_on || !alive {
            return;
        }
        // An empty body that goes on is a connection that says nothing more.
        tokio::time::sleep(Duration::from_millis(u64::from(answer.body.is_empty()) * 20)).await;
    }
}

async fn scrape(target: &Target) -> Result<Vec<Series>, String> {
    rustls_provider();
    PodScraper::new().unwrap().scrape(target, "/metrics", &["requests_total".to_owned()]).await
}

/// The client wants a provider even for plain HTTP.
fn rustls_provider() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}

#[tokio::test]
async fn only_the_wanted_metrics_are_read() {
    let body = "# TYPE requests_total counter\nrequests_total{code=\"200\"} 5\nother_total 7\n".to_owned();
    let (target, _) = endpoint(Answer { head: OK, body, goes_on: false }).await;
    let series = scrape(&target).await.unwrap();
    assert_eq!(series.len(), 1);
    assert_eq!((series[0].label("code"), series[0].value), (Some("200"), 5.0));
}

#[rstest]
#[case::refuses("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n", String::new(), false, "503")]
#[case::points_elsewhere(
    "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
    String::new(),
    false,
    "302"
)]
#[case::never_begins("", String::new(), true, "does not answer")]
#[case::never_ends(OK, format!("# {}\n", "x".repeat(60_000)).repeat(30), true, "more than 8388608 bytes")]
#[case::never_ends_a_line(OK, "requests_total 1".repeat(100_000), true, "do not parse")]
#[case::says_what_is_no_text(OK, "requests_total{a=\"\u{e9}".to_owned(), false, "do not parse")]
#[case::stops_halfway(OK, String::new(), true, "does not answer")]
#[case::says_what_is_no_metric(OK, "<html>\n".to_owned(), false, "do not parse")]
#[case::says_what_is_no_http("SSH-2.0-x\r\n", String::new(), false, "does not answer")]
#[tokio::test]
async fn an_endpoint_that_does_not_answer_in_full_is_told_in_a_sentence_and_in_time(
    #[case] head: &'static str,
    #[case] body: String,
    #[case] goes_on: bool,
    #[case] words: &str,
) {
    let (target, asked) = endpoint(Answer { head, body, goes_on }).await;
    let began = Instant::now();
    let error = scrape(&target).await.unwrap_err();
    assert!(error.contains(words) && error.contains("node-0"), "{error}");
    assert!(began.elapsed() < 10 * DEADLINE, "{:?}", began.elapsed());
    assert_eq!(asked.load(Ordering::SeqCst), 1, "nobody is asked twice, or elsewhere");
}

#[tokio::test]
async fn a_page_that_comes_in_many_parts_is_read_to_the_end_of_its_last_line() {
    let lines: Vec<String> = (0..20_000).map(|number| format!("requests_total{{code=\"{number}\"}} 1")).collect();
    let (target, _) = endpoint(Answer { head: OK, body: lines.join("\n"), goes_on: false }).await;
    let series = scrape(&target).await.unwrap();
    let codes: Vec<u32> = series.iter().filter_map(|series| series.label("code")?.parse().ok()).collect();
    assert_eq!(codes, (0..20_000).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_pod_without_a_valid_address_is_not_asked() {
    let target = Target {
        member: "node-0".to_owned(),
        name: "node-0".to_owned(),
        pod: "uid".to_owned(),
        ip: "metadata.internal".to_owned(),
        port: 80,
        measured: true,
    };
    assert_eq!(scrape(&target).await.unwrap_err(), "node-0 has no valid address");
}
