use api::{fleet::Reload, rollout::Abort, threshold::Threshold, traffic::Traffic};
use rstest::rstest;
use serde_json::json;

use crate::{
    decide::{decide, decide_standby, fixture::Fixture},
    observation::{Breach, Measurements, Service},
    plan::Withdraw,
};

/// A retreat of members of these cohorts, of which each is in traffic (`+`), out of it (`-`), out of it by a value that
/// is not ours (`?`), in it and not ready (`!`), or in it without the label of a cohort (`,`); the others may get so many
/// percent more load.
fn retreat(cohorts: &str, serving: &str, increase: u32) -> Fixture {
    let mut fixture = Fixture::new(cohorts, 50);
    for (member, state) in fixture.seen.members.iter_mut().zip(serving.chars()) {
        let serving = match state {
            '-' => "false",
            '?' => "maybe",
            _ => "true",
        };
        member.pod.serving = Some(serving.to_owned());
        match state {
            ',' => member.pod.cohort = None,
            'B' => member.pod.cohort = Some("baseline".to_owned()),
            _ => {}
        }
        member.pod.ready = state != '!';
    }
    let traffic: Traffic = serde_json::from_value(json!({"services": [{"name": "front"}]})).unwrap();
    fixture.rollout.spec.traffic = Some(Traffic { max_load_increase: Threshold::percent(increase), ..traffic });
    let selector = [(api::names::SERVING_LABEL.to_owned(), "true".to_owned())].into();
    fixture.seen.services = vec![Service { name: "front".to_owned(), selector, ..Service::default() }];
    fixture.rollout.spec.abort = Some(Abort { reason: "ticket 42".to_owned() });
    fixture
}

/// Whether the Service is narrowed, and the members that are taken out of it, as the plan has them.
fn away(fixture: &Fixture) -> (bool, Vec<String>) {
    let plan = decide(&fixture.rollout, &fixture.seen);
    let rerouted = plan.withdraw.iter().any(|withdraw| matches!(withdraw, Withdraw::RerouteService { .. }));
    let leaving = plan.withdraw.into_iter().filter_map(|withdraw| match withdraw {
        Withdraw::StopServing { pod, .. } => Some(pod.name),
        _ => None,
    });
    (rerouted, leaving.collect())
}

#[rstest]
#[case::all_of_them("oobbbb", "++++++", 100, true, 2)]
#[case::one_alone("obbbbb", "++++++", 100, false, 1)]
#[case::as_many_as_the_rest_can_bear("ooooobbb", "++++++++", 100, false, 4)]
#[case::fewer_where_less_is_allowed("oooobbbb", "++++++++", 25, false, 1)]
#[case::some_are_out_already("oooobbbb", "--++++++", 100, true, 2)]
#[case::enough_are_out_already("oooobbbb", "++++----", 100, false, 0)]
#[case::more_are_out_than_may_be("ooobbbbb", "+++--+++", 25, false, 0)]
#[case::the_baseline_is_down("oooobbbb", "++++!!!!", 100, false, 0)]
#[case::half_of_the_baseline_is_down("oobbbb", "++++!!", 100, true, 2)]
#[case::one_that_is_not_ready_bears_nothing("ooobbb", "+++++!", 100, false, 2)]
#[case::somebody_took_one_out_in_another_way("oobbbb", "+++++?", 40, false, 0)]
#[case::a_narrowed_service_would_lose_one_more("oobbbb", "+++++,", 50, false, 2)]
#[case::it_would_lose_that_one_and_who_leaves("oobb", "B+,+", 100, false, 2)]
#[case::nobody_else_is_there("oooo", "++++", 100, false, 0)]
#[case::nor_is_who_bears_the_label_of_the_baseline("oooo", "B+++", 100, false, 0)]
fn as_many_leave_traffic_as_the_rest_can_bear(
    #[case] cohorts: &str,
    #[case] serving: &str,
    #[case] increase: u32,
    #[case] reroutes: bool,
    #[case] leaving: usize,
) {
    let (rerouted, left) = away(&retreat(cohorts, serving, increase));
    assert_eq!((rerouted, left.len()), (reroutes, leaving), "{left:?}");
    assert!(left.iter().all(|name| cohorts.as_bytes()[usize::from(name.as_bytes()[5] - b'0')] == b'o'), "{left:?}");
}

#[rstest]
#[case::to_the_fleet(&["node-0", "node-5"], true)]
#[case::to_nobody(&[], true)]
#[case::to_pods_of_others_as_well(&["node-0", "gateway-0"], false)]
fn a_service_is_narrowed_where_it_leads(#[case] endpoints: &[&str], #[case] expected: bool) {
    let mut fixture = retreat("oobbbb", "++++++", 100);
    fixture.seen.services[0].endpoints = endpoints.iter().map(|pod| (*pod).to_owned()).collect();
    assert_eq!(away(&fixture), (expected, vec!["node-0".to_owned(), "node-1".to_owned()]));
}

/// A breach that was measured, and whom it is about.
fn breach(fixture: &mut Fixture, worst: &[&str]) {
    let run = fixture.rollout.status.as_ref().unwrap().run.as_ref().unwrap().id.clone();
    let breach = Breach {
        reason: api::reason::Reason::LimitBreached,
        indicator: "errors".to_owned(),
        message: "errors: 5%".to_owned(),
        worst: worst.iter().map(|name| (*name).to_owned()).collect(),
    };
    let bake = fixture.seen.now;
    fixture.seen.measurements = Some(Measurements { run, bake, breach: Some(breach), ..Measurements::default() });
}

#[test]
fn the_worst_leave_first() {
    let mut fixture = retreat("ooobbb", "++++++", 25);
    breach(&mut fixture, &["node-2", "node-0"]);
    assert_eq!(away(&fixture).1, ["node-2"]);
}

#[test]
fn who_is_evicted_leaves_traffic_before_the_worst() {
    let mut fixture = retreat("orobbb", "++++++", 40);
    fixture.rollout.spec.fleet.config.reload = Reload::RestartPod;
    breach(&mut fixture, &["node-0", "node-2"]);
    let plan = decide(&fixture.rollout, &fixture.seen);
    let evicted = plan.withdraw.iter().filter_map(|item| match item {
        Withdraw::Evict(pod) => Some(pod.name.as_str()),
        _ => None,
    });
    assert_eq!(evicted.collect::<Vec<_>>(), ["node-1"]);
    assert_eq!(away(&fixture).1, ["node-1"]);
}

#[rstest]
#[case::all_may_leave("oobbbb", 100, 2)]
#[case::some_may_leave("ooobbb", 25, 0)]
fn a_standby_does_not_choose_who_leaves(#[case] cohorts: &str, #[case] increase: u32, #[case] leaving: usize) {
    let mut fixture = retreat(cohorts, "++++++", increase);
    fixture.rollout.spec.abort = None;
    breach(&mut fixture, &["node-1"]);
    let (_, withdraw) = decide_standby(&fixture.rollout, &fixture.seen).unwrap();
    let left = withdraw.iter().filter(|item| matches!(item, Withdraw::StopServing { .. })).count();
    assert_eq!(left, leaving);
    assert!(withdraw.iter().any(|item| matches!(item, Withdraw::Restore(_))), "settings go back all the same");
}

#[test]
fn without_traffic_nothing_is_done_to_it() {
    let mut fixture = retreat("oobbbb", "++++++", 100);
    fixture.rollout.spec.traffic = None;
    assert_eq!(away(&fixture), (false, Vec::new()));
}

#[test]
fn a_service_is_narrowed_once_for_each_run() {
    let mut fixture = retreat("oobbbb", "++++++", 100);
    let plan = decide(&fixture.rollout, &fixture.seen);
    let mark = plan.withdraw.iter().find_map(|withdraw| match withdraw {
        Withdraw::RerouteService { mark, .. } => Some(mark.clone()),
        _ => None,
    });
    let service = &mut fixture.seen.services[0];
    service.selector.insert(api::names::COHORT_LABEL.to_owned(), api::names::cohort::BASELINE.to_owned());
    assert!(away(&fixture).0, "somebody else narrowed it: it bears no mark");
    fixture.seen.services[0].mark = mark;
    assert!(!away(&fixture).0);
}
