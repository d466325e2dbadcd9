use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use rstest::rstest;
use serde_json::json;

use super::*;
use crate::decide::fixture::{BASELINE, Fixture, OPTIMIZED};

fn measured(cohorts: &str) -> Fixture {
    let mut fixture = Fixture::new(cohorts, 50);
    let metrics = json!({"interval": "5s", "source": {"pods": {"port": "metrics"}}});
    fixture.rollout.spec.metrics = Some(serde_json::from_value(metrics).unwrap());
    for (number, member) in fixture.seen.members.iter_mut().enumerate() {
        member.pod.ip = Some(format!("10.0.0.{number}"));
        member.pod.metrics_port = Some(9090);
    }
    fixture
}

fn asked(fixture: &Fixture) -> Vec<String> {
    let sampling = needs(&fixture.rollout, &fixture.seen).unwrap();
    sampling.targets.into_iter().map(|target| target.member).collect()
}

#[test]
fn members_of_the_run_are_asked_and_those_that_joined_are_not() {
    let fixture = measured("obhr-");
    assert_eq!(asked(&fixture), ["node-0", "node-1", "node-2", "node-3"]);
    let sampling = needs(&fixture.rollout, &fixture.seen).unwrap();
    assert_eq!(sampling.optimized, BTreeSet::from(["node-0".to_owned()]));
    assert_eq!(sampling.returning, BTreeSet::from(["node-3".to_owned()]));
    assert_eq!(sampling.interval, Duration::from_secs(5));
    assert_eq!(sampling.stale_after(), None);
    let first = &sampling.targets[0];
    assert_eq!((first.ip.as_str(), first.port, first.pod.as_str()), ("10.0.0.0", 9090, "node-0"));
}

#[test]
fn nobody_is_left_to_compare_with_once_the_holdout_follows() {
    let mut fixture = measured("oobh");
    let everybody = |fixture: &Fixture| needs(&fixture.rollout, &fixture.seen).unwrap().everybody;
    let now = Time(fixture.seen.now);
    fixture.run().succeeded_at = Some(now.clone());
    assert!(!everybody(&fixture), "it is watched against the holdout");
    fixture.run().settling_at = Some(now);
    assert!(everybody(&fixture));
}

#[test]
fn nothing_counts_for_the_bake_while_more_are_optimized_than_an_edited_stage_allows() {
    let counts = |percent: i32| {
        let mut fixture = measured("oobb");
        fixture.edit(percent);
        fixture.rollout.spec.fleet.acknowledgement = serde_json::from_value(json!({"timer": "1s"})).unwrap();
        fixture.replan();
        for member in &mut fixture.seen.members {
            let file = fixture.seen.shards[0].files.get(&member.name).map(String::as_str);
            let (at, file) = (fixture.seen.now, crate::acknowledgement::fingerprint(file));
            member.pod.touched = Some(crate::acknowledgement::Touch { at, count: 1, file });
        }
        fixture.seen.now += Duration::from_secs(10);
        needs(&fixture.rollout, &fixture.seen).unwrap().counting
    };
    assert!(counts(50));
    assert!(!counts(25));
}

#[rstest]
#[case::without_an_address(|f: &mut Fixture| f.seen.members[0].pod.ip = None)]
#[case::without_a_port(|f: &mut Fixture| f.seen.members[0].pod.metrics_port = None)]
#[case::overridden(|f: &mut Fixture| drop(f.seen.shards[0].files.insert("node-0".into(), BASELINE.into())))]
fn a_member_that_is_no_measure_is_not_asked(#[case] happens: fn(&mut Fixture)) {
    let mut fixture = measured("obh");
    happens(&mut fixture);
    assert_eq!(asked(&fixture), ["node-1", "node-2"]);
}

#[test]
fn a_server_is_asked_for_members_without_an_address_or_a_port() {
    let mut fixture = measured("obh");
    let metrics = json!({"interval": "5s", "source": {"connection": "prometheus"}});
    fixture.rollout.spec.metrics = Some(serde_json::from_value(metrics).unwrap());
    fixture.seen.members[0].pod.ip = None;
    fixture.seen.members[1].pod.metrics_port = None;
    assert_eq!(asked(&fixture), ["node-0", "node-1", "node-2"]);
}

#[test]
fn a_baseline_member_that_was_given_the_optimized_values_is_not_asked() {
    let mut fixture = measured("obh");
    fixture.seen.shards[0].files.insert("node-1".to_owned(), OPTIMIZED.to_owned());
    assert_eq!(asked(&fixture), ["node-0", "node-2"]);
}

#[test]
fn a_hundred_of_each_are_asked_at_most() {
    let fixture = measured(&format!("{}{}", "o".repeat(103), "b".repeat(104)));
    let asked = asked(&fixture);
    assert_eq!(asked.len(), 200);
    assert!(asked.contains(&"node-99".to_owned()) && !asked.contains(&"node-100".to_owned()));
}

#[test]
fn everybody_is_asked_for_an_acknowledgement_and_a_hundred_of_each_are_measured() {
    let mut fixture = measured(&format!("{}{}{}", "o".repeat(103), "r".repeat(2), "b".repeat(104)));
    let acknowledgement = json!({"metric": "enabled"});
    fixture.rollout.spec.fleet.acknowledgement = serde_json::from_value(acknowledgement).unwrap();
    let sampling = needs(&fixture.rollout, &fixture.seen).unwrap();
    let (measured, told): (Vec<_>, Vec<_>) = sampling.targets.into_iter().partition(|target| target.measured);
    assert_eq!(measured.len(), 200);
    let told: Vec<String> = told.into_iter().map(|target| target.member).collect();
    assert_eq!(told, ["node-100", "node-101", "node-102", "node-103", "node-104"]);
}

#[test]
fn nothing_is_asked_once_nothing_runs() {
    let mut fixture = measured("obh");
    fixture.rollout.status = None;
    assert_eq!(needs(&fixture.rollout, &fixture.seen), None);
    let mut settled = measured("obh");
    let run = settled.rollout.status.as_mut().unwrap().run.as_mut().unwrap();
    run.settled_at = Some(run.started_at.clone());
    assert_eq!(needs(&settled.rollout, &settled.seen), None);
}

#[test]
fn time_counts_when_every_optimized_member_has_acknowledged() {
    let mut fixture = measured("obh");
    let counting = |fixture: &Fixture| needs(&fixture.rollout, &fixture.seen).unwrap().counting;
    assert!(!counting(&fixture), "nobody has been told");
    let file = crate::acknowledgement::fingerprint(Some(OPTIMIZED));
    let now = fixture.seen.now;
    fixture.seen.members[0].pod.touched = Some(crate::acknowledgement::Touch { at: now, count: 1, file });
    fixture.rollout.spec.fleet.acknowledgement.timer = Some(api::Duration::from_secs(1));
    // Another acknowledgement is another plan.
    let id = crate::run::run_id(&crate::run::plan_id(&fixture.rollout), 1);
    fixture.rollout.status.as_mut().unwrap().run.as_mut().unwrap().id.clone_from(&id);
    fixture.seen.shards[0].record.run = id;
    assert!(!counting(&fixture), "the timer has not run out");
    fixture.seen.now += Duration::from_secs(1);
    assert!(counting(&fixture));
    fixture.seen.shards[0].files.insert("node-0".to_owned(), BASELINE.to_owned());
    assert!(!counting(&fixture), "somebody took it back");
}

#[test]
fn time_counts_in_the_watch_although_somebody_joins() {
    let mut fixture = Fixture::new("ob-", 34);
    fixture.rollout.spec.fleet.acknowledgement.timer = Some(api::Duration::default());
    fixture.patch();
    fixture.seen.shards[2].record = crate::record::Record::default();
    let touched = crate::acknowledgement::Touch {
        at: fixture.seen.now,
        count: 1,
        file: crate::acknowledgement::fingerprint(Some(OPTIMIZED)),
    };
    fixture.seen.members[0].pod.touched = Some(touched);
    let counting = |fixture: &Fixture| needs(&fixture.rollout, &fixture.seen).unwrap().counting;
    assert!(!counting(&fixture), "in its stage it is recorded first");
    fixture.run().succeeded_at = Some(Time(fixture.seen.now));
    assert!(counting(&fixture), "it has missed the run");
}

#[rstest]
#[case::by_one_that_joined(crate::record::Record::default(), true)]
#[case::by_one_of_an_earlier_stage(
    serde_json::from_value(json!({"run": "", "stage": 0, "members": {"node-9": {"c": "b", "s": 0, "u": ""}}})).unwrap(),
    false
)]
fn time_counts_in_the_watch_although_another_map_was_begun(
    #[case] record: crate::record::Record,
    #[case] expected: bool,
) {
    let mut fixture = measured("obh");
    fixture.rollout.spec.fleet.acknowledgement.timer = Some(api::Duration::default());
    fixture.replan();
    let file = crate::acknowledgement::fingerprint(Some(OPTIMIZED));
    let touched = crate::acknowledgement::Touch { at: fixture.seen.now, count: 1, file };
    fixture.seen.members[0].pod.touched = Some(touched);
    fixture.run().succeeded_at = Some(Time(fixture.seen.now));
    let second = crate::observation::Shard { name: "settings-1".to_owned(), record, ..Default::default() };
    fixture.seen.shards.push(second);
    assert_eq!(needs(&fixture.rollout, &fixture.seen).unwrap().counting, expected);
}

#[test]
fn a_pod_that_no_record_tells_of_is_asked_and_stands_for_neither_cohort() {
    let mut fixture = measured("o-b");
    fixture.seen.members[1].pod.cohort = Some("optimized".to_owned());
    assert_eq!(asked(&fixture), ["node-0", "node-1", "node-2"]);
    let sampling = needs(&fixture.rollout, &fixture.seen).unwrap();
    assert_eq!(sampling.optimized, BTreeSet::from(["node-0".to_owned()]));
    assert_eq!(sampling.returning, BTreeSet::from(["node-1".to_owned()]));
}

#[test]
fn no_time_counts_while_nobody_knows_who_else_is_optimized() {
    let mut fixture = Fixture::new("ob", 50);
    fixture.rollout.spec.fleet.acknowledgement.timer = Some(api::Duration::default());
    fixture.replan();
    let file = crate::acknowledgement::fingerprint(Some(OPTIMIZED));
    let touched = crate::acknowledgement::Touch { at: fixture.seen.now, count: 1, file };
    fixture.seen.members[0].pod.touched = Some(touched);
    let second = crate::observation::Shard { name: "settings-1".to_owned(), ..fixture.seen.shards[0].clone() };
    fixture.seen.shards.push(second);
    let counting = |fixture: &Fixture| needs(&fixture.rollout, &fixture.seen).unwrap().counting;
    assert!(counting(&fixture));
    fixture.garble("settings-1");
    assert!(!counting(&fixture));
}
