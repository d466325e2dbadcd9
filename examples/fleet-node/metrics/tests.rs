use super::*;

#[test]
fn every_series_is_there_before_the_first_request() {
    let metrics = Metrics::new();
    metrics
        .runs(&Settings::read("", "network.pool.enabled = true\nnetwork.pool.max = 100\nrevision = \"7\"\n").unwrap());
    let text = metrics.text();
    for line in [
        "requests_total 0",
        "errors_total 0",
        "config_errors_total 0",
        "request_duration_seconds_count 0",
        "optimization_enabled{optimization=\"connection_pooling\",revision=\"7\"} 1",
        "optimization_enabled{optimization=\"dns_cache\",revision=\"7\"} 0",
        "optimization_enabled{optimization=\"memory_pooling\",revision=\"7\"} 0",
        "pool_size 100",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is missing in\n{text}");
    }
}

#[test]
fn failed_requests_count_as_requests_too() {
    let metrics = Metrics::new();
    metrics.answered(true, Duration::from_millis(2));
    metrics.answered(false, Duration::from_millis(3));
    let text = metrics.text();
    assert!(text.contains("\nrequests_total 2\n") && text.contains("\nerrors_total 1\n"), "{text}");
}

#[test]
fn latency_is_known_to_nine_percent_from_a_millisecond_to_two_seconds() {
    let buckets: Vec<f64> = buckets().collect();
    assert!(buckets[0] <= 0.001 && *buckets.last().unwrap() >= 2.0);
    assert!(buckets.windows(2).all(|pair| pair[1] / pair[0] <= 1.0901));
}

#[test]
fn memory_is_reported() {
    assert!(resident_memory().unwrap() > 100_000);
}

#[test]
fn only_the_latest_revision_is_reported() {
    let metrics = Metrics::new();
    for revision in ["1", "2"] {
        metrics.runs(&Settings { revision: revision.to_owned(), ..Settings::default() });
    }
    let text = metrics.text();
    assert!(text.contains("revision=\"2\"") && !text.contains("revision=\"1\""), "{text}");
}
