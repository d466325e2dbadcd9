use rstest::rstest;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

#[rstest]
#[case::no_right(403, "ann may not get it\n", Unanswered::Refused("ann may not get it".to_owned()))]
#[case::no_rollout(404, "there is no rollout x\n", Unanswered::Refused("there is no rollout x".to_owned()))]
#[case::old_operator(404, "", Unanswered::Unreachable("this version of the operator answers no plans; upgrade it".to_owned()))]
#[case::busy(429, "try again\n", Unanswered::Unreachable("the operator says: try again".to_owned()))]
fn a_refusal_is_the_operators_own_sentence(#[case] code: u16, #[case] body: &str, #[case] expected: Unanswered) {
    assert_eq!(read(StatusCode::from_u16(code).unwrap(), body.as_bytes()).unwrap_err(), expected);
}

#[test]
fn a_plan_of_another_version_is_no_plan() {
    assert!(matches!(read(StatusCode::OK, b"{\"plan\": 1}").unwrap_err(), Unanswered::Unreachable(_)));
}

#[tokio::test]
async fn the_token_goes_with_the_request_and_the_answer_comes_back() {
    let (ours, mut theirs) = tokio::io::duplex(4096);
    let server = tokio::spawn(async move {
        let mut request = vec![0; 4096];
        let read = theirs.read(&mut request).await.unwrap();
        theirs.write_all(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 3\r\n\r\nno\n").await.unwrap();
        String::from_utf8_lossy(&request[..read]).into_owned()
    });
    let (code, body) = get(ours, "/plan/qudag/x", HeaderValue::from_static("Bearer t")).await.unwrap();
    assert_eq!((code, &body[..]), (StatusCode::FORBIDDEN, &b"no\n"[..]));
    let request = server.await.unwrap();
    assert!(
        request.starts_with("GET /plan/qudag/x HTTP/1.1") && request.contains("authorization: Bearer t"),
        "{request}"
    );
}
