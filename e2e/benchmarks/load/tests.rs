use rstest::rstest;

use super::*;

fn request(sent: i64, status: u16, member: &str) -> Request {
    Request { sent, status, member: member.to_owned() }
}

#[rstest]
#[case::answered("5 200 a", Some(request(5, 200, "a")))]
#[case::lost("5 0 -", Some(request(5, 0, "-")))]
#[case::cut_off("5 200", None)]
fn a_line_is_a_request(#[case] line: &str, #[case] expected: Option<Request>) {
    assert_eq!(read(line), expected);
}

#[test]
fn a_breach_is_served_from_the_first_failure_to_the_last_answer_of_those_that_fail() {
    let requests = [
        request(1, 200, "bad"),
        request(3, 500, "bad"),
        request(2, 0, "-"),
        request(5, 200, "bad"),
        request(6, 200, "good"),
    ];
    assert_eq!(first_failed(&requests), Some(3));
    assert_eq!(last_answered(&requests, &["bad".to_owned()].into()), Some(5));
}
