//! Edits of the stage that runs.

use std::time::Duration;

use k8s_openapi::api::core::v1::ConfigMap;
use rstest::rstest;
use serde_json::{Value, json};
use sim::{Fault, Verb};

use crate::{
    crashes::crash_at,
    end_state::end_state,
    patched::{edit_file, file},
    retreat::restored,
    stories::edit::Edit,
    world::{CONFIG_MAP, OWN_FILE, Replica, World, patched_rollout, rollout},
};

/// Ten members, two of them held out, in one long stage of half the others.
fn slow(mut rollout: Value) -> Value {
    rollout["spec"]["stages"] = stages(50);
    rollout
}

fn stages(percent: i32) -> Value {
    json!([{"name": "half", "percent": percent, "bake": "60s"}, {"name": "full", "percent": 100, "bake": "20s"}])
}

fn worlds(patched: bool) -> (World, Value) {
    match patched {
        false => (World::new(), slow(rollout("pooling"))),
        true => (World::patched(10), slow(patched_rollout("pooling"))),
    }
}

async fn half_optimized(patched: bool) -> (World, Replica) {
    let (world, rollout) = worlds(patched);
    let replica = world.start("replica-1");
    world.apply(&rollout);
    world.until("half the fleet", |world| world.optimized() == 4).await;
    world.until_reason("pooling", "Baking").await;
    (world, replica)
}

/// Members whose process is optimized.
fn optimized(world: &World) -> Vec<String> {
    world.fleet.members().into_iter().filter(|member| world.members.is_optimized(member)).collect()
}

/// Pods that bear the label of optimized members.
fn labelled(world: &World) -> Vec<String> {
    let is_labelled =
        |member: &String| world.pod_labels(member)["optimization.qudag.io/cohort"].as_str() == Some("optimized");
    world.fleet.members().into_iter().filter(is_labelled).collect()
}

fn set_percent(world: &World, percent: i32) {
    world.edit("pooling", |spec| spec["stages"] = stages(percent));
}

/// Waits until so many members are optimized, everybody has settled in, and the stage bakes.
async fn bakes_with(world: &World, members: usize) {
    let done = |world: &World| {
        let counts = world.status("pooling").members.unwrap_or_default();
        let quota = world.status("pooling").stage.map_or(0, |stage| stage.quota);
        let settled_in = counts.returning == 0 && counts.acknowledged == counts.optimized;
        world.optimized() == members && usize::try_from(quota) == Ok(members) && settled_in
    };
    world.until(&format!("{members} members optimized"), done).await;
    world.until("baking", |world| world.reason("pooling") == "Baking" && labelled(world) == optimized(world)).await;
}

#[rstest]
#[case::rendered(false)]
#[case::patched(true)]
#[tokio::test(start_paused = true)]
async fn a_smaller_percent_takes_members_back_and_the_run_goes_on(#[case] patched: bool) {
    let (world, _replica) = half_optimized(patched).await;
    let before = optimized(&world);
    let bake = world.status("pooling").stage.unwrap().started_at;
    set_percent(&world, 25);
    bakes_with(&world, 2).await;
    assert!(optimized(&world).iter().all(|member| before.contains(member)), "nobody else was switched");
    assert_eq!(world.marks(), Vec::new(), "an edit is no retreat");
    assert!(world.displaced().len() == 2 && world.status("pooling").retreat.is_none());
    let status = world.status("pooling");
    let counts = status.members.unwrap();
    assert_eq!((counts.optimized, counts.baseline, counts.holdout), (2, 6, 2));
    assert!(status.stage.unwrap().started_at > bake, "the bake begins anew");
    let said = &status.history.last().unwrap().message;
    assert_eq!(said, "stage half was edited: up to 2 members instead of 4; the bake starts anew");
    if patched {
        let files = world.server.objects("configmaps").into_iter().map(|map| map["data"]["node.toml"].clone());
        assert_eq!(files.filter(|file| *file == OWN_FILE).count(), 8, "given back to the byte");
    }
    world.until_reason("pooling", "Settled").await;
    assert_eq!(world.optimized(), 10);
    world.check();
    world.check_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn a_smaller_percent_waits_for_files_that_their_owner_has_broken() {
    let (world, _replica) = half_optimized(true).await;
    let before = optimized(&world);
    for member in &before {
        edit_file(&world, member, |file| format!("{file}broken = [\n"));
    }
    set_percent(&world, 25);
    world.until_reason("pooling", "ConfigUnreadable").await;
    tokio::time::sleep(Duration::from_secs(120)).await;
    assert_eq!(world.reason("pooling"), "ConfigUnreadable");
    for member in &before {
        edit_file(&world, member, |file| file.replace("broken = [\n", ""));
    }
    bakes_with(&world, 2).await;
    let whole = before.iter().filter(|member| file(&world, member) == OWN_FILE).count();
    assert_eq!((whole, world.status("pooling").members.unwrap().overridden), (2, 0), "given back to the byte");
    world.until_reason("pooling", "Settled").await;
    world.check();
    world.check_quiet().await;
}

#[rstest]
#[case::rendered(false)]
#[case::patched(true)]
#[tokio::test(start_paused = true)]
async fn a_larger_percent_switches_more_of_those_who_were_there_and_none_who_joined(#[case] patched: bool) {
    let (world, _replica) = half_optimized(patched).await;
    let before = optimized(&world);
    let joined = if patched { Vec::new() } else { vec![world.fleet.add(), world.fleet.add()] };
    tokio::time::sleep(Duration::from_secs(5)).await;
    set_percent(&world, if patched { 90 } else { 80 });
    let expected = if patched { 7 } else { 8 };
    bakes_with(&world, expected).await;
    let now = optimized(&world);
    assert!(before.iter().all(|member| now.contains(member)) && !joined.iter().any(|member| now.contains(member)));
    world.until_reason("pooling", "Settled").await;
    assert_eq!(world.optimized(), 10 + joined.len());
    world.check();
    world.check_quiet().await;
}

#[rstest]
#[case::rendered(false)]
#[case::patched(true)]
#[tokio::test(start_paused = true)]
async fn edits_back_and_forth_end_where_the_last_one_says(#[case] patched: bool) {
    let (world, _replica) = half_optimized(patched).await;
    let first = optimized(&world);
    for (percent, wait) in [(13, 100), (50, 700), (26, 1500), (90, 300), (13, 300)] {
        set_percent(&world, percent);
        tokio::time::sleep(Duration::from_millis(wait)).await;
    }
    bakes_with(&world, 1).await;
    assert!(first.contains(&optimized(&world)[0]), "the first of the order stays");
    set_percent(&world, 50);
    bakes_with(&world, 4).await;
    assert_eq!(optimized(&world), first, "the same come back");
    world.until_reason("pooling", "Settled").await;
    world.check();
    world.check_quiet().await;
}

#[rstest]
#[case::rendered(false)]
#[case::patched(true)]
#[tokio::test(start_paused = true)]
async fn a_breach_after_or_amid_a_smaller_percent_takes_everybody_back(
    #[case] patched: bool,
    #[values(0, 300, 1500, 20_000)] wait: u64,
) {
    let (world, _replica) = half_optimized(patched).await;
    set_percent(&world, 25);
    tokio::time::sleep(Duration::from_millis(wait)).await;
    world.members.harm();
    restored(&world, "pooling").await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(world.displaced(), Vec::<String>::new());
    assert!(world.rollout("pooling").unwrap().metadata.finalizers.unwrap_or_default().is_empty());
    world.check();
    world.check_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn an_abort_amid_a_smaller_percent_brings_back_members_that_are_silent_as_well() {
    let (world, _replica) = half_optimized(false).await;
    let before = optimized(&world);
    world.members.silence(move |member| before.iter().any(|optimized| optimized == member));
    set_percent(&world, 25);
    world.until_reason("pooling", "AwaitingAcknowledgement").await;
    world
        .until("in the API", |world| {
            let map = world.object::<ConfigMap>(CONFIG_MAP).unwrap();
            map["data"][".members.json"].as_str().unwrap().matches(r#""c":"r""#).count() == 2
        })
        .await;
    let reason = world.status("pooling").conditions.into_iter().find(|one| one.type_ == "Progressing").unwrap();
    assert!(reason.message.starts_with("stage half shrinks to 2 members: waiting for "), "{}", reason.message);
    world.edit("pooling", |spec| spec["abort"] = json!({"reason": "ticket 42"}));
    world.until_reason("pooling", "Unreachable").await;
    world.members.silence(|_| false);
    restored(&world, "pooling").await;
    world.check();
    world.check_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn a_smaller_percent_counts_while_the_run_is_paused() {
    let (world, _replica) = half_optimized(false).await;
    world.edit("pooling", |spec| {
        spec["paused"] = json!(true);
        spec["stages"] = stages(25);
    });
    world.until("two", |world| world.optimized() == 2).await;
    world.until_reason("pooling", "Paused").await;
    world.edit("pooling", |spec| spec["paused"] = json!(false));
    world.until_reason("pooling", "Settled").await;
    world.check();
}

#[tokio::test(start_paused = true)]
async fn members_without_a_pod_count_as_optimized_and_go_back_too() {
    let (world, _replica) = half_optimized(false).await;
    for member in optimized(&world) {
        world.fleet.remove(&member);
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    set_percent(&world, 25);
    let files = |world: &World| {
        let map = world.object::<ConfigMap>(CONFIG_MAP).unwrap();
        let files = map["data"].as_object().unwrap().values();
        files.filter(|file| file.as_str().unwrap().contains("enabled = true")).count()
    };
    world.until("two in the API", |world| files(world) == 2).await;
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert_eq!((files(&world), world.optimized()), (2, 0));
    world.check();
}

#[tokio::test(start_paused = true)]
async fn members_that_read_at_start_alone_are_restarted_to_go_back() {
    let world = World::of(sim::FleetSpec::default(), true);
    let _replica = world.start("replica-1");
    let mut rollout = slow(rollout("pooling"));
    rollout["spec"]["fleet"]["config"]["reload"] = json!("RestartPod");
    world.apply(&rollout);
    world.until("half the fleet", |world| world.optimized() == 4).await;
    world.until_reason("pooling", "Baking").await;
    let evictions = |world: &World| {
        let writes = world.server.writes().into_iter();
        writes.filter(|write| write.key.plural == "pods" && write.verb == Verb::Create && write.code < 300).count()
    };
    let before = evictions(&world);
    set_percent(&world, 25);
    bakes_with(&world, 2).await;
    assert_eq!(evictions(&world) - before, 2);
    world.until_reason("pooling", "Settled").await;
    world.check();
}

#[tokio::test(start_paused = true)]
async fn a_list_without_the_running_stage_shrinks_to_its_last_and_grows_with_the_next() {
    let world = World::new();
    let _replica = world.start("replica-1");
    let mut long = rollout("pooling");
    long["spec"]["stages"][2]["bake"] = json!("600s");
    world.apply(&long);
    world.until("full", |world| world.optimized() == 8).await;
    world.until_reason("pooling", "Baking").await;
    world.edit("pooling", |spec| spec["stages"] = json!([{"name": "some", "percent": 30, "bake": "60s"}]));
    bakes_with(&world, 2).await;
    world.edit("pooling", |spec| {
        spec["stages"] = json!([
            {"name": "few", "percent": 15, "bake": "20s"}, {"name": "some", "percent": 30, "bake": "20s"},
            {"name": "all", "percent": 100, "bake": "20s"},
        ]);
    });
    world
        .until("in the stage of the same name", |world| {
            world.status("pooling").stage.is_some_and(|stage| (stage.index, stage.quota) == (1, 2))
        })
        .await;
    world.until("everybody but the holdout", |world| world.optimized() == 8).await;
    world.until_reason("pooling", "Watching").await;
    world.edit("pooling", |spec| spec["stages"] = json!([{"name": "all", "percent": 10, "bake": "20s"}]));
    world.until_reason("pooling", "Settled").await;
    assert_eq!(world.optimized(), 10, "after the last stage an edit changes nothing");
    world.check();
    world.check_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn another_bake_restarts_the_bake_and_changes_no_member_although_one_is_away() {
    let (world, _replica) = half_optimized(false).await;
    let before = optimized(&world);
    world.fleet.remove(&before[0]);
    tokio::time::sleep(Duration::from_secs(2)).await;
    world.edit("pooling", |spec| spec["stages"][0]["bake"] = json!("90s"));
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(optimized(&world), before[1..]);
    assert_eq!(world.status("pooling").stage.unwrap().quota, 4);
    world.check();
}

/// A run whose stage is made smaller, then larger, to its end.
async fn edited_run(patched: bool, at: Option<usize>, fault: Fault) -> (Value, usize) {
    let (world, rollout) = worlds(patched);
    let writes = crash_at(&world, at, fault);
    let _first = world.start("replica-1");
    tokio::time::sleep(Duration::from_millis(100)).await;
    let _second = world.start("replica-2");
    world.apply(&rollout);
    world.until("half the fleet", |world| world.optimized() == 4).await;
    set_percent(&world, 25);
    bakes_with(&world, 2).await;
    set_percent(&world, 75);
    bakes_with(&world, 6).await;
    world.edit("pooling", |spec| spec["abort"] = json!({"reason": "ticket 42"}));
    restored(&world, "pooling").await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    world.check();
    (end_state(&world), writes.load(std::sync::atomic::Ordering::SeqCst))
}

#[rstest]
#[tokio::test(start_paused = true)]
async fn an_edited_run_ends_the_same_wherever_the_leader_dies(
    #[values(false, true)] patched: bool,
    #[values(Fault::CrashBefore, Fault::CrashAfter)] fault: Fault,
) {
    crate::crashes::sweep(|at, fault| edited_run(patched, at, fault), fault).await;
}

#[rstest]
#[case::by_labels("/selector", json!({"matchLabels": {"app": "other"}}))]
#[case::by_expressions("/selector/matchExpressions", json!([{"key": "app", "operator": "Exists"}]))]
#[case::by_their_nodes("/identity", json!("Node"))]
#[case::where_settings_lie("/config/rendered/name", json!("elsewhere"))]
#[tokio::test(start_paused = true)]
async fn members_are_the_same_until_a_run_is_over(#[case] path: &str, #[case] value: Value) {
    let (world, _replica) = half_optimized(false).await;
    let edit = Edit::of(format!("/fleet{path}"), value);
    assert!(edit.happen(&world, "pooling").await.is_none());
    world.edit("pooling", |spec| spec["abort"] = json!({"reason": "another fleet"}));
    restored(&world, "pooling").await;
    assert!(edit.happen(&world, "pooling").await.is_some());
    world.check();
}

#[tokio::test(start_paused = true)]
async fn each_edit_of_a_stage_is_an_event_of_its_own() {
    let (world, _replica) = half_optimized(false).await;
    let told = |world: &World| {
        let events = world.server.objects("events");
        events
            .iter()
            .filter(|event| event["note"].as_str().is_some_and(|note| note.contains("the bake starts anew")))
            .count()
    };
    for (bake, expected) in [("70s", 1), ("80s", 2), ("70s", 3)] {
        world.edit("pooling", |spec| spec["stages"][0]["bake"] = json!(bake));
        world.until("told", |world| told(world) == expected).await;
        tokio::time::sleep(Duration::from_secs(5)).await;
    }
    assert_eq!(told(&world), 3, "and none is told twice");
    world.check();
}
