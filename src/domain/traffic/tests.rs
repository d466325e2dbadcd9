use api::{
    names::SERVING_LABEL,
    threshold::Threshold,
    traffic::{Traffic, TrafficMethod},
};
use rstest::rstest;

use super::{may_leave, reroutes};
use crate::observation::Service;

#[rstest]
#[case(20, 1.0, 10)]
#[case(20, 0.25, 4)]
#[case(20, 19.0, 19)]
#[case(20, 1000.0, 19)]
#[case(20, 0.0, 0)]
#[case(3, 1.0, 1)]
#[case(1, 1.0, 0)]
#[case(0, 1.0, 0)]
fn those_who_stay_get_no_more_load_than_allowed(#[case] members: usize, #[case] increase: f64, #[case] leave: usize) {
    assert_eq!(may_leave(members, increase), leave);
    let stay = members - leave;
    assert!(members == 0 || stay as f64 * (1.0 + increase) >= members as f64);
}

#[rstest]
#[case::all_of_several_may_leave(TrafficMethod::Selector, 5, 5, 3, None, true)]
#[case::one_member_goes_by_its_label(TrafficMethod::Selector, 1, 1, 3, None, false)]
#[case::some_have_to_stay(TrafficMethod::Selector, 4, 5, 3, None, false)]
#[case::nobody_could_take_over(TrafficMethod::Selector, 5, 5, 0, None, false)]
#[case::labels_only(TrafficMethod::Labels, 5, 5, 3, None, false)]
#[case::a_service_cannot_be_rerouted(TrafficMethod::Selector, 5, 5, 3, Some("headless"), false)]
fn the_selector_is_narrowed_only_when_it_is_safe(
    #[case] method: TrafficMethod,
    #[case] leaving: usize,
    #[case] serving: usize,
    #[case] baseline: usize,
    #[case] refused: Option<&str>,
    #[case] expected: bool,
) {
    let traffic = Traffic { services: Vec::new(), method, max_load_increase: Threshold::percent(100) };
    let selector = [(SERVING_LABEL.to_owned(), "true".to_owned())].into();
    let service = Service { refused: refused.map(str::to_owned), selector, ..Service::default() };
    assert_eq!(reroutes(&traffic, &[service], leaving, serving, baseline), expected);
}

#[test]
fn a_service_that_does_not_select_serving_is_let_be() {
    let traffic =
        Traffic { services: Vec::new(), method: TrafficMethod::Selector, max_load_increase: Threshold::percent(100) };
    assert!(!reroutes(&traffic, &[Service::default()], 5, 5, 3));
}
