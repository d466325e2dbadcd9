//! Runs that edit the members' own ConfigMaps in place.

use k8s_openapi::api::core::v1::ConfigMap;
use serde_json::json;

use crate::{
    retreat::restored,
    world::{NAMESPACE, OWN_FILE, Replica, World, own_config_map, patched_rollout},
};

/// A run of which half the fleet is optimized, and watched.
pub async fn half_optimized() -> (World, Replica) {
    let world = World::patched(10);
    let replica = world.start("replica-1");
    world.apply(&patched_rollout("pooling"));
    world.until("half the fleet", |world| world.optimized() == 4).await;
    world.until_reason("pooling", "Baking").await;
    (world, replica)
}

/// The file in a member's ConfigMap.
pub fn file(world: &World, member: &str) -> String {
    let map = world.object::<ConfigMap>(&format!("{member}-config")).unwrap();
    map["data"]["node.toml"].as_str().unwrap().to_owned()
}

pub fn annotations(world: &World, member: &str) -> Vec<String> {
    let map = world.object::<ConfigMap>(&format!("{member}-config")).unwrap();
    map["metadata"]["annotations"].as_object().unwrap().keys().cloned().collect()
}

pub fn edit_file(world: &World, member: &str, edit: impl Fn(&str) -> String) {
    let key = sim::Key::of::<ConfigMap>(NAMESPACE, &format!("{member}-config"));
    world.server.edit(&key, |map| {
        let text = edit(map["data"]["node.toml"].as_str().unwrap());
        map["data"]["node.toml"] = json!(text);
    });
}

pub fn optimized_file() -> String {
    OWN_FILE.replace("enabled = false", "enabled = true").replace("max = 20", "max = 100")
}

/// Members whose file is optimized in the API.
pub fn switched(world: &World) -> Vec<String> {
    world.fleet.members().into_iter().filter(|member| file(world, member).contains("enabled = true")).collect()
}

#[tokio::test(start_paused = true)]
async fn a_harmless_optimization_is_edited_in_and_nothing_else_changes() {
    let world = World::patched(10);
    let _replica = world.start("replica-1");
    world.apply(&patched_rollout("pooling"));
    world.until_reason("pooling", "Settled").await;
    for member in world.fleet.members() {
        assert_eq!(file(&world, &member), optimized_file());
    }
    assert_eq!(world.optimized(), 10);
    assert_eq!(world.displaced(), Vec::<String>::new());
    world.check();
    world.check_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn a_harmful_optimization_leaves_every_file_as_it_was_to_the_byte() {
    let (world, _replica) = half_optimized().await;
    world.members.harm();
    restored(&world, "pooling").await;
    world.until_reason("pooling", "Catastrophe").await;
    tokio::time::sleep(std::time::Duration::from_secs(5)).await;
    for member in world.fleet.members() {
        assert_eq!(file(&world, &member), OWN_FILE);
        assert_eq!(annotations(&world, &member), ["optimization.qudag.io/member"], "no trace of the run");
    }
    world.check();
    world.check_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn what_an_owner_edits_during_a_run_outlives_its_retreat() {
    let (world, _replica) = half_optimized().await;
    let chosen = switched(&world);
    edit_file(&world, &chosen[0], |file| file.replace("log = \"info\"", "log = \"debug\""));
    world.until_reason("pooling", "Baking").await;
    world.members.harm();
    restored(&world, "pooling").await;
    assert_eq!(file(&world, &chosen[0]), OWN_FILE.replace("info", "debug"));
    assert_eq!(file(&world, &chosen[1]), OWN_FILE);
    world.check();
}

#[tokio::test(start_paused = true)]
async fn a_value_that_its_owner_takes_back_is_never_optimized_again() {
    let (world, _replica) = half_optimized().await;
    let chosen = switched(&world).remove(0);
    edit_file(&world, &chosen, |_| OWN_FILE.replace("max = 20", "max = 7"));
    world.until("overridden", |world| world.status("pooling").members.is_some_and(|m| m.overridden == 1)).await;
    world.edit("pooling", |spec| spec["abort"] = json!({"reason": "ticket 42"}));
    restored(&world, "pooling").await;
    assert_eq!(file(&world, &chosen), OWN_FILE.replace("max = 20", "max = 7"));
    world.check();
}

#[tokio::test(start_paused = true)]
async fn a_file_that_its_owner_breaks_goes_back_to_the_byte_when_it_is_mended() {
    let (world, _replica) = half_optimized().await;
    let chosen = switched(&world).remove(0);
    edit_file(&world, &chosen, |file| format!("{file}broken = [\n"));
    world.edit("pooling", |spec| spec["abort"] = json!({"reason": "ticket 42"}));
    world.until_reason("pooling", "ConfigUnreadable").await;
    tokio::time::sleep(std::time::Duration::from_secs(120)).await;
    let retreat = world.status("pooling").retreat.unwrap();
    assert_eq!((retreat.off_at, retreat.acknowledged_at), (None, None));
    assert_eq!(world.displaced(), [format!("\"{chosen}\"")], "the others are back in traffic");
    edit_file(&world, &chosen, |file| file.replace("broken = [\n", ""));
    restored(&world, "pooling").await;
    tokio::time::sleep(std::time::Duration::from_secs(5)).await;
    assert_eq!(file(&world, &chosen), OWN_FILE);
    assert_eq!(annotations(&world, &chosen), ["optimization.qudag.io/member"], "no trace of the run");
    world.check();
    world.check_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn who_is_given_the_optimized_values_again_on_its_way_back_stays_out_of_traffic() {
    let (world, _replica) = half_optimized().await;
    let chosen = switched(&world).remove(0);
    world.edit("pooling", |spec| spec["abort"] = json!({"reason": "ticket 42"}));
    let soon = std::time::Duration::from_millis(5);
    world.until_to(soon, "given back", |world| file(world, &chosen) == OWN_FILE).await;
    edit_file(&world, &chosen, |_| optimized_file());
    world.until_reason("pooling", "Overridden").await;
    tokio::time::sleep(std::time::Duration::from_secs(120)).await;
    let retreat = world.status("pooling").retreat.unwrap();
    assert_eq!((retreat.off_at.is_some(), retreat.acknowledged_at), (true, None));
    assert_eq!(world.displaced(), [format!("\"{chosen}\"")], "the others are back in traffic");
    assert_eq!(file(&world, &chosen), optimized_file(), "what others write is theirs");
    edit_file(&world, &chosen, |_| OWN_FILE.to_owned());
    restored(&world, "pooling").await;
    world.check();
    world.check_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn members_that_cannot_take_part_are_listed_with_what_to_do_and_left_alone() {
    let world = World::patched(10);
    let broken = "this does not parse";
    edit_file(&world, "qudag-node-0", |_| broken.to_owned());
    edit_file(&world, "qudag-node-1", |_| optimized_file());
    let key = sim::Key::of::<ConfigMap>(NAMESPACE, "qudag-node-2-config");
    world.server.edit(&key, |map| map["metadata"]["annotations"] = json!({}));
    world.server.remove(&sim::Key::of::<ConfigMap>(NAMESPACE, "qudag-node-3-config"));
    let _replica = world.start("replica-1");
    world.apply(&patched_rollout("pooling"));
    world.until_reason("pooling", "Baking").await;
    let ineligible: Vec<(String, String)> = world
        .status("pooling")
        .ineligible
        .into_iter()
        .map(|ineligible| (ineligible.member, ineligible.reason.to_string()))
        .collect();
    let expected = [
        ("qudag-node-0", "ConfigUnreadable"),
        ("qudag-node-1", "AlreadyOptimized"),
        ("qudag-node-2", "NotOptedIn"),
        ("qudag-node-3", "ConfigMapMissing"),
    ]
    .map(|(member, reason)| (member.to_owned(), reason.to_owned()));
    assert_eq!(ineligible, expected);
    world.until_reason("pooling", "Settled").await;
    assert_eq!(file(&world, "qudag-node-0"), broken);
    assert_eq!(file(&world, "qudag-node-2"), OWN_FILE);
    world.check();
}

#[tokio::test(start_paused = true)]
async fn a_fleet_whose_owner_did_not_opt_in_is_told_the_command() {
    let world = World::patched(10);
    for member in world.fleet.members() {
        let key = sim::Key::of::<ConfigMap>(NAMESPACE, &format!("{member}-config"));
        world.server.edit(&key, |map| map["metadata"]["annotations"] = json!({}));
    }
    let _replica = world.start("replica-1");
    world.apply(&patched_rollout("pooling"));
    world.until_reason("pooling", "NotOptedIn").await;
    let status = world.status("pooling");
    let stalled = status.conditions.iter().find(|condition| condition.type_ == "Stalled").unwrap();
    let command =
        "kubectl --namespace qudag annotate configmap qudag-node-0-config optimization.qudag.io/member=qudag-node-0";
    assert!(stalled.message.contains(command), "{}", stalled.message);
    for member in world.fleet.members() {
        let key = sim::Key::of::<ConfigMap>(NAMESPACE, &format!("{member}-config"));
        world.server.edit(&key, |map| map["metadata"] = own_config_map(&member)["metadata"].clone());
    }
    world.until_reason("pooling", "Settled").await;
    world.check();
}

#[tokio::test(start_paused = true)]
async fn an_optimized_members_map_that_is_deleted_takes_the_run_back() {
    let (world, _replica) = half_optimized().await;
    let chosen = switched(&world).remove(0);
    world.server.remove(&sim::Key::of::<ConfigMap>(NAMESPACE, &format!("{chosen}-config")));
    let reason = |world: &World| world.status("pooling").retreat.map(|retreat| retreat.reason.to_string());
    world.until("taken back", |world| reason(world).as_deref() == Some("Overridden")).await;
    let message = world.status("pooling").retreat.unwrap().message;
    assert!(message.contains(&format!("ConfigMap {chosen}-config of member {chosen} does not exist")), "{message}");
    let off = |world: &World| world.status("pooling").retreat.is_some_and(|retreat| retreat.off_at.is_some());
    world.until("off in the API", off).await;
    let others: Vec<String> = world.fleet.members().into_iter().filter(|member| *member != chosen).collect();
    for member in &others {
        assert_eq!(file(&world, member), OWN_FILE);
    }
}

#[tokio::test(start_paused = true)]
async fn a_watch_goes_on_when_somebody_joins() {
    let world = World::patched(10);
    let _replica = world.start("replica-1");
    let mut rollout = patched_rollout("pooling");
    rollout["spec"]["stages"].as_array_mut().unwrap().truncate(1);
    rollout["spec"]["watchAfter"] = json!("60s");
    world.apply(&rollout);
    world.until_reason("pooling", "Watching").await;
    let joined = world.join();
    world.until_reason("pooling", "Settled").await;
    world.until("the joiner optimized", |world| world.members.is_optimized(&joined)).await;
    world.check();
}

#[tokio::test(start_paused = true)]
async fn a_member_that_joins_a_settled_fleet_gets_the_settled_values_once() {
    let world = World::patched(10);
    let _replica = world.start("replica-1");
    world.apply(&patched_rollout("pooling"));
    world.until_reason("pooling", "Settled").await;
    let joined = world.join();
    world.until("the joiner optimized", |world| world.members.is_optimized(&joined)).await;
    edit_file(&world, &joined, |_| OWN_FILE.to_owned());
    world.check_quiet().await;
    assert_eq!(file(&world, &joined), OWN_FILE, "its owner has the last word");
}

#[tokio::test(start_paused = true)]
async fn deletion_restores_what_is_unfinished_and_by_policy_what_is_settled() {
    let world = World::patched(10);
    let _replica = world.start("replica-1");
    world.apply(&patched_rollout("pooling"));
    world.until("half the fleet", |world| world.optimized() == 4).await;
    world.delete("pooling").await;
    world.until("deleted", |world| world.rollout("pooling").is_none()).await;
    assert!(world.fleet.members().iter().all(|member| file(&world, member) == OWN_FILE));

    let mut second = patched_rollout("again");
    second["spec"]["deletionPolicy"] = json!("Restore");
    world.apply(&second);
    world.until_reason("again", "Settled").await;
    world.delete("again").await;
    world.until("deleted", |world| world.rollout("again").is_none()).await;
    for member in world.fleet.members() {
        assert_eq!(file(&world, &member), OWN_FILE);
        assert_eq!(annotations(&world, &member), ["optimization.qudag.io/member"]);
    }
    world.check();
}

#[tokio::test(start_paused = true)]
async fn what_is_settled_in_a_file_that_its_owner_breaks_goes_back_when_it_is_mended() {
    let world = World::patched(10);
    let _replica = world.start("replica-1");
    let mut rollout = patched_rollout("pooling");
    rollout["spec"]["deletionPolicy"] = json!("Restore");
    world.apply(&rollout);
    world.until_reason("pooling", "Settled").await;
    edit_file(&world, "qudag-node-0", |file| format!("{file}broken = [\n"));
    world.delete("pooling").await;
    world.until_reason("pooling", "ConfigUnreadable").await;
    world.check_quiet().await;
    assert_eq!(switched(&world), ["qudag-node-0"], "the others are as they were");
    edit_file(&world, "qudag-node-0", |file| file.replace("broken = [\n", ""));
    world.until("deleted", |world| world.rollout("pooling").is_none()).await;
    for member in world.fleet.members() {
        assert_eq!(file(&world, &member), OWN_FILE);
        assert_eq!(annotations(&world, &member), ["optimization.qudag.io/member"]);
    }
    world.check();
}
