//! Optimizations that are settled and taken out of the list again.

use k8s_openapi::api::core::v1::ConfigMap;
use serde_json::{Value, json};

use crate::{
    patched::{annotations, edit_file, file, optimized_file},
    retreat::taken_back,
    world::{CONFIG_MAP, OWN_FILE, Replica, World, own_config_map, patched_rollout, rollout},
};

/// A fleet on which the rollout has settled.
async fn settled(world: World, rollout: &Value) -> (World, Replica) {
    let replica = world.start("replica-1");
    world.apply(rollout);
    world.until_reason("pooling", "Settled").await;
    assert_eq!(world.optimized(), world.fleet.members().len());
    (world, replica)
}

/// Takes all optimizations out of the list.
fn release(world: &World) {
    world.edit("pooling", |spec| spec["optimizations"] = json!([]));
}

/// Waits until the run that takes them out has ended well.
async fn released(world: &World) {
    world.until("nobody optimized", |world| world.optimized() == 0).await;
    world.until_reason("pooling", "Settled").await;
}

/// Members without the optimization fail half of their requests, once there are at least two of them.
fn harm_without(world: &World) {
    let most = world.fleet.members().len() - 2;
    world.members.fail_by_count(0.5, move |optimized, many| !optimized && many <= most);
}

/// Waits until the run that took them out is taken back, and its records are closed.
async fn back_in(world: &World) {
    taken_back(world, "pooling").await;
    tokio::time::sleep(std::time::Duration::from_secs(5)).await;
}

fn map(world: &World, name: &str) -> Value {
    world.object::<ConfigMap>(name).unwrap()
}

fn files(world: &World) -> Vec<String> {
    world.fleet.members().iter().map(|member| file(world, member)).collect()
}

#[tokio::test(start_paused = true)]
async fn what_is_taken_out_is_switched_off_in_stages_and_then_forgotten() {
    let (world, _replica) = settled(World::new(), &rollout("pooling")).await;
    release(&world);
    world.until("the canary without it", |world| world.optimized() == 9).await;
    world.until_reason("pooling", "Baking").await;
    assert_eq!(world.status("pooling").stage.unwrap().name, "canary");
    let started = world.status("pooling").history.iter().rfind(|one| one.reason.to_string() == "RunStarted").cloned();
    assert!(started.unwrap().message.ends_with("takes out connection_pooling"));
    released(&world).await;
    let shard = map(&world, CONFIG_MAP);
    let left: Vec<&String> = shard["data"].as_object().unwrap().keys().collect();
    assert_eq!(left, [".members.json"], "no member has a file");
    assert_eq!(shard["metadata"]["annotations"].get("optimization.qudag.io/settled"), None);
    assert_eq!(world.displaced(), Vec::<String>::new());
    let joined = world.fleet.add();
    world.check_quiet().await;
    assert!(!world.members.is_optimized(&joined));
    world.check();
}

#[tokio::test(start_paused = true)]
async fn a_fleet_that_suffers_without_it_gets_it_back() {
    let (world, _replica) = settled(World::new(), &rollout("pooling")).await;
    let before = map(&world, CONFIG_MAP)["metadata"]["annotations"]["optimization.qudag.io/settled"].clone();
    harm_without(&world);
    release(&world);
    back_in(&world).await;
    assert_eq!(world.optimized(), 10);
    assert_eq!(world.reason("pooling"), "Catastrophe");
    assert_eq!(map(&world, CONFIG_MAP)["metadata"]["annotations"]["optimization.qudag.io/settled"], before);
    let joined = world.fleet.add();
    world.until("the joiner has it", |world| world.members.is_optimized(&joined)).await;
    world.check();
    world.check_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn a_members_own_file_says_again_what_it_said_before_the_first_run() {
    let (world, _replica) = settled(World::patched(10), &patched_rollout("pooling")).await;
    world.server.put(own_config_map("qudag-node-10"));
    let joined = world.fleet.add();
    world.until("the joiner optimized", |world| world.members.is_optimized(&joined)).await;
    release(&world);
    released(&world).await;
    assert!(files(&world).iter().all(|file| file == OWN_FILE), "{:#?}", files(&world));
    tokio::time::sleep(std::time::Duration::from_secs(5)).await;
    for member in world.fleet.members() {
        assert_eq!(annotations(&world, &member), ["optimization.qudag.io/member"]);
    }
    world.check();
    world.check_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn a_members_own_file_keeps_it_to_the_byte_when_the_fleet_suffers_without() {
    let (world, _replica) = settled(World::patched(10), &patched_rollout("pooling")).await;
    harm_without(&world);
    release(&world);
    back_in(&world).await;
    assert!(files(&world).iter().all(|file| *file == optimized_file()), "{:#?}", files(&world));
    world.members.harm_above(100);
    world.edit("pooling", |spec| spec["attempt"] = json!(2));
    released(&world).await;
    assert!(files(&world).iter().all(|file| file == OWN_FILE), "what was there before is still known");
    world.check();
}

#[tokio::test(start_paused = true)]
async fn one_is_taken_out_while_another_comes_in() {
    let mut plan = rollout("pooling");
    plan["spec"]["fleet"]["acknowledgement"] = json!({"timer": "1s"});
    let (world, _replica) = settled(World::new(), &plan).await;
    world.edit("pooling", |spec| {
        spec["optimizations"] =
            json!([{"name": "dns_cache", "settings": [{"path": "dns.cache", "optimized": true, "baseline": false}]}]);
    });
    released(&world).await;
    let annotations = &map(&world, CONFIG_MAP)["metadata"]["annotations"];
    assert_eq!(annotations["optimization.qudag.io/settled"], r#"{"dns.cache":true}"#);
    assert_eq!(annotations["optimization.qudag.io/settled-by"], r#"{"dns.cache":{"r":"pooling","o":"dns_cache"}}"#);
    world.check();
}

#[tokio::test(start_paused = true)]
async fn what_another_rollout_has_settled_stays() {
    let (world, _replica) = settled(World::new(), &rollout("pooling")).await;
    let mut second = rollout("cache");
    second["spec"]["fleet"]["acknowledgement"] = json!({"timer": "1s"});
    second["spec"]["optimizations"] =
        json!([{"name": "dns_cache", "settings": [{"path": "dns.cache", "optimized": true, "baseline": false}]}]);
    world.apply(&second);
    world.until_reason("cache", "Settled").await;
    world.edit("cache", |spec| spec["optimizations"] = json!([]));
    let only = |world: &World| {
        map(world, CONFIG_MAP)["metadata"]["annotations"]["optimization.qudag.io/settled"]
            == r#"{"network.pool.enabled":true,"network.pool.max":100}"#
    };
    world.until("without the cache", only).await;
    world.until_reason("cache", "Settled").await;
    assert_eq!(world.optimized(), 10);
    world.delete("cache").await;
    world.check_quiet().await;
    assert_eq!(world.optimized(), 10);
    world.check();
}

#[tokio::test(start_paused = true)]
async fn a_deletion_that_restores_takes_back_what_two_runs_have_settled() {
    let mut plan = patched_rollout("pooling");
    plan["spec"]["deletionPolicy"] = json!("Restore");
    plan["spec"]["fleet"]["acknowledgement"] = json!({"timer": "1s"});
    let (world, _replica) = settled(World::patched(5), &plan).await;
    world.edit("pooling", |spec| {
        let more =
            json!({"name": "sockets", "settings": [{"path": "network.pool.enabled_sockets", "optimized": "off"}]});
        spec["optimizations"].as_array_mut().unwrap().push(more);
    });
    world.until("the second run", |world| files(world).iter().all(|file| file.contains("sockets"))).await;
    world.until_reason("pooling", "Settled").await;
    world.delete("pooling").await;
    world.until("deleted", |world| world.rollout("pooling").is_none()).await;
    assert!(files(&world).iter().all(|file| file == OWN_FILE), "{:#?}", files(&world));
    world.check();
}

#[tokio::test(start_paused = true)]
async fn a_member_that_is_away_follows_when_it_comes_back() {
    let (world, _replica) = settled(World::patched(5), &patched_rollout("pooling")).await;
    world.fleet.remove("qudag-node-2");
    release(&world);
    released(&world).await;
    world.fleet.bring_back("qudag-node-2");
    world.until("its file", |world| files(world).iter().all(|file| file == OWN_FILE)).await;
    world.check_quiet().await;
    assert_eq!(world.optimized(), 0, "nobody gets it back by it");
    world.check();
}

#[tokio::test(start_paused = true)]
async fn a_member_that_was_scaled_away_follows_when_it_comes_back() {
    let (world, _replica) = settled(World::new(), &rollout("pooling")).await;
    world.fleet.remove("qudag-node-2");
    release(&world);
    released(&world).await;
    world.fleet.bring_back("qudag-node-2");
    world.check_quiet().await;
    assert_eq!(world.fleet.members().len(), 10);
    assert_eq!(world.optimized(), 0, "nobody gets it back by it");
    world.check();
}

#[tokio::test(start_paused = true)]
async fn what_an_owner_has_changed_since_it_was_settled_stays() {
    let (world, _replica) = settled(World::patched(5), &patched_rollout("pooling")).await;
    edit_file(&world, "qudag-node-2", |file| file.replace("= 100", "= 150"));
    release(&world);
    released(&world).await;
    for (member, file) in files(&world).iter().enumerate() {
        let max = if member == 2 { "= 150" } else { "= 20" };
        assert_eq!(*file, OWN_FILE.replace("= 20", max));
    }
    world.check();
}

#[tokio::test(start_paused = true)]
async fn a_deletion_that_restores_does_so_after_a_run_that_was_taken_back() {
    let mut plan = rollout("pooling");
    plan["spec"]["deletionPolicy"] = json!("Restore");
    let (world, _replica) = settled(World::new(), &plan).await;
    harm_without(&world);
    release(&world);
    back_in(&world).await;
    world.delete("pooling").await;
    world.until("deleted", |world| world.rollout("pooling").is_none()).await;
    world.until("restored", |world| world.optimized() == 0).await;
    world.check();
}

#[tokio::test(start_paused = true)]
async fn what_was_taken_out_comes_in_again_from_the_first_stage() {
    let (world, _replica) = settled(World::patched(10), &patched_rollout("pooling")).await;
    world.fleet.remove("qudag-node-2");
    let before = world.rollout("pooling").unwrap().spec;
    release(&world);
    released(&world).await;
    world.fleet.bring_back("qudag-node-2");
    let without = |world: &World| world.optimized() == 0 && files(world).iter().all(|file| file == OWN_FILE);
    world.until("everybody without it", without).await;
    world.edit("pooling", |spec| spec["optimizations"] = json!(before.optimizations));
    world.until("somebody optimized", |world| world.optimized() > 0).await;
    assert_eq!(world.status("pooling").stage.unwrap().name, "canary");
    world.until("everybody optimized", |world| world.optimized() == 10).await;
    world.until_reason("pooling", "Settled").await;
    world.check();
}
