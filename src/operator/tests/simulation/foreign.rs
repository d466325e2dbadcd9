//! Somebody else gives members of the baseline the optimized values.

use std::time::Duration;

use k8s_openapi::api::core::v1::ConfigMap;
use rstest::rstest;
use serde_json::{Value, json};
use sim::Key;

use crate::{
    retreat::taken_back,
    world::{CONFIG_MAP, NAMESPACE, OWN_FILE, Replica, World, patched_rollout, rollout},
};

/// A canary that bakes for long, and a member that is not in it.
async fn canary(patched: bool, edit: impl FnOnce(&mut Value)) -> (World, Replica, String) {
    let (world, mut rollout) = match patched {
        false => (World::new(), rollout("pooling")),
        true => (World::patched(10), patched_rollout("pooling")),
    };
    rollout["spec"]["stages"][0]["bake"] = json!("60s");
    rollout["spec"]["optimizations"][0]["settings"][1]["baseline"] = json!(20);
    edit(&mut rollout["spec"]);
    let replica = world.start("replica-1");
    world.apply(&rollout);
    world.until("canary", |world| world.optimized() == 1).await;
    world.until_reason("pooling", "Baking").await;
    let other = world.fleet.members().into_iter().find(|member| !world.members.is_optimized(member)).unwrap();
    (world, replica, other)
}

/// The name of a member's ConfigMap, and the key of its file.
fn place(world: &World, member: &str) -> (String, String) {
    match world.object::<ConfigMap>(CONFIG_MAP) {
        Some(_) => (CONFIG_MAP.to_owned(), format!("{member}.toml")),
        None => (format!("{member}-config"), "node.toml".to_owned()),
    }
}

fn file(world: &World, member: &str) -> String {
    let (map, key) = place(world, member);
    world.object::<ConfigMap>(&map).unwrap()["data"][&key].as_str().unwrap_or_default().to_owned()
}

/// What an optimized member's file says, as somebody else would write it.
fn give_optimized(world: &World, member: &str) {
    write(world, member, "[network.pool]\nmax = 100 # tuned\nenabled = true\n");
}

fn write(world: &World, member: &str, file: &str) {
    let (map, key) = place(world, member);
    world.server.edit(&Key::of::<ConfigMap>(NAMESPACE, &map), |map| map["data"][&key] = json!(file));
}

fn stalled(world: &World) -> String {
    let condition = world.status("pooling").conditions.into_iter().find(|condition| condition.type_ == "Stalled");
    condition.filter(|condition| condition.status == "True").map(|condition| condition.message).unwrap_or_default()
}

#[rstest]
#[case::rendered(false)]
#[case::patched(true)]
#[tokio::test(start_paused = true)]
async fn optimized_values_outside_the_cohort_are_taken_back_once_and_the_run_goes_on(#[case] patched: bool) {
    let (world, _replica, other) = canary(patched, |_| {}).await;
    give_optimized(&world, &other);
    world.until("taken back", |world| !file(world, &other).contains("true")).await;
    world.until("read", |world| world.optimized() == 1).await;
    if patched {
        assert_eq!(file(&world, &other), "[network.pool]\nmax = 20 # tuned\nenabled = false\n");
    }
    let history = world.status("pooling").history;
    let said = history.iter().filter(|entry| entry.reason.to_string() == "Overridden").collect::<Vec<_>>();
    assert_eq!(said.len(), 1, "{history:?}");
    assert!(said[0].message.contains(&format!("gave {other} the optimized values")), "{}", said[0].message);
    world.until_reason("pooling", "Settled").await;
    assert_eq!(world.optimized(), 10);
    world.check();
    world.check_quiet().await;
}

#[rstest]
#[case::rendered(false)]
#[case::patched(true)]
#[tokio::test(start_paused = true)]
async fn who_insists_holds_the_run_until_the_values_are_given_back(#[case] patched: bool) {
    let (world, _replica, other) = canary(patched, |_| {}).await;
    let baseline = file(&world, &other);
    give_optimized(&world, &other);
    world.until("taken back", |world| !file(world, &other).contains("true")).await;
    give_optimized(&world, &other);
    world.until_reason("pooling", "Overridden").await;
    tokio::time::sleep(Duration::from_secs(300)).await;
    assert!(file(&world, &other).contains("true"), "only once");
    assert_eq!(world.optimized(), 2);
    let expected = format!(
        "gave {other} the optimized values, which the stage does not allow; the run holds until their files have the \
         baseline values again, or spec.abort is set"
    );
    assert!(stalled(&world).ends_with(&expected), "{}", stalled(&world));
    write(&world, &other, &baseline);
    world.until_reason("pooling", "Settled").await;
    assert_eq!(world.optimized(), 10);
    world.check();
}

#[tokio::test(start_paused = true)]
async fn a_value_whose_baseline_nobody_declares_is_left_alone_and_holds_the_run() {
    let undeclared =
        |spec: &mut Value| drop(spec["optimizations"][0]["settings"][1].as_object_mut().unwrap().remove("baseline"));
    let (world, _replica, other) = canary(true, undeclared).await;
    give_optimized(&world, &other);
    world.until("held", |world| !stalled(world).is_empty()).await;
    tokio::time::sleep(Duration::from_secs(120)).await;
    assert!(file(&world, &other).contains("max = 100 # tuned"));
    write(&world, &other, OWN_FILE);
    world.until_reason("pooling", "Settled").await;
    world.check();
}

#[rstest]
#[case::rendered(false)]
#[case::patched(true)]
#[tokio::test(start_paused = true)]
async fn an_abort_is_not_held_up_and_leaves_the_file_to_whoever_wrote_it(#[case] patched: bool) {
    let (world, _replica, other) = canary(patched, |_| {}).await;
    give_optimized(&world, &other);
    world.until("taken back", |world| !file(world, &other).contains("true")).await;
    give_optimized(&world, &other);
    world.until("held", |world| !stalled(world).is_empty()).await;
    world.edit("pooling", |spec| spec["abort"] = json!({"reason": "ticket 42"}));
    taken_back(&world, "pooling").await;
    assert!(file(&world, &other).contains("true"));
    world.check();
    world.check_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn a_baseline_member_that_runs_the_optimized_values_is_no_measure() {
    let (world, _replica, other) = canary(false, |_| {}).await;
    let sick = other.clone();
    world.members.fail(move |member, optimized| if optimized && member == sick { 0.5 } else { 0.001 });
    give_optimized(&world, &other);
    world.until("taken back", |world| !file(world, &other).contains("true")).await;
    give_optimized(&world, &other);
    world.until("held", |world| !stalled(world).is_empty()).await;
    tokio::time::sleep(Duration::from_secs(120)).await;
    let errors = world.status("pooling").indicators.into_iter().find(|indicator| indicator.name == "errors").unwrap();
    let baseline: f64 = errors.baseline.unwrap().trim_end_matches('%').parse().unwrap();
    assert!(baseline < 1.0, "{baseline}");
    world.check();
}
