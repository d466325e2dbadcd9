//! Members that read their files at start alone.

use std::time::Duration;

use serde_json::{Value, json};
use sim::{FleetSpec, Verb};

use crate::{
    retreat::restored,
    world::{World, rollout},
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
