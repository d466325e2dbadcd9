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

#[test]
fn a_server_whose_clock_went_back_brings_nothing_new() {
    let (mut track, query) = (Track::default(), counter());
    look(&mut track, &query, 10, Some(&[sample("requests_total", 10, 10.0)]));
    track.forget_renewals();
    look(&mut track, &query, 12, Some(&[sample("requests_total", 5, 90.0)]));
    assert_eq!(track.renewals(), 0);
}
