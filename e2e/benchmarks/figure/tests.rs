use rstest::rstest;

use super::*;

fn counted(n: u32) -> Vec<f64> {
    (1..=n).rev().map(f64::from).collect()
}

#[rstest]
#[case::one(1, 1.0, 1.0, None, 1.0)]
#[case::ten(10, 5.0, 10.0, None, 10.0)]
#[case::a_hundred(100, 50.0, 95.0, Some(99.0), 100.0)]
#[case::odd(3, 2.0, 3.0, None, 3.0)]
fn a_percentile_is_one_of_the_measurements(
    #[case] n: u32,
    #[case] p50: f64,
    #[case] p95: f64,
    #[case] p99: Option<f64>,
    #[case] max: f64,
) {
    assert_eq!(Spread::of(&counted(n)), Some(Spread { n: n as usize, p50, p95, p99, max }));
}

#[rstest]
#[case::below(Goal::AtMost(2.0), &[1.0, 2.0], Some(true))]
#[case::above(Goal::AtMost(2.0), &[1.0, 2.1], Some(false))]
#[case::not_measured(Goal::AtMost(2.0), &[], Some(false))]
#[case::no_goal(Goal::None, &[1.0], None)]
fn a_goal_holds_or_not(#[case] goal: Goal, #[case] measured: &[f64], #[case] holds: Option<bool>) {
    assert_eq!(Figure::spread("x", "s", measured, Of::Max, goal).holds(), holds);
}

#[test]
fn fewer_than_a_hundred_have_no_99th_percentile_and_their_goal_is_about_the_largest() {
    let few = Figure::spread("x", "s", &counted(50), Of::P99, Goal::AtMost(49.0));
    assert_eq!((few.holds(), few.spread.p99), (Some(false), None));
}

#[test]
fn a_figure_is_written_with_its_goal() {
    let written = serde_json::to_value(Figure::single("x", "s", 1.5, Goal::AtMost(2.0))).unwrap();
    assert_eq!((&written["value"], &written["goal"], &written["holds"]), (&1.5.into(), &2.0.into(), &true.into()));
}
