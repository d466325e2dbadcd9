//! The time that counts for a bake.

use super::*;

#[test]
fn healthy_looks_pass_and_their_time_counts() {
    let mut watch = Watch::new(errors());
    assert!(!watch.look(1, 0.0, 0.0).passing, "one scrape tells no growth");
    let measured = watch.look(5, 0.0, 0.0);
    assert!(measured.passing && measured.breach.is_none());
    assert_eq!(measured.covered, EVERY * 5);
}

#[test]
fn a_look_without_answers_never_passes_and_its_time_does_not_count() {
    let mut watch = Watch::new(errors());
    let before = watch.look(4, 0.0, 0.0).covered;
    for _ in 0..5 {
        watch.take(["o1", "o2", "b1", "b2"].map(|member| scrape(member, None)).into());
    }
    let measured = watch.history.measurements();
    assert_eq!((measured.passing, measured.covered), (false, before));
    assert_eq!(measured.silent_for, EVERY * 5);
    assert_eq!(watch.verdict(), Verdict::Inconclusive);
}

#[test]
fn a_new_stage_starts_the_bake_anew_and_a_restart_of_the_operator_does_not() {
    let mut watch = Watch::new(errors());
    watch.look(5, 0.0, 0.0);
    let mut next = sampling(errors());
    next.bake = Timestamp::from_second(100).unwrap();
    watch.history.follow(next.clone(), watch.at);
    assert_eq!(watch.history.measurements().covered, Duration::ZERO);
    next.covered = Duration::from_secs(40);
    let resumed = History::new(next, Duration::ZERO);
    assert_eq!(resumed.measurements().covered, Duration::from_secs(40));
}

#[test]
fn a_bake_counts_nothing_from_before_it_began() {
    let mut watch = Watch::new(errors());
    watch.look(5, 0.0, 0.0);
    let mut next = sampling(errors());
    next.bake = Timestamp::from_second(100).unwrap();
    let late = Duration::from_millis(300);
    watch.history.follow(next, watch.at - late);
    assert_eq!(watch.look(1, 0.0, 0.0).covered, late, "of the {EVERY:?} since the look before");
}

#[test]
fn looks_that_were_missed_count_for_two_intervals_at_most() {
    let mut watch = Watch::new(errors());
    let before = watch.look(4, 0.0, 0.0).covered;
    watch.at += EVERY * 100;
    assert_eq!(watch.look(1, 0.0, 0.0).covered, before + EVERY * 2);
}

#[test]
fn a_pass_between_two_looks_takes_no_time_from_the_bake() {
    let mut watch = Watch::new(errors());
    let before = watch.look(5, 0.0, 0.0).covered;
    watch.history.follow(sampling(errors()), watch.at - Duration::from_millis(300));
    assert_eq!(watch.look(1, 0.0, 0.0).covered, before + EVERY);
}

#[test]
fn what_was_measured_before_the_members_acknowledged_is_no_part_of_the_bake() {
    let mut waiting = sampling(errors());
    waiting.counting = false;
    let mut watch = Watch::of(waiting);
    assert_eq!(watch.look(5, 0.0, 0.0).covered, Duration::ZERO);
    let late = Duration::from_millis(300);
    watch.history.follow(sampling(errors()), watch.at - late);
    assert_eq!(watch.look(1, 0.0, 0.0).covered, late);
}

#[rstest]
#[case::who_answers_while_everybody_is_optimized(true, true, Duration::ZERO)]
#[case::who_answers_where_others_should_be_left(false, true, EVERY * 5)]
#[case::nobody_answers(true, false, EVERY * 5)]
fn a_comparison_is_silent_with(#[case] everybody: bool, #[case] answers: bool, #[case] expected: Duration) {
    let metric = json!({"ratio": {"numerator": "errors_total", "denominator": "requests_total"}});
    let mut sampling = sampling(json!({"name": "errors", "maxIncrease": "10%", "window": "6s", "metric": metric}));
    sampling.everybody = everybody;
    let mut watch = Watch::of(sampling);
    watch.look(4, 0.0, 0.0);
    let mut requests = 400.0;
    for _ in 0..5 {
        requests += 100.0;
        let values = [("requests_total", requests), ("errors_total", 0.0)];
        watch.take(["o1", "o2"].map(|member| scrape(member, answers.then_some(&values[..]))).into());
    }
    assert_eq!(watch.history.measurements().silent_for, expected);
    assert!(!watch.history.measurements().passing);
}
