use std::time::Duration;

use rstest::rstest;

use super::{LEASE_DURATION, Next, RENEW_DEADLINE, Seen, may_advance, next};

#[rstest]
#[case::nobody_holds_it(None, 0, Next::Acquire)]
#[case::we_hold_it(Some("a"), 1, Next::Renew)]
#[case::we_hold_it_and_it_is_old(Some("a"), 60, Next::Renew)]
#[case::another_is_fresh(Some("b"), 4, Next::Wait)]
#[case::another_has_expired(Some("b"), 5, Next::Acquire)]
fn the_lease_goes_to_whoever_finds_it_free_or_expired(
    #[case] holder: Option<&str>,
    #[case] seconds: u64,
    #[case] expected: Next,
) {
    let seen = Seen { holder: holder.map(str::to_owned), unchanged_for: Duration::from_secs(seconds) };
    assert_eq!(next("a", &seen), expected);
}

#[test]
fn a_holder_that_cannot_renew_stops_before_anybody_else_may_start() {
    assert!(may_advance(Duration::ZERO));
    assert!(!may_advance(RENEW_DEADLINE));
    assert!(RENEW_DEADLINE + std::time::Duration::from_secs(2) < LEASE_DURATION, "a write lasts two seconds at most");
}
