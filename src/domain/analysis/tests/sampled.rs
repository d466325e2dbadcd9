//! Samples that a server has taken, at its own pace.

use super::*;

/// A server that scrapes each member every 15 seconds, asked every two.
struct Sampled {
    history: History,
    second: u64,
    /// Nobody is scraped any more after this second.
    stops: u64,
}

impl Sampled {
    fn new() -> Self {
        Self { history: History::new(by_connection(errors()), Duration::ZERO), second: 0, stops: u64::MAX }
    }

    /// Looks up to this second. Members are scraped at these offsets; `errors` is the share of errors of a member in the
    /// 15 seconds before a scrape at that second.
    fn until(&mut self, end: u64, offsets: &[(&str, u64)], errors: impl Fn(&str, u64) -> f64) -> &Measurements {
        while self.second < end {
            self.second += 2;
            let scrapes = offsets.iter().map(|(member, offset)| {
                let Some(since) = self.second.min(self.stops).checked_sub(*offset) else {
                    return Scrape {
                        member: (*member).to_owned(),
                        pod: format!("{member}-uid"),
                        series: Some(Vec::new()),
                    };
                };
                let taken = since / 15 * 15 + offset;
                let failed: f64 = (0..=taken / 15).map(|scrape| 100.0 * errors(member, scrape * 15 + taken % 15)).sum();
                let series = |name: &str, value: f64| Series {
                    name: name.to_owned(),
                    labels: Vec::new(),
                    value,
                    taken: Some(time(taken)),
                };
                let requests = 100.0 * (taken / 15 + 1) as f64;
                let series = vec![series("requests_total", requests), series("errors_total", failed)];
                Scrape { member: (*member).to_owned(), pod: format!("{member}-uid"), series: Some(series) }
            });
            let (at, scrapes) = (Duration::from_secs(self.second), scrapes.collect());
            self.history.look(Look { at, now: time(self.second), scrapes, trouble: None, refused: BTreeMap::new() });
        }
        self.history.measurements()
    }
}

fn time(second: u64) -> Timestamp {
    Timestamp::from_second(1_000_000 + i64::try_from(second).unwrap()).unwrap()
}

fn by_connection(indicator: serde_json::Value) -> Sampling {
    let spec = json!({
        "type": "Prometheus", "url": "http://prometheus:9090", "allowedNamespaces": ["*"], "staleAfter": "40s",
    });
    Sampling {
        source: Some(Source::Connection(Box::new(crate::needs::Connection {
            name: "prometheus".to_owned(),
            namespace: "qudag".to_owned(),
            spec: Ok(serde_json::from_value(spec).unwrap()),
        }))),
        ..sampling(indicator)
    }
}

const OFFSETS: [(&str, u64); 4] = [("o1", 1), ("o2", 6), ("b1", 3), ("b2", 10)];

#[test]
fn looks_between_two_scrapes_neither_pass_time_nor_lose_any() {
    let mut watch = Sampled::new();
    let covered = watch.until(20, &OFFSETS, |_, _| 0.0).covered;
    let measured = watch.until(120, &OFFSETS, |_, _| 0.0);
    let gained = measured.covered - covered;
    assert!(measured.passing, "{measured:?}");
    assert!(gained <= Duration::from_secs(100) && gained >= Duration::from_secs(75), "{gained:?}");
}

#[test]
fn a_server_that_stops_scraping_adds_no_time_and_is_silent_when_its_samples_are_old() {
    let mut watch = Sampled::new();
    let before = watch.until(60, &OFFSETS, |_, _| 0.0).clone();
    let scrapes = |watch: &Sampled| {
        let tracks = watch.history.tracks.keys();
        let series =
            |name: &str, value: f64| Series { name: name.to_owned(), labels: Vec::new(), value, taken: Some(time(46)) };
        let old = vec![series("requests_total", 400.0), series("errors_total", 0.0)];
        tracks
            .map(|member| Scrape { member: member.clone(), pod: format!("{member}-uid"), series: Some(old.clone()) })
            .collect::<Vec<_>>()
    };
    for second in (62..200).step_by(2) {
        let (at, scrapes) = (Duration::from_secs(second), scrapes(&watch));
        watch.history.look(Look { at, now: time(second), scrapes, trouble: None, refused: BTreeMap::new() });
    }
    let measured = watch.history.measurements();
    assert_eq!((measured.covered, measured.passing), (before.covered, false));
    assert!(measured.indicators[0].message.contains("staleAfter"), "{:?}", measured.indicators);
    assert!(measured.silent_for >= Duration::from_secs(100), "{:?}", measured.silent_for);
}

#[test]
fn a_server_that_stops_scraping_between_two_members_adds_no_time_after_its_last_sample() {
    let mut watch = Sampled::new();
    let before = watch.until(46, &OFFSETS, |_, _| 0.0).covered;
    // Of o2 there is one more sample, and the last one of o1 gets too old before it does.
    watch.stops = 54;
    let covered = watch.until(200, &OFFSETS, |_, _| 0.0).covered;
    assert_eq!(covered - before, Duration::from_secs(6), "from the look at 46 s to that at 52 s");
}

#[test]
fn samples_that_came_before_a_bake_began_add_nothing_to_it_although_they_are_judged_in_it() {
    let mut watch = Sampled::new();
    watch.stops = 54;
    watch.until(54, &OFFSETS, |_, _| 0.0);
    let bake = Timestamp::from_second(100).unwrap();
    watch.history.follow(Sampling { bake, ..by_connection(errors()) }, Duration::from_secs(54));
    assert_eq!(watch.until(88, &OFFSETS, |_, _| 0.0).covered, Duration::ZERO);
    watch.stops = u64::MAX;
    assert_eq!(watch.until(90, &OFFSETS, |_, _| 0.0).covered, Duration::from_secs(36), "since it began at 54 s");
}

#[test]
fn one_bad_sample_is_one_bad_look_however_often_it_is_seen() {
    let mut watch = Sampled::new();
    // One sample of one member, beyond the limit of 1 % in the window of six seconds, which is one scrape.
    let bad = |member: &str, second: u64| if member == "o1" && second == 31 { 0.05 } else { 0.0 };
    assert_eq!(watch.until(90, &OFFSETS, bad).breach, None);
    let mut watch = Sampled::new();
    let worse = |member: &str, second: u64| if member.starts_with('o') && second >= 30 { 0.05 } else { 0.0 };
    let breach = watch.until(90, &OFFSETS, worse).breach.clone().unwrap();
    assert_eq!(breach.reason, Reason::LimitBreached);
}

#[test]
fn a_catastrophe_is_seen_in_one_sample_against_the_baseline_of_that_time() {
    let mut watch = Sampled::new();
    let bad = |member: &str, second: u64| if member.starts_with('o') && second >= 30 { 0.5 } else { 0.0 };
    let breach = watch.until(50, &OFFSETS, bad).breach.clone().unwrap();
    assert_eq!(breach.reason, Reason::Catastrophe);
}

#[test]
fn an_outage_of_all_is_no_catastrophe_although_scrapes_are_spread_and_the_baseline_recovers_first() {
    for (start, length) in (30..45).flat_map(|start| [(start, 4), (start, 8), (start, 15), (start, 40)]) {
        let mut watch = Sampled::new();
        // Every request fails; a scrape tells of the 15 seconds before it.
        let outage = |_: &str, second: u64| {
            let overlap = second.min(start + length).saturating_sub(start.max(second.saturating_sub(15)));
            overlap as f64 / 15.0
        };
        let breach = watch.until(120, &OFFSETS, outage).breach.clone();
        let catastrophe = breach.filter(|breach| breach.reason == Reason::Catastrophe);
        assert_eq!(catastrophe, None, "{length} s from {start}");
    }
}

#[test]
fn trouble_with_the_source_is_what_every_indicator_says() {
    let mut watch = Sampled::new();
    let covered = watch.until(60, &OFFSETS, |_, _| 0.0).covered;
    let scrapes =
        OFFSETS.map(|(member, _)| Scrape { member: member.to_owned(), pod: format!("{member}-uid"), series: None });
    let trouble = Some("Connection prometheus answers 503".to_owned());
    watch.history.look(Look {
        at: Duration::from_secs(62),
        now: time(62),
        scrapes: scrapes.to_vec(),
        trouble,
        refused: BTreeMap::new(),
    });
    let measured = watch.history.measurements();
    assert_eq!(measured.indicators[0].message, "Connection prometheus answers 503");
    assert_eq!((measured.indicators[0].verdict, measured.covered), (Verdict::Inconclusive, covered));
}

#[rstest]
#[case::of_the_indicator_itself("up", "Connection prometheus answers 400 Bad Request (bad_data)")]
#[case::of_another_one("down", "1, within max 5")]
fn a_query_that_is_refused_is_what_its_own_indicator_says(#[case] refused: &str, #[case] message: &str) {
    let indicator = json!({"name": "load", "max": "5", "metric": {"promql": {"query": "up"}}});
    let mut history = History::new(by_connection(indicator), Duration::ZERO);
    let level = Series { name: query::expression_name("up"), labels: Vec::new(), value: 1.0, taken: Some(time(1)) };
    let scrapes = vec![Scrape { member: "o1".to_owned(), pod: "o1-uid".to_owned(), series: Some(vec![level]) }];
    let trouble = "Connection prometheus answers 400 Bad Request (bad_data)".to_owned();
    let refused = BTreeMap::from([(refused.to_owned(), trouble)]);
    history.look(Look { at: Duration::from_secs(2), now: time(2), scrapes, trouble: None, refused });
    let indicator = &history.measurements().indicators[0];
    assert!(indicator.message.starts_with(message), "{indicator:?}");
}

#[test]
fn a_report_is_as_old_as_its_sample_and_of_ended_series_says_nothing() {
    let mut watch = Sampled::new();
    let enabled = |revision: &str, value: f64, taken: u64| Series {
        name: "enabled".to_owned(),
        labels: vec![("optimization".to_owned(), "pool".to_owned()), ("revision".to_owned(), revision.to_owned())],
        value,
        taken: Some(time(taken)),
    };
    let scrape =
        |series: Vec<Series>| Scrape { member: "o1".to_owned(), pod: "o1-uid".to_owned(), series: Some(series) };
    let mut look = |second: u64, series: Vec<Series>| {
        let (at, scrapes) = (Duration::from_secs(second), vec![scrape(series)]);
        watch.history.look(Look { at, now: time(second), scrapes, trouble: None, refused: BTreeMap::new() });
        watch.history.measurements().reports.get("o1").cloned()
    };
    assert_eq!(look(2, Vec::new()), None, "nothing is no report");
    let report = look(20, vec![enabled("a", 0.0, 5), enabled("b", 1.0, 19)]).unwrap();
    assert_eq!((report.at, report.enabled["pool"]), (time(19), true));
}

#[rstest]
#[case::nobody_has_a_new_one(&[(14, [1, 2, 3])], 1)]
#[case::all_have_a_new_one(&[(20, [16, 17, 18])], 2)]
#[case::one_of_three_has_two(&[(20, [16, 2, 3]), (34, [31, 2, 3])], 1)]
#[case::two_of_three_have_one_and_one_of_them_two(&[(20, [16, 17, 3]), (34, [31, 17, 3])], 2)]
#[case::who_does_not_answer_is_not_waited_for(&[(45, [43, 44, 3])], 2)]
fn samples_are_looked_at_anew_when(#[case] looks: &[(u64, [u64; 3])], #[case] expected: usize) {
    let mut sampling = by_connection(errors());
    sampling.optimized.insert("o3".to_owned());
    let mut history = History::new(sampling, Duration::ZERO);
    for (second, taken) in [(10, [1, 2, 3])].iter().chain(looks) {
        let scrapes = ["o1", "o2", "o3"].into_iter().zip(taken).map(|(member, taken)| {
            let series = |name: &str| Series {
                name: name.to_owned(),
                labels: Vec::new(),
                value: *taken as f64,
                taken: Some(time(*taken)),
            };
            let series = Some(vec![series("requests_total"), series("errors_total")]);
            Scrape { member: member.to_owned(), pod: format!("{member}-uid"), series }
        });
        let scrapes = scrapes.collect();
        history.look(Look {
            at: Duration::from_secs(*second),
            now: time(*second),
            scrapes,
            trouble: None,
            refused: BTreeMap::new(),
        });
    }
    assert_eq!(history.outcomes[0].len(), expected);
}

#[test]
fn another_source_begins_anew_as_other_indicators_do() {
    let mut watch = Watch::new(errors());
    assert!(watch.look(5, 0.0, 0.0).covered > Duration::ZERO);
    watch.history.follow(by_connection(errors()), watch.at);
    assert_eq!(watch.history.measurements().covered, Duration::ZERO, "times of looks and of samples are not compared");
    let mut watch = Watch::new(errors());
    watch.look(5, 0.0, 0.0);
    let load = json!({"name": "load", "max": "1", "metric": {"gauge": {"gauge": "load"}}});
    watch.history.follow(sampling(load), watch.at);
    assert_eq!(watch.history.wanted(), ["load", "enabled"]);
}
