use api::names::{COHORT_LABEL, SERVING_LABEL};
use rstest::rstest;

use super::*;

fn series(name: &str, labels: &[(&str, &str)], value: f64) -> Series {
    let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Series { name: name.to_owned(), labels, value, taken: None }
}

fn rate() -> Query {
    Query::Rate("errors_total".parse().unwrap())
}

fn gauge() -> Query {
    Query::Gauge("memory".parse().unwrap())
}

fn grown_by(before: &[Series], after: &[Series]) -> f64 {
    growth(&read(&rate(), before).unwrap(), &read(&rate(), after).unwrap()).part
}

#[rstest]
#[case::grew(5.0, 8.0, 3.0)]
#[case::stood_still(5.0, 5.0, 0.0)]
#[case::was_reset(5.0, 2.0, 2.0)]
fn a_counter_grows_and_starts_from_zero_after_a_reset(#[case] before: f64, #[case] after: f64, #[case] expected: f64) {
    assert_eq!(grown_by(&[series("errors_total", &[], before)], &[series("errors_total", &[], after)]), expected);
}

#[test]
fn a_series_that_appears_grew_from_zero_and_one_that_vanishes_adds_nothing() {
    let (a, b) = ([("code", "500")], [("code", "503")]);
    let before = [series("errors_total", &a, 5.0)];
    let after = [series("errors_total", &a, 6.0), series("errors_total", &b, 4.0)];
    assert_eq!(grown_by(&before, &after), 5.0);
    assert_eq!(grown_by(&after, &before), 5.0, "the first series was reset");
}

#[test]
fn a_counter_goes_on_when_a_label_that_a_run_sets_on_its_pod_names_its_series_anew() {
    let sample = |label: &str, cohort: &str, taken: i64, value: f64| {
        let taken = Some(Timestamp::from_second(taken).unwrap());
        Series { taken, ..series("errors_total", &[("code", "500"), (label, cohort)], value) }
    };
    for name in [COHORT_LABEL, SERVING_LABEL] {
        for label in [name.replace(['.', '/'], "_"), format!("pod_label_{}", name.replace(['.', '/'], "_"))] {
            let before = [sample(&label, "baseline", 10, 5000.0)];
            let after = sample(&label, "optimized", 20, 5003.0);
            assert_eq!(grown_by(&before, std::slice::from_ref(&after)), 3.0, "{label}");
            let ended = sample(&label, "baseline", 10, 5000.0);
            assert_eq!(grown_by(&before, &[ended.clone(), after.clone()]), 3.0, "its last sample is still there");
            assert_eq!(grown_by(&before, &[after, ended]), 3.0, "whichever comes first");
        }
    }
}

#[rstest]
#[case::absent(rate(), vec![], Gap::Absent)]
#[case::not_a_number(rate(), vec![series("errors_total", &[], f64::NAN)], Gap::NotFinite)]
#[case::infinite(rate(), vec![series("errors_total", &[], f64::INFINITY)], Gap::NotFinite)]
#[case::no_level(gauge(), vec![], Gap::Absent)]
#[case::a_level_that_is_not_a_number(gauge(), vec![series("memory", &[], f64::NAN)], Gap::NotFinite)]
#[case::two_levels(gauge(), vec![series("memory", &[("a", "1")], 1.0), series("memory", &[("a", "2")], 1.0)], Gap::Several)]
fn what_is_missing_is_told_apart(#[case] query: Query, #[case] scrape: Vec<Series>, #[case] expected: Gap) {
    assert_eq!(read(&query, &scrape), Err(expected));
}

#[test]
fn a_ratio_needs_its_denominator_and_may_lack_its_numerator() {
    let query =
        Query::Ratio { numerator: "errors_total".parse().unwrap(), denominator: "requests_total".parse().unwrap() };
    assert!(read(&query, &[series("requests_total", &[], 1.0)]).is_ok());
    assert_eq!(read(&query, &[series("errors_total", &[], 1.0)]), Err(Gap::Absent));
}

fn buckets(counts: &[(f64, f64)]) -> BTreeMap<Bound, f64> {
    counts.iter().map(|(bound, count)| (Bound(*bound), *count)).collect()
}

#[rstest]
#[case::in_the_middle(0.5, &[(1.0, 50.0), (2.0, 100.0), (f64::INFINITY, 100.0)], Some(1.0))]
#[case::between_bounds(0.75, &[(1.0, 50.0), (2.0, 100.0), (f64::INFINITY, 100.0)], Some(1.5))]
#[case::below_the_first(0.25, &[(1.0, 50.0), (f64::INFINITY, 100.0)], Some(0.5))]
#[case::beyond_the_last(0.99, &[(1.0, 50.0), (f64::INFINITY, 100.0)], Some(1.0))]
#[case::no_observation(0.5, &[(1.0, 0.0), (f64::INFINITY, 0.0)], None)]
#[case::no_bucket(0.5, &[], None)]
fn a_quantile_is_linear_within_its_bucket(
    #[case] share: f64,
    #[case] counts: &[(f64, f64)],
    #[case] expected: Option<f64>,
) {
    assert_eq!(quantile(share, &buckets(counts)), expected);
}

#[test]
fn buckets_of_all_series_are_added_up_and_the_last_one_has_all_observations() {
    let query = Query::Histogram {
        buckets: "latency_bucket".parse().unwrap(),
        sum: "latency_sum".parse().unwrap(),
        count: "latency_count".parse().unwrap(),
        quantile: Some(0.5),
    };
    let scrape = |get: [f64; 2], put: [f64; 2]| {
        let bucket = |path: &str, le: &str, value| series("latency_bucket", &[("path", path), ("le", le)], value);
        let [get, put] = [("get", get), ("put", put)]
            .map(|(path, [low, all])| [bucket(path, "0.1", low), bucket(path, "+Inf", all)]);
        read(&query, &[get, put].concat()).unwrap()
    };
    // The counters of one of two series start anew.
    let amount = growth(&scrape([10.0, 20.0], [5.0, 9.0]), &scrape([14.0, 26.0], [1.0, 2.0]));
    assert_eq!(amount.whole, 8.0);
    assert_eq!(amount.buckets, buckets(&[(0.1, 5.0), (f64::INFINITY, 8.0)]));
    let mut both = amount.clone();
    both.add(&amount);
    assert_eq!((both.whole, both.buckets), (16.0, buckets(&[(0.1, 10.0), (f64::INFINITY, 16.0)])));
}

#[test]
fn a_mean_and_a_ratio_grow_by_both_of_their_parts() {
    let ratio = Query::Ratio { numerator: "bad".parse().unwrap(), denominator: "all".parse().unwrap() };
    let mean = Query::Histogram {
        buckets: "bad_bucket".parse().unwrap(),
        sum: "bad".parse().unwrap(),
        count: "all".parse().unwrap(),
        quantile: None,
    };
    for query in [ratio, mean] {
        let scrape = |bad, all| read(&query, &[series("bad", &[], bad), series("all", &[], all)]).unwrap();
        let grown = growth(&scrape(1.0, 10.0), &scrape(4.0, 30.0));
        assert_eq!((grown.part, grown.whole), (3.0, 20.0), "{query:?}");
        let mut twice = grown.clone();
        twice.add(&grown);
        assert_eq!((twice.part, twice.whole), (6.0, 40.0), "{query:?}");
    }
}
