//! Playing a story to its end.

use std::time::Duration;

use sim::{
    ApiServer, Entry,
    laws::{Account, Violation},
};
use tokio::{
    runtime::{Builder, RngSeed},
    time::{Instant, sleep},
};

use super::{script::Script, trouble::Replicas};
use crate::world::World;

/// Without a write for so long, a story has come to rest: longer than the longest pause between two passes.
const REST: Duration = Duration::from_secs(330);
/// Longer than any story takes to come to rest.
const LONGEST: Duration = Duration::from_secs(7200);
/// Entries that are told of a broken law.
const TOLD: usize = 20;

/// What became of a story.
pub struct Outcome {
    /// The first broken law, and what happened before.
    pub broken: Option<(Violation, String)>,
    /// How often each law was at stake.
    pub accounts: Vec<Account>,
    /// Accepted writes of the operator.
    pub writes: u64,
    /// The server, which knows all that happened.
    pub server: ApiServer,
}

/// Plays the story of a seed.
pub fn play(seed: u64) -> Outcome {
    // Jitter draws from it.
    fastrand::seed(seed);
    let seeded = RngSeed::from_bytes(&seed.to_le_bytes());
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).rng_seed(seeded).build().unwrap();
    runtime.block_on(run(Script::new(seed)))
}

async fn run(script: Script) -> Outcome {
    let world = World::of(script.fleet, script.only_at_start);
    world.server.set_latency(script.latency);
    let mut replicas = Replicas::start(&world, script.replicas);
    world.apply(&script.rollout);
    let began = Instant::now();
    for (at, trouble) in script.troubles {
        sleep(at.saturating_sub(began.elapsed())).await;
        if !world.laws.violations().is_empty() {
            return outcome(&world);
        }
        trouble.happen(&world, &mut replicas).await;
    }
    world.server.stop_faults();
    replicas.revive(&world);
    come_to_rest(&world).await;
    world.server.record(Entry::Calm { at: Instant::now() });
    sleep(REST).await;
    outcome(&world)
}

/// Waits until nothing is written any more, or a law is broken.
async fn come_to_rest(world: &World) {
    let began = Instant::now();
    let mut last = (world.laws.writes(), Instant::now());
    while last.1.elapsed() < REST && began.elapsed() < LONGEST && world.laws.violations().is_empty() {
        sleep(Duration::from_secs(5)).await;
        if world.laws.writes() != last.0 {
            last = (world.laws.writes(), Instant::now());
        }
    }
}

fn outcome(world: &World) -> Outcome {
    let broken = world.laws.violations().into_iter().next();
    let broken = broken.map(|broken| {
        let story = world.server.story(TOLD, broken.at);
        (broken, story)
    });
    Outcome { broken, accounts: world.laws.accounts(), writes: world.laws.writes(), server: world.server.clone() }
}
