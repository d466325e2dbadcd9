//! Edits and deletions while a retreat has moved traffic.

use std::time::Duration;

use k8s_openapi::api::core::v1::Service;
use rstest::rstest;
use serde_json::{Value, json};

use crate::world::{World, rollout};

/// Waits until a retreat has led the Service to the baseline alone.
async fn narrowed(world: &World) {
    let is_narrowed = |world: &World| world.displaced().contains(&"qudag-node".to_owned());
    world.until_to(Duration::from_millis(1), "the Service is narrowed", is_narrowed).await;
}

#[tokio::test(start_paused = true)]
async fn another_plan_starts_behind_a_service_that_is_wide_although_its_watch_is_late() {
    let (world, leader, _standby) = World::with_standby().await;
    world.server.lag_of(leader.name(), "services", Duration::from_secs(40));
    let first = world.status("pooling").run.unwrap().id;
    world.edit("pooling", |spec| spec["optimizations"][0]["settings"][1]["optimized"] = json!(150));
    narrowed(&world).await;
    let started = |world: &World| world.status("pooling").run.is_some_and(|run| run.id != first);
    world.until("another run", started).await;
    world.until("its members are optimized", |world| world.optimized() == 4).await;
    let service = world.object::<Service>("qudag-node").unwrap();
    assert_eq!(service["spec"]["selector"].get("optimization.qudag.io/cohort"), None);
    world.check();
}

#[rstest]
#[case::since_it_was_made(true)]
#[case::since_its_retreat(false)]
#[tokio::test(start_paused = true)]
async fn a_rollout_that_retains_its_settings_is_gone_when_its_traffic_is_back(#[case] made: bool) {
    let world = World::new();
    let _replica = world.start("replica-1");
    let mut rollout = rollout("pooling");
    if made {
        rollout["spec"]["deletionPolicy"] = json!("Retain");
    }
    world.apply(&rollout);
    world.until("half the fleet", |world| world.optimized() == 4).await;
    world.until_reason("pooling", "Baking").await;
    world.members.harm();
    narrowed(&world).await;
    if !made {
        world.edit("pooling", |spec| spec["deletionPolicy"] = json!("Retain"));
    }
    world.delete("pooling").await;
    world.until("it is gone", |world| world.rollout("pooling").is_none()).await;
    assert_eq!(world.displaced(), Vec::<String>::new());
    world.check();
}

#[rstest]
#[case::is_named_no_more(json!([]))]
#[case::another_is_named(json!([{"name": "other"}]))]
#[tokio::test(start_paused = true)]
async fn a_service_is_widened_although_it(#[case] services: Value) {
    let (world, _leader, _standby) = World::with_standby().await;
    world.members.harm();
    narrowed(&world).await;
    world.edit("pooling", |spec| spec["traffic"]["services"] = services);
    world.until("no traffic is moved", |world| world.displaced().is_empty()).await;
    world.check_quiet().await;
    assert!(world.marks().iter().all(|(name, _)| name != "qudag-node"), "{:?}", world.marks());
    world.check();
}
