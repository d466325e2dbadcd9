//! The process dies right before or after each of its writes, and another one takes over.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use rstest::rstest;
use serde_json::{Value, json};
use sim::{Fault, RequestInfo};

use crate::{
    end_state::end_state,
    retreat::{restored, taken_back},
    world::{World, based_rollout, patched_rollout, rollout},
};

/// Lets the first replica die at one of its writes, the Lease aside. Returns how many writes there were.
pub fn crash_at(world: &World, at: Option<usize>, fault: Fault) -> Arc<AtomicUsize> {
    let writes = Arc::new(AtomicUsize::new(0));
    let counted = writes.clone();
    world.server.on_request(move |request: &RequestInfo| {
        let counts = request.user == "replica-1" && request.verb.writes() && request.key.plural != "leases";
        if counts && at == Some(counted.fetch_add(1, Ordering::SeqCst)) { fault.clone() } else { Fault::None }
    });
    writes
}

/// Waits until nothing would hold up a deletion.
async fn released(world: &World) {
    let released = |world: &World| {
        world.rollout("pooling").unwrap().metadata.finalizers.is_none_or(|finalizers| finalizers.is_empty())
    };
    world.until("without a finalizer", released).await;
}

async fn bad_run(at: Option<usize>, fault: Fault) -> (Value, usize) {
    bad_run_in(World::new(), rollout("pooling"), at, fault).await
}

async fn bad_patched_run(at: Option<usize>, fault: Fault) -> (Value, usize) {
    bad_run_in(World::patched(5), patched_rollout("pooling"), at, fault).await
}

async fn bad_based_run(at: Option<usize>, fault: Fault) -> (Value, usize) {
    bad_run_in(World::based(), based_rollout("pooling"), at, fault).await
}

async fn bad_run_in(world: World, rollout: Value, at: Option<usize>, fault: Fault) -> (Value, usize) {
    let writes = crash_at(&world, at, fault);
    let _first = world.start("replica-1");
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    let _second = world.start("replica-2");
    world.members.harm_above(2);
    world.apply(&rollout);
    restored(&world, "pooling").await;
    released(&world).await;
    // Records go after everything else.
    tokio::time::sleep(std::time::Duration::from_secs(5)).await;
    world.check();
    (end_state(&world), writes.load(Ordering::SeqCst))
}

async fn good_run(at: Option<usize>, fault: Fault) -> (Value, usize) {
    let world = World::new();
    let writes = crash_at(&world, at, fault);
    let _first = world.start("replica-1");
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    let _second = world.start("replica-2");
    world.apply(&rollout("pooling"));
    world.until_reason("pooling", "Settled").await;
    released(&world).await;
    world.check();
    (end_state(&world), writes.load(Ordering::SeqCst))
}

/// Compares the run without a fault with one for each write at which the leader meets it.
pub async fn sweep<F: Future<Output = (Value, usize)>>(run: impl Fn(Option<usize>, Fault) -> F, fault: Fault) {
    let (expected, writes) = run(None, Fault::None).await;
    assert!(writes > 10, "{writes} writes");
    for at in 0..writes {
        let (end, _) = run(Some(at), fault.clone()).await;
        assert_eq!(end, expected, "{fault:?} at write {at} of {writes}");
    }
}

#[rstest]
#[case::crash_before(Fault::CrashBefore)]
#[case::crash_after(Fault::CrashAfter)]
#[case::lose_response(Fault::LoseResponse)]
#[tokio::test(start_paused = true)]
async fn a_bad_run_ends_the_same_wherever_the_leader_dies(#[case] fault: Fault) {
    sweep(bad_run, fault).await;
}

#[rstest]
#[case::crash_before(Fault::CrashBefore)]
#[case::crash_after(Fault::CrashAfter)]
#[case::lose_response(Fault::LoseResponse)]
#[tokio::test(start_paused = true)]
async fn a_bad_run_in_members_own_maps_ends_the_same_wherever_the_leader_dies(#[case] fault: Fault) {
    sweep(bad_patched_run, fault).await;
}

#[rstest]
#[case::crash_before(Fault::CrashBefore)]
#[case::crash_after(Fault::CrashAfter)]
#[case::lose_response(Fault::LoseResponse)]
#[tokio::test(start_paused = true)]
async fn a_bad_run_on_a_base_ends_the_same_wherever_the_leader_dies(#[case] fault: Fault) {
    sweep(bad_based_run, fault).await;
}

#[rstest]
#[case::crash_before(Fault::CrashBefore)]
#[case::crash_after(Fault::CrashAfter)]
#[case::lose_response(Fault::LoseResponse)]
#[tokio::test(start_paused = true)]
async fn a_good_run_ends_the_same_wherever_the_leader_dies(#[case] fault: Fault) {
    sweep(good_run, fault).await;
}

/// Takes out what is settled; the leader meets the fault from then on.
async fn bad_release(at: Option<usize>, fault: Fault) -> (Value, usize) {
    let world = World::patched(4);
    let _first = world.start("replica-1");
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    let _second = world.start("replica-2");
    world.apply(&patched_rollout("pooling"));
    world.until_reason("pooling", "Settled").await;
    released(&world).await;
    let writes = crash_at(&world, at, fault);
    world.members.fail_by_count(0.5, |optimized, all| !optimized && all <= 2);
    world.edit("pooling", |spec| spec["optimizations"] = json!([]));
    taken_back(&world, "pooling").await;
    released(&world).await;
    tokio::time::sleep(std::time::Duration::from_secs(5)).await;
    assert_eq!(world.optimized(), 4);
    world.check();
    (end_state(&world), writes.load(Ordering::SeqCst))
}

#[tokio::test(start_paused = true)]
async fn an_optimization_whose_absence_hurts_comes_back_the_same_wherever_the_leader_dies() {
    sweep(bad_release, Fault::CrashAfter).await;
}
