use jiff::Timestamp;
use rstest::rstest;

use super::*;

#[test]
fn a_mark_is_read_back_as_written() {
    let cause = Cause::new(Reason::Catastrophe, "errors: 50%", Timestamp::UNIX_EPOCH);
    let mark = Mark { run: "plan-1".to_owned(), cause };
    assert_eq!(Mark::parse(Some("plan-1"), Some(&mark.cause_text())), Some(mark));
}

#[rstest]
#[case::without_a_reason(None)]
#[case::with_one_that_nobody_can_read(Some("because"))]
fn a_mark_without_a_readable_reason_is_still_a_mark(#[case] text: Option<&str>) {
    let mark = Mark::parse(Some("plan-1"), text).unwrap();
    assert_eq!((mark.run.as_str(), mark.cause.reason), ("plan-1", Reason::AbortRequested));
    assert_eq!(Mark::parse(None, text), None);
}

#[test]
fn a_long_reason_is_cut_at_a_character() {
    let cause = Cause::new(Reason::Catastrophe, &"ä".repeat(600), Timestamp::UNIX_EPOCH);
    assert_eq!(cause.message, "ä".repeat(256));
}

#[test]
fn a_reason_of_several_lines_becomes_one() {
    let cause = Cause::new(Reason::AbortRequested, "ticket 42\r\n\tsee \u{7}there", Timestamp::UNIX_EPOCH);
    assert_eq!(cause.message, "ticket 42   see  there");
}
