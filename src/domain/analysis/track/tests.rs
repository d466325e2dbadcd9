use rstest::rstest;

use super::*;
use crate::series::Selector;

const MINUTE: Duration = Duration::from_secs(60);

fn counter() -> Query {
    Query::Rate("requests_total".parse::<Selector>().unwrap())
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_000_000 + second).unwrap()
}

fn sample(name: &str, taken: i64, value: f64) -> Series {
    Series { name: name.to_owned(), labels: Vec::new(), value, taken: Some(at(taken)) }
}

/// A look at this second, from a source that keeps samples for 20 seconds.
fn look(track: &mut Track, query: &Query, second: u64, scrape: Option<&[Series]>) {
    let now = at(i64::try_from(second).unwrap());
    let moment = Moment { at: Duration::from_secs(second), now, stale_after: Duration::from_secs(20) };
    track.take(query, moment, scrape, MINUTE);
}

#[test]
fn a_sample_that_was_there_before_is_no_new_one() {
    let (mut track, query) = (Track::default(), counter());
    look(&mut track, &query, 1, Some(&[sample("requests_total", 0, 100.0)]));
    look(&mut track, &query, 16, Some(&[sample("requests_total", 15, 250.0)]));
    assert_eq!(track.renewals(), 2);
    track.forget_renewals();
    for second in [18, 20, 22] {
        look(&mut track, &query, second, Some(&[sample("requests_total", 15, 250.0)]));
    }
    assert_eq!(track.renewals(), 0);
    let window = track.window(MINUTE).unwrap();
    assert_eq!((window.amount.part, window.seconds), (150.0, 15.0), "the same growth counts once");
}

#[test]
fn a_rate_is_over_the_time_between_samples_and_not_between_looks() {
    let (mut track, query) = (Track::default(), counter());
    look(&mut track, &query, 10, Some(&[sample("requests_total", 0, 0.0)]));
    look(&mut track, &query, 16, Some(&[sample("requests_total", 15, 150.0)]));
    assert_eq!(track.window(MINUTE).unwrap().seconds, 15.0);
}

#[test]
fn the_newest_sample_counts_even_if_its_time_is_longer_than_the_window() {
    let (mut track, query) = (Track::default(), counter());
    for (second, value) in [(0, 0.0), (15, 10.0), (30, 40.0)] {
        look(&mut track, &query, second, Some(&[sample("requests_total", i64::try_from(second).unwrap(), value)]));
    }
    assert_eq!(track.window(Duration::from_secs(10)).unwrap().amount.part, 30.0);
}

#[rstest]
#[case::older_than_allowed(41, Some(vec![sample("requests_total", 20, 20.0)]), Gap::Stale)]
#[case::gone(22, Some(vec![]), Gap::Stale)]
#[case::no_answer(22, None, Gap::NoAnswer)]
#[case::not_a_number(22, Some(vec![sample("requests_total", 22, f64::NAN)]), Gap::NotFinite)]
fn old_data_never_counts_as_new(#[case] second: u64, #[case] scrape: Option<Vec<Series>>, #[case] expected: Gap) {
    let (mut track, query) = (Track::default(), counter());
    look(&mut track, &query, 1, Some(&[sample("requests_total", 0, 10.0)]));
    look(&mut track, &query, 21, Some(&[sample("requests_total", 20, 20.0)]));
    look(&mut track, &query, second, scrape.as_deref());
    assert_eq!(track.window(MINUTE), Err(expected));
    assert_eq!(track.covering(Period { from: Duration::ZERO, to: Duration::ZERO }), None);
}

#[test]
fn a_series_that_never_was_there_is_absent() {
    let (mut track, query) = (Track::default(), counter());
    look(&mut track, &query, 1, Some(&[]));
    assert_eq!(track.window(MINUTE), Err(Gap::Absent));
}

#[test]
fn of_a_gauge_whose_labels_changed_the_newest_series_counts() {
    let query = Query::Gauge("level".parse::<Selector>().unwrap());
    let mut track = Track::default();
    look(&mut track, &query, 20, Some(&[sample("level", 5, 1.0), sample("level", 19, 2.0)]));
    assert_eq!(track.window(MINUTE).unwrap().amount.part, 2.0);
    look(&mut track, &query, 21, Some(&[sample("level", 20, 1.0), sample("level", 20, 2.0)]));
    assert_eq!(track.window(MINUTE), Err(Gap::Several));
}

#[rstest]
#[case::no_longer_than_the_time_between_samples(10, (120.0, 15.0))]
#[case::longer(20, (110.0, 30.0))]
#[case::longer_than_what_is_kept(300, (100.0, 45.0))]
fn a_level_grows_from_the_last_sample_before_its_window(#[case] window: u64, #[case] first: (f64, f64)) {
    let query = Query::Growth("level".parse::<Selector>().unwrap());
    let mut track = Track::default();
    for (second, value) in [(0, 100.0), (15, 110.0), (30, 120.0), (45, 130.0)] {
        look(&mut track, &query, second, Some(&[sample("level", i64::try_from(second).unwrap(), value)]));
    }
    let window = track.window(Duration::from_secs(window)).unwrap();
    assert_eq!((window.amount.part, window.first_level), (130.0, Some(first)));
}

#[test]
fn a_server_whose_clock_went_back_brings_nothing_new() {
    let (mut track, query) = (Track::default(), counter());
    look(&mut track, &query, 10, Some(&[sample("requests_total", 10, 10.0)]));
    track.forget_renewals();
    look(&mut track, &query, 12, Some(&[sample("requests_total", 5, 90.0)]));
    assert_eq!(track.renewals(), 0);
}

#[test]
fn a_sample_counts_until_it_is_older_than_allowed() {
    let (mut track, query) = (Track::default(), counter());
    look(&mut track, &query, 20, Some(&[sample("requests_total", 0, 10.0)]));
    assert!(track.is_answering());
    look(&mut track, &query, 21, Some(&[sample("requests_total", 0, 10.0)]));
    assert!(!track.is_answering());
}

/// A track with a sample every 10 seconds, of 1, 2, 3 ... requests since the one before.
fn filled(samples: u64) -> Track {
    let (mut track, query) = (Track::default(), counter());
    for number in 0..samples {
        let total = (number * (number + 1) / 2) as f64;
        look(
            &mut track,
            &query,
            number * 10,
            Some(&[sample("requests_total", i64::try_from(number * 10).unwrap(), total)]),
        );
    }
    track
}

#[rstest]
#[case::all_of_it(50, 15.0, 50.0)]
#[case::what_lies_within(30, 12.0, 30.0)]
#[case::a_sample_that_is_as_old_as_the_window_does_not(20, 9.0, 20.0)]
#[case::the_newest_always_does(1, 5.0, 10.0)]
fn a_window_has_the_samples_of_its_time(#[case] seconds: u64, #[case] requests: f64, #[case] of: f64) {
    let window = filled(6).window(Duration::from_secs(seconds)).unwrap();
    assert_eq!((window.amount.part, window.seconds), (requests, of));
}

#[test]
fn samples_are_kept_as_long_as_somebody_asks_for_them_and_no_longer() {
    let long = filled(100);
    assert_eq!(long.steps.len(), 7, "a minute of them, and its first");
    let growth = |seconds| long.window(Duration::from_secs(seconds)).unwrap().seconds;
    assert_eq!((growth(60), growth(600)), (60.0, 70.0));
}

#[rstest]
#[case::one_sample(10, 20, Some(2.0))]
#[case::a_part_of_one(12, 15, Some(2.0))]
#[case::parts_of_two(15, 25, Some(5.0))]
#[case::as_new_as_it_gets(30, 50, Some(9.0))]
#[case::newer_than_anything(40, 51, None)]
fn a_period_is_covered_by_every_sample_that_overlaps_it(
    #[case] from: u64,
    #[case] to: u64,
    #[case] requests: Option<f64>,
) {
    let epoch = Duration::from_secs(1_000_000);
    let period = Period { from: epoch + Duration::from_secs(from), to: epoch + Duration::from_secs(to) };
    assert_eq!(filled(6).covering(period).map(|amount| amount.part), requests);
}

#[test]
fn a_member_that_exposes_a_series_no_more_is_told_so() {
    let (mut track, query) = (Track::default(), counter());
    let series = Series { name: "requests_total".to_owned(), labels: Vec::new(), value: 1.0, taken: None };
    for scrape in [&[series][..], &[]] {
        let moment = Moment { at: MINUTE, now: at(0), stale_after: Duration::MAX };
        track.take(&query, moment, Some(scrape), MINUTE);
    }
    assert_eq!(track.window(MINUTE), Err(Gap::Absent));
}
