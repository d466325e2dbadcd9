//! Runs without a breach, from the first stage to the next rollout on the same fleet.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use api::names::{MEMBERS_KEY, SETTLED_ANNOTATION};
use domain::record::{Cohort, Record};
use k8s_openapi::api::core::v1::ConfigMap;
use serde_json::{Value, json};
use sim::{Fault, Key};
use tokio::time::Instant;

use crate::world::{CONFIG_MAP, NAMESPACE, World, patched_rollout, rollout};

#[tokio::test(start_paused = true)]
async fn a_harmless_optimization_reaches_everybody_and_is_settled() {
    let world = World::new();
    let _replica = world.start("replica-1");
    world.apply(&rollout("pooling"));
    world.until_reason("pooling", "Settled").await;

    assert_eq!(world.optimized(), 10);
    assert_eq!(world.displaced(), Vec::<String>::new());
    assert_eq!(world.marks(), Vec::new());
    assert_eq!(
        world.history("pooling"),
        ["RunStarted", "StageStarted", "StageStarted", "Watching", "Settling", "Settled"]
    );
    let map = world.object::<ConfigMap>(CONFIG_MAP).unwrap();
    assert_eq!(
        map["metadata"]["annotations"]["optimization.qudag.io/settled"],
        r#"{"network.pool.enabled":true,"network.pool.max":100}"#
    );
    world.check();
    world.check_quiet().await;
    assert_eq!(world.rollout("pooling").unwrap().metadata.finalizers.unwrap_or_default(), Vec::<String>::new());
}

/// Plays a run whose leader dies right after it has settled the values on the first ConfigMap.
#[rstest::rstest]
#[case::rendered(World::new(), rollout("pooling"), 10)]
#[case::members_own_maps(World::patched(4), patched_rollout("pooling"), 4)]
#[tokio::test(start_paused = true)]
async fn harm_that_begins_while_values_are_settled_finds_no_half_of_a_run(
    #[case] world: World,
    #[case] rollout: Value,
    #[case] members: usize,
) {
    let leader = world.start("replica-1");
    let died = Arc::new(AtomicBool::new(false));
    let dies = died.clone();
    world.server.on_request(move |request| {
        let settles = !request.body["metadata"]["annotations"]["optimization.qudag.io/settled"].is_null();
        if settles && !dies.swap(true, Ordering::SeqCst) { Fault::CrashAfter } else { Fault::None }
    });
    world.apply(&rollout);
    world.until("the leader is dead", |_| died.load(Ordering::SeqCst)).await;
    world.kill(leader);
    world.members.harm();
    let _next = world.start("replica-2");
    world.until_reason("pooling", "Settled").await;
    world.check_quiet().await;
    assert_eq!(world.optimized(), members);
    assert_eq!(world.marks(), Vec::new());
    world.check();
}

#[tokio::test(start_paused = true)]
async fn a_settled_rollout_that_is_deleted_leaves_its_values() {
    let world = World::new();
    let _replica = world.start("replica-1");
    world.apply(&rollout("pooling"));
    world.until_reason("pooling", "Settled").await;
    world.delete("pooling").await;
    world.until("deleted", |world| world.rollout("pooling").is_none()).await;
    world.check_quiet().await;
    assert_eq!(world.optimized(), 10);
    world.check();
}

#[tokio::test(start_paused = true)]
async fn a_policy_that_restores_counts_from_when_it_is_said() {
    let world = World::new();
    let _replica = world.start("replica-1");
    world.apply(&rollout("pooling"));
    world.until_reason("pooling", "Settled").await;
    world.edit("pooling", |spec| spec["deletionPolicy"] = json!("Restore"));
    world.until("held", |world| world.rollout("pooling").unwrap().metadata.finalizers.is_some()).await;
    world.delete("pooling").await;
    world.until("deleted", |world| world.rollout("pooling").is_none()).await;
    tokio::time::sleep(std::time::Duration::from_secs(120)).await;
    assert_eq!(world.optimized(), 0);
    world.check();
}

#[tokio::test(start_paused = true)]
async fn an_unfinished_rollout_that_is_deleted_restores_first() {
    let world = World::new();
    let _replica = world.start("replica-1");
    world.apply(&rollout("pooling"));
    world.until("half the fleet optimized", |world| world.optimized() >= 4).await;
    world.delete("pooling").await;
    world.until("deleted", |world| world.rollout("pooling").is_none()).await;
    world.check();
    assert_eq!(world.optimized(), 0);
    assert_eq!(world.displaced(), Vec::<String>::new());
    let map = world.object::<ConfigMap>(CONFIG_MAP).unwrap();
    let left: Vec<&String> = map["data"].as_object().unwrap().keys().collect();
    assert_eq!(left, [".members.json"], "nobody declares a baseline any more");
    world.check();
}

#[tokio::test(start_paused = true)]
async fn the_next_rollout_builds_on_what_is_settled() {
    let world = World::new();
    let _replica = world.start("replica-1");
    world.apply(&rollout("pooling"));
    world.until_reason("pooling", "Settled").await;
    let mut second = rollout("cache");
    second["spec"]["optimizations"] = json!([{"name": "connection_pooling", "settings": [
        {"path": "dns.cache", "optimized": true, "baseline": false},
    ]}]);
    world.apply(&second);
    world.until_reason("cache", "Settled").await;
    let map = world.object::<ConfigMap>(CONFIG_MAP).unwrap();
    let settled = map["metadata"]["annotations"]["optimization.qudag.io/settled"].as_str().unwrap();
    assert_eq!(settled, r#"{"dns.cache":true,"network.pool.enabled":true,"network.pool.max":100}"#);
    assert_eq!(world.displaced(), Vec::<String>::new());
    world.check();
    world.check_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn a_second_rollout_waits_for_the_first_and_ends_its_watch() {
    let world = World::new();
    let _replica = world.start("replica-1");
    let mut first = rollout("pooling");
    first["spec"]["watchAfter"] = json!("24h");
    world.apply(&first);
    world.until("staging", |world| world.optimized() >= 1).await;
    let mut second = rollout("cache");
    second["spec"]["optimizations"] = json!([{"name": "connection_pooling", "settings": [
        {"path": "dns.cache", "optimized": true, "baseline": false},
    ]}]);
    world.apply(&second);
    world.until_reason("cache", "FleetBusy").await;
    world.until_reason("pooling", "Settled").await;
    world.until_reason("cache", "Settled").await;
    world.check();
    world.check_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn a_member_that_joins_a_settled_fleet_gets_the_settled_values() {
    let world = World::new();
    let _replica = world.start("replica-1");
    world.apply(&rollout("pooling"));
    world.until_reason("pooling", "Settled").await;
    let joined = world.fleet.add();
    world.until("the joiner optimized", |world| world.members.is_optimized(&joined)).await;
    world.check();
    world.check_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn a_member_that_joins_mid_stage_stays_baseline_in_that_stage() {
    let world = World::new();
    let _replica = world.start("replica-1");
    let mut slow = rollout("pooling");
    slow["spec"]["stages"] = json!([{"name": "half", "percent": 50, "bake": "60s"}]);
    world.apply(&slow);
    world.until("half", |world| world.optimized() == 4).await;
    for _ in 0..4 {
        world.fleet.add();
    }
    world.until_reason("pooling", "Watching").await;
    assert_eq!(world.optimized(), 4);
    world.until_reason("pooling", "Settled").await;
    assert_eq!(world.optimized(), 14);
    world.check();
}

#[tokio::test(start_paused = true)]
async fn a_paused_run_holds_and_goes_on() {
    let world = World::new();
    let _replica = world.start("replica-1");
    world.apply(&rollout("pooling"));
    world.until("canary", |world| world.optimized() == 1).await;
    world.edit("pooling", |spec| spec["paused"] = json!(true));
    world.until_reason("pooling", "Paused").await;
    tokio::time::sleep(std::time::Duration::from_secs(600)).await;
    assert_eq!(world.optimized(), 1);
    world.edit("pooling", |spec| spec["paused"] = json!(false));
    world.until_reason("pooling", "Settled").await;
    world.check();
}

#[tokio::test(start_paused = true)]
async fn silence_never_promotes() {
    let world = World::new();
    let _replica = world.start("replica-1");
    world.apply(&rollout("pooling"));
    world.until("canary", |world| world.optimized() == 1).await;
    world.until_reason("pooling", "Baking").await;
    world.members.silence(|_| true);
    tokio::time::sleep(std::time::Duration::from_secs(600)).await;
    assert_eq!((world.optimized(), world.reason("pooling").as_str()), (1, "AwaitingMeasurements"));
    world.members.silence(|_| false);
    world.until_reason("pooling", "Settled").await;
    world.check();
}

/// After a settled pool of 100, one of 200.
fn larger_pool() -> serde_json::Value {
    let mut larger = rollout("larger");
    larger["spec"]["optimizations"][0]["settings"][1]["optimized"] = json!(200);
    larger
}

#[tokio::test(start_paused = true)]
async fn a_change_of_a_value_alone_needs_a_revision_to_be_told() {
    let world = World::new();
    let _replica = world.start("replica-1");
    world.apply(&rollout("pooling"));
    world.until_reason("pooling", "Settled").await;
    world.apply(&larger_pool());
    world.until_reason("larger", "InvalidSpec").await;
    let before = world.object::<ConfigMap>(CONFIG_MAP).unwrap()["data"].clone();

    world.edit("larger", |spec| {
        spec["fleet"]["config"]["revisionPath"] = json!("revision");
        spec["fleet"]["acknowledgement"]["revisionLabel"] = json!("revision");
    });
    world.until_reason("larger", "Settled").await;
    let map = world.object::<ConfigMap>(CONFIG_MAP).unwrap();
    assert_ne!(map["data"], before);
    assert!(map["data"]["qudag-node-0.toml"].as_str().unwrap().contains("network.pool.max = 200"));
    world.check();
}

#[tokio::test(start_paused = true)]
async fn a_service_that_cannot_be_rerouted_stops_the_run_before_anything_is_touched() {
    let world = World::new();
    let _replica = world.start("replica-1");
    let mut unknown = rollout("pooling");
    unknown["spec"]["traffic"]["services"][0]["name"] = json!("missing");
    world.apply(&unknown);
    world.until_reason("pooling", "ServiceRefused").await;
    world.check_quiet().await;
    assert!(world.object::<ConfigMap>(CONFIG_MAP).is_none());
    assert_eq!(world.displaced(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn time_while_members_are_overridden_is_no_part_of_a_bake() {
    let world = World::new();
    let _replica = world.start("replica-1");
    world.apply(&rollout("pooling"));
    world.until("canary", |world| world.optimized() == 1).await;
    world.until_reason("pooling", "Baking").await;
    let canary = world.fleet.members().into_iter().find(|member| world.members.is_optimized(member)).unwrap();
    let (key, file) = (Key::of::<ConfigMap>(NAMESPACE, CONFIG_MAP), format!("{canary}.toml"));
    let given = world.object::<ConfigMap>(CONFIG_MAP).unwrap()["data"][&file].clone();
    world.server.edit(&key, |map| map["data"][&file] = json!("network.pool.enabled = false\n"));
    world.until_reason("pooling", "Overridden").await;
    tokio::time::sleep(Duration::from_secs(600)).await;

    world.server.edit(&key, |map| map["data"][&file] = given);
    let back = Instant::now();
    world.until("promoted", |world| world.status("pooling").stage.is_some_and(|stage| stage.index == 1)).await;
    assert!(back.elapsed() >= Duration::from_secs(15), "of the 20 s to bake, {:?} were watched", back.elapsed());
    world.check();
}

#[tokio::test(start_paused = true)]
async fn an_overridden_member_is_no_evidence_for_a_stage() {
    let world = World::new();
    let _replica = world.start("replica-1");
    world.apply(&rollout("pooling"));
    world.until("half", |world| world.optimized() == 4).await;
    world.until_reason("pooling", "Baking").await;
    let mut optimized: Vec<String> =
        world.fleet.members().into_iter().filter(|member| world.members.is_optimized(member)).collect();
    let file = format!("{}.toml", optimized.remove(0));
    world.server.edit(&Key::of::<ConfigMap>(NAMESPACE, CONFIG_MAP), |map| {
        map["data"][&file] = json!("network.pool.enabled = false\n");
    });
    world.members.silence(move |member| optimized.iter().any(|silent| silent == member));
    tokio::time::sleep(Duration::from_secs(300)).await;
    assert_eq!(world.status("pooling").stage.unwrap().index, 1, "nobody who runs the values has answered");
    world.check();
}

#[tokio::test(start_paused = true)]
async fn a_bake_that_is_edited_between_two_looks_lasts_its_time() {
    let world = World::new();
    let _replica = world.start("replica-1");
    let mut slow = rollout("pooling");
    slow["spec"]["metrics"]["interval"] = json!("10s");
    world.apply(&slow);
    world.until_reason("pooling", "Baking").await;
    tokio::time::sleep(Duration::from_secs(9)).await;
    world.edit("pooling", |spec| spec["stages"][0]["bake"] = json!("40s"));
    world.until("promoted", |world| world.status("pooling").stage.is_some_and(|stage| stage.index == 1)).await;
    world.check();
}

#[tokio::test(start_paused = true)]
async fn a_member_of_the_holdout_that_is_away_when_the_others_follow_follows_as_well() {
    let world = World::new();
    let _replica = world.start("replica-1");
    world.apply(&rollout("pooling"));
    world.until_reason("pooling", "Watching").await;
    let record = |world: &World| {
        let map = world.object::<ConfigMap>(CONFIG_MAP).unwrap();
        Record::parse(map["data"][MEMBERS_KEY].as_str()).unwrap()
    };
    let (held_out, _) = record(&world).members.into_iter().find(|(_, entry)| entry.cohort == Cohort::Holdout).unwrap();
    world.fleet.remove(&held_out);
    world.until("the holdout follows", |world| record(world).stage == 3).await;
    world.fleet.bring_back(&held_out);
    world.until_reason("pooling", "Settled").await;
    world.check_quiet().await;
    assert_eq!(world.optimized(), 10);
    let map = world.object::<ConfigMap>(CONFIG_MAP).unwrap();
    assert!(map["metadata"]["annotations"][SETTLED_ANNOTATION].is_string(), "{map}");
    world.check();
}
