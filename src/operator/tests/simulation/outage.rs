//! An API server that was away, and watches that come back later than it does.

use std::time::Duration;

use k8s_openapi::api::core::v1::ConfigMap;
use rstest::rstest;
use serde_json::{Value, json};
use sim::{Fault, RequestInfo, Subresource, Verb};
use tokio::time::{Instant, sleep};

use crate::{
    patched::{edit_file, half_optimized, switched},
    retreat::restored,
    world::{CONFIG_MAP, World, patched_rollout, rollout},
};

#[tokio::test(start_paused = true)]
async fn a_replica_whose_watches_are_late_tries_stale_writes_less_and_less_often() {
    let world = World::new();
    let _replica = world.start("replica-1");
    world.bakes().await;
    world.server.lag("replica-1", Duration::from_secs(20));
    world.members.harm();
    let before = world.server.writes().len();
    sleep(Duration::from_secs(15)).await;
    let refused = world.server.writes()[before..].iter().filter(|write| write.code == 409).count();
    assert!((1..=50).contains(&refused), "{refused} writes on old versions in 15 s");
    world.server.lag("replica-1", Duration::ZERO);
    restored(&world, "pooling").await;
    world.check();
}

#[tokio::test(start_paused = true)]
async fn a_retreat_that_sees_no_configmap_yet_asks_before_it_says_that_all_is_off() {
    let world = World::new();
    let _replica = world.start("replica-1");
    sleep(Duration::from_secs(1)).await;
    world.server.lag_of("replica-1", "configmaps", Duration::from_secs(60));
    world.apply(&rollout("pooling"));
    world.until("switched on", |world| world.optimized() > 0).await;
    world.edit("pooling", |spec| spec["abort"] = json!({"reason": "ticket 42"}));
    let began = Instant::now();
    world.until("off", |world| world.status("pooling").retreat.is_some_and(|retreat| retreat.off_at.is_some())).await;
    let files = &world.object::<ConfigMap>(CONFIG_MAP).unwrap()["data"];
    let is_optimized = |(key, file): (&String, &Value)| key.ends_with(".toml") && file.to_string().contains("true");
    assert!(!files.as_object().unwrap().iter().any(is_optimized), "not off yet: {files:#}");
    assert!(began.elapsed() < Duration::from_secs(30), "it waited for the watch: {:?}", began.elapsed());
    restored(&world, "pooling").await;
    world.check();
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_lost_the_lease_while_it_asked_what_there_is_starts_no_run() {
    let world = World::new();
    let _replica = world.start("replica-1");
    sleep(Duration::from_secs(2)).await;
    world.server.on_request(|request: &RequestInfo| match (request.key.plural.as_str(), request.verb) {
        ("leases", Verb::Update | Verb::Patch) => Fault::Refuse(500, "internal error".to_owned()),
        ("configmaps", Verb::List) => Fault::Delay(Duration::from_secs(9)),
        _ => Fault::None,
    });
    world.apply(&rollout("pooling"));
    sleep(Duration::from_secs(60)).await;
    assert_eq!(world.status("pooling").run, None);
    world.server.stop_faults();
    world.until_reason("pooling", "Settled").await;
    world.check();
}

/// Lets the watches of one kind, or all of them, end, and those that follow never be answered: whoever waits for one does
/// so for more than a minute. Those that are opened after that are answered.
async fn silence(world: &World, silent: Option<&'static str>) {
    world.server.on_request(move |request: &RequestInfo| {
        let is_silent = silent.is_none_or(|plural| plural == request.key.plural);
        if request.verb == Verb::Watch && request.user == "replica-1" && is_silent { Fault::Hang } else { Fault::None }
    });
    world.server.disconnect();
    sleep(Duration::from_millis(100)).await;
    world.server.stop_faults();
}

#[tokio::test(start_paused = true)]
async fn a_retreat_under_silent_watches_gives_back_every_file_within_seconds() {
    let (world, _replica) = half_optimized().await;
    silence(&world, None).await;
    for member in world.fleet.members() {
        // What is known of each file is old from now on.
        edit_file(&world, &member, |file| file.replace("log = \"info\"", "log = \"debug\""));
    }
    world.members.harm();
    world.until("marked", |world| !world.marks().is_empty()).await;
    let marked = Instant::now();
    world.until("given back", |world| switched(world).is_empty()).await;
    assert!(marked.elapsed() < Duration::from_secs(3), "given back {:?} after the mark", marked.elapsed());
    restored(&world, "pooling").await;
    assert!(marked.elapsed() < Duration::from_secs(30), "it waited for the watches: {:?}", marked.elapsed());
    world.check();
}

#[rstest]
#[case::of_members_own_configmaps(World::patched(10), patched_rollout("pooling"), Some("configmaps"))]
#[case::of_the_configmap_of_all(World::new(), rollout("pooling"), Some("configmaps"))]
#[case::of_pods(World::new(), rollout("pooling"), Some("pods"))]
#[case::of_rollouts(World::new(), rollout("pooling"), Some("optimizationrollouts"))]
#[case::of_everything(World::new(), rollout("pooling"), None)]
#[tokio::test(start_paused = true)]
async fn a_run_that_starts_under_silent_watches_waits_for_none_of_them(
    #[case] world: World,
    #[case] rollout: Value,
    #[case] silent: Option<&'static str>,
) {
    let _replica = world.start("replica-1");
    sleep(Duration::from_secs(1)).await;
    world.apply(&rollout);
    world.until_to(Duration::from_millis(1), "started", |world| world.status("pooling").run.is_some()).await;
    silence(&world, silent).await;
    let began = Instant::now();
    world.until("switched on", |world| world.optimized() > 0).await;
    world.until_reason("pooling", "Baking").await;
    assert!(began.elapsed() < Duration::from_secs(30), "it waited for the watches: {:?}", began.elapsed());
    world.until_reason("pooling", "Settled").await;
    let told =
        |reason: &str| world.server.objects("events").into_iter().filter(|event| event["reason"] == reason).count();
    assert_eq!(told("ConfigMapNotOwned"), 0);
    world.check();
    world.check_quiet().await;
}

#[tokio::test(start_paused = true)]
async fn a_new_leader_whose_watch_of_configmaps_is_late_takes_none_for_deleted() {
    let world = World::new();
    let leader = world.start("replica-1");
    sleep(Duration::from_millis(500)).await;
    let _standby = world.start("replica-2");
    world.server.lag_of("replica-2", "configmaps", Duration::from_secs(3600));
    world.bakes().await;
    world.kill(leader);
    sleep(Duration::from_secs(30)).await;
    assert_eq!(world.status("pooling").retreat, None);
    assert!(world.optimized() > 0);
    world.check();
}

#[tokio::test(start_paused = true)]
async fn after_a_minute_without_api_server_a_retreat_is_seen_to_its_end_within_seconds() {
    let world = World::new();
    let _replica = world.start("replica-1");
    world.bakes().await;
    world.server.on_request(|request: &RequestInfo| {
        let ours = request.user == "replica-1";
        if ours { Fault::Refuse(503, "the server is away".to_owned()) } else { Fault::None }
    });
    world.server.disconnect();
    world.members.harm();
    sleep(Duration::from_secs(60)).await;
    world.server.stop_faults();
    let back = Instant::now();
    restored(&world, "pooling").await;
    assert!(back.elapsed() < Duration::from_secs(12), "restored {:?} after the API server was back", back.elapsed());
    world.check();
}

#[tokio::test(start_paused = true)]
async fn a_status_that_was_refused_for_a_moment_does_not_say_so_when_it_can_be_written_again() {
    let world = World::new();
    let _replica = world.start("replica-1");
    world.bakes().await;
    let refuse = |request: &RequestInfo| {
        let status = request.verb.writes() && request.subresource == Some(Subresource::Status);
        // An API server that has just started knows no rights yet.
        if status { Fault::Forbid } else { Fault::None }
    };
    world.server.on_request(refuse);
    world.members.harm();
    sleep(Duration::from_secs(3)).await;
    world.server.stop_faults();
    restored(&world, "pooling").await;
    let told = world.server.objects("events").into_iter().filter(|event| event["reason"] == "WriteRefused").count();
    assert_eq!((told, world.reason("pooling").as_str()), (0, "Catastrophe"));
    world.check();
}
