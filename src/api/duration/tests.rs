use super::Duration;

#[test]
fn durations_are_written_as_they_are_read() {
    for text in ["0s", "30s", "1h30m", "500ms", "24h", "1m1s1ms"] {
        assert_eq!(text.parse::<Duration>().unwrap().to_string(), text);
    }
}

#[test]
fn a_negative_or_unitless_duration_is_refused_with_a_sentence() {
    assert!("-5s".parse::<Duration>().unwrap_err().contains("negative"));
    assert!("5".parse::<Duration>().unwrap_err().contains("30s"));
}
