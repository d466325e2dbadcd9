use std::collections::BTreeMap;

use api::reason::Reason;
use rstest::rstest;

use crate::{
    decide::{decide, fixture::Fixture},
    observation::{Measurements, Report},
    plan::{Advance, Plan},
};

/// What a run says while its only optimized member does not acknowledge; `reports` are the optimizations that the member
/// names, on or off.
fn told(reports: Option<&[(&str, bool)]>, pod: &str) -> String {
    let mut fixture = Fixture::new("obbb", 25);
    fixture.rollout.spec.fleet.acknowledgement.metric = Some("enabled".to_owned());
    fixture.replan();
    let enabled = |reports: &[(&str, bool)]| reports.iter().map(|(name, on)| ((*name).to_owned(), *on)).collect();
    let report = |reports| Report { pod: pod.to_owned(), enabled: enabled(reports), ..Report::default() };
    let reports = reports.map(|reports| ("node-0".to_owned(), report(reports)));
    fixture.seen.measurements = Some(Measurements { reports: BTreeMap::from_iter(reports), ..Measurements::default() });
    let conditions = decide(&fixture.rollout, &fixture.seen).status.conditions;
    conditions.into_iter().find(|one| one.reason == "AwaitingAcknowledgement").unwrap().message
}

#[rstest]
#[case::nobody_could_read_them(None, "node-0", "; nobody could read the metrics of node-0")]
#[case::they_say_nothing(Some(&[][..]), "node-0", "; node-0 exposes no enabled with a label optimization")]
#[case::they_speak_of_others(Some(&[("cache", true)][..]), "node-0", "; node-0 exposes enabled for cache, not for pool")]
#[case::it_is_off(Some(&[("pool", false)][..]), "node-0", "")]
#[case::they_are_of_the_pod_before(Some(&[][..]), "another", "")]
fn who_does_not_acknowledge_is_named_with_what_is_wrong_with_its_metrics(
    #[case] reports: Option<&[(&str, bool)]>,
    #[case] pod: &str,
    #[case] why: &str,
) {
    assert_eq!(told(reports, pod), format!("0 of 1 optimized members acknowledged; waiting for node-0{why}"));
}

#[rstest]
#[case::before_anybody_was_switched("bbbb", false)]
#[case::while_somebody_is("obbb", true)]
fn a_stage_counts_as_edited_only(#[case] cohorts: &str, #[case] expected: bool) {
    let mut fixture = Fixture::new(cohorts, 25);
    fixture.edit(75);
    let stage = fixture.rollout.status.unwrap().stage.unwrap();
    assert_eq!((stage.percent, stage.edited), (75, expected));
}

/// A run on members' own ConfigMaps, in a stage that switches one more.
fn patched() -> Fixture {
    let mut fixture = Fixture::new("obbb", 50);
    fixture.patch();
    fixture.rollout.status.as_mut().unwrap().stage.as_mut().unwrap().quota = 2;
    fixture
}

fn labelled(plan: &Plan) -> Vec<String> {
    let name = |advance: &Advance| match advance {
        Advance::LabelPod { pod, .. } => Some(pod.name.clone()),
        _ => None,
    };
    plan.advance.iter().filter_map(name).collect()
}

#[test]
fn a_stage_waits_for_whoever_broke_the_file_of_a_member_that_it_switches() {
    let mut fixture = patched();
    let next = labelled(&decide(&fixture.rollout, &fixture.seen));
    let [member] = next.as_slice() else { panic!("{next:?}") };
    let shard = fixture.seen.shards.iter_mut().find(|shard| shard.files.contains_key(member)).unwrap();
    let whole = shard.files.insert(member.clone(), "pool = [".to_owned()).unwrap();
    let plan = decide(&fixture.rollout, &fixture.seen);
    assert_eq!(labelled(&plan), Vec::<String>::new());
    let stalled = plan.status.conditions.iter().find(|condition| condition.type_ == "Stalled").unwrap();
    assert_eq!((stalled.status.as_str(), stalled.reason.as_str()), ("True", "ConfigUnreadable"));
    let (what, then) = (format!("ConfigMap {member}-config, key node.toml: "), "; correct it, and stage half goes on");
    assert!(stalled.message.starts_with(&what) && stalled.message.ends_with(then), "{}", stalled.message);
    fixture.rollout.status = Some(plan.status);
    let name = format!("{member}-config");
    let shard = fixture.seen.shards.iter_mut().find(|shard| shard.name == name).unwrap();
    shard.files.insert(member.clone(), whole);
    assert_eq!(labelled(&decide(&fixture.rollout, &fixture.seen)), next);
}

#[test]
fn a_stage_waits_for_whoever_locked_the_map_of_a_member_that_it_switches() {
    let mut fixture = patched();
    let next = labelled(&decide(&fixture.rollout, &fixture.seen));
    let [member] = next.as_slice() else { panic!("{next:?}") };
    fixture.lock(&format!("{member}-config"), Reason::NotOptedIn);
    let plan = decide(&fixture.rollout, &fixture.seen);
    assert_eq!(labelled(&plan), Vec::<String>::new());
    let stalled = plan.status.conditions.iter().find(|condition| condition.type_ == "Stalled").unwrap();
    let told = format!("ConfigMap {member}-config is locked; correct it, and stage half goes on");
    assert_eq!((stalled.reason.as_str(), stalled.message.as_str()), ("NotOptedIn", told.as_str()));
}
