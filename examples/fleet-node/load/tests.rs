use rstest::rstest;

use super::*;

#[rstest]
#[case::ok("HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nnode-1", Some((true, "node-1")))]
#[case::failed("HTTP/1.1 500 Internal Server Error\r\n\r\nnode-1", Some((false, "node-1")))]
#[case::cut_off("HTTP/1.1 200 OK\r\n", None)]
#[case::nothing("", None)]
fn an_answer_says_who_gave_it(#[case] answer: &str, #[case] expected: Option<(bool, &str)>) {
    assert_eq!(read(answer), expected.map(|(ok, member)| (ok, member.to_owned())));
}

#[test]
fn requests_without_an_answer_are_lost_and_not_failed() {
    let mut report = Report::default();
    report.take(Some((true, "a".to_owned())), 5);
    report.take(Some((false, "a".to_owned())), 4);
    report.take(Some((false, "b".to_owned())), 3);
    report.take(None, 6);
    assert_eq!((report.requests, report.failed, report.lost), (4, 2, 1));
    assert_eq!((report.first_failed, report.last_failed), (Some(3), Some(4)));
    let answers = &report.members["a"];
    assert_eq!((answers.requests, answers.failed, answers.last_sent), (2, 1, 5));
}

#[rstest]
#[case::ok(Some((true, "a".to_owned())), "5 200 a\n")]
#[case::failed(Some((false, "a".to_owned())), "5 500 a\n")]
#[case::lost(None, "5 0 -\n")]
fn a_request_is_one_line(#[case] answer: Option<(bool, String)>, #[case] expected: &str) {
    assert_eq!(line(answer.as_ref(), 5), expected);
}
