//! Two replicas.

use std::time::Duration;

use k8s_openapi::api::core::v1::Service;
use sim::{Fault, RequestInfo};
use tokio::time::{Instant, sleep};

use crate::{
    retreat::restored,
    world::{World, rollout},
};

fn narrowed(world: &World) -> bool {
    world.object::<Service>("qudag-node").unwrap()["spec"]["selector"].get("optimization.qudag.io/cohort").is_some()
}

#[tokio::test(start_paused = true)]
async fn a_standby_takes_traffic_away_when_the_leader_dies_at_the_breach() {
    let (world, leader, _standby) = World::with_standby().await;
    world.members.harm();
    world.kill(leader);
    let began = Instant::now();
    world.until("rerouted", narrowed).await;
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    restored(&world, "pooling").await;
    world.check();
    world.check_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn the_leader_acts_first_and_the_standby_adds_nothing() {
    let (world, _leader, _standby) = World::with_standby().await;
    world.members.harm();
    restored(&world, "pooling").await;
    let of_standby =
        world.server.writes().iter().filter(|write| write.user == "replica-2" && write.key.plural != "leases").count();
    assert_eq!(of_standby, 0);
    assert_eq!(world.history("pooling").iter().filter(|reason| *reason == "Catastrophe").count(), 1);
    world.check();
}

#[tokio::test(start_paused = true)]
async fn a_standby_whose_mark_is_refused_does_not_hammer_at_the_server() {
    let (world, leader, _standby) = World::with_standby().await;
    world.server.on_request(|request: &RequestInfo| {
        let is_mark = request.user == "replica-2" && request.key.plural == "optimizationrollouts";
        if is_mark && request.verb.writes() { Fault::Refuse(403, "not today".to_owned()) } else { Fault::None }
    });
    world.members.harm();
    world.kill(leader);
    sleep(Duration::from_secs(5)).await;
    let refused =
        world.server.writes().into_iter().filter(|write| write.user == "replica-2" && write.code == 403).count();
    assert!((1..=16).contains(&refused), "{refused} attempts within 5 s");
}

#[tokio::test(start_paused = true)]
async fn a_standby_that_hears_nobody_does_nothing() {
    let (world, _leader, _standby) = World::with_standby().await;
    world.server.cut("replica-1");
    world.members.silence(|_| true);
    sleep(Duration::from_secs(60)).await;
    assert!(!narrowed(&world));
    world.check();
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_is_told_to_stop_hands_over_at_once() {
    let (world, leader, _standby) = World::with_standby().await;
    leader.stop().await;
    let began = Instant::now();
    let writes = world.writes().len();
    world.edit("pooling", |spec| spec["paused"] = serde_json::json!(true));
    world.until("the next leader writes", |world| world.writes().len() > writes).await;
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    world.check();
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_is_told_to_stop_tells_of_the_status_that_it_has_written() {
    let world = World::new();
    world.server.set_latency(Duration::from_millis(100));
    let replica = world.start("replica-1");
    world.apply(&rollout("pooling"));
    let started = |world: &World| world.status("pooling").run.is_some();
    world.until_to(Duration::from_millis(10), "a run", started).await;
    replica.stop().await;
    let told: Vec<_> = world.server.objects("events").iter().map(|event| event["reason"].clone()).collect();
    assert_eq!(told, ["RunStarted"], "the answer to the status was on its way");
    world.check();
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_is_told_to_stop_hands_over_although_a_write_hangs() {
    let (world, leader, _standby) = World::with_standby().await;
    world.server.on_request(|request: &RequestInfo| {
        let hangs = request.user == "replica-1" && request.key.plural == "optimizationrollouts";
        if hangs && request.verb.writes() { Fault::Hang } else { Fault::None }
    });
    world.edit("pooling", |spec| spec["paused"] = serde_json::json!(true));
    sleep(Duration::from_millis(100)).await;
    let began = Instant::now();
    leader.stop().await;
    assert!(began.elapsed() < Duration::from_millis(1500), "it waited for the write: {:?}", began.elapsed());
    world.until_reason("pooling", "Paused").await;
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    world.check();
}

#[tokio::test(start_paused = true)]
async fn a_replica_says_that_it_is_ready_with_and_without_rollouts() {
    let world = World::new();
    let first = world.start("replica-1");
    sleep(Duration::from_secs(5)).await;
    assert!(first.telemetry.is_ready());
    world.apply(&rollout("pooling"));
    let second = world.start("replica-2");
    sleep(Duration::from_secs(5)).await;
    assert!(second.telemetry.is_ready());
}
