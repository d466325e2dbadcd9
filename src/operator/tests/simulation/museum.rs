//! What broke in our neighbours, and the order of our own writes: stories that the exhibits of `src/museum` are caught by.

use std::time::Duration;

use k8s_openapi::api::core::v1::{ConfigMap, Service};
use rstest::rstest;
use serde_json::{Value, json};
use sim::{Entry, Fault, Key, RequestInfo, Subresource};
use tokio::time::{Instant, sleep};

use crate::{
    retreat::{restored, taken_back},
    world::{CONFIG_MAP, NAMESPACE, Replica, World, rollout},
};

/// Four of ten members are optimized, and the stage bakes.
async fn half_baking() -> (World, Replica) {
    let world = World::new();
    let replica = world.start("replica-1");
    world.bakes().await;
    (world, replica)
}

/// From now on no status of a rollout is taken.
fn refuse_statuses(world: &World) {
    world.server.on_request(|request: &RequestInfo| match request.subresource {
        Some(Subresource::Status) if request.verb.writes() => Fault::Refuse(403, "not today".to_owned()),
        _ => Fault::None,
    });
}

/// No file in the API says the optimized values.
fn is_off(world: &World) -> bool {
    let map = world.object::<ConfigMap>(CONFIG_MAP).unwrap();
    !map["data"].as_object().unwrap().values().any(|file| file.as_str().unwrap().contains("enabled = true"))
}

#[tokio::test(start_paused = true)]
async fn an_abort_of_a_settled_run_changes_nothing() {
    let world = World::new();
    let _replica = world.start("replica-1");
    world.apply(&rollout("pooling"));
    world.until_reason("pooling", "Settled").await;
    world.edit("pooling", |spec| spec["abort"] = json!({"reason": "too late"}));
    sleep(Duration::from_secs(60)).await;
    assert!(world.status("pooling").retreat.is_none(), "there is no run to abort: {:?}", world.history("pooling"));
    assert_eq!((world.optimized(), world.displaced()), (10, Vec::new()));
    world.check();
    world.check_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn a_run_starts_although_its_first_write_got_no_answer() {
    let world = World::new();
    let _replica = world.start("replica-1");
    let until = Instant::now() + Duration::from_secs(3);
    world.server.on_request(move |request: &RequestInfo| match request.subresource {
        Some(Subresource::Status) if Instant::now() < until => Fault::Refuse(500, "internal error".to_owned()),
        _ => Fault::None,
    });
    world.apply(&rollout("pooling"));
    sleep(Duration::from_secs(30)).await;
    assert!(world.status("pooling").run.is_some(), "a write that failed is tried again, whatever else happens");
    world.until_reason("pooling", "Settled").await;
    world.check();
}

#[tokio::test(start_paused = true)]
async fn traffic_stays_with_the_optimized_when_the_baseline_is_down() {
    let (world, _replica) = half_baking().await;
    let down: Vec<String> =
        world.fleet.members().into_iter().filter(|member| !world.members.is_optimized(member)).collect();
    down.iter().for_each(|member| world.fleet.set_ready(member, false));
    sleep(Duration::from_secs(5)).await;
    world.edit("pooling", |spec| spec["abort"] = json!({"reason": "ticket 42"}));
    restored(&world, "pooling").await;
    down.iter().for_each(|member| world.fleet.set_ready(member, true));
    world.check();
}

#[tokio::test(start_paused = true)]
async fn a_rollout_whose_fleet_is_gone_can_be_deleted() {
    let (world, _replica) = half_baking().await;
    world.server.remove(&Key::of::<ConfigMap>(NAMESPACE, CONFIG_MAP));
    world.fleet.members().iter().for_each(|member| world.fleet.remove(member));
    sleep(Duration::from_secs(5)).await;
    world.delete("pooling").await;
    sleep(Duration::from_secs(180)).await;
    assert!(world.rollout("pooling").is_none(), "L12 deletion: {:?}", world.history("pooling"));
}

#[tokio::test(start_paused = true)]
async fn members_of_a_rollout_that_is_gone_are_not_asked_any_more() {
    let world = World::new();
    let _replica = world.start("replica-1");
    let mut kept = rollout("pooling");
    kept["spec"]["deletionPolicy"] = json!("Retain");
    world.apply(&kept);
    world.until("half the fleet", |world| world.optimized() == 4).await;
    world.delete("pooling").await;
    world.until("deleted", |world| world.rollout("pooling").is_none()).await;
    sleep(Duration::from_secs(30)).await;
    let before = world.server.history(0).len();
    sleep(Duration::from_secs(60)).await;
    let asked = world.server.history(before).into_iter().filter(|entry| matches!(entry, Entry::Scrape { .. })).count();
    assert_eq!(asked, 0, "members are asked on behalf of nobody");
}

#[tokio::test(start_paused = true)]
async fn a_finalizer_of_somebody_else_stays_whenever_it_comes() {
    let world = World::new();
    let _replica = world.start("replica-1");
    world.server.lag("replica-1", Duration::from_millis(300));
    world.apply(&rollout("pooling"));
    world.until("half the fleet", |world| world.optimized() == 4).await;
    world.edit("pooling", |spec| spec["abort"] = json!({"reason": "ticket 42"}));
    let held = |world: &World| {
        let finalizers = world.rollout("pooling").unwrap().metadata.finalizers.unwrap_or_default();
        finalizers.iter().any(|name| name == api::names::FINALIZER)
    };
    // Somebody's finalizer comes with each look at ours, so that one of them comes right before it goes.
    let mut theirs = Vec::new();
    while held(&world) {
        let name = format!("example.com/backup-{}", theirs.len());
        world.server.edit(&crate::world::key("pooling"), |rollout| {
            rollout["metadata"]["finalizers"].as_array_mut().unwrap().push(json!(name));
        });
        theirs.push(name);
        sleep(Duration::from_millis(if theirs.len() < 60 { 500 } else { 5000 })).await;
        world.check();
    }
    assert_eq!(world.rollout("pooling").unwrap().metadata.finalizers.unwrap_or_default(), theirs);
}

#[tokio::test(start_paused = true)]
async fn steps_of_the_clock_end_no_bake() {
    let world = World::new();
    let _replica = world.start("replica-1");
    let mut long = rollout("pooling");
    long["spec"]["stages"][0]["bake"] = json!("120s");
    world.apply(&long);
    world.until_reason("pooling", "Baking").await;
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(100) {
        sleep(Duration::from_millis(1900)).await;
        world.server.clock().step(jiff::SignedDuration::from_secs(600));
    }
    assert_eq!(world.status("pooling").stage.unwrap().index, 0, "L16 clocks: a bake of 120 s is over after 100 s");
    world.until_reason("pooling", "Settled").await;
    world.check();
}

#[tokio::test(start_paused = true)]
async fn what_happened_while_nobody_led_is_acted_on_by_the_next_leader() {
    let world = World::new();
    let _replica = world.start("replica-1");
    world.server.on_request(|request: &RequestInfo| match request.key.plural.as_str() {
        "leases" => Fault::Hang,
        _ => Fault::None,
    });
    sleep(Duration::from_secs(10)).await;
    world.apply(&rollout("pooling"));
    sleep(Duration::from_secs(30)).await;
    assert!(world.status("pooling").run.is_none(), "nobody leads");
    world.server.stop_faults();
    sleep(Duration::from_secs(20)).await;
    assert!(world.status("pooling").run.is_some(), "the new leader does not know what came before it");
    world.check();
}

#[tokio::test(start_paused = true)]
async fn nothing_of_a_rollout_is_copied_to_what_is_made_for_it() {
    let world = World::new();
    let _replica = world.start("replica-1");
    let mut tracked = rollout("pooling");
    tracked["metadata"]["labels"] = json!({"argocd.argoproj.io/instance": "fleet"});
    tracked["metadata"]["annotations"] = json!({"argocd.argoproj.io/tracking-id": "fleet:pooling"});
    world.apply(&tracked);
    world.until("canary", |world| world.optimized() == 1).await;
    world.check();
}

/// The leader's watches are late, so that it decides on what was.
#[rstest]
#[case::a_status(|world: &World| world.edit("pooling", |spec| spec["paused"] = json!(true)))]
#[case::a_file(|world: &World| {
    world.server.edit(&Key::of::<ConfigMap>(NAMESPACE, CONFIG_MAP), |map| {
        map["data"]["somebody-else"] = json!("enabled = false");
    });
})]
#[tokio::test(start_paused = true)]
async fn nothing_goes_on_from_what_a_late_watch_says(#[case] changes: fn(&World)) {
    let world = World::new();
    let _replica = world.start("replica-1");
    world.apply(&rollout("pooling"));
    world.until_reason("pooling", "Baking").await;
    world.server.lag("replica-1", Duration::from_secs(3));
    for _ in 0..30 {
        sleep(Duration::from_secs(1)).await;
        changes(&world);
        world.check();
    }
    world.server.lag("replica-1", Duration::ZERO);
    world.edit("pooling", |spec| spec["paused"] = json!(false));
    world.until_reason("pooling", "Settled").await;
    world.check();
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_cannot_renew_its_lease_goes_no_further() {
    let (world, _replica) = half_baking().await;
    world.server.on_request(|request: &RequestInfo| match request.key.plural.as_str() {
        "leases" => Fault::Hang,
        _ => Fault::None,
    });
    sleep(Duration::from_secs(300)).await;
    world.check();
    assert_eq!(world.status("pooling").stage.unwrap().index, 1, "L14 one advances: nobody holds the Lease");
    world.server.stop_faults();
    world.until_reason("pooling", "Settled").await;
    world.check();
}

#[tokio::test(start_paused = true)]
async fn a_retreat_takes_everything_away_although_no_status_can_be_written() {
    let (world, _replica) = half_baking().await;
    refuse_statuses(&world);
    world.members.harm();
    sleep(Duration::from_secs(10)).await;
    assert!(is_off(&world), "L15 independence: the files wait for the status");
    let service = world.object::<Service>("qudag-node").unwrap();
    let narrowed = service["spec"]["selector"].get("optimization.qudag.io/cohort").is_some();
    assert!(narrowed, "L15 independence: the traffic waits for the status");
    world.server.stop_faults();
    restored(&world, "pooling").await;
    world.check();
}

#[tokio::test(start_paused = true)]
async fn nobody_is_let_in_again_before_the_status_says_why_they_were_out() {
    let (world, _replica) = half_baking().await;
    refuse_statuses(&world);
    world.members.harm();
    world.until("off", is_off).await;
    for _ in 0..60 {
        sleep(Duration::from_secs(1)).await;
        world.check();
    }
    world.server.stop_faults();
    restored(&world, "pooling").await;
    world.check();
}

#[tokio::test(start_paused = true)]
async fn no_event_tells_what_no_status_says() {
    let world = World::new();
    let _replica = world.start("replica-1");
    refuse_statuses(&world);
    world.apply(&rollout("pooling"));
    sleep(Duration::from_secs(10)).await;
    world.check();
    let events: Vec<Value> = world.server.objects("events");
    assert!(events.is_empty(), "L17 evidence: {events:?}");
}

#[tokio::test(start_paused = true)]
async fn a_standby_that_takes_a_run_back_says_so_on_everything_that_it_touches() {
    let (world, leader, _standby) = World::with_standby().await;
    world.members.harm();
    world.kill(leader);
    taken_back(&world, "pooling").await;
    world.check();
}
