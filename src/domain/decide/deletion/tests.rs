use api::{
    Scalar,
    fleet::Format,
    names::SETTLED_ANNOTATION,
    reason::Reason,
    rollout::{Abort, DeletionPolicy},
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use rstest::rstest;
use serde_json::json;

use crate::{
    decide::{
        decide,
        fixture::{BASELINE, Fixture, OPTIMIZED},
    },
    observation::{Neighbour, Problem, Shard},
    patching::{Inverse, patch},
    plan::{Advance, Plan, ShardWrite},
    settled::Owner,
};

fn settle(shard: &mut Shard, rollout: &str, before: Option<bool>) {
    let owner =
        Owner { rollout: rollout.to_owned(), optimization: "pool".to_owned(), before: before.map(Scalar::Bool) };
    shard.record.members.clear();
    shard.settled = [("pool.enabled".to_owned(), Scalar::Bool(true))].into();
    shard.owners = [("pool.enabled".to_owned(), owner)].into();
    for file in shard.files.values_mut() {
        OPTIMIZED.clone_into(file);
    }
}

/// A rollout that has settled and is being deleted.
fn deleted(policy: DeletionPolicy) -> Fixture {
    let mut fixture = Fixture::new("bbb", 50);
    fixture.rollout.spec.deletion_policy = policy;
    fixture.rollout.metadata.deletion_timestamp = Some(Time(fixture.seen.now));
    let run = fixture.run();
    run.settled_at = Some(run.started_at.clone());
    settle(&mut fixture.seen.shards[0], "pooling", None);
    fixture
}

fn neighbour(fixture: &mut Fixture, unfinished: bool) {
    fixture.seen.neighbours.push(Neighbour { name: "other".to_owned(), unfinished, ..Neighbour::default() });
}

fn write(plan: &Plan) -> Option<&ShardWrite> {
    plan.advance.iter().find_map(|advance| if let Advance::WriteShard(write) = advance { Some(write) } else { None })
}

#[rstest]
#[case::where_that_is_asked_for(DeletionPolicy::Restore, |_: &mut Fixture| {}, true, true, "Deleted")]
#[case::and_not_by_another_policy(DeletionPolicy::RestoreUnfinished, |_: &mut Fixture| {}, false, false, "Deleted")]
#[case::nor_where_nothing_is(DeletionPolicy::Restore, |f: &mut Fixture| f.seen.shards.clear(), false, false, "Deleted")]
#[case::nor_what_is_another_ones(
    DeletionPolicy::Restore,
    |f: &mut Fixture| settle(&mut f.seen.shards[0], "other", None),
    false,
    false,
    "Deleted"
)]
#[case::after_a_run_of_another_one(DeletionPolicy::Restore, |f: &mut Fixture| neighbour(f, true), false, true, "FleetBusy")]
#[case::for_which_nobody_waits_who_takes_nothing_back(
    DeletionPolicy::Retain,
    |f: &mut Fixture| {
        settle(&mut f.seen.shards[0], "other", None);
        neighbour(f, true);
    },
    false,
    false,
    "Deleted"
)]
#[case::once_it_can_be_read(DeletionPolicy::Restore, |f: &mut Fixture| f.garble("settings"), false, true, "ConfigUnreadable")]
#[case::and_not_if_it_stays(DeletionPolicy::RestoreUnfinished, |f: &mut Fixture| f.garble("settings"), false, false, "Deleted")]
#[case::once_it_may_be_written(DeletionPolicy::Restore, |f: &mut Fixture| {
    f.seen.problems.push(Problem::new(Reason::WriteRefused, "the API server refuses to write ConfigMap settings"));
}, false, true, "WriteRefused")]
#[case::beside_one_that_is_over(DeletionPolicy::Restore, |f: &mut Fixture| neighbour(f, false), true, true, "Deleted")]
fn what_is_settled_goes_back_with_its_rollout(
    #[case] policy: DeletionPolicy,
    #[case] happens: fn(&mut Fixture),
    #[case] writes: bool,
    #[case] holds: bool,
    #[case] reason: &str,
) {
    let mut fixture = deleted(policy);
    happens(&mut fixture);
    let plan = decide(&fixture.rollout, &fixture.seen);
    assert_eq!(write(&plan).is_some(), writes, "{:?}", plan.advance);
    assert_eq!(!plan.advance.contains(&Advance::ReleaseFinalizer), holds, "{:?}", plan.advance);
    assert_eq!(plan.status.summary.unwrap().reason, reason);
}

#[test]
fn rendered_files_get_the_declared_baseline_and_nothing_is_settled_any_more() {
    let fixture = deleted(DeletionPolicy::Restore);
    let plan = decide(&fixture.rollout, &fixture.seen);
    let write = write(&plan).unwrap();
    for member in ["node-0.toml", "node-1.toml", "node-2.toml"] {
        assert_eq!(write.data[member].as_deref(), Some(BASELINE));
    }
    assert_eq!(write.annotations[SETTLED_ANNOTATION], None);
}

#[rstest]
#[case::what_stood_there(
    Some(false),
    "log = 1\npool.enabled = true # ours\n",
    "log = 1\npool.enabled = false # ours\n"
)]
#[case::nothing_where_nothing_stood(None, "log = 1\npool.enabled = true\n", "log = 1\n")]
#[case::nothing_where_somebody_took_it_back(Some(false), "pool.enabled = false\n", "pool.enabled = false\n")]
fn patched_files_get_back(#[case] before: Option<bool>, #[case] file: &str, #[case] expected: &str) {
    assert_eq!(given_back(Format::Toml, before, file, None), expected);
}

/// A rollout that is deleted, which has settled this file of a member with a ConfigMap of its own.
fn patched(format: Format, before: Option<bool>, file: &str, inverse: Option<Inverse>) -> Fixture {
    let mut fixture = Fixture::new("b", 50);
    let config = json!({"patched": {"name": "{member}-config", "key": "node.conf"}, "format": format});
    fixture.rollout.spec.fleet.config = serde_json::from_value(config).unwrap();
    fixture.replan();
    let settled = deleted(DeletionPolicy::Restore).rollout;
    fixture.rollout.metadata = settled.metadata;
    fixture.rollout.spec.deletion_policy = DeletionPolicy::Restore;
    let run = fixture.run();
    run.settled_at = Some(run.started_at.clone());
    let shard = &mut fixture.seen.shards[0];
    settle(shard, "pooling", before);
    shard.name = "node-0-config".to_owned();
    shard.files = [("node-0".to_owned(), file.to_owned())].into();
    shard.inverse = inverse;
    fixture
}

/// The file that the member gets back.
fn given_back(format: Format, before: Option<bool>, file: &str, inverse: Option<Inverse>) -> String {
    let fixture = patched(format, before, file, inverse);
    let plan = decide(&fixture.rollout, &fixture.seen);
    write(&plan).unwrap().data["node.conf"].clone().unwrap()
}

#[test]
fn a_patched_file_that_its_owner_has_broken_goes_back_when_it_is_mended() {
    let mut fixture = patched(Format::Toml, Some(false), &format!("{OPTIMIZED}broken = [\n"), None);
    let mut other = fixture.seen.shards[0].clone();
    "node-1-config".clone_into(&mut other.name);
    other.files = [("node-1".to_owned(), OPTIMIZED.to_owned())].into();
    fixture.seen.shards.push(other);
    let first = decide(&fixture.rollout, &fixture.seen);
    let written = |plan: &Plan| write(plan).map(|write| write.name.clone());
    assert_eq!(written(&first).as_deref(), Some("node-1-config"), "what can go back goes back");

    let other = &mut fixture.seen.shards[1];
    other.owners.clear();
    other.settled = [("cache.enabled".to_owned(), Scalar::Bool(true))].into();
    let waiting = decide(&fixture.rollout, &fixture.seen);
    assert_eq!(waiting.advance, [], "neither again, nor is the finalizer released");
    let condition = waiting.status.conditions.into_iter().find(|one| one.type_ == "Stalled").unwrap();
    assert_eq!((condition.status.as_str(), condition.reason.as_str()), ("True", "ConfigUnreadable"));
    let words =
        ["ConfigMap node-0-config, key node.conf: the Toml text does not parse", "goes back when it can be read"];
    assert!(words.iter().all(|words| condition.message.contains(words)), "{}", condition.message);

    fixture.seen.shards[0].files.insert("node-0".to_owned(), OPTIMIZED.to_owned());
    let mended = decide(&fixture.rollout, &fixture.seen);
    assert_eq!(write(&mended).unwrap().data["node.conf"].as_deref(), Some(BASELINE));
}

#[test]
fn a_patched_file_is_as_it_was_to_the_byte_unless_a_later_run_was_the_last_to_write_it() {
    let on = [("pool.enabled".to_owned(), Some(Scalar::Bool(true)))].into();
    let (file, inverse) = patch(Format::Json, r#"{"pool": {}}"#, &on).unwrap();
    assert_eq!(given_back(Format::Json, None, &file, Some(inverse)), r#"{"pool": {}}"#);
    let (file, later) = patch(Format::Json, &file, &on).unwrap();
    assert_eq!(given_back(Format::Json, None, &file, Some(later)), "{}");
}

/// A stage that is to be stamped.
fn due(fixture: &mut Fixture) {
    fixture.rollout.status.as_mut().unwrap().stage.as_mut().unwrap().quota = 2;
    fixture.seen.shards.clear();
}

fn settled(fixture: &mut Fixture) {
    let run = fixture.run();
    run.settled_at = Some(run.started_at.clone());
    settle(&mut fixture.seen.shards[0], "pooling", None);
    for member in &mut fixture.seen.members {
        member.pod.cohort = Some("baseline".to_owned());
    }
}

fn retreating(fixture: &mut Fixture) {
    fixture.rollout.spec.abort = Some(Abort { reason: "ticket 42".to_owned() });
    let status = decide(&fixture.rollout, &fixture.seen).status;
    fixture.rollout.status = Some(status);
}

fn unstarted(fixture: &mut Fixture) {
    fixture.rollout.status = None;
    fixture.seen.shards.clear();
}

#[rstest]
#[case::a_stage_is_due(DeletionPolicy::RestoreUnfinished, due, true)]
#[case::a_stage_bakes(DeletionPolicy::Restore, |_: &mut Fixture| {}, true)]
#[case::a_retreat_may_move_traffic(DeletionPolicy::Retain, |_: &mut Fixture| {}, true)]
#[case::a_retreat_has_moved_traffic(DeletionPolicy::Retain, retreating, true)]
#[case::what_is_settled_goes_back_as_well(DeletionPolicy::Restore, settled, true)]
#[case::but_not_where_that_is_refused(
    DeletionPolicy::Restore,
    |f: &mut Fixture| f.seen.problems.push(Problem::new(Reason::WriteRefused, "no")),
    false
)]
#[case::but_not_where_what_is_settled_stays(DeletionPolicy::RestoreUnfinished, settled, false)]
#[case::nor_before_there_is_anything(DeletionPolicy::Restore, unstarted, false)]
#[case::even_if_something_cannot_be_read(
    DeletionPolicy::Restore,
    |f: &mut Fixture| {
        unstarted(f);
        f.seen.unread = Some(Problem::new(Reason::ConfigUnreadable, "settings"));
    },
    false
)]
fn a_rollout_without_finalizer_is_given_one_before_anything_goes_on_where(
    #[case] policy: DeletionPolicy,
    #[case] happens: fn(&mut Fixture),
    #[case] expected: bool,
) {
    let mut fixture = Fixture::new("oobb", 50);
    fixture.rollout.metadata.finalizers = None;
    fixture.rollout.spec.deletion_policy = policy;
    happens(&mut fixture);
    let plan = decide(&fixture.rollout, &fixture.seen);
    assert_eq!(plan.advance == [Advance::HoldFinalizer], expected, "{:?}", plan.advance);
    assert_eq!(plan.advance.contains(&Advance::HoldFinalizer), expected, "{:?}", plan.advance);
    fixture.rollout.metadata.deletion_timestamp = Some(Time(fixture.seen.now));
    let plan = decide(&fixture.rollout, &fixture.seen);
    assert!(!plan.advance.contains(&Advance::HoldFinalizer), "nothing may be added to one that is deleted");
}

#[rstest]
#[case::restore(DeletionPolicy::Restore, true)]
#[case::restore_unfinished(DeletionPolicy::RestoreUnfinished, true)]
#[case::retain(DeletionPolicy::Retain, false)]
#[case::retain_in_a_retreat(DeletionPolicy::Retain, true)]
fn a_deletion_waits_for_the_retreat_of_an_unfinished_run(#[case] policy: DeletionPolicy, #[case] waits: bool) {
    let mut fixture = Fixture::new("oobb", 50);
    if policy == DeletionPolicy::Retain && waits {
        fixture.rollout.spec.abort = Some(Abort { reason: "ticket 42".to_owned() });
    }
    fixture.rollout.spec.deletion_policy = policy;
    fixture.rollout.metadata.deletion_timestamp = Some(Time(fixture.seen.now));
    let plan = decide(&fixture.rollout, &fixture.seen);
    assert_eq!(!plan.advance.contains(&Advance::ReleaseFinalizer), waits, "{:?}", plan.advance);
}
