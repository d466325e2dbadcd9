use rstest::rstest;
use serde_json::json;

use super::*;

fn indicator(limits: serde_json::Value) -> Indicator {
    let mut indicator = json!({
        "name": "errors",
        "metric": {"ratio": {"numerator": "errors_total", "denominator": "requests_total"}},
    });
    indicator.as_object_mut().unwrap().extend(limits.as_object().unwrap().clone());
    serde_json::from_value(indicator).unwrap()
}

fn cohort(value: f64) -> Pooled {
    Pooled { value: Some(value), requests: Some(1000.0), answered: 2, asked: 2, gap: None }
}

#[rstest]
fn what_is_no_number_is_within_nothing(
    #[values(f64::NAN, f64::INFINITY, f64::NEG_INFINITY)] value: f64,
    #[values(json!({"max": "1%"}), json!({"min": "0"}), json!({"maxIncrease": "10%"}))] limits: serde_json::Value,
) {
    let judgement = judge(&indicator(limits), &cohort(value), &cohort(0.0), false);
    assert!(matches!(judgement, Judgement::Unknown(_)), "{judgement:?}");
}

#[rstest]
#[case::within_an_upper_limit(json!({"max": "10%"}), 0.1, 0.0, true)]
#[case::above_it(json!({"max": "10%"}), 0.11, 0.0, false)]
#[case::within_a_lower_limit(json!({"min": "10%"}), 0.1, 0.0, true)]
#[case::below_it(json!({"min": "10%"}), 0.09, 0.0, false)]
#[case::as_much_more_as_may_be(json!({"maxIncrease": "50%"}), 0.15, 0.1, true)]
#[case::exactly_as_much_more(json!({"maxIncrease": "50%"}), 0.375, 0.25, true)]
#[case::more_than_that(json!({"maxIncrease": "50%"}), 0.16, 0.1, false)]
#[case::as_much_less_as_may_be(json!({"maxDecrease": "50%"}), 0.05, 0.1, true)]
#[case::exactly_as_much_less(json!({"maxDecrease": "50%"}), 0.125, 0.25, true)]
#[case::less_than_that(json!({"maxDecrease": "50%"}), 0.04, 0.1, false)]
#[case::as_much_below_zero(json!({"maxIncrease": "10%", "maxDecrease": "10%"}), -10.0, -10.0, true)]
#[case::more_than_the_baseline_below_zero(json!({"maxIncrease": "10%"}), -8.9, -10.0, false)]
#[case::less_than_the_baseline_below_zero(json!({"maxDecrease": "10%"}), -11.1, -10.0, false)]
fn limits_are_the_last_value_that_may_be(
    #[case] limits: serde_json::Value,
    #[case] value: f64,
    #[case] baseline: f64,
    #[case] within: bool,
) {
    let judgement = judge(&indicator(limits), &cohort(value), &cohort(baseline), false);
    assert_eq!(judgement == Judgement::Within, within, "{judgement:?}");
    assert_eq!(matches!(judgement, Judgement::Beyond(_)), !within, "{judgement:?}");
}

#[rstest]
#[case::all_answer(4, 4, Some(100.0), true)]
#[case::half_of_them(2, 4, Some(100.0), true)]
#[case::more_than_half(4, 7, Some(100.0), true)]
#[case::fewer(1, 4, Some(100.0), false)]
#[case::nobody(0, 4, Some(100.0), false)]
#[case::nobody_is_asked(0, 0, Some(100.0), false)]
#[case::enough_requests(4, 4, Some(20.0), true)]
#[case::too_few_requests(4, 4, Some(19.0), false)]
#[case::of_what_has_no_requests(4, 4, None, true)]
fn a_limit_needs_members_and_requests(
    #[case] answered: usize,
    #[case] asked: usize,
    #[case] requests: Option<f64>,
    #[case] known: bool,
) {
    let optimized = Pooled { answered, asked, requests, ..cohort(0.0) };
    let indicator = indicator(json!({"max": "1%", "minRequests": 20}));
    let judgement = judge(&indicator, &optimized, &cohort(0.0), false);
    assert_eq!(judgement == Judgement::Within, known, "{judgement:?}");
}

#[rstest]
#[case::one_baseline_member(1, false)]
#[case::two(2, true)]
fn a_comparison_needs_two_baseline_members(#[case] answered: usize, #[case] known: bool) {
    let baseline = Pooled { answered, ..cohort(0.1) };
    let judgement = judge(&indicator(json!({"maxIncrease": "50%"})), &cohort(0.1), &baseline, false);
    assert_eq!(judgement == Judgement::Within, known, "{judgement:?}");
}

fn query(metric: serde_json::Value) -> Query {
    Query::new(&serde_json::from_value(metric).unwrap()).unwrap()
}

fn histogram(quantile: Option<&str>) -> serde_json::Value {
    json!({"histogram": {"name": "latency", "quantile": quantile}})
}

/// What a member did in 10 seconds, and its level now and 30 minutes ago.
fn windowed(part: f64, whole: f64, level: f64) -> Windowed {
    let buckets = [(1.0, whole / 2.0), (f64::INFINITY, whole)];
    let buckets = buckets.into_iter().map(|(bound, count)| (crate::analysis::amount::Bound(bound), count)).collect();
    Windowed { amount: Amount { part, whole, buckets }, seconds: 10.0, first_level: Some((level, 1800.0)) }
}

#[rstest]
#[case::ratio(json!({"ratio": {"numerator": "bad", "denominator": "all"}}), Some(0.03), Some(400.0))]
#[case::mean(histogram(None), Some(0.03), Some(400.0))]
#[case::quantile(histogram(Some("0.25")), Some(0.5), Some(400.0))]
#[case::rate(json!({"rate": {"counter": "done"}}), Some(0.6), None)]
#[case::gauge(json!({"gauge": {"gauge": "load"}}), Some(6.0), None)]
#[case::promql(json!({"promql": {"query": "load"}}), Some(6.0), None)]
#[case::growth(json!({"growth": {"gauge": "memory"}}), Some(8.0), None)]
#[case::event(json!({"event": {"counter": "died"}}), Some(12.0), None)]
fn a_cohort_amounts_to(#[case] metric: serde_json::Value, #[case] value: Option<f64>, #[case] requests: Option<f64>) {
    let windows = [Ok(windowed(4.0, 100.0, 1.0)), Err(Gap::NoAnswer), Ok(windowed(8.0, 300.0, 3.0)), Err(Gap::Stale)];
    let pooled = pool(&query(metric.clone()), &windows);
    let expected = Pooled { value, requests, answered: 2, asked: 4, gap: Some(Gap::Stale) };
    assert_eq!(pooled, expected);
    // Nothing can be divided by nobody and nothing.
    let nobody = pool(&query(metric), &[Err(Gap::NoAnswer)]);
    assert_eq!((nobody.value, nobody.answered, nobody.gap), (None, 0, Some(Gap::NoAnswer)));
}

#[test]
fn a_level_grows_by_what_it_was_before_and_one_look_tells_no_growth() {
    let growth = query(json!({"growth": {"gauge": "memory"}}));
    let once = Windowed { first_level: Some((4.0, 0.0)), ..windowed(4.0, 0.0, 0.0) };
    assert_eq!(pool(&growth, &[Ok(once.clone())]).value, None);
    assert_eq!(pool(&growth, &[Ok(once), Ok(windowed(2.0, 0.0, 4.0))]).value, Some(-4.0), "per hour");
}

#[rstest]
#[case::by_its_largest(json!({"max": "250ms"}), json!({"histogram": {"name": "latency"}}), 0.3, "300ms")]
#[case::by_its_smallest(json!({"min": "10%"}), json!({"ratio": {"numerator": "a", "denominator": "b"}}), 0.05, "5%")]
#[case::a_share(json!({"maxIncrease": "10%"}), json!({"ratio": {"numerator": "a", "denominator": "b"}}), 0.05, "5.00%")]
#[case::a_level(json!({"maxIncrease": "10%"}), json!({"gauge": {"gauge": "load"}}), 12.5, "12.5")]
#[case::a_whole_level(json!({"maxIncrease": "10%"}), json!({"gauge": {"gauge": "load"}}), 120.0, "120")]
fn a_value_is_written_as(
    #[case] limits: serde_json::Value,
    #[case] metric: serde_json::Value,
    #[case] value: f64,
    #[case] expected: &str,
) {
    let mut indicator = indicator(limits);
    indicator.metric = serde_json::from_value(metric).unwrap();
    assert_eq!(written(&indicator, value), expected);
}

#[rstest]
#[case::within_both(0.1, false)]
#[case::above(0.11, true)]
#[case::as_little_as_may_be(0.05, false)]
#[case::below(0.04, true)]
fn a_cohort_breaks_a_limit_itself(#[case] value: f64, #[case] breaks: bool) {
    let indicator = indicator(json!({"max": "10%", "min": "5%"}));
    assert_eq!(breaks_limit(&indicator, &cohort(value)), breaks);
    let silent = Pooled { answered: 0, ..cohort(value) };
    assert!(!breaks_limit(&indicator, &silent), "it is not known");
}

#[rstest]
#[case::twice_as_much(json!({"max": "10%"}), 0.5, 0.25, false)]
#[case::more_than_twice(json!({"max": "10%"}), 0.5, 0.24, true)]
#[case::half_as_much(json!({"min": "60%"}), 0.25, 0.5, false)]
#[case::less_than_half(json!({"min": "60%"}), 0.25, 0.51, true)]
fn in_an_outage_of_both_only_who_is_far_worse_is_beyond_a_limit(
    #[case] limits: serde_json::Value,
    #[case] optimized: f64,
    #[case] baseline: f64,
    #[case] beyond: bool,
) {
    let indicator = indicator(limits);
    let judgement = judge(&indicator, &cohort(optimized), &cohort(baseline), true);
    assert_eq!(matches!(judgement, Judgement::Beyond(_)), beyond, "{judgement:?}");
    let alone = judge(&indicator, &cohort(optimized), &cohort(baseline), false);
    assert!(matches!(alone, Judgement::Beyond(_)), "{alone:?}");
}

#[rstest]
#[case::about_as_bad_as_the_others(0.28, "Unknown")]
#[case::worse_than_may_be_beside_them(0.5, "Beyond")]
fn where_the_baseline_is_beyond_a_limit_itself_a_comparison_still_holds(#[case] value: f64, #[case] expected: &str) {
    let indicator = indicator(json!({"max": "25%", "maxIncrease": "20%"}));
    let judgement = judge(&indicator, &cohort(value), &cohort(0.26), true);
    assert!(format!("{judgement:?}").starts_with(expected), "{judgement:?}");
}

#[rstest]
#[case::each_has_one(95.0, 95, 5.0, 5, json!({"max": "0"}), "Unknown")]
#[case::one_has_many(2.0, 1, 1.0, 99, json!({"max": "0"}), "Beyond")]
#[case::as_many_for_each(95.0, 95, 5.0, 5, json!({"maxIncrease": "10%"}), "Within")]
#[case::more_for_each(95.0, 95, 4.0, 5, json!({"maxIncrease": "10%"}), "Beyond")]
fn events_are_compared_by_what_falls_to_a_member(
    #[case] value: f64,
    #[case] optimized: usize,
    #[case] other: f64,
    #[case] baseline: usize,
    #[case] limits: serde_json::Value,
    #[case] expected: &str,
) {
    let mut indicator = indicator(limits);
    indicator.metric = serde_json::from_value(json!({"event": {"counter": "died"}})).unwrap();
    let of = |value, answered| Pooled { answered, asked: answered, requests: None, ..cohort(value) };
    let judgement = judge(&indicator, &of(value, optimized), &of(other, baseline), indicator.max.is_some());
    assert!(format!("{judgement:?}").starts_with(expected), "{judgement:?}");
}
