//! Runs that hurt.

use std::time::Duration;

use k8s_openapi::api::core::v1::{ConfigMap, Service};
use serde_json::json;
use sim::Fault;
use tokio::time::{Instant, sleep};

use crate::world::{CONFIG_MAP, NAMESPACE, World, rollout};

/// Waits until a run is taken back and no pod or Service shows it any more.
pub async fn taken_back(world: &World, name: &str) {
    let back = |world: &World| world.status(name).retreat.is_some_and(|retreat| retreat.acknowledged_at.is_some());
    world.until(&format!("{name} restored"), back).await;
    world.until("no traces of the retreat", |world| world.displaced().is_empty()).await;
}

/// A run that is taken back to the end.
pub async fn restored(world: &World, name: &str) {
    taken_back(world, name).await;
    assert_eq!(world.optimized(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_harmful_optimization_is_taken_back_with_traffic_first() {
    let world = World::new();
    let _replica = world.start("replica-1");
    world.bakes().await;
    let (began, writes) = (Instant::now(), world.server.writes().len());
    world.members.harm();
    let narrowed = |world: &World| {
        world.object::<Service>("qudag-node").unwrap()["spec"]["selector"].get("optimization.qudag.io/cohort").is_some()
    };
    world.until("rerouted", narrowed).await;
    assert!(began.elapsed() <= Duration::from_millis(2200), "rerouted after {:?}", began.elapsed());
    restored(&world, "pooling").await;

    let first: Vec<String> = world.server.writes()[writes..]
        .iter()
        .filter(|write| write.body.to_string().contains("optimization.qudag.io/retreat"))
        .map(|write| write.key.plural.clone())
        .take(3)
        .collect();
    // They start together; which arrives first is chance. Pods follow later.
    assert!(first.contains(&"services".to_owned()), "traffic goes with the first: {first:?}");
    let status = world.status("pooling");
    let retreat = status.retreat.unwrap();
    assert_eq!(retreat.reason.to_string(), "Catastrophe");
    assert!(retreat.message.contains("errors"), "{}", retreat.message);
    assert!(retreat.rerouted_at.is_some() && retreat.off_at.is_some());
    assert_eq!(world.history("pooling").last().unwrap(), "Restored");
    let aborted = status.conditions.iter().find(|condition| condition.type_ == "Aborted").unwrap();
    assert_eq!((aborted.status.as_str(), aborted.reason.as_str()), ("True", "Catastrophe"));
    world.check();
    world.check_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn an_aborted_run_stays_aborted_until_the_next_attempt() {
    let world = World::new();
    let _replica = world.start("replica-1");
    world.members.harm();
    world.apply(&rollout("pooling"));
    restored(&world, "pooling").await;
    world.check_quiet().await;
    assert_eq!(world.optimized(), 0);
    world.members.fail(|_, _| 0.0);
    world.edit("pooling", |spec| spec["attempt"] = json!(2));
    world.until_reason("pooling", "Settled").await;
    assert_eq!(world.optimized(), 10);
    world.check();
    world.check_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn a_person_aborts_by_the_spec() {
    let world = World::new();
    let _replica = world.start("replica-1");
    world.apply(&rollout("pooling"));
    world.until("half the fleet", |world| world.optimized() == 4).await;
    world.edit("pooling", |spec| spec["abort"] = json!({"reason": "ticket 42"}));
    restored(&world, "pooling").await;
    assert!(world.status("pooling").retreat.unwrap().message.contains("ticket 42"));
    world.check();
    world.check_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn a_breach_in_the_watch_is_taken_back_like_any_other() {
    let world = World::new();
    let _replica = world.start("replica-1");
    let mut watched = rollout("pooling");
    watched["spec"]["watchAfter"] = json!("1h");
    world.apply(&watched);
    world.until_reason("pooling", "Watching").await;
    world.members.harm();
    restored(&world, "pooling").await;
    world.check();
    world.check_quiet().await;
}

/// What Kubernetes itself tells of a member, without any metric.
#[rstest::rstest]
#[case::restarts(|world: &World, member: &str| (0..2).for_each(|_| world.fleet.restart(member, 1)))]
#[case::an_out_of_memory_kill(|world: &World, member: &str| world.fleet.restart(member, 137))]
#[case::an_illegal_instruction(|world: &World, member: &str| world.fleet.restart(member, 132))]
#[case::unreadiness(|world: &World, member: &str| world.fleet.set_ready(member, false))]
#[tokio::test(start_paused = true)]
async fn a_sick_optimized_member_takes_the_run_back(#[case] harm: fn(&World, &str)) {
    let world = World::new();
    let _replica = world.start("replica-1");
    world.bakes().await;
    let sick = world.fleet.members().into_iter().find(|member| world.members.is_optimized(member)).unwrap();
    harm(&world, &sick);
    world.until("taken back", |world| world.status("pooling").retreat.is_some()).await;
    let message = world.status("pooling").retreat.unwrap().message;
    assert!(message.contains("health: 1 of 4") && message.contains(&sick), "{message}");
    restored(&world, "pooling").await;
    world.check();
}

#[tokio::test(start_paused = true)]
async fn a_sick_baseline_member_harms_no_run() {
    let world = World::new();
    let _replica = world.start("replica-1");
    world.apply(&rollout("pooling"));
    world.until("half the fleet", |world| world.optimized() == 4).await;
    let sick = world.fleet.members().into_iter().find(|member| !world.members.is_optimized(member)).unwrap();
    world.fleet.restart(&sick, 137);
    world.until_reason("pooling", "Settled").await;
    world.check();
}

#[tokio::test(start_paused = true)]
async fn harm_that_the_baseline_shares_does_not_abort_at_once() {
    let world = World::new();
    let _replica = world.start("replica-1");
    world.bakes().await;
    world.members.fail(|_, _| 0.5);
    sleep(Duration::from_secs(3)).await;
    assert!(world.status("pooling").retreat.is_none_or(|retreat| retreat.reason.to_string() != "Catastrophe"));
    world.check();
}

/// What may not be written, and what must be back all the same.
#[rstest::rstest]
#[case::services("services")]
#[case::pods("pods")]
#[case::rollouts("optimizationrollouts")]
#[tokio::test(start_paused = true)]
async fn a_refused_write_holds_up_no_other(#[case] refused: &'static str) {
    let world = World::new();
    let _replica = world.start("replica-1");
    world.bakes().await;
    world.server.on_request(move |request| {
        if request.verb.writes() && request.key.plural == refused {
            Fault::Refuse(403, "not today".to_owned())
        } else {
            Fault::None
        }
    });
    world.members.harm();
    let off = |world: &World| {
        let map = world.object::<ConfigMap>(CONFIG_MAP).unwrap();
        !map["data"].as_object().unwrap().values().any(|file| file.as_str().unwrap().contains("enabled = true"))
    };
    let began = Instant::now();
    world.until("off in the API", off).await;
    assert!(began.elapsed() < Duration::from_secs(5));
    sleep(Duration::from_secs(30)).await;
    if refused == "pods" {
        assert_eq!(world.reason("pooling"), "WriteRefused", "the status says what is");
    }
    world.server.stop_faults();
    restored(&world, "pooling").await;
    world.check();
}

#[tokio::test(start_paused = true)]
async fn a_configmap_that_disappears_midway_is_no_obstacle() {
    let world = World::new();
    let _replica = world.start("replica-1");
    world.bakes().await;
    world.server.remove(&sim::Key::of::<ConfigMap>(NAMESPACE, CONFIG_MAP));
    world.members.harm();
    restored(&world, "pooling").await;
    world.check();
}

#[tokio::test(start_paused = true)]
async fn a_member_that_is_replaced_during_the_retreat_serves_again() {
    let world = World::new();
    let _replica = world.start("replica-1");
    world.bakes().await;
    let optimized: Vec<String> =
        world.fleet.members().into_iter().filter(|member| world.members.is_optimized(member)).collect();
    world.members.harm();
    world.until("aborted", |world| world.status("pooling").retreat.is_some()).await;
    world.fleet.replace(&optimized[0]);
    world.fleet.remove(&optimized[1]);
    restored(&world, "pooling").await;
    assert_eq!(world.pod_labels(&optimized[0])["optimization.qudag.io/serving"], "true");
    world.check();
    world.check_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn a_value_that_hurts_goes_back_to_the_settled_one() {
    let world = World::new();
    let _replica = world.start("replica-1");
    world.apply(&rollout("pooling"));
    world.until_reason("pooling", "Settled").await;
    let mut larger = rollout("larger");
    larger["spec"]["optimizations"][0]["settings"][1]["optimized"] = json!(200);
    larger["spec"]["fleet"]["config"]["revisionPath"] = json!("revision");
    larger["spec"]["fleet"]["acknowledgement"]["revisionLabel"] = json!("revision");
    world.apply(&larger);
    world
        .until("half the fleet", |world| {
            world.status("larger").members.is_some_and(|members| members.acknowledged == 4)
        })
        .await;
    world.edit("larger", |spec| spec["abort"] = json!({"reason": "too large"}));
    let back = |world: &World| world.status("larger").retreat.is_some_and(|retreat| retreat.acknowledged_at.is_some());
    world.until("restored", back).await;
    world.until("at rest", |world| world.displaced().is_empty()).await;
    let map = world.object::<ConfigMap>(CONFIG_MAP).unwrap();
    let files = map["data"].as_object().unwrap().iter().filter(|(key, _)| !key.starts_with('.'));
    for (key, file) in files {
        assert!(file.as_str().unwrap().contains("network.pool.max = 100"), "{key}: {file}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_label_that_is_seen_after_the_end_of_its_run_is_taken_back() {
    let world = World::new();
    let _replica = world.start("replica-1");
    world.bakes().await;
    world.members.harm();
    restored(&world, "pooling").await;
    sleep(Duration::from_secs(5)).await;
    let pod = sim::Key::of::<k8s_openapi::api::core::v1::Pod>(NAMESPACE, "qudag-node-3");
    world.server.edit(&pod, |pod| pod["metadata"]["labels"]["optimization.qudag.io/cohort"] = json!("optimized"));
    world.until("the label is back", |world| world.displaced().is_empty()).await;
    world.check();
}
