//! Mistakes that people make, and how they get out of them.

use std::time::Duration;

use k8s_openapi::api::core::v1::ConfigMap;
use rstest::rstest;
use serde_json::{Value, json};
use sim::FleetSpec;
use tokio::time::sleep;

use crate::{
    retreat::restored,
    world::{CONFIG_MAP, Replica, World, key, patched_rollout, rollout},
};

/// A rollout whose members can never acknowledge: they know no such optimization.
fn mistyped() -> Value {
    let mut mistyped = rollout("mistyped");
    mistyped["spec"]["optimizations"][0]["name"] = json!("connection_poolin");
    mistyped
}

/// A fleet whose first member waits for an acknowledgement that never comes.
async fn mistyped_canary() -> (World, Replica) {
    let world = World::new();
    let replica = world.start("replica-1");
    world.apply(&mistyped());
    world.until("canary", |world| world.optimized() == 1).await;
    world.until_reason("mistyped", "AwaitingAcknowledgement").await;
    (world, replica)
}

/// A fleet whose first member is asked for an acknowledgement by this metric.
async fn canary_by(metric: &str) -> (World, Replica) {
    let world = World::new();
    let replica = world.start("replica-1");
    let mut canary = rollout("mistyped");
    canary["spec"]["fleet"]["acknowledgement"]["metric"] = json!(metric);
    world.apply(&canary);
    world.until("canary", |world| world.optimized() == 1).await;
    (world, replica)
}

fn message(world: &World, name: &str) -> String {
    let ready = world.status(name).conditions.into_iter().find(|condition| condition.type_ == "Progressing");
    ready.map(|ready| ready.message).unwrap_or_default()
}

/// Reasons and notes of all events.
fn events(world: &World) -> Vec<String> {
    let writes = world.server.writes().into_iter().filter(|write| write.key.plural == "events");
    writes.map(|write| format!("{}: {}", write.body["reason"], write.body["note"])).collect()
}

#[tokio::test(start_paused = true)]
async fn a_member_that_knows_no_such_optimization_is_said_to_be_why_the_run_waits() {
    let (world, _replica) = mistyped_canary().await;
    let says = |world: &World| {
        world.status("mistyped").conditions.iter().any(|condition| {
            condition
                .message
                .ends_with("exposes optimization_enabled for connection_pooling, dns_cache, not for connection_poolin")
        })
    };
    world.until("the reason", says).await;
    world.check();
}

#[tokio::test(start_paused = true)]
async fn who_knows_no_such_optimization_is_back_in_traffic_a_minute_after_its_abort() {
    let (world, _replica) = mistyped_canary().await;
    world.edit("mistyped", |spec| spec["abort"] = json!({"reason": "ticket 42"}));
    world.until("off", |world| world.status("mistyped").retreat.is_some_and(|retreat| retreat.off_at.is_some())).await;
    sleep(Duration::from_secs(50)).await;
    assert_eq!(world.displaced().len(), 1, "it cannot say that it has read its file");
    restored(&world, "mistyped").await;
    assert!(!world.history("mistyped").iter().any(|reason| reason == "Unreachable"), "nothing is wrong with its pod");
    let alarm = |event: &Value| event["reason"] == "Unreachable";
    assert!(!world.server.objects("events").iter().any(alarm));
    world.check();
    world.check_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn a_name_that_is_corrected_lets_nobody_into_traffic_before_it_had_time_to_read_its_file() {
    let (world, _replica) = mistyped_canary().await;
    world.edit("mistyped", |spec| spec["optimizations"][0]["name"] = json!("connection_pooling"));
    world.until("off", |world| world.status("mistyped").retreat.is_some_and(|retreat| retreat.off_at.is_some())).await;
    sleep(Duration::from_secs(50)).await;
    assert_eq!(world.displaced().len(), 1, "it does not know what it was told to switch");
    world.until_reason("mistyped", "Settled").await;
    world.check();
}

#[tokio::test(start_paused = true)]
async fn a_metric_that_nobody_exposes_is_said_to_be_why_the_run_waits() {
    let world = World::new();
    let _replica = world.start("replica-1");
    let mut mistyped = rollout("pooling");
    mistyped["spec"]["fleet"]["acknowledgement"]["metric"] = json!("optimization_enabld");
    world.apply(&mistyped);
    world
        .until("the reason", |world| {
            message(world, "pooling").ends_with("exposes no optimization_enabld with a label optimization")
        })
        .await;
    world.check();
}

#[tokio::test(start_paused = true)]
async fn a_plan_that_was_taken_back_for_another_one_runs_when_it_is_asked_for_again() {
    let world = World::new();
    let _replica = world.start("replica-1");
    world.bakes().await;
    let added = json!({
        "name": "dns_cache", "settings": [{"path": "network.dns.cached", "optimized": true, "baseline": false}],
    });
    world.edit("pooling", |spec| spec["optimizations"].as_array_mut().unwrap().push(added));
    world.until("taken back", |world| world.history("pooling").contains(&"PlanChanged".to_owned())).await;
    world.until_reason("pooling", "Settled").await;
    world.edit("pooling", |spec| drop(spec["optimizations"].as_array_mut().unwrap().pop()));
    world.until("another run", |world| world.reason("pooling") != "Settled").await;
    world.until_reason("pooling", "Settled").await;
    assert_eq!(world.status("pooling").retreat, None);
    world.check();
}

#[tokio::test(start_paused = true)]
async fn a_rollout_that_nobody_acknowledges_is_deleted_and_the_fleet_is_free_for_the_next() {
    let (world, _replica) = canary_by("optimization_enabld").await;
    world.delete("mistyped").await;
    world.until("deleted", |world| world.rollout("mistyped").is_none()).await;
    assert_eq!(world.displaced(), Vec::<String>::new(), "every pod is back in traffic");
    let told = events(&world);
    assert_eq!(told.iter().filter(|event| event.contains("did not acknowledge")).count(), 1, "{told:#?}");
    world.check();
    world.apply(&rollout("pooling"));
    world.until_reason("pooling", "Settled").await;
    world.check();
}

#[tokio::test(start_paused = true)]
async fn members_that_cannot_say_that_they_are_back_are_waited_for_a_minute_by_a_deletion() {
    let (world, _replica) = mistyped_canary().await;
    world.delete("mistyped").await;
    sleep(Duration::from_secs(50)).await;
    assert_eq!(world.displaced().len(), 1);
    world.until("deleted", |world| world.rollout("mistyped").is_none()).await;
    assert_eq!(world.displaced(), Vec::<String>::new());
    assert!(events(&world).last().unwrap().contains("every member runs its baseline again"));
    world.check();
}

#[rstest]
#[case::of_members_that_stay_silent("optimization_enabld", "did not acknowledge the baseline")]
#[case::of_members_that_are_back("optimization_enabled", "refuses to write pod")]
#[tokio::test(start_paused = true)]
async fn a_deletion_that_cannot_put_everything_back_is_not_held_up_for_ever(#[case] metric: &str, #[case] why: &str) {
    let (world, _replica) = canary_by(metric).await;
    world.server.on_request(|request| {
        let labels = request.key.plural == "pods" && request.body["metadata"]["labels"].is_object();
        if labels { sim::Fault::Refuse(403, "forbidden".to_owned()) } else { sim::Fault::None }
    });
    world.delete("mistyped").await;
    world.until("deleted", |world| world.rollout("mistyped").is_none()).await;
    assert_eq!(world.optimized(), 0);
    let told = events(&world);
    let told = told.iter().filter(|event| event.contains("the rollout is deleted although") && event.contains(why));
    assert_eq!(told.count(), 1);
    let map = world.object::<ConfigMap>(CONFIG_MAP).unwrap();
    assert!(!map["data"][".members.json"].as_str().unwrap().contains("qudag-node"), "the fleet is free for the next");
}

#[tokio::test(start_paused = true)]
async fn a_record_whose_rollout_is_gone_is_reported_with_the_way_out() {
    let (world, _replica) = mistyped_canary().await;
    world.server.remove(&key("mistyped"));
    world.apply(&rollout("pooling"));
    world.until_reason("pooling", "FleetBusy").await;
    let stalled = world.status("pooling").conditions.into_iter().find(|condition| condition.type_ == "Stalled");
    let stalled = stalled.filter(|stalled| stalled.status == "True").unwrap().message;
    assert!(stalled.contains("kubectl delete configmap qudag-optimizations"), "{stalled}");
    world.server.remove(&sim::Key::of::<ConfigMap>("qudag", CONFIG_MAP));
    world.until_reason("pooling", "Settled").await;
}

#[tokio::test(start_paused = true)]
async fn of_two_rollouts_that_wait_each_names_who_has_the_fleet_and_not_the_other() {
    let world = World::new();
    let _replica = world.start("replica-1");
    let mut first = rollout("pooling");
    first["spec"]["paused"] = json!(true);
    world.apply(&first);
    world.until_reason("pooling", "Paused").await;
    for name in ["second", "third"] {
        let mut waiting = rollout(name);
        waiting["spec"]["optimizations"][0]["settings"] =
            json!([{"path": "dns", "optimized": true, "baseline": false}]);
        waiting["metadata"]["creationTimestamp"] = json!(format!("2026-01-01T00:0{}:00Z", name.len() - 5));
        world.apply(&waiting);
        world.until_reason(name, "FleetBusy").await;
    }
    sleep(Duration::from_secs(10)).await;
    for name in ["second", "third"] {
        assert!(message(&world, name).starts_with("rollout pooling has a run on"), "{}", message(&world, name));
    }
}

#[tokio::test(start_paused = true)]
async fn a_settled_rollout_that_was_deleted_and_applied_again_can_restore() {
    let world = World::new();
    let _replica = world.start("replica-1");
    world.apply(&rollout("pooling"));
    world.until_reason("pooling", "Settled").await;
    world.delete("pooling").await;
    world.until("deleted", |world| world.rollout("pooling").is_none()).await;
    let mut again = rollout("pooling");
    again["spec"]["deletionPolicy"] = json!("Restore");
    world.apply(&again);
    world.until_reason("pooling", "Settled").await;
    sleep(Duration::from_secs(5)).await;
    world.delete("pooling").await;
    world.until("deleted", |world| world.rollout("pooling").is_none()).await;
    world.until("restored", |world| world.optimized() == 0).await;
    world.check();
}

#[tokio::test(start_paused = true)]
async fn a_stall_is_told_by_one_event_however_long_it_lasts() {
    let world = World::new();
    let _replica = world.start("replica-1");
    let mut nobody = rollout("pooling");
    nobody["spec"]["fleet"]["selector"]["matchLabels"]["app"] = json!("nobody");
    world.apply(&nobody);
    world.until_reason("pooling", "NoMembers").await;
    sleep(Duration::from_secs(900)).await;
    let told = events(&world);
    assert_eq!(told.len(), 1, "{told:#?}");
    assert!(told[0].starts_with("\"NoMembers\": "), "{told:?}");
    world.check();
}

#[tokio::test(start_paused = true)]
async fn an_abort_that_stays_in_the_spec_is_named_as_what_is_in_the_way() {
    let world = World::new();
    let _replica = world.start("replica-1");
    world.apply(&rollout("pooling"));
    world.until("canary", |world| world.optimized() == 1).await;
    world.edit("pooling", |spec| spec["abort"] = json!({"reason": "ticket 42"}));
    world.until("restored", |world| world.history("pooling").contains(&"Restored".to_owned())).await;
    world.edit("pooling", |spec| spec["attempt"] = json!(2));
    sleep(Duration::from_secs(10)).await;
    let stalled = world.status("pooling").conditions;
    assert!(stalled.iter().any(|condition| condition.message.contains("spec.abort")), "{stalled:#?}");
    world.edit("pooling", |spec| drop(spec.as_object_mut().unwrap().shift_remove("abort")));
    world.until_reason("pooling", "Settled").await;
    world.check();
}

/// Two rollouts of other settings on one fleet.
fn two_rollouts(one: Value) -> [Value; 2] {
    let mut other = one.clone();
    other["metadata"]["name"] = json!("caching");
    other["spec"]["optimizations"] = json!([{"name": "dns_cache", "settings": [{"path": "network.dns.cached", "optimized": true, "baseline": false}]}]);
    [one, other]
}

#[rstest]
#[case::rendered(World::new(), rollout("pooling"))]
#[case::patched(World::patched(6), patched_rollout("pooling"))]
#[tokio::test(start_paused = true)]
async fn of_two_rollouts_that_are_applied_at_once_one_waits_for_the_other(#[case] world: World, #[case] one: Value) {
    let _replica = world.start("replica-1");
    sleep(Duration::from_secs(2)).await;
    for rollout in two_rollouts(one) {
        world.apply(&rollout);
    }
    world
        .until("both settled", |world| world.reason("pooling") == "Settled" && world.reason("caching") == "Settled")
        .await;
    world.check();
}

#[rstest]
#[case::rendered(World::new(), rollout("pooling"))]
#[case::patched(World::patched(6), patched_rollout("pooling"))]
#[tokio::test(start_paused = true)]
async fn a_deletion_that_restores_waits_for_the_run_of_another_rollout(#[case] world: World, #[case] mut one: Value) {
    let _replica = world.start("replica-1");
    one["spec"]["deletionPolicy"] = json!("Restore");
    let [one, other] = two_rollouts(one);
    world.apply(&one);
    world.until_reason("pooling", "Settled").await;
    world.apply(&other);
    world.until_reason("caching", "Baking").await;
    world.delete("pooling").await;
    world.until_reason("caching", "Settled").await;
    world.until("deleted", |world| world.rollout("pooling").is_none()).await;
    world.until("restored", |world| world.optimized() == 0).await;
    world.check();
}

#[tokio::test(start_paused = true)]
async fn a_stage_that_is_taken_out_of_the_list_is_no_part_of_the_watch() {
    let world = World::new();
    let _replica = world.start("replica-1");
    let mut long = rollout("pooling");
    long["spec"]["stages"] = json!([
        {"name": "one", "percent": 20, "bake": "20s"}, {"name": "two", "percent": 50, "bake": "300s"},
    ]);
    world.apply(&long);
    world.until("the second stage", |world| world.status("pooling").stage.is_some_and(|stage| stage.index == 1)).await;
    world.until_reason("pooling", "Baking").await;
    sleep(Duration::from_secs(60)).await;
    world.edit("pooling", |spec| drop(spec["stages"].as_array_mut().unwrap().pop()));
    world.until_reason("pooling", "Settled").await;
    world.check();
}

#[tokio::test(start_paused = true)]
async fn a_fleet_with_several_pods_on_a_node_has_no_members_by_its_nodes() {
    let world = World::new();
    let _replica = world.start("replica-1");
    let mut by_nodes = rollout("pooling");
    by_nodes["spec"]["fleet"]["identity"] = json!("Node");
    world.apply(&by_nodes);
    world.until_reason("pooling", "NodeShared").await;
    let said = message(&world, "pooling");
    let expected = "Node node-0 runs 4 pods of the fleet, qudag-node-0, qudag-node-3, qudag-node-6, qudag-node-9; \
                    identity Node needs one on each, so narrow spec.fleet.selector, or set identity: Pod";
    assert_eq!(said, expected);
    world.check_quiet().await;
    world.check();
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_does_not_acknowledge_is_evicted_at_longer_and_longer_intervals() {
    let world = World::of(FleetSpec::default(), true);
    let _replica = world.start("replica-1");
    let mut mistyped = mistyped();
    mistyped["spec"]["fleet"]["config"]["reload"] = json!("RestartPod");
    world.apply(&mistyped);
    world.until("canary", |world| world.optimized() == 1).await;
    sleep(Duration::from_secs(600)).await;
    let evictions = world.writes().iter().filter(|write| write.contains("Eviction")).count();
    assert!((4..=7).contains(&evictions), "{evictions} in ten minutes");
    world.check();
}
