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
    assert!("".parse::<Duration>().unwrap_err().contains("30s"));
}

#[test]
fn a_duration_beyond_all_measure_is_refused_with_a_sentence() {
    for text in ["99999999999999999999999h", "1h99999999999999999999999s", "0.00000000001s"] {
        assert!(text.parse::<Duration>().unwrap_err().contains("30s"), "{text}");
    }
    assert_eq!("999999999h".parse::<Duration>().unwrap().get().as_secs(), 999_999_999 * 3600);
}

#[test]
fn what_is_shorter_than_a_millisecond_is_left_out() {
    for (text, read) in [("1ns", "0s"), ("1.5ms", "1ms"), ("2s999us", "2s")] {
        assert_eq!(text.parse::<Duration>().unwrap().to_string(), read);
    }
}
