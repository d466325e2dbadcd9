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
#[case::more_than_that(json!({"maxIncrease": "50%"}), 0.16, 0.1, false)]
#[case::as_much_less_as_may_be(json!({"maxDecrease": "50%"}), 0.05, 0.1, true)]
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
