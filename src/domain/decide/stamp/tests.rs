use api::{fleet::Reload, reason::Reason};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use rstest::rstest;

use crate::{
    acknowledgement::Touch,
    decide::{
        decide,
        fixture::{Fixture, OPTIMIZED, based},
        pass::Pass,
    },
    observation::{Neighbour, Problem, Unevicted},
    plan::Advance,
};

/// A run that was taken back to its end, and a pod that was labelled for it all the same.
fn over() -> Fixture {
    let mut fixture = Fixture::new("bbbb", 50);
    let now = Time(fixture.seen.now);
    let status = fixture.rollout.status.as_mut().unwrap();
    status.run.as_mut().unwrap().aborted_at = Some(now.clone());
    status.retreat = Some(
        serde_json::from_value(serde_json::json!({
            "reason": "AbortRequested", "message": "", "decidedAt": now, "offAt": now, "acknowledgedAt": now,
        }))
        .unwrap(),
    );
    fixture.seen.shards[0].record.members.clear();
    let pod = &mut fixture.seen.members[1].pod;
    (pod.cohort, pod.serving) = (Some("optimized".to_owned()), Some("true".to_owned()));
    fixture
}

fn another(fixture: &mut Fixture, unfinished: bool) {
    fixture.seen.neighbours.push(Neighbour { name: "other".to_owned(), unfinished, ..Neighbour::default() });
}

#[rstest]
#[case::the_run_was_taken_back(|_: &mut Fixture| {}, true)]
#[case::it_is_settled(|f: &mut Fixture| {
    let run = f.run();
    (run.aborted_at, run.settled_at) = (None, run.aborted_at.clone());
}, true)]
#[case::it_has_no_other_label(|f: &mut Fixture| f.seen.members[1].pod.serving = None, true)]
#[case::another_rollout_is_over_as_well(|f: &mut Fixture| another(f, false), true)]
#[case::another_run_labels_pods(|f: &mut Fixture| another(f, true), false)]
#[case::somebody_took_it_out_of_traffic(|f: &mut Fixture| f.seen.members[1].pod.serving = Some("false".to_owned()), false)]
#[case::labels_are_refused(|f: &mut Fixture| f.seen.problems.push(Problem::new(Reason::WriteRefused, "no")), false)]
fn a_label_of_a_run_that_is_over_is_taken_back_where(#[case] happens: fn(&mut Fixture), #[case] expected: bool) {
    let mut fixture = over();
    happens(&mut fixture);
    let advance = decide(&fixture.rollout, &fixture.seen).advance;
    let is_returned = matches!(
        advance.as_slice(),
        [Advance::ConfirmAlone, Advance::LabelPod { pod, cohort: "baseline", serving: Some(true), .. }] if pod.name == "node-1"
    );
    assert_eq!(is_returned, expected, "{advance:?}");
    let labels = advance.iter().any(|item| matches!(item, Advance::LabelPod { .. }));
    assert_eq!(labels, expected, "nothing else is labelled: {advance:?}");
}

#[rstest]
#[case::nobody_else_is_there(None, true)]
#[case::one_that_does_nothing(Some((false, false)), true)]
#[case::one_that_has_a_run(Some((true, false)), false)]
#[case::one_that_takes_its_values_back(Some((false, true)), false)]
fn who_joins_a_settled_fleet_gets_its_values_where(#[case] other: Option<(bool, bool)>, #[case] expected: bool) {
    let mut fixture = Fixture::new("bb-", 50);
    let run = fixture.run();
    run.settled_at = Some(run.started_at.clone());
    let shard = &mut fixture.seen.shards[0];
    shard.record.members.clear();
    shard.settled = [("pool.enabled".to_owned(), api::Scalar::Bool(true))].into();
    shard.files.remove("node-2");
    fixture.seen.neighbours.extend(other.map(|(unfinished, restores)| Neighbour {
        name: "other".to_owned(),
        unfinished,
        restores,
        ..Neighbour::default()
    }));
    let advance = decide(&fixture.rollout, &fixture.seen).advance;
    let given = advance
        .iter()
        .any(|advance| matches!(advance, Advance::WriteShard(write) if write.data.contains_key("node-2.toml")));
    assert_eq!(given, expected, "{advance:?}");
}

#[rstest]
#[case::without_a_base(0, 8, 0, &["settings"])]
#[case::with_one_that_is_large(100_000, 8, 0, &["settings", "settings-1", "settings-2"])]
#[case::with_as_many_as_fit(100_000, 6, 0, &["settings", "settings-1"])]
#[case::of_long_names(0, 2000, 200, &["settings", "settings-1"])]
fn members_share_configmaps_as_long_as_there_is_room(
    #[case] base: usize,
    #[case] members: usize,
    #[case] longer: usize,
    #[case] expected: &[&str],
) {
    let mut fixture = Fixture::new(&"b".repeat(members), 50);
    for member in &mut fixture.seen.members {
        member.name.push_str(&"x".repeat(longer));
        member.pod.name.clone_from(&member.name);
    }
    if base > 0 {
        based(&mut fixture.rollout.spec.fleet.config);
        fixture.replan();
        fixture.seen.base = Some(Ok(format!("# {}\n", "x".repeat(base))));
    }
    fixture.seen.shards.clear();
    fixture.rollout.status.as_mut().unwrap().stage.as_mut().unwrap().quota = 1;
    for _ in 0..2 {
        let advance = decide(&fixture.rollout, &fixture.seen).advance;
        let written: Vec<_> = advance
            .iter()
            .filter_map(
                |advance| if let Advance::WriteShard(write) = advance { Some(write.name.as_str()) } else { None },
            )
            .collect();
        if !written.is_empty() {
            assert_eq!(written, expected);
            return;
        }
        // Labels come before files.
        for advance in &advance {
            if let Advance::LabelPod { pod, cohort, .. } = advance {
                let member = fixture.seen.members.iter_mut().find(|member| member.name == pod.name).unwrap();
                member.pod.cohort = Some((*cohort).to_owned());
            }
        }
    }
    panic!("nothing is written");
}

#[rstest]
#[case::who_watches_its_file_is_told(Reload::Watch, false, 1)]
#[case::who_reads_it_at_its_start_runs_that_already(Reload::RestartPod, false, 0)]
#[case::who_reads_it_at_its_start_is_announced_first_where_something_is_settled(Reload::RestartPod, true, 1)]
fn who_joins_a_run_gets_the_baseline(#[case] reload: Reload, #[case] settled: bool, #[case] expected: usize) {
    let mut fixture = Fixture::new("obb-", 25);
    fixture.rollout.spec.fleet.config.reload = reload;
    fixture.replan();
    fixture.seen.shards[0].files.remove("node-3");
    if settled {
        fixture.seen.shards[0].settled = [("log".to_owned(), api::Scalar::Int(1))].into();
    }
    let pass = Pass::new(&fixture.rollout, &fixture.seen);
    let advance = super::joiners(&pass);
    let written =
        advance.iter().filter(|it| matches!(it, Advance::WriteShard(write) if write.data.contains_key("node-3.toml")));
    let told = advance.iter().filter(|it| matches!(it, Advance::Touch(_)));
    let announced = reload == Reload::RestartPod && settled;
    assert_eq!((written.count(), told.count()), (usize::from(!announced), expected), "{advance:?}");
}

/// What happens to a member that joins a settled fleet of five and reads its file at its start alone: what its pod says
/// is put there, its file is written, or it is restarted.
fn step(fixture: &Fixture) -> &'static str {
    let plan = decide(&fixture.rollout, &fixture.seen);
    let of_joiner: Vec<&str> = plan
        .advance
        .iter()
        .filter_map(|advance| match advance {
            Advance::Touch(touch) if touch.pod.name == "node-4" => Some("announced"),
            Advance::WriteShard(write) if write.data.contains_key("node-4.toml") => Some("written"),
            Advance::Evict(pod) if pod.name == "node-4" => Some("restarted"),
            _ => None,
        })
        .collect();
    match of_joiner.as_slice() {
        [] => "left alone",
        [step] => step,
        _ => panic!("{of_joiner:?}"),
    }
}

/// A settled fleet of five, of whom the last one has joined.
fn joined() -> Fixture {
    let mut fixture = Fixture::new("-----", 25);
    fixture.rollout.spec.fleet.config.reload = Reload::RestartPod;
    fixture.replan();
    let shard = &mut fixture.seen.shards[0];
    shard.files.remove("node-4");
    shard.record.members.clear();
    shard.settled = [("pool.enabled".to_owned(), api::Scalar::Bool(true))].into();
    shard.files.values_mut().for_each(|file| OPTIMIZED.clone_into(file));
    let now = Time(fixture.seen.now);
    fixture.run().settled_at = Some(now);
    fixture.rollout.status.as_mut().unwrap().stage = None;
    fixture
}

#[test]
fn who_joins_a_settled_fleet_and_would_not_come_back_follows_at_its_next_start() {
    let mut fixture = joined();
    fixture.seen.members[4].pod.controller.clear();
    assert_eq!(step(&fixture), "written");
    fixture.seen.shards[0].files.insert("node-4".to_owned(), OPTIMIZED.to_owned());
    fixture.seen.members[4].pod.touched = Some(Touch { at: fixture.seen.now, count: 1, file: "restart".to_owned() });
    assert_eq!(step(&fixture), "left alone");
}

#[test]
fn who_joins_a_settled_fleet_is_restarted_for_its_file_whoever_goes_on_after_each_step() {
    let mut fixture = joined();
    assert_eq!(step(&fixture), "announced");
    let Some(Advance::Touch(touch)) = decide(&fixture.rollout, &fixture.seen).advance.into_iter().next() else {
        panic!("nothing is announced")
    };
    fixture.seen.members[4].pod.touched = Some(touch.touch);
    assert_eq!(step(&fixture), "written");
    let Some(Advance::WriteShard(write)) = decide(&fixture.rollout, &fixture.seen).advance.into_iter().next() else {
        panic!("nothing is written")
    };
    let file = write.data["node-4.toml"].clone().unwrap();
    fixture.seen.shards[0].files.insert("node-4".to_owned(), file);
    assert_eq!(step(&fixture), "restarted");
    let uid = fixture.seen.members[4].pod.uid.clone();
    let refused = Unevicted { message: "not now".to_owned(), due: false };
    fixture.seen.unevicted = [(uid.clone(), refused.clone())].into();
    assert_eq!(step(&fixture), "left alone", "its budget refuses");
    let plan = decide(&fixture.rollout, &fixture.seen);
    assert_eq!(plan.requeue, std::time::Duration::from_secs(1), "and is asked again before long");
    let told = &plan.status.conditions[0].message;
    let words = "; node-4 joined and is to be restarted for that; node-4 may not be evicted: not now";
    assert!(told.ends_with(words), "{told}");
    fixture.seen.neighbours.push(Neighbour { unfinished: true, ..Neighbour::default() });
    assert_eq!(step(&fixture), "left alone", "another rollout has a run");
    fixture.seen.neighbours.clear();
    fixture.seen.unevicted = [(uid, Unevicted { due: true, ..refused })].into();
    assert_eq!(step(&fixture), "restarted");
    fixture.seen.ending = [("node-5".to_owned(), fixture.seen.now)].into();
    fixture.seen.gone_for = [("node-6".to_owned(), std::time::Duration::from_secs(9))].into();
    assert_eq!(step(&fixture), "left alone", "half of the fleet has to serve");
    fixture.seen.now += std::time::Duration::from_secs(10);
    fixture.seen.gone_for = [("node-6".to_owned(), std::time::Duration::from_secs(19))].into();
    assert_eq!(step(&fixture), "restarted");
    fixture.seen.members[4].pod.touched = None;
    assert_eq!(step(&fixture), "left alone", "the pod that comes next has read its file");
}
