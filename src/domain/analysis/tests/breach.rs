//! What breaches a limit, and what does not.

use super::*;

#[rstest]
#[case::above_a_limit(json!({"max": "1%"}), ["o2", "o1"])]
#[case::above_the_baseline(json!({"maxIncrease": "10%"}), ["o2", "o1"])]
#[case::below_the_baseline(json!({"maxDecrease": "10%"}), ["o1", "o2"])]
fn the_worst_member_is_furthest_in_the_direction_of_the_limit(
    #[case] limit: serde_json::Value,
    #[case] expected: [&str; 2],
) {
    let mut indicator = errors();
    indicator.as_object_mut().unwrap().remove("max");
    indicator.as_object_mut().unwrap().extend(limit.as_object().unwrap().clone());
    let below = limit.get("maxDecrease").is_some();
    let mut watch = Watch::new(indicator);
    for looks in 0..4 {
        let values = |share: f64| {
            let requests = 100.0 * f64::from(looks);
            vec![("requests_total", requests), ("errors_total", requests * share)]
        };
        let (less, more, well) = (values(0.02), values(0.03), values(if below { 0.9 } else { 0.0 }));
        watch.take(vec![
            scrape("o1", Some(&less)),
            scrape("o2", Some(&more)),
            scrape("b1", Some(&well)),
            scrape("b2", Some(&well)),
        ]);
    }
    let worst = watch.history.measurements().breach.clone().map(|breach| breach.worst);
    assert_eq!(worst.unwrap_or_default(), expected);
}

#[test]
fn a_limit_is_breached_after_two_looks_beyond_it_and_not_after_one() {
    let mut watch = Watch::new(errors());
    assert!(watch.look(2, 0.05, 0.0).breach.is_none());
    let breach = watch.look(1, 0.05, 0.0).breach.clone().unwrap();
    assert_eq!((breach.reason, breach.indicator.as_str(), breach.worst.len()), (Reason::LimitBreached, "errors", 2));
    assert!(breach.message.contains("5% is above max 1%"), "{}", breach.message);
}

#[rstest]
#[case::the_baseline_is_as_bad(0.5, 0.5, false)]
#[case::the_baseline_is_half_as_bad(0.5, 0.25, false)]
#[case::the_baseline_is_bad_and_the_optimized_are_far_worse(0.5, 0.2, true)]
#[case::the_baseline_is_within_the_limit(0.015, 0.01, true)]
fn what_hits_both_cohorts_is_neither_a_breach_nor_a_pass(
    #[case] optimized: f64,
    #[case] baseline: f64,
    #[case] breaches: bool,
) {
    let mut watch = Watch::new(errors());
    let measured = watch.look(6, optimized, baseline);
    assert_eq!(measured.breach.is_some(), breaches);
    assert_eq!(measured.covered, Duration::ZERO);
    let message = &measured.indicators[0].message;
    assert_eq!(message.contains("so did the baseline"), !breaches, "{message}");
}

#[rstest]
#[case::as_it_drains_from_the_window(1.8, false)]
#[case::but_what_the_optimized_do_after_it_is(9.0, true)]
fn the_end_of_a_shared_outage_is_no_breach(#[case] errors_after: f64, #[case] breaches: bool) {
    let (mut watch, mut totals) = (Watch::new(errors()), [0.0, 0.0]);
    for _ in 0..6 {
        grow(&mut watch, &mut totals, 40.0, 40.0);
    }
    for _ in 0..2 {
        grow(&mut watch, &mut totals, 0.0, 0.0);
    }
    // One cohort is below the limit before the other.
    for _ in 0..3 {
        grow(&mut watch, &mut totals, errors_after, 0.95);
    }
    assert_eq!(watch.history.measurements().breach.is_some(), breaches);
}

#[test]
fn a_minimum_that_both_cohorts_miss_is_neither_a_breach_nor_a_pass() {
    let mut indicator = errors();
    indicator["max"] = json!(null);
    indicator["min"] = json!("90%");
    let mut watch = Watch::new(indicator.clone());
    assert!(watch.look(6, 0.5, 0.6).breach.is_none());
    let mut watch = Watch::new(indicator);
    assert!(watch.look(6, 0.2, 0.6).breach.is_some());
}

#[test]
fn a_breach_stays_when_the_plan_is_edited_in_the_same_run() {
    let mut watch = Watch::new(errors());
    assert!(watch.look(4, 0.05, 0.0).breach.is_some());
    let mut looser = errors();
    looser["max"] = json!("50%");
    watch.history.follow(sampling(looser), watch.at);
    assert!(watch.history.measurements().breach.is_some());
}

#[rstest]
#[case::two_in_a_row(&[5.0, 5.0], true)]
#[case::two_of_three(&[5.0, 0.0, 5.0], true)]
#[case::two_of_four(&[5.0, 0.0, 0.0, 5.0], false)]
#[case::every_third(&[5.0, 0.0, 0.0, 5.0, 0.0, 0.0, 5.0], false)]
fn a_limit_is_breached_by_looks_that_are_close_to_each_other(#[case] errors_of: &[f64], #[case] breaches: bool) {
    let mut indicator = errors();
    indicator["window"] = json!("2s");
    let (mut watch, mut totals) = (Watch::new(indicator), [0.0, 0.0]);
    grow(&mut watch, &mut totals, 0.0, 0.0);
    for errors in errors_of {
        grow(&mut watch, &mut totals, *errors, 0.0);
    }
    assert_eq!(watch.history.measurements().breach.is_some(), breaches, "{:?}", watch.history.outcomes);
}
