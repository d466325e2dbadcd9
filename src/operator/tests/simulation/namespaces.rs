//! Namespaces that are served, that are not, and that may not be read.

use std::time::Duration;

use serde_json::{Value, json};
use sim::{Fault, RequestInfo, Verb};
use tokio::time::sleep;

use crate::{
    retreat::restored,
    world::{NAMESPACE, World, rollout},
};

/// From now on nobody may list objects of this kind in this namespace.
fn forbid(world: &World, namespace: &'static str, plural: Option<&'static str>) {
    world.server.on_request(move |request: &RequestInfo| {
        let key = &request.key;
        let is_it = key.namespace == namespace && plural.is_none_or(|plural| key.plural == plural);
        if is_it && matches!(request.verb, Verb::List | Verb::Watch) {
            Fault::Refuse(403, "no RoleBinding".to_owned())
        } else {
            Fault::None
        }
    });
}

#[tokio::test(start_paused = true)]
async fn a_namespace_that_may_not_be_read_holds_up_no_other_one() {
    let world = World::new();
    forbid(&world, "elsewhere", None);
    let replica = world.start_serving("replica-1", world.server.clock(), &["elsewhere", NAMESPACE]);
    let mut other = rollout("other");
    other["metadata"]["namespace"] = json!("elsewhere");
    world.apply(&other);
    world.bakes().await;
    assert!(replica.telemetry.is_ready());
    world.members.harm();
    restored(&world, "pooling").await;
    world.check();
}

#[tokio::test(start_paused = true)]
async fn who_has_not_caught_up_does_not_keep_the_lease_from_who_has() {
    let world = World::new();
    world.server.on_request(|request: &RequestInfo| {
        let is_late = request.user == "replica-1" && request.key.plural == "optimizationrollouts";
        if is_late && request.verb == Verb::List { Fault::Refuse(500, "not yet".to_owned()) } else { Fault::None }
    });
    let _late = world.start("replica-1");
    sleep(Duration::from_secs(1)).await;
    let _replica = world.start("replica-2");
    world.bakes().await;
    world.check();
}

#[tokio::test(start_paused = true)]
async fn a_rollout_whose_namespace_is_not_served_is_told_so_once() {
    let world = World::new();
    let _replica = world.start_serving("replica-1", world.server.clock(), &["elsewhere"]);
    world.apply(&rollout("pooling"));
    world.until_reason("pooling", "NamespaceNotServed").await;
    let told: Value = json!(world.status("pooling"));
    let _serves = world.start("replica-2");
    sleep(Duration::from_secs(600)).await;
    assert_eq!(json!(world.status("pooling")), told, "somebody else may look after it");
    world.check();
}

#[tokio::test(start_paused = true)]
async fn a_run_in_a_namespace_that_is_not_served_any_more_is_not_said_to_be_taken_back() {
    let world = World::new();
    let leader = world.start("replica-1");
    world.bakes().await;
    leader.stop().await;
    let next = world.start_serving("replica-2", world.server.clock(), &["elsewhere"]);
    world.edit("pooling", |spec| spec["abort"] = json!({"reason": "ticket 42"}));
    world.delete("pooling").await;
    sleep(Duration::from_secs(600)).await;
    let left = world.rollout("pooling").unwrap();
    assert_eq!(left.metadata.finalizers.unwrap_or_default().len(), 1, "members are optimized: {}", world.optimized());
    assert_eq!(left.status.unwrap().retreat, None);
    next.stop().await;
    let _serves = world.start("replica-3");
    world.until("deleted", |world| world.rollout("pooling").is_none()).await;
    assert_eq!((world.optimized(), world.displaced()), (0, Vec::new()));
    world.check();
}

#[tokio::test(start_paused = true)]
async fn a_deletion_comes_to_its_end_in_a_namespace_that_may_not_be_read_any_more() {
    let world = World::new();
    let _replica = world.start("replica-1");
    world.bakes().await;
    forbid(&world, NAMESPACE, Some("configmaps"));
    world.delete("pooling").await;
    world.until("deleted", |world| world.rollout("pooling").is_none()).await;
    assert_eq!((world.optimized(), world.displaced()), (0, Vec::new()));
    world.check();
}
