use super::Threshold;

#[test]
fn units_are_turned_into_base_units() {
    let table = [("1%", 0.01), ("250ms", 0.25), ("2s", 2.0), ("512Mi", 536_870_912.0), ("0.5", 0.5), ("3k", 3000.0)];
    for (text, value) in table {
        let threshold: Threshold = text.parse().unwrap();
        assert!((threshold.value() - value).abs() < 1e-9 * value.max(1.0), "{text}");
        assert_eq!(threshold.to_string(), text);
    }
}

#[test]
fn what_is_no_number_is_refused_with_a_sentence() {
    for text in ["", "%", "-1", "1e5", "NaN", "inf", "1 %", "10percent"] {
        assert!(text.parse::<Threshold>().unwrap_err().contains("write it as"), "{text}");
    }
}

#[rstest::rstest]
#[case("1%", 0.0042, "0.42%")]
#[case("250ms", 0.3, "300ms")]
#[case("512Mi", 1_048_576.0, "1Mi")]
#[case("5", 100.0, "100")]
#[case("0.5", 0.123_456, "0.123")]
fn a_measured_value_is_written_in_the_unit_of_its_limit(#[case] limit: &str, #[case] value: f64, #[case] text: &str) {
    assert_eq!(limit.parse::<super::Threshold>().unwrap().write(value), text);
}
