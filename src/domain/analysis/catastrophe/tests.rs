use rstest::rstest;

use super::*;

const LIMIT: f64 = 0.01;

fn amount(requests: f64, errors: f64) -> Amount {
    Amount { part: errors, whole: requests, ..Amount::default() }
}

/// `bad` of `all` members with half of 50 requests failed, switched `since` seconds ago, and this baseline.
fn found(bad: usize, all: usize, since: u64, baseline: Amount) -> usize {
    let (sick, well) = (amount(50.0, 25.0), amount(50.0, 0.0));
    let samples: Vec<Sample<'_>> = (0..all)
        .map(|index| Sample {
            member: "m",
            amount: if index < bad { &sick } else { &well },
            baseline: &baseline,
            since_switch: Duration::from_secs(since),
        })
        .collect();
    bad_members(LIMIT, &samples).len()
}

#[rstest]
#[case::nobody(0, 10, 10, 0)]
#[case::one_of_two_at_any_time(1, 2, 3600, 1)]
#[case::one_of_ten_shortly_after_its_switch(1, 10, 120, 1)]
#[case::one_of_ten_much_later_is_chance(1, 10, 121, 0)]
#[case::two_of_ten_much_later(2, 10, 3600, 2)]
#[case::two_of_thirty_much_later(2, 30, 3600, 0)]
#[case::three_of_thirty_much_later(3, 30, 3600, 3)]
fn enough_members_have_to_be_bad(#[case] bad: usize, #[case] all: usize, #[case] since: u64, #[case] expected: usize) {
    assert_eq!(found(bad, all, since, amount(100.0, 0.0)), expected);
}

#[rstest]
#[case::healthy(amount(100.0, 1.0), 2)]
#[case::a_little_sick(amount(100.0, 5.0), 2)]
#[case::sick_itself(amount(100.0, 6.0), 0)]
#[case::too_few_requests(amount(19.0, 0.0), 0)]
#[case::none_at_all(amount(0.0, 0.0), 0)]
fn the_baseline_has_to_be_healthy(#[case] baseline: Amount, #[case] expected: usize) {
    assert_eq!(found(2, 4, 10, baseline), expected);
}

#[rstest]
#[case::beyond_doubt(20.0, 10.0, 0.01, true)]
#[case::too_few_requests(19.0, 19.0, 0.01, false)]
#[case::too_few_errors(30.0, 9.0, 0.01, false)]
#[case::too_small_a_share(100.0, 24.0, 0.01, false)]
#[case::just_the_share(100.0, 25.0, 0.01, true)]
#[case::not_ten_times_the_limit(100.0, 39.0, 0.04, false)]
#[case::ten_times_the_limit(100.0, 40.0, 0.04, true)]
fn one_sample_has_to_be_beyond_doubt(
    #[case] requests: f64,
    #[case] errors: f64,
    #[case] limit: f64,
    #[case] expected: bool,
) {
    let (sample, baseline) = (amount(requests, errors), amount(1000.0, 0.0));
    let samples = [Sample { member: "m", amount: &sample, baseline: &baseline, since_switch: Duration::ZERO }];
    assert_eq!(!bad_members(limit, &samples).is_empty(), expected);
}

#[test]
fn the_worst_member_comes_first() {
    let (bad, worse, baseline) = (amount(100.0, 40.0), amount(100.0, 90.0), amount(100.0, 0.0));
    let sample = |member, amount| Sample { member, amount, baseline: &baseline, since_switch: Duration::ZERO };
    let samples = [sample("bad", &bad), sample("worse", &worse)];
    let names: Vec<&str> = bad_members(LIMIT, &samples).into_iter().map(|(sample, _)| sample.member).collect();
    assert_eq!(names, ["worse", "bad"]);
}
