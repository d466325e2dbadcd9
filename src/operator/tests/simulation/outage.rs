//! An API server that was away, and watches that come back later than it does.

use std::time::Duration;

use sim::{Fault, RequestInfo, Subresource};
use tokio::time::{Instant, sleep};

use crate::{retreat::restored, world::World};

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
