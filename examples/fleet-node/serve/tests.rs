use super::*;

fn member(overlay: &str, faults: Faults) -> Arc<Member> {
    let (_, running) = watch::channel(Running::new(Settings::read("", overlay).unwrap()));
    Arc::new(Member {
        name: "node-0".to_owned(),
        running,
        faults: Mutex::new(faults),
        metrics: Arc::new(Metrics::new()),
        buffers: Mutex::default(),
        requests: AtomicU64::new(0),
    })
}

async fn failures(member: &Arc<Member>, of: usize) -> usize {
    let mut failed = 0;
    for _ in 0..of {
        let answer = answer(State(member.clone())).await.into_response();
        failed += usize::from(answer.status() == StatusCode::INTERNAL_SERVER_ERROR);
    }
    failed
}

#[tokio::test(start_paused = true)]
async fn the_share_of_failures_is_what_was_asked_for() {
    let faults = Faults { errors: 25, ..Faults::default() };
    assert_eq!(failures(&member("dns.cache.enabled = true\n", faults.clone()), 200).await, 50);
    assert_eq!(failures(&member("", faults), 200).await, 0);
}

#[tokio::test(start_paused = true)]
async fn an_optimization_makes_requests_faster() {
    let time = async |overlay: &str| {
        let began = Instant::now();
        failures(&member(overlay, Faults::default()), 1).await;
        began.elapsed()
    };
    let plain = time("").await;
    assert!(time("network.pool.enabled = true\n").await < plain);
    assert!(time("dns.cache.enabled = true\n").await < plain);
}

#[tokio::test]
async fn a_silent_member_answers_no_scrape() {
    let faults = Faults { silence: true, ..Faults::default() };
    let status = async |overlay: &str| report(State(member(overlay, faults.clone()))).await.into_response().status();
    assert_eq!(status("").await, StatusCode::OK);
    assert_eq!(status("dns.cache.enabled = true\n").await, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn faults_can_be_changed_while_the_member_runs() {
    let member = member("dns.cache.enabled = true\n", Faults::default());
    assert_eq!(health(State(member.clone())).await, StatusCode::OK);
    told(State(member.clone()), Json(serde_json::from_str(r#"{"unready": true}"#).unwrap())).await;
    assert_eq!(health(State(member)).await, StatusCode::SERVICE_UNAVAILABLE);
}
