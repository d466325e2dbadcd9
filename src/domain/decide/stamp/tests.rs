use api::reason::Reason;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use rstest::rstest;

use crate::{
    decide::{decide, fixture::Fixture},
    observation::{Neighbour, Problem},
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
    let run = f.rollout.status.as_mut().unwrap().run.as_mut().unwrap();
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
    let run = fixture.rollout.status.as_mut().unwrap().run.as_mut().unwrap();
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
