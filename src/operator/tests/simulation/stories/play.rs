//! Playing a story to its end.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use k8s_openapi::api::core::v1::Service;
use serde_json::{Value, json};
use sim::{
    ApiServer, Entry,
    laws::{Account, Violation},
};
use tokio::{
    runtime::{Builder, RngSeed},
    time::{Instant, sleep},
};

use super::{
    foreign,
    replicas::Replicas,
    script::{NAME, PEERS, Script},
    trouble::{Ending, Trouble},
};
use crate::{
    end_state::rested_state,
    prometheus::connection,
    world::{NAMESPACE, World, base_config_map},
};

/// Without a write for so long, a story has come to rest: longer than the longest pause between two passes.
const REST: Duration = Duration::from_secs(330);
/// Without anything done but reports for so long, a run waits for people: longer than stages, watches and silences last.
const WAITS: Duration = Duration::from_secs(700);
/// Longer than any story takes to come to rest, and more than any writes.
const LONGEST: Duration = Duration::from_secs(7200);
const MOST_WRITES: u64 = 5000;
/// How often is looked whether it still makes sense to wait.
const STEP: Duration = Duration::from_secs(5);
/// Seconds.
const MINUTE: u64 = 60;
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
    /// How the first rollout ended.
    pub end: End,
    /// What it left behind, without what a fault may change: times and versions.
    pub left: Value,
    /// The server, which knows all that happened.
    pub server: ApiServer,
}

/// How a rollout ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum End {
    /// All members are optimized.
    Settled,
    /// It was taken back.
    TakenBack,
    /// It was deleted.
    Deleted,
    /// It waits for people.
    Waits,
}

/// Plays a story.
pub fn play(script: &Script) -> Outcome {
    // Jitter draws from it.
    fastrand::seed(script.seed);
    let seeded = RngSeed::from_bytes(&script.seed.to_le_bytes());
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).rng_seed(seeded).build().unwrap();
    runtime.block_on(run(script))
}

/// What happens next.
enum Act {
    Applied(Value),
    Begins(Trouble),
    Ends(Ending),
}

async fn run(script: &Script) -> Outcome {
    let world = World::of(script.fleet.clone(), script.only_at_start);
    world.server.set_latency(script.latency);
    world.server.put(base_config_map());
    world.server.put(connection());
    world.server.put(peers(&world));
    let mut replicas = Replicas::start(&world, &script.skews);
    // By when, and then by the order in which they were planned.
    let mut agenda: BTreeMap<(Duration, usize), Act> = BTreeMap::new();
    let applied = script.rollouts.iter().map(|(at, rollout)| (*at, Act::Applied(rollout.clone())));
    let begins = script.troubles.iter().map(|(at, trouble)| (*at, Act::Begins(trouble.clone())));
    for (at, act) in applied.chain(begins) {
        agenda.insert((at, agenda.len()), act);
    }
    let (began, mut planned) = (Instant::now(), agenda.len());
    while let Some(((at, _), act)) = agenda.pop_first() {
        pass(&world, at.saturating_sub(began.elapsed())).await;
        if !world.laws.violations().is_empty() {
            return outcome(&world);
        }
        match act {
            Act::Applied(rollout) => world.apply(&rollout),
            Act::Ends(ending) => ending.happen(&world, &mut replicas).await,
            Act::Begins(trouble) => {
                if let Some((after, ending)) = trouble.begin(&world, &mut replicas).await {
                    agenda.insert((began.elapsed() + after, planned), Act::Ends(ending));
                    planned += 1;
                }
            }
        }
    }
    world.server.stop_faults();
    world.apply(&connection());
    foreign::release(&world);
    replicas.revive(&world);
    let reads = come_to_rest(&world, REST + script.clocks_apart()).await;
    world.server.record(Entry::Calm { at: Instant::now(), reads });
    if !rests(world.laws.last_write(), REST) {
        // Who reports while it waits may go on; who has come to its end may not.
        pass(&world, REST).await;
    }
    assert_eq!(world.server.unsupported(), Vec::<String>::new(), "seed {}", script.seed);
    assert!(replicas.are_alive(), "a replica has ended by itself in seed {}", script.seed);
    outcome(&world)
}

/// A second Service in front of the fleet, like the first one.
fn peers(world: &World) -> Value {
    let mut peers = world.object::<Service>("qudag-node").unwrap();
    peers["metadata"] = json!({"name": PEERS, "namespace": NAMESPACE});
    peers["spec"]["clusterIP"] = json!("10.96.0.11");
    peers
}

/// Waits until nothing is done for so long, or it makes no sense to wait: who writes for ever is found in the calm.
/// How often anything was read in the last minute.
async fn come_to_rest(world: &World, rest: Duration) -> u64 {
    let began = Instant::now();
    let mut reads = VecDeque::from([world.server.reads()]);
    while began.elapsed() < LONGEST && world.laws.writes() < MOST_WRITES && world.laws.violations().is_empty() {
        sleep(STEP).await;
        reads.push_back(world.server.reads());
        if reads.len() as u64 > MINUTE / STEP.as_secs() {
            reads.pop_front();
        }
        let rested = began.elapsed() >= rest && rests(world.laws.last_write(), rest);
        if rested || began.elapsed() >= WAITS && rests(world.laws.last_deed(), WAITS) {
            break;
        }
    }
    reads[reads.len() - 1] - reads[0]
}

/// Lets so much time pass; less once a law is broken, or when somebody writes without end.
async fn pass(world: &World, long: Duration) {
    let (began, written) = (Instant::now(), world.laws.writes());
    while began.elapsed() < long && world.laws.violations().is_empty() {
        if world.laws.writes() - written > MOST_WRITES {
            return;
        }
        sleep(STEP.min(long - began.elapsed())).await;
    }
}

fn rests(last: Option<Instant>, long: Duration) -> bool {
    last.is_none_or(|last| last.elapsed() >= long)
}

fn outcome(world: &World) -> Outcome {
    let broken = world.laws.violations().into_iter().next();
    let broken = broken.map(|broken| {
        let story = world.server.story(TOLD, broken.at);
        (broken, story)
    });
    Outcome {
        broken,
        accounts: world.laws.accounts(),
        writes: world.laws.writes(),
        end: end(world),
        left: rested_state(world),
        server: world.server.clone(),
    }
}

fn end(world: &World) -> End {
    let Some(rollout) = world.rollout(NAME) else { return End::Deleted };
    match rollout.status.and_then(|status| status.run) {
        Some(run) if run.aborted_at.is_some() => End::TakenBack,
        Some(run) if run.settled_at.is_some() => End::Settled,
        _ => End::Waits,
    }
}
