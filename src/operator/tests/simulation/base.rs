//! Runs whose files are made from a base that somebody else owns.

use std::time::Duration;

use k8s_openapi::api::core::v1::ConfigMap;
use rstest::rstest;
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::{
    retreat::restored,
    world::{BASE_MAP, CONFIG_MAP, NAMESPACE, OWN_FILE, Replica, World, base_config_map, based_rollout},
};

/// A run of which half the fleet is optimized, and watched.
async fn half_optimized() -> (World, Replica) {
    let world = World::based();
    let replica = world.start("replica-1");
    world.apply(&based_rollout("pooling"));
    world.until("half the fleet", |world| world.optimized() == 4).await;
    world.until_reason("pooling", "Baking").await;
    (world, replica)
}

fn shard(world: &World) -> Value {
    world.object::<ConfigMap>(CONFIG_MAP).unwrap()
}

/// The file of a member in the API.
fn file(world: &World, member: &str) -> String {
    shard(world)["data"][format!("{member}.toml")].as_str().unwrap_or_default().to_owned()
}

fn edit_base(world: &World, edit: impl Fn(&str) -> String) {
    let key = sim::Key::of::<ConfigMap>(NAMESPACE, BASE_MAP);
    world.server.edit(&key, |map| {
        let text = edit(map["data"]["node.toml"].as_str().unwrap());
        map["data"]["node.toml"] = json!(text);
    });
}

fn remove_base(world: &World) {
    world.server.remove(&sim::Key::of::<ConfigMap>(NAMESPACE, BASE_MAP));
}

fn optimized(base: &str) -> String {
    base.replace("enabled = false", "enabled = true").replace("max = 20", "max = 100")
}

fn at_debug(base: &str) -> String {
    base.replace("info", "debug")
}

/// Members whose file in the API is this.
fn with_file(world: &World, wanted: &str) -> usize {
    world.fleet.members().iter().filter(|member| file(world, member) == wanted).count()
}

/// Members whose process reads this.
fn reading(world: &World, wanted: &str) -> usize {
    let reads = |member: &String| world.fleet.file(member, &format!("{member}.toml")).as_deref() == Some(wanted);
    world.fleet.members().iter().filter(|member| reads(member)).count()
}

/// Everybody's file says the base and nothing else, and the run left no trace.
async fn back_on(world: &World, base: &str) {
    restored(world, "pooling").await;
    sleep(Duration::from_secs(5)).await;
    assert_eq!(with_file(world, base), 10, "{:#}", shard(world));
    world.check();
    world.check_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn a_harmless_optimization_is_written_into_the_base_and_its_other_bytes_stay() {
    let world = World::based();
    let _replica = world.start("replica-1");
    world.apply(&based_rollout("pooling"));
    world.until("the canary", |world| world.optimized() == 1).await;
    assert_eq!((with_file(&world, &optimized(OWN_FILE)), with_file(&world, OWN_FILE)), (1, 9));
    world.until_reason("pooling", "Settled").await;
    assert_eq!(with_file(&world, &optimized(OWN_FILE)), 10);
    assert_eq!(world.optimized(), 10);
    world.check();
    world.check_quiet().await;
    assert_eq!(world.object::<ConfigMap>(BASE_MAP).unwrap()["data"], base_config_map()["data"]);
}

#[tokio::test(start_paused = true)]
async fn a_harmful_optimization_leaves_the_base_in_every_file() {
    let (world, _replica) = half_optimized().await;
    world.members.harm();
    back_on(&world, OWN_FILE).await;
}

#[tokio::test(start_paused = true)]
async fn a_base_that_changes_during_a_run_reaches_both_cohorts_and_the_bake_goes_on() {
    let (world, _replica) = half_optimized().await;
    let touched = |world: &World| -> Vec<Value> {
        let pods = world.server.objects("pods").into_iter();
        pods.map(|pod| pod["metadata"]["annotations"]["optimization.qudag.io/touched"].clone()).collect()
    };
    let before = touched(&world);
    edit_base(&world, at_debug);
    world.until("followed", |world| with_file(world, &at_debug(&optimized(OWN_FILE))) == 4).await;
    assert_eq!(with_file(&world, &at_debug(OWN_FILE)), 6, "one write for all");
    sleep(Duration::from_secs(3)).await;
    assert_eq!(world.reason("pooling"), "Baking");
    assert_eq!(world.status("pooling").members.unwrap().overridden, 0);
    assert_eq!(touched(&world), before, "kubelets bring it");
    world.until_reason("pooling", "Settled").await;
    world.until("everybody reads it", |world| reading(world, &at_debug(&optimized(OWN_FILE))) == 10).await;
    world.check();
    world.check_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn what_a_base_begins_to_say_at_our_paths_changes_nothing() {
    let (world, _replica) = half_optimized().await;
    edit_base(&world, |base| at_debug(&base.replace("enabled = false", "enabled = true")));
    world.until("followed", |world| with_file(world, &at_debug(&optimized(OWN_FILE))) == 4).await;
    assert_eq!(with_file(&world, &at_debug(OWN_FILE)), 6);
    world.members.harm();
    back_on(&world, &at_debug(OWN_FILE)).await;
}

#[tokio::test(start_paused = true)]
async fn a_base_that_is_deleted_during_a_run_holds_nothing_up_and_no_retreat() {
    let (world, _replica) = half_optimized().await;
    remove_base(&world);
    world.until("all stages", |world| world.optimized() == 8).await;
    world.members.harm();
    back_on(&world, OWN_FILE).await;
}

#[tokio::test(start_paused = true)]
async fn a_base_that_changes_during_a_retreat_is_followed_after_it() {
    let (world, _replica) = half_optimized().await;
    let returning = |world: &World| world.status("pooling").retreat.is_some();
    world.members.silence(|_| true);
    world.edit("pooling", |spec| spec["abort"] = json!({"reason": "ticket 42"}));
    world.until("taken back", returning).await;
    edit_base(&world, at_debug);
    sleep(Duration::from_secs(10)).await;
    assert_eq!(with_file(&world, OWN_FILE), 10, "by the base that it was made from");
    world.members.silence(|_| false);
    world.edit("pooling", |spec| spec["abort"] = Value::Null);
    back_on(&world, &at_debug(OWN_FILE)).await;
}

#[tokio::test(start_paused = true)]
async fn a_base_that_stops_to_parse_leaves_a_settled_fleet_as_it_is_and_is_followed_once_it_is_mended() {
    let world = World::based();
    let _replica = world.start("replica-1");
    world.apply(&based_rollout("pooling"));
    world.until_reason("pooling", "Settled").await;
    edit_base(&world, |base| format!("{base}log ="));
    sleep(Duration::from_secs(400)).await;
    assert_eq!(with_file(&world, &optimized(OWN_FILE)), 10);
    let ready = world.status("pooling").conditions.into_iter().find(|condition| condition.type_ == "Ready").unwrap();
    assert!(ready.message.contains("a changed base is not followed"), "{}", ready.message);
    edit_base(&world, |_| at_debug(OWN_FILE));
    world.until("everybody reads it", |world| reading(world, &at_debug(&optimized(OWN_FILE))) == 10).await;
    world.check();
    world.check_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn a_value_that_somebody_takes_back_stays_theirs_when_the_base_changes() {
    let (world, _replica) = half_optimized().await;
    let chosen = world.fleet.members().into_iter().find(|member| world.members.is_optimized(member)).unwrap();
    let theirs = OWN_FILE.replace("max = 20", "max = 7");
    let key = sim::Key::of::<ConfigMap>(NAMESPACE, CONFIG_MAP);
    world.server.edit(&key, |map| map["data"][format!("{chosen}.toml")] = json!(theirs));
    world.until("overridden", |world| world.status("pooling").members.is_some_and(|m| m.overridden == 1)).await;
    edit_base(&world, at_debug);
    world.until("followed", |world| with_file(world, &at_debug(&optimized(OWN_FILE))) == 3).await;
    assert_eq!(file(&world, &chosen), theirs);
    assert_eq!(world.status("pooling").members.unwrap().overridden, 1);
    world.check();
}

#[tokio::test(start_paused = true)]
async fn a_member_that_joins_has_a_file_at_once() {
    let (world, _replica) = half_optimized().await;
    let joined = world.fleet.add();
    world.until("its file", |world| file(world, &joined) == OWN_FILE).await;
    world.until_reason("pooling", "Settled").await;
    let late = world.fleet.add();
    world.until("its file", |world| file(world, &late) == optimized(OWN_FILE)).await;
    world.check();
}

#[tokio::test(start_paused = true)]
async fn a_member_that_joins_after_a_retreat_has_the_base_at_once() {
    let (world, _replica) = half_optimized().await;
    world.members.harm();
    restored(&world, "pooling").await;
    let joined = world.fleet.add();
    world.until("its file", |world| file(world, &joined) == OWN_FILE).await;
    world.check();
    world.check_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn a_base_that_says_the_optimized_values_already_leaves_nothing_to_switch() {
    let world = World::based();
    edit_base(&world, optimized);
    let _replica = world.start("replica-1");
    world.apply(&based_rollout("pooling"));
    world.until_reason("pooling", "AlreadyOptimized").await;
    sleep(Duration::from_secs(60)).await;
    assert_eq!(world.object::<ConfigMap>(CONFIG_MAP), None, "nothing is written");
    let ineligible = world.status("pooling").ineligible;
    assert!(ineligible.iter().all(|member| member.reason.to_string() == "AlreadyOptimized"), "{ineligible:?}");
    assert_eq!(ineligible.len(), 10);
    edit_base(&world, |_| OWN_FILE.to_owned());
    world.until_reason("pooling", "Settled").await;
    world.check();
}

#[rstest]
#[case::missing(None, "ConfigMapMissing", "ConfigMap qudag-base with the base does not exist")]
#[case::without_consent(
    Some(("/metadata/annotations", json!({}))),
    "NotOptedIn",
    "kubectl --namespace qudag annotate --overwrite configmap qudag-base optimization.qudag.io/base=true"
)]
#[case::without_its_key(
    Some(("/data", json!({}))),
    "ConfigUnreadable",
    "ConfigMap qudag-base has no key node.toml"
)]
#[case::not_toml(
    Some(("/data/node.toml", json!("log ="))),
    "ConfigUnreadable",
    "ConfigMap qudag-base, key node.toml: the Toml text does not parse at line 1"
)]
#[case::no_table_where_one_is_needed(
    Some(("/data/node.toml", json!("network = 1"))),
    "ConfigUnreadable",
    "ConfigMap qudag-base, key node.toml: the path network.pool.enabled does not fit the file"
)]
#[tokio::test(start_paused = true)]
async fn a_base_that_cannot_be_used_stalls_the_start_and_nothing_is_written(
    #[case] broken: Option<(&str, Value)>,
    #[case] reason: &str,
    #[case] words: &str,
) {
    let world = World::based();
    match broken {
        None => remove_base(&world),
        Some((path, value)) => {
            let mut map = base_config_map();
            *map.pointer_mut(path).unwrap() = value;
            world.server.put(map);
        }
    }
    let _replica = world.start("replica-1");
    world.apply(&based_rollout("pooling"));
    world.until_reason("pooling", reason).await;
    let status = world.status("pooling");
    let stalled = status.conditions.iter().find(|condition| condition.type_ == "Stalled").unwrap();
    assert!(stalled.status == "True" && stalled.message.contains(words), "{}", stalled.message);
    sleep(Duration::from_secs(10)).await;
    assert_eq!(world.object::<ConfigMap>(CONFIG_MAP), None, "nothing is written");
    assert_eq!(world.displaced(), Vec::<String>::new());
    world.server.put(base_config_map());
    world.until_reason("pooling", "Settled").await;
    world.check();
}

#[tokio::test(start_paused = true)]
async fn a_plan_that_begins_to_name_a_base_switches_nobody_before_its_files_are_complete() {
    let world = World::based();
    let _replica = world.start("replica-1");
    world.apply(&crate::world::rollout("pooling"));
    world.until_reason("pooling", "Settled").await;
    world.edit("pooling", |spec| {
        spec["fleet"]["config"]["rendered"]["base"] = json!({"name": BASE_MAP, "key": "node.toml"});
        spec["optimizations"][0]["settings"][1]["optimized"] = json!(200);
        spec["fleet"]["acknowledgement"] = json!({"timer": "5s"});
    });
    let next = optimized(OWN_FILE).replace("100", "200");
    world.until("the canary", |world| with_file(world, &next) == 1).await;
    assert_eq!(with_file(&world, &optimized(OWN_FILE)), 9);
    world.until_reason("pooling", "Settled").await;
    assert_eq!(with_file(&world, &next), 10);
    world.check();
}
