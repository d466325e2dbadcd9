use std::collections::BTreeMap;

use api::{Duration, fleet::Reload};
use jiff::{SignedDuration, Timestamp};
use rstest::rstest;

use super::{Acknowledgement, Expected, Touch, fingerprint, told_at, touch_due};
use crate::{
    observation::{Pod, Report},
    record::{Cohort, Entry},
};

const FILE: Option<&str> = Some("enabled = true\n");

fn at(milliseconds: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_millis(milliseconds)
}

fn told(count: u32, file: Option<&str>) -> Pod {
    let touched = Some(Touch { at: at(10_000), count, file: fingerprint(file) });
    Pod { uid: "uid".to_owned(), touched, ..Pod::default() }
}

fn report(pod: &str, milliseconds: i64, on: bool) -> Report {
    Report { pod: pod.to_owned(), at: at(milliseconds), enabled: [("pooling".to_owned(), on)].into(), revision: None }
}

/// The judgement of a pod that watches its file; without having been told it is pending.
fn judged(
    spec: &api::fleet::Acknowledgement,
    pod: &Pod,
    expected: &Expected<'_>,
    report: Option<&Report>,
    now: i64,
) -> Acknowledgement {
    let told = told_at(Reload::Watch, pod, None, &fingerprint(FILE));
    told.map_or(Acknowledgement::Pending, |told| Acknowledgement::of(spec, pod, told, expected, report, at(now)))
}

#[rstest]
#[case::it_says_so(told(1, FILE), Some(report("uid", 10_500, true)), Acknowledgement::Acknowledged)]
#[case::it_says_the_opposite(told(1, FILE), Some(report("uid", 10_500, false)), Acknowledgement::Pending)]
#[case::it_said_so_before_it_was_told(told(1, FILE), Some(report("uid", 9_999, true)), Acknowledgement::Pending)]
#[case::another_process_said_so(told(1, FILE), Some(report("old", 10_500, true)), Acknowledgement::Pending)]
#[case::it_was_told_of_another_file(told(1, None), Some(report("uid", 10_500, true)), Acknowledgement::Pending)]
#[case::it_says_nothing(told(1, FILE), None, Acknowledgement::Pending)]
#[case::it_was_never_told(Pod::default(), Some(report("", 10_500, true)), Acknowledgement::Pending)]
fn only_a_report_of_this_process_about_this_file_acknowledges(
    #[case] pod: Pod,
    #[case] report: Option<Report>,
    #[case] expected: Acknowledgement,
) {
    let spec = api::fleet::Acknowledgement { metric: Some("on".to_owned()), timer: None, ..Default::default() };
    let expected_report = Expected { enabled: BTreeMap::from([("pooling", true)]), ..Expected::default() };
    assert_eq!(judged(&spec, &pod, &expected_report, report.as_ref(), 11_000), expected);
}

#[rstest]
#[case::the_same(Some("2"), Some("2"), Acknowledgement::Acknowledged)]
#[case::an_older_one(Some("2"), Some("1"), Acknowledgement::Pending)]
#[case::none_yet(Some("2"), None, Acknowledgement::Pending)]
#[case::no_file_and_none(None, None, Acknowledgement::Acknowledged)]
#[case::no_file_and_an_older_one(None, Some("1"), Acknowledgement::Pending)]
fn a_revision_decides_where_there_is_one(
    #[case] expected: Option<&str>,
    #[case] reported: Option<&str>,
    #[case] acknowledgement: Acknowledgement,
) {
    let spec = api::fleet::Acknowledgement {
        metric: Some("on".to_owned()),
        revision_label: Some("revision".to_owned()),
        timer: None,
        ..Default::default()
    };
    let expected = Expected {
        enabled: BTreeMap::from([("pooling", false)]),
        revision: expected.map(str::to_owned),
        ..Expected::default()
    };
    let report = Report { revision: reported.map(str::to_owned), ..report("uid", 10_500, true) };
    let told = told(1, FILE);
    assert_eq!(judged(&spec, &told, &expected, Some(&report), 11_000), acknowledgement);
}

#[rstest]
#[case::it_may_not_have_read_its_file_yet(true, 69_999, &[("cache", false)], Acknowledgement::Open)]
#[case::it_had_a_minute_for_that(true, 70_000, &[("cache", true)], Acknowledgement::Assumed)]
#[case::it_says_nothing_at_all(true, 70_000, &[], Acknowledgement::Pending)]
#[case::it_says_that_it_is_on(true, 70_000, &[("cache", false), ("pooling", true)], Acknowledgement::Pending)]
#[case::it_does_not_go_back(false, 70_000, &[("cache", false)], Acknowledgement::Pending)]
fn who_goes_back_and_knows_no_such_optimization_cannot_say_that_it_is_off(
    #[case] returns: bool,
    #[case] at: i64,
    #[case] enabled: &[(&str, bool)],
    #[case] acknowledgement: Acknowledgement,
) {
    let spec = api::fleet::Acknowledgement { metric: Some("on".to_owned()), timer: None, ..Default::default() };
    let expected = Expected { enabled: [("pooling", false)].into(), returns, ..Expected::default() };
    let enabled = enabled.iter().map(|(name, on)| ((*name).to_owned(), *on)).collect();
    let report = Report { enabled, ..report("uid", at, true) };
    assert_eq!(judged(&spec, &told(1, FILE), &expected, Some(&report), at), acknowledgement);
}

#[rstest]
#[case(39_999, Acknowledgement::Pending)]
#[case(40_000, Acknowledgement::Assumed)]
#[case(0, Acknowledgement::Pending)]
fn a_timer_counts_from_the_touch(#[case] now: i64, #[case] expected: Acknowledgement) {
    let spec = api::fleet::Acknowledgement { timer: Some(Duration::from_secs(30)), ..Default::default() };
    let pod = told(1, FILE);
    assert_eq!(judged(&spec, &pod, &Expected::default(), None, now), expected);
}

#[rstest]
#[case::never_told(Pod::default(), 10_000, Some(1))]
#[case::told_of_another_file(told(3, None), 10_001, Some(1))]
#[case::too_early_for_a_second(told(1, FILE), 10_999, None)]
#[case::second_after_one_second(told(1, FILE), 11_000, Some(2))]
#[case::too_early_for_a_third(told(2, FILE), 11_999, None)]
#[case::third_after_two(told(2, FILE), 12_000, Some(3))]
#[case::fourth_after_four(told(3, FILE), 14_000, Some(4))]
#[case::no_fifth(told(4, FILE), 99_000, None)]
#[case::the_clock_went_back(told(1, FILE), 0, None)]
fn a_pod_is_told_at_once_and_again_after_one_two_and_four_seconds(
    #[case] pod: Pod,
    #[case] now: i64,
    #[case] expected: Option<u32>,
) {
    assert_eq!(touch_due(&pod, &fingerprint(FILE), at(now)).map(|touch| touch.count), expected);
}

#[test]
fn a_touch_is_read_back_as_written_and_anything_else_is_none() {
    let touch = Touch { at: at(10_123), count: 2, file: fingerprint(FILE) };
    assert_eq!(Touch::parse(&touch.text()), Some(touch));
    assert_eq!(Touch::parse("yesterday"), None);
    assert_eq!(Touch::parse("2026-01-01T00:00:00Z#many#x"), None);
}

#[rstest]
#[case::started_since("new", Some(at(5_000)))]
#[case::runs_since_before("old", None)]
fn a_member_that_reads_its_file_at_start_is_told_by_a_start(#[case] pod: &str, #[case] expected: Option<Timestamp>) {
    let pod = Pod { uid: pod.to_owned(), created: at(5_000), ..told(1, FILE) };
    let entry = Entry { cohort: Cohort::Optimized, stage: 0, pod: "old".to_owned(), restarts: 0, reverted: false };
    assert_eq!(told_at(Reload::RestartPod, &pod, Some(&entry), &fingerprint(FILE)), expected);
    assert_eq!(told_at(Reload::RestartPod, &pod, None, &fingerprint(FILE)), None, "nobody has told it anything");
}
