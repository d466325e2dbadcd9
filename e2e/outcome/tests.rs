use super::*;

#[test]
fn one_line_that_does_not_hold_fails_the_whole() {
    let mut outcome = Outcome::default();
    outcome.line("settled", "20/20", true);
    assert!(outcome.holds());
    outcome.line("restored", "19/20", false);
    assert!(!outcome.holds());
    assert!(outcome.table().contains("19/20"), "{}", outcome.table());
}

#[test]
fn a_time_that_was_not_seen_never_holds() {
    for (from, to, holds) in [
        (Some(1000), Some(1500), true),
        (Some(1000), Some(1501), false),
        (None, Some(1), false),
        (Some(1), None, false),
    ] {
        let mut outcome = Outcome::default();
        outcome.clock("rerouted", from, to, 500);
        assert_eq!(outcome.holds(), holds, "{from:?} to {to:?}");
    }
}
