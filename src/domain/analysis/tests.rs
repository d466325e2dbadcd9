use std::collections::BTreeSet;

use api::{fleet::Acknowledgement, reason::Reason};
use jiff::Timestamp;
use rstest::rstest;
use serde_json::json;

use super::*;
use crate::{
    needs::{Source, Target},
    series::Series,
};

mod bake;
mod breach;
mod sampled;

const EVERY: Duration = Duration::from_secs(2);

/// Looks at four members, two of them optimized, judged by errors of at most 1 % in two of three looks.
struct Watch {
    history: History,
    at: Duration,
    /// The wall clock.
    now: Timestamp,
}

fn sampling(indicator: serde_json::Value) -> Sampling {
    Sampling {
        run: "run-1".to_owned(),
        bake: Timestamp::UNIX_EPOCH,
        covered: Duration::ZERO,
        counting: true,
        everybody: false,
        interval: EVERY,
        source: Some(Source::Pods { path: "/metrics".to_owned() }),
        indicators: vec![serde_json::from_value(indicator).unwrap()],
        acknowledgement: Acknowledgement {
            metric: Some("enabled".to_owned()),
            timer: None,
            ..Acknowledgement::default()
        },
        targets: Vec::new(),
        optimized: BTreeSet::from(["o1".to_owned(), "o2".to_owned()]),
        returning: BTreeSet::new(),
    }
}

fn errors() -> serde_json::Value {
    json!({
        "name": "errors", "max": "1%", "window": "6s",
        "metric": {"ratio": {"numerator": "errors_total", "denominator": "requests_total"}},
    })
}

fn scrape(member: &str, values: Option<&[(&str, f64)]>) -> Scrape {
    let series = values.map(|values| {
        let series = |(name, value): &(&str, f64)| Series {
            taken: None,
            name: (*name).to_owned(),
            labels: if *name == "enabled" { vec![("optimization".to_owned(), "pool".to_owned())] } else { Vec::new() },
            value: *value,
        };
        values.iter().map(series).collect()
    });
    Scrape { member: member.to_owned(), pod: format!("{member}-uid"), series }
}

impl Watch {
    fn new(indicator: serde_json::Value) -> Self {
        Self::of(sampling(indicator))
    }

    fn of(sampling: Sampling) -> Self {
        Self { history: History::new(sampling, Duration::ZERO), at: Duration::ZERO, now: Timestamp::UNIX_EPOCH }
    }

    /// Looks `count` times at counters that grow by 100 requests a look, with these errors.
    fn look(&mut self, count: u32, optimized: f64, baseline: f64) -> &Measurements {
        for _ in 0..count {
            let looks = self.at.as_secs_f64() / EVERY.as_secs_f64();
            let values = |share: f64| vec![("requests_total", 100.0 * looks), ("errors_total", 100.0 * looks * share)];
            let (sick, well) = (values(optimized), values(baseline));
            let scrapes = vec![
                scrape("o1", Some(&sick)),
                scrape("o2", Some(&sick)),
                scrape("b1", Some(&well)),
                scrape("b2", Some(&well)),
            ];
            self.take(scrapes);
        }
        self.history.measurements()
    }

    fn take(&mut self, scrapes: Vec<Scrape>) {
        self.history.look(Look { at: self.at, now: self.now, scrapes, trouble: None, refused: BTreeMap::new() });
        self.at += EVERY;
    }

    fn verdict(&self) -> Verdict {
        self.history.measurements().indicators[0].verdict
    }
}

#[test]
fn who_is_asked_for_an_acknowledgement_alone_is_no_evidence_and_its_report_stays() {
    let mut watch = Watch::new(errors());
    let target = |member: &str, measured| Target {
        member: member.to_owned(),
        name: member.to_owned(),
        pod: format!("{member}-uid"),
        ip: String::new(),
        port: 0,
        measured,
    };
    let mut sampling = watch.history.sampling.clone();
    sampling.targets = vec![target("o1", true), target("o2", false)];
    watch.history.follow(sampling.clone(), Duration::ZERO);
    let sick: &[(&str, f64)] = &[("requests_total", 0.0), ("errors_total", 0.0), ("enabled", 1.0)];
    let look = |member| scrape(member, Some(sick));
    watch.take(vec![look("o1"), look("o2"), look("b1")]);
    assert_eq!(watch.history.tracks.keys().collect::<Vec<_>>(), ["b1", "o1"]);
    watch.take(vec![look("o1"), look("b1")]);
    let reports = || watch.history.measurements().reports.keys().cloned().collect::<Vec<_>>();
    assert_eq!(reports(), ["b1", "o1", "o2"]);
    sampling.optimized.remove("o2");
    watch.history.follow(sampling, Duration::ZERO);
    watch.take(vec![look("o1"), look("b1")]);
    assert_eq!(watch.history.measurements().reports.keys().cloned().collect::<Vec<_>>(), ["b1", "o1"]);
}

#[test]
fn before_its_delay_is_over_an_indicator_neither_breaches_nor_passes() {
    let mut indicator = errors();
    indicator["initialDelay"] = json!("8s");
    let mut watch = Watch::new(indicator);
    let early = watch.look(4, 0.9, 0.0);
    assert!(early.breach.is_none() && !early.passing, "{early:?}");
    assert!(watch.look(1, 0.9, 0.0).breach.is_some());
}

#[rstest]
#[case::as_long_as_the_bake_is_young(3, false)]
#[case::no_longer(8, true)]
fn a_process_that_looks_on_where_another_one_ended_delays_an_indicator(#[case] age: i64, #[case] judged: bool) {
    let mut indicator = errors();
    indicator["initialDelay"] = json!("8s");
    let mut sampling = sampling(indicator);
    sampling.bake = Timestamp::from_second(-age).unwrap();
    let mut watch = Watch::of(sampling);
    assert_eq!(watch.look(3, 0.9, 0.0).breach.is_some(), judged);
}

#[test]
fn a_clock_that_is_set_forward_ends_no_delay() {
    let mut indicator = errors();
    indicator["initialDelay"] = json!("8s");
    let mut watch = Watch::new(indicator);
    watch.look(1, 0.9, 0.0);
    watch.now = Timestamp::from_second(3600).unwrap();
    assert!(watch.look(3, 0.9, 0.0).breach.is_none());
    assert!(watch.look(1, 0.9, 0.0).breach.is_some());
}

/// Looks once at counters that grow by 100 requests and by these errors.
fn grow(watch: &mut Watch, totals: &mut [f64; 2], optimized: f64, baseline: f64) {
    totals[0] += optimized;
    totals[1] += baseline;
    let requests = 100.0 * watch.at.as_secs_f64() / EVERY.as_secs_f64();
    let values = |errors: f64| vec![("requests_total", requests), ("errors_total", errors)];
    let (sick, well) = (values(totals[0]), values(totals[1]));
    let scrapes = [("o1", &sick), ("o2", &sick), ("b1", &well), ("b2", &well)];
    watch.take(scrapes.map(|(member, values)| scrape(member, Some(values))).into());
}

#[test]
fn an_observed_indicator_says_so_and_breaches_nothing() {
    let mut indicator = errors();
    indicator["mode"] = json!("Observe");
    let mut watch = Watch::new(indicator);
    assert!(watch.look(6, 0.05, 0.0).breach.is_none());
    assert_eq!(watch.verdict(), Verdict::Breach);
}

#[test]
fn half_of_the_optimized_members_without_data_is_enough_and_fewer_is_not() {
    for (answering, expected) in [(1, Verdict::Pass), (0, Verdict::Inconclusive)] {
        let mut watch = Watch::new(errors());
        for look in 0..4 {
            let values = [("requests_total", f64::from(look) * 100.0), ("errors_total", 0.0)];
            let values = Some(values.as_slice());
            watch.take(vec![
                scrape("o1", values.filter(|_| answering > 0)),
                scrape("o2", None),
                scrape("b1", values),
                scrape("b2", values),
            ]);
        }
        assert_eq!(watch.verdict(), expected, "{answering}");
    }
}

#[test]
fn a_counter_that_nobody_exposes_is_no_zero() {
    let mut watch = Watch::new(errors());
    for look in 0..4 {
        let values = [("requests_total", f64::from(look) * 100.0)];
        watch.take(["o1", "o2", "b1", "b2"].map(|member| scrape(member, Some(&values))).into());
    }
    assert_eq!(watch.verdict(), Verdict::Inconclusive);
}

#[test]
fn no_requests_are_no_pass() {
    let mut watch = Watch::new(errors());
    for _ in 0..4 {
        let values = [("requests_total", 7.0), ("errors_total", 0.0)];
        watch.take(["o1", "o2", "b1", "b2"].map(|member| scrape(member, Some(&values))).into());
    }
    assert_eq!(watch.verdict(), Verdict::Inconclusive);
    assert!(!watch.history.measurements().passing, "the bake goes on without requests");
}

#[test]
fn a_relative_limit_compares_with_the_baseline_of_the_same_looks() {
    let indicator = json!({
        "name": "errors", "maxIncrease": "10%", "window": "6s",
        "metric": {"ratio": {"numerator": "errors_total", "denominator": "requests_total"}},
    });
    let mut watch = Watch::new(indicator.clone());
    assert!(watch.look(6, 0.2, 0.2).breach.is_none(), "both suffer alike");
    let mut watch = Watch::new(indicator);
    assert!(watch.look(6, 0.24, 0.2).breach.is_some());
}

#[test]
fn what_a_member_did_before_its_switch_says_nothing_of_it_after() {
    let mut before = sampling(errors());
    before.optimized.clear();
    let mut watch = Watch::of(before);
    watch.look(3, 0.5, 0.0);
    watch.history.follow(sampling(errors()), watch.at);
    let measured = watch.look(1, 0.5, 0.0);
    assert!(measured.breach.is_none() && !measured.passing, "{measured:?}");
    assert!(watch.look(3, 0.5, 0.0).breach.is_some(), "and it says something soon after it");
}

#[test]
fn a_member_that_is_gone_says_nothing_any_more() {
    let mut watch = Watch::new(errors());
    let looks = |watch: &mut Watch, members: &[(&str, f64)]| {
        for _ in 0..4 {
            let requests = 100.0 * watch.at.as_secs_f64() / EVERY.as_secs_f64();
            let scrapes = members.iter().map(|(member, share)| {
                scrape(member, Some(&[("requests_total", requests), ("errors_total", requests * share)]))
            });
            watch.take(scrapes.collect());
        }
    };
    looks(&mut watch, &[("o1", 0.0), ("o2", 0.009), ("b1", 0.0), ("b2", 0.0)]);
    assert_eq!(watch.verdict(), Verdict::Pass);
    looks(&mut watch, &[("b1", 0.0), ("b2", 0.0)]);
    assert_eq!(watch.verdict(), Verdict::Inconclusive, "both optimized members are gone");
    assert!(!watch.history.measurements().passing);
}

#[test]
fn members_on_the_way_back_say_what_they_run_and_count_for_neither_cohort() {
    let mut sampling = sampling(errors());
    let going = sampling.optimized.pop_last().unwrap();
    sampling.returning.insert(going.clone());
    let mut watch = Watch::of(sampling);
    let measured = watch.look(6, 0.5, 0.0);
    let breach = measured.breach.as_ref().unwrap();
    assert_eq!(breach.worst, ["o1"], "a bad member is not of the baseline, which would excuse the other");
    assert!(measured.reports.contains_key(&going), "{measured:?}");
}

#[test]
fn members_report_which_optimizations_are_on() {
    let mut watch = Watch::new(errors());
    watch.take(vec![scrape("o1", Some(&[("enabled", 1.0)])), scrape("o2", Some(&[("enabled", 0.0)]))]);
    let reports = &watch.history.measurements().reports;
    assert_eq!(reports["o1"].enabled, BTreeMap::from([("pool".to_owned(), true)]));
    assert_eq!(reports["o2"].enabled, BTreeMap::from([("pool".to_owned(), false)]));
    assert_eq!(reports["o1"].pod, "o1-uid");
}

#[test]
fn a_look_asks_for_what_the_indicators_and_the_acknowledgement_need() {
    let history = History::new(sampling(errors()), Duration::ZERO);
    assert_eq!(history.wanted(), ["errors_total", "requests_total", "enabled"]);
    assert_eq!(history.expressions(), Vec::<&str>::new());
    let query = json!({"name": "load", "max": "1", "metric": {"promql": {"query": "sum(load)"}}});
    let history = History::new(sampling(query), Duration::ZERO);
    assert_eq!((history.wanted(), history.expressions()), (vec!["enabled"], vec!["sum(load)"]));
}

#[test]
fn a_pass_is_told_with_both_values_and_the_limits() {
    let mut watch = Watch::new(errors());
    let told = |measured: &Measurements| measured.indicators[0].message.clone();
    assert_eq!(told(watch.look(4, 0.005, 0.0)), "0.5% against 0%, within max 1%");
    let alone = |member| scrape(member, Some(&[("requests_total", 900.0), ("errors_total", 4.0)]));
    watch.take(vec![alone("o1"), alone("o2")]);
    let message = told(watch.history.measurements());
    assert!(message.ends_with("%, within max 1%") && !message.contains("against"), "{message}");
}

#[test]
fn a_window_has_all_its_looks() {
    let (mut watch, mut totals) = (Watch::new(errors()), [0.0, 0.0]);
    for errors in [0.0, 0.0, 0.0, 0.0, 2.5] {
        grow(&mut watch, &mut totals, errors, 0.0);
    }
    assert_eq!(watch.verdict(), Verdict::Pass, "{:?}", watch.history.measurements().indicators);
}

#[test]
fn what_another_process_counted_under_the_same_name_is_no_growth() {
    let mut watch = Watch::new(errors());
    watch.look(4, 0.0, 0.0);
    let sick: &[(&str, f64)] = &[("requests_total", 900.0), ("errors_total", 400.0)];
    let replaced = |member: &str| Scrape { pod: format!("{member}-other"), ..scrape(member, Some(sick)) };
    let well: &[(&str, f64)] = &[("requests_total", 400.0), ("errors_total", 0.0)];
    watch.take(vec![replaced("o1"), replaced("o2"), scrape("b1", Some(well)), scrape("b2", Some(well))]);
    let message = &watch.history.measurements().indicators[0].message;
    assert!(message.contains("one scrape so far"), "{message}");
}

#[rstest]
#[case::it_repeats_one("7", Some("7"))]
#[case::it_has_none_yet("", None)]
fn members_repeat_the_revision_of_their_file(#[case] revision: &str, #[case] expected: Option<&str>) {
    let mut sampling = sampling(errors());
    sampling.acknowledgement.revision_label = Some("revision".to_owned());
    let mut watch = Watch::of(sampling);
    let labels = vec![("revision".to_owned(), revision.to_owned())];
    let series = Series { taken: None, name: "enabled".to_owned(), labels, value: 1.0 };
    watch.take(vec![Scrape { series: Some(vec![series]), ..scrape("o1", None) }]);
    assert_eq!(watch.history.measurements().reports["o1"].revision.as_deref(), expected);
}
