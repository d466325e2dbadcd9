use super::Scalar;

#[test]
fn a_number_is_the_one_that_was_written_to_its_last_digit() {
    // A parser that is a bit too quick makes ...096 of it.
    let written = "976.6981534865097";
    let read: Scalar = serde_json::from_str(written).unwrap();
    assert_eq!(serde_json::to_string(&read).unwrap(), written);
}
