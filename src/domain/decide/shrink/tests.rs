use std::collections::BTreeSet;

use rstest::rstest;

use crate::{
    decide::{
        decide,
        fixture::{Fixture, OPTIMIZED},
    },
    plan::{Advance, Plan},
};

fn counts(cohorts: &str) -> [usize; 3] {
    ['o', 'r', 'b'].map(|cohort| cohorts.matches(cohort).count())
}

#[rstest]
#[case::fewer("oooobbbb", 25, [2, 2, 4])]
#[case::at_least_one_stays("oooobbbb", 1, [1, 3, 4])]
#[case::as_many("oooobbbb", 50, [4, 0, 4])]
#[case::more("oooobbbb", 75, [6, 0, 2])]
#[case::the_holdout_is_never_chosen("oooobbhh", 100, [6, 0, 0])]
#[case::nor_who_joined("oooob---", 100, [5, 0, 0])]
#[case::who_is_on_the_way_back_is_chosen_like_others("oorrbbbb", 100, [8, 0, 0])]
fn an_edit_moves_members_as_far_as_it_allows(
    #[case] cohorts: &str,
    #[case] percent: i32,
    #[case] expected: [usize; 3],
) {
    let mut fixture = Fixture::new(cohorts, 50);
    fixture.edit(percent);
    for _ in 0..3 {
        fixture.pass();
    }
    assert_eq!(counts(&fixture.cohorts()), expected, "{}", fixture.cohorts());
    let joined = |cohorts: &str| cohorts.matches('-').count();
    assert_eq!(joined(&fixture.cohorts()), joined(cohorts));
}

#[test]
fn the_last_of_the_order_leave_whether_they_have_a_pod_or_not() {
    let chosen = |absent: &[usize]| {
        let mut fixture = Fixture::new("oooobbbb", 50);
        for index in absent.iter().rev() {
            fixture.seen.members.remove(*index);
        }
        fixture.edit(25);
        fixture.pass().unwrap();
        fixture.cohorts()
    };
    let all = chosen(&[]);
    assert_eq!(counts(&all), [2, 2, 4]);
    for absent in [&[0][..], &[1, 2], &[0, 1, 2, 3]] {
        assert_eq!(chosen(absent), all, "without pods of {absent:?}");
    }
}

#[test]
fn members_are_of_the_baseline_once_they_have_acknowledged_it() {
    let mut fixture = Fixture::new("oooobbbb", 50);
    fixture.rollout.spec.fleet.acknowledgement.timer = Some(api::Duration::from_secs(5));
    fixture.replan();
    fixture.edit(25);
    let write = fixture.pass().unwrap();
    let baseline: BTreeSet<&str> = write.data.keys().filter_map(|key| key.strip_suffix(".toml")).collect();
    assert_eq!(baseline.len(), 2);
    let told = |fixture: &mut Fixture| {
        let now = fixture.seen.now;
        for member in &mut fixture.seen.members {
            let file = fixture.seen.shards[0].files.get(&member.name).map(String::as_str);
            member.pod.touched =
                crate::acknowledgement::touch_due(&member.pod, &crate::acknowledgement::fingerprint(file), now)
                    .or(member.pod.touched.take());
        }
    };
    told(&mut fixture);
    assert_eq!(fixture.pass(), None);
    assert_eq!(counts(&fixture.cohorts()), [2, 2, 4], "not yet");
    fixture.seen.now += std::time::Duration::from_secs(6);
    assert_eq!(fixture.pass(), None, "labels first");
    fixture.pass().unwrap();
    assert_eq!(counts(&fixture.cohorts()), [2, 0, 6]);
    let labelled = fixture.seen.members.iter().filter(|member| member.pod.cohort.as_deref() == Some("optimized"));
    assert_eq!(labelled.count(), 2);
    assert_eq!(fixture.pass(), None);
}

#[rstest]
#[case::renamed("other", 50, "oooobbbb", (0, 4))]
#[case::another_bake("half", 50, "oooobbbb", (0, 4))]
#[case::a_smaller_fleet_changes_nothing_by_itself("half", 50, "oooo", (0, 4))]
fn an_edit_that_leaves_the_percent_moves_nobody(
    #[case] name: &str,
    #[case] percent: i32,
    #[case] cohorts: &str,
    #[case] expected: (i32, i32),
) {
    let mut fixture = Fixture::new(cohorts, 50);
    fixture.rollout.spec.stages[0].name = name.to_owned();
    fixture.rollout.spec.stages[0].bake = api::Duration::from_secs(90);
    fixture.edit(percent);
    let stage = fixture.rollout.status.as_ref().unwrap().stage.clone().unwrap();
    assert_eq!((stage.index, stage.quota, stage.name.as_str()), (expected.0, expected.1, name));
    assert_eq!(fixture.pass(), None);
}

#[rstest]
#[case::while_members_go_back("orbb", "stage half shrinks to 1 members: waiting for ")]
#[case::while_nobody_does("oobb", "0 of 2 optimized members acknowledged; waiting for ")]
fn it_is_told_for_whom_a_run_waits(#[case] cohorts: &str, #[case] words: &str) {
    let mut fixture = Fixture::new(cohorts, 50);
    let quota = cohorts.matches('o').count();
    fixture.rollout.status.as_mut().unwrap().stage.as_mut().unwrap().quota = i32::try_from(quota).unwrap();
    let conditions = crate::decide::decide(&fixture.rollout, &fixture.seen).status.conditions;
    let told = conditions.into_iter().find(|one| one.reason == "AwaitingAcknowledgement").unwrap().message;
    assert!(told.starts_with(words), "{told}");
}

/// Names of the ConfigMaps that a plan writes.
fn written(plan: &Plan) -> Vec<String> {
    let writes = plan.advance.iter().filter_map(|advance| match advance {
        Advance::WriteShard(write) => Some(write.name.clone()),
        _ => None,
    });
    writes.collect()
}

#[test]
fn a_file_that_its_owner_has_broken_goes_back_when_it_is_mended() {
    let mut fixture = Fixture::new("ooobbb", 50);
    fixture.patch();
    fixture.edit(17);
    let plan = |fixture: &Fixture| decide(&fixture.rollout, &fixture.seen);
    let leaving = written(&plan(&fixture));
    assert_eq!(leaving.len(), 2, "{leaving:?}");
    let write = |fixture: &mut Fixture, name: &str, file: &str| {
        let shard = fixture.seen.shards.iter_mut().find(|shard| shard.name == name).unwrap();
        shard.files.values_mut().for_each(|text| file.clone_into(text));
    };
    for name in &leaving {
        write(&mut fixture, name, &format!("{OPTIMIZED}broken = [\n"));
    }
    let stalled = plan(&fixture);
    assert_eq!(written(&stalled), Vec::<String>::new(), "what leads back is kept");
    assert!(!stalled.advance.contains(&Advance::Confirm), "nobody is asked what to do next: {:?}", stalled.advance);
    let condition = stalled.status.conditions.into_iter().find(|one| one.type_ == "Stalled").unwrap();
    assert_eq!((condition.status.as_str(), condition.reason.as_str()), ("True", "ConfigUnreadable"));
    let problem = format!("; ConfigMap {}, key node.toml: the Toml text does not parse", leaving[0]);
    assert!(condition.message.starts_with("stage half shrinks to 1 members: waiting for "), "{}", condition.message);
    assert!(condition.message.contains(&problem), "{}", condition.message);
    write(&mut fixture, &leaving[1], OPTIMIZED);
    assert_eq!(written(&plan(&fixture)), leaving[1..], "the other one waits alone");
}
