//! What a retreat cannot read, or write, and what is left of one.

use api::{fleet::Reload, reason::Reason, status::Members};
use rstest::rstest;

use super::{acknowledge, finishing, narrow, off, plan, told};
use crate::{
    decide::fixture::{Fixture, OPTIMIZED},
    mark::{Cause, Mark},
    observation::{Neighbour, Problem},
    plan::{Plan, Withdraw},
};

/// A pod of the optimized cohort that no record tells of, because of what is wrong with its ConfigMap.
fn estranged(reason: Reason) -> Fixture {
    let mut fixture = off("-bbb", 60);
    fixture.patch();
    fixture.seen.shards.retain(|shard| shard.name != "node-0-config");
    fixture.seen.members[0].pod.cohort = Some("optimized".to_owned());
    fixture.seen.members[0].unfit = Some(Problem::new(reason, "ConfigMap node-0-config cannot be used"));
    let retreat = fixture.rollout.status.as_mut().unwrap().retreat.as_mut().unwrap();
    retreat.off_at = None;
    fixture
}

#[rstest]
#[case::its_owner_forbids_it(Reason::NotOptedIn, false)]
#[case::it_is_immutable(Reason::ConfigMapImmutable, false)]
#[case::it_does_not_parse(Reason::ConfigUnreadable, false)]
#[case::it_is_gone(Reason::ConfigMapMissing, true)]
fn settings_are_not_back_where_a_config_map_cannot_be_written(#[case] reason: Reason, #[case] expected: bool) {
    let status = plan(&estranged(reason)).status;
    let (found, message) = told(&status);
    assert_eq!(status.retreat.unwrap().off_at.is_some(), expected);
    assert_eq!(found == format!("{reason:?}"), !expected, "{found}: {message}");
    assert_eq!(message.contains("cannot be used; members may still be optimized"), !expected, "{message}");
}

const BROKEN: &str = "broken = [\n";

/// A retreat in which the owner of the first member's file has broken it, after it was switched.
fn broken() -> Fixture {
    let mut fixture = off("obbb", 60);
    fixture.patch();
    fixture.rollout.status.as_mut().unwrap().retreat.as_mut().unwrap().off_at = None;
    fixture.seen.shards[0].files.get_mut("node-0").unwrap().push_str(BROKEN);
    fixture
}

/// Files that are given back, members that are told.
fn given_back(plan: &Plan) -> (usize, usize) {
    let count = |is_one: fn(&Withdraw) -> bool| plan.withdraw.iter().filter(|item| is_one(item)).count();
    (count(|item| matches!(item, Withdraw::Restore(_))), count(|item| matches!(item, Withdraw::Touch(_))))
}

#[rstest]
#[case::is_there(|_: &mut Fixture| {})]
#[case::is_away(|f: &mut Fixture| drop(f.seen.members.remove(0)))]
fn settings_are_not_back_while_the_file_is_broken_of_a_member_that(#[case] happens: fn(&mut Fixture)) {
    let mut fixture = broken();
    happens(&mut fixture);
    let first = plan(&fixture);
    assert_eq!(given_back(&first), (1, 0), "the mark alone, and nobody is told: {:?}", first.withdraw);
    assert_eq!(first.status.retreat.clone().unwrap().off_at, None);
    let (reason, message) = told(&first.status);
    assert_eq!(reason, "ConfigUnreadable");
    let expected = "ticket 42; ConfigMap node-0-config, key node.toml: the Toml text does not parse";
    assert!(message.starts_with(expected) && message.ends_with("members may still be optimized"), "{message}");
    let run = fixture.run().id.clone();
    let cause = Cause::new(Reason::AbortRequested, "ticket 42", fixture.seen.now);
    fixture.seen.shards[0].mark = Some(Mark { run, cause });
    assert_eq!(given_back(&plan(&fixture)), (0, 0));
}

#[test]
fn a_file_that_is_mended_goes_back() {
    let mut fixture = broken();
    fixture.seen.shards[0].files.insert("node-0".to_owned(), OPTIMIZED.to_owned());
    assert_eq!(given_back(&plan(&fixture)), (1, 1));
}

/// A retreat whose record cannot be read any more, and with it the files of all.
fn unread(label: &str) -> Fixture {
    let mut fixture = off("obbb", 60);
    fixture.rollout.status.as_mut().unwrap().retreat.as_mut().unwrap().off_at = None;
    let known = Members { optimized: 1, acknowledged: 1, baseline: 3, ..Members::default() };
    fixture.rollout.status.as_mut().unwrap().members = Some(known);
    fixture.seen.members[0].pod.cohort = Some(label.to_owned());
    fixture.garble("settings");
    fixture
}

#[rstest]
#[case::is_labelled("optimized")]
#[case::was_replaced("baseline")]
fn settings_are_not_back_where_nobody_can_read_the_record_of_a_pod_that(
    #[case] label: &str,
    #[values(Reload::Watch, Reload::RestartPod)] reload: Reload,
) {
    let mut fixture = unread(label);
    fixture.rollout.spec.fleet.config.reload = reload;
    let plan = plan(&fixture);
    let useless = |item: &&Withdraw| matches!(item, Withdraw::Touch(_) | Withdraw::Evict(_));
    assert_eq!(plan.withdraw.iter().filter(useless).count(), 0, "who reads an optimized file: {:?}", plan.withdraw);
    assert!(plan.status.retreat.is_some_and(|retreat| retreat.off_at.is_none()));
    let members = plan.status.members.unwrap();
    assert_eq!((members.fleet, members.optimized, members.baseline), (4, 1, 3), "what was known last");
}

#[test]
fn nobody_comes_back_into_traffic_while_nobody_can_read_the_record() {
    let mut fixture = unread("baseline");
    let cause = Cause::new(Reason::AbortRequested, "ticket 42", fixture.seen.now);
    let mark = Mark { run: fixture.run().id.clone(), cause };
    let pod = &mut fixture.seen.members[0].pod;
    (pod.serving, pod.mark) = (Some("false".to_owned()), Some(mark));
    narrow(&mut fixture, None, &["node-1"]);
    assert_eq!(finishing(&plan(&fixture)), Vec::<String>::new());
}

#[test]
fn settings_are_not_back_where_nobody_can_read_a_members_own_record() {
    let mut fixture = off("obbb", 60);
    fixture.patch();
    fixture.rollout.status.as_mut().unwrap().retreat.as_mut().unwrap().off_at = None;
    fixture.garble("node-0-config");
    fixture.seen.members[0].pod.cohort = Some("baseline".to_owned());
    let status = plan(&fixture).status;
    assert!(status.retreat.clone().is_some_and(|retreat| retreat.off_at.is_none()), "{:?}", status.retreat);
    assert!(told(&status).1.contains("node-0-config is broken; members may still be optimized"));
}

/// A run that is taken back to the end, of which a ConfigMap bears an entry still, and one that has switched the next member.
fn left(cohort: &str, run: Option<&str>) -> Fixture {
    let mut fixture = off(&format!("{cohort}-bb"), 600);
    let retreat = fixture.rollout.status.as_mut().unwrap().retreat.as_mut().unwrap();
    retreat.acknowledged_at.clone_from(&retreat.off_at);
    acknowledge(&mut fixture, 0);
    let next = &mut fixture.seen.members[1].pod;
    (next.cohort, next.serving) = (Some("optimized".to_owned()), Some("true".to_owned()));
    let neighbour = |run: &str| Neighbour { run: Some(run.to_owned()), unfinished: true, ..Neighbour::default() };
    fixture.seen.neighbours.extend(run.map(neighbour));
    fixture
}

#[rstest]
#[case::beside_the_next_run("r", Some("next-1"), &["node-0"])]
#[case::alone("r", None, &["node-0"])]
#[case::of_one_that_was_not_switched("b", Some("next-1"), &["settings"])]
fn what_is_left_of_a_run_is_taken_back(#[case] cohort: &str, #[case] run: Option<&str>, #[case] expected: &[&str]) {
    let fixture = left(cohort, run);
    let plan = plan(&fixture);
    let mut others =
        plan.withdraw.iter().filter(|item| matches!(item, Withdraw::Touch(touch) if touch.pod.name == "node-1"));
    assert_eq!(others.next().is_some(), run.is_none(), "a pod of another run: {:?}", plan.withdraw);
    assert_eq!(finishing(&plan), expected);
}

#[test]
fn what_is_left_of_a_run_does_not_wait_for_what_the_next_one_waits_for() {
    let mut fixture = left("b", Some("next-1"));
    fixture.patch();
    fixture.seen.members[1].unfit = Some(Problem::new(Reason::NotOptedIn, "ConfigMap node-1-config is forbidden"));
    fixture.seen.shards.retain(|shard| shard.name != "node-1-config");
    assert_eq!(finishing(&plan(&fixture)), ["node-0-config", "node-2-config", "node-3-config"]);
}
