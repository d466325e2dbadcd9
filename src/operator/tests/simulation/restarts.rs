//! Members that read their files at start alone.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use k8s_openapi::api::core::v1::ConfigMap;
use rstest::rstest;
use serde_json::{Value, json};
use sim::{Fault, FleetSpec, RequestInfo, Subresource, Verb};

use crate::{
    retreat::restored,
    world::{CONFIG_MAP, OWN_CONFIG_MAP, World, patched_rollout, rollout},
};

fn restarting(name: &str) -> Value {
    let mut rollout = rollout(name);
    rollout["spec"]["fleet"]["config"]["reload"] = json!("RestartPod");
    rollout
}

/// Pods that were evicted, in order.
fn evictions(world: &World) -> Vec<String> {
    let writes = world.server.writes().into_iter();
    let evictions = writes.filter(|write| write.key.plural == "pods" && write.verb == Verb::Create && write.code < 300);
    let named = |write: sim::Write| {
        let uid = write.body.pointer("/deleteOptions/preconditions/uid").cloned();
        let before = write.before.as_ref().map(|pod| pod["metadata"]["uid"].clone());
        assert!(uid.is_some() && uid == before, "an eviction names the very pod that it is for: {write:?}");
        write.key.name
    };
    evictions.map(named).collect()
}

/// The fewest members that were ready at once, while something is waited for.
async fn least_ready(world: &World, holds: impl Fn(&World) -> bool) -> usize {
    let mut least = usize::MAX;
    while !holds(world) {
        let pods = world.server.objects("pods");
        let ready = pods.iter().filter(|pod| pod["status"]["conditions"][0]["status"] == "True").count();
        least = least.min(ready);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    least
}

#[tokio::test(start_paused = true)]
async fn each_switched_member_is_restarted_once_and_half_of_the_fleet_always_serves() {
    let world = World::of(FleetSpec::default(), true);
    let _replica = world.start("replica-1");
    let mut at_once = restarting("pooling");
    let last = at_once["spec"]["stages"].as_array_mut().unwrap().pop().unwrap();
    at_once["spec"]["stages"] = json!([last]);
    world.apply(&at_once);
    let least = least_ready(&world, |world| world.reason("pooling") == "Settled").await;
    assert!(least >= 5, "{least} members were ready");
    let mut evicted = evictions(&world);
    evicted.sort();
    let mut members = world.fleet.members();
    members.sort();
    assert_eq!(evicted, members);
    assert_eq!(world.optimized(), 10);
    world.check();
    world.check_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn pods_that_take_long_to_end_are_waited_for_before_others_are_restarted() {
    let fleet = FleetSpec { termination: Duration::from_secs(100), ..FleetSpec::default() };
    let world = World::of(fleet, true);
    let _replica = world.start("replica-1");
    let mut at_once = restarting("pooling");
    let last = at_once["spec"]["stages"].as_array_mut().unwrap().pop().unwrap();
    at_once["spec"]["stages"] = json!([last]);
    world.apply(&at_once);
    let ending = |world: &World| {
        let pods = world.server.objects("pods");
        pods.iter().filter(|pod| !pod["metadata"]["deletionTimestamp"].is_null()).count()
    };
    let mut most = 0;
    while world.reason("pooling") != "Baking" {
        most = most.max(ending(&world) + (10 - world.server.objects("pods").len()));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!((1..=5).contains(&most), "{most} members were missing at once");
    assert_eq!(evictions(&world).len(), 8, "everybody but the holdout, once");
    world.check();
}

/// Refuses evictions as a used up budget does, until it is told otherwise. How often one was asked for.
fn budget(world: &World) -> (Arc<AtomicBool>, Arc<AtomicUsize>) {
    let (is_used_up, asked) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicUsize::new(0)));
    let (refuses, counted) = (is_used_up.clone(), asked.clone());
    world.server.on_request(move |request: &RequestInfo| {
        let is_eviction = request.key.plural == "pods" && request.subresource == Some(Subresource::Eviction);
        if !is_eviction || !refuses.load(Ordering::SeqCst) {
            return Fault::None;
        }
        counted.fetch_add(1, Ordering::SeqCst);
        Fault::Refuse(429, "Cannot evict pod as it would violate the pod's disruption budget.".to_owned())
    });
    (is_used_up, asked)
}

#[tokio::test(start_paused = true)]
async fn a_budget_that_lets_no_pod_go_is_named_and_asked_again_later_and_later() {
    let world = World::of(FleetSpec::default(), true);
    let _replica = world.start("replica-1");
    let (is_used_up, asked) = budget(&world);
    world.apply(&restarting("pooling"));
    let told = |world: &World| {
        let conditions = world.status("pooling").conditions;
        conditions.iter().any(|condition| condition.message.contains("may not be evicted: Cannot evict pod"))
    };
    world.until("the budget is named", told).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    let asked = asked.load(Ordering::SeqCst);
    assert!((4..=6).contains(&asked), "of one pod, after 5, 15, 35 and 55 s: {asked}");
    assert!(told(&world), "{:?}", world.status("pooling").conditions);
    is_used_up.store(false, Ordering::SeqCst);
    world.until_reason("pooling", "Baking").await;
    assert!(!told(&world), "{:?}", world.status("pooling").conditions);
    world.check();
}

/// Seed 228519.
#[tokio::test(start_paused = true)]
async fn a_map_that_is_deleted_while_its_only_optimized_member_is_restarted_takes_the_run_back() {
    let world = World::of(FleetSpec::default(), true);
    let _replica = world.start("replica-1");
    let mut canary = restarting("pooling");
    canary["spec"]["stages"] = json!([{"name": "canary", "percent": 10, "bake": "10m"}]);
    world.apply(&canary);
    let one_is_away =
        |world: &World| evictions(world).len() == 1 && world.status("pooling").members.is_some_and(|it| it.fleet == 9);
    world.until_to(Duration::from_millis(10), "one is restarted", one_is_away).await;
    world.server.remove(&sim::Key::of::<ConfigMap>("qudag", CONFIG_MAP));
    world.until("taken back", |world| world.history("pooling").contains(&"Overridden".to_owned())).await;
    restored(&world, "pooling").await;
    assert_eq!(world.optimized(), 0);
    world.check();
}

#[rstest]
#[case::in_a_common_map(FleetSpec::default(), rollout("pooling"))]
#[case::in_a_map_of_its_own(
    FleetSpec { config_map: OWN_CONFIG_MAP.to_owned(), ..FleetSpec::default() },
    patched_rollout("pooling")
)]
#[tokio::test(start_paused = true)]
async fn who_joins_a_settled_fleet_is_restarted_for_its_file(#[case] fleet: FleetSpec, #[case] mut rollout: Value) {
    let world = World::of(fleet, true);
    let replica = world.start("replica-1");
    rollout["spec"]["fleet"]["config"]["reload"] = json!("RestartPod");
    world.apply(&rollout);
    world.until_reason("pooling", "Settled").await;
    let (is_used_up, _) = budget(&world);
    let joined: Vec<String> = (0..6).map(|_| world.join()).collect();
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert_eq!(world.optimized(), 10, "no budget lets them go");
    // Whoever goes on knows whom to restart.
    world.kill(replica);
    let _next = world.start("replica-2");
    let before = evictions(&world).len();
    is_used_up.store(false, Ordering::SeqCst);
    let most = || world.fleet.members().len() - world.server.objects("pods").len();
    let mut missing = 0;
    while world.optimized() < 16 {
        missing = missing.max(most());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(missing <= 8, "{missing} members were missing at once");
    let mut evicted = evictions(&world).split_off(before);
    evicted.sort();
    assert_eq!(evicted, joined);
    world.check();
    world.check_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn a_retreat_restarts_the_optimized_members_and_half_of_the_fleet_always_serves() {
    let world = World::of(FleetSpec::default(), true);
    let _replica = world.start("replica-1");
    world.apply(&restarting("pooling"));
    world.until("everybody but the holdout", |world| world.optimized() == 8).await;
    world.until_reason("pooling", "Baking").await;
    let before = evictions(&world).len();
    world.members.harm();
    let least = least_ready(&world, |world| {
        world.status("pooling").retreat.is_some_and(|retreat| retreat.acknowledged_at.is_some())
    })
    .await;
    assert!(least >= 5, "{least} members were ready");
    restored(&world, "pooling").await;
    assert_eq!(evictions(&world).len() - before, 8);
    world.check();
    world.check_quiet().await;
}
