//! The imperative shell: watches, passes, looks, the election, and the server.
//!
//! [`run`] is the whole operator. Client, clock and scraper are given to it, so that the same code runs on a cluster
//! and in a simulation.

use std::{collections::BTreeMap, future::Future, sync::Arc, time::Duration};

use cluster::{
    execute::Writer,
    metrics::{MetricsSource, Scraper, each::EachMember},
    observe::World,
};
use futures::{FutureExt, StreamExt, channel::mpsc};
use jiff::Timestamp;
use kube::Client;
use kube_runtime::{Controller, controller};
use tokio::{task::JoinSet, time::Instant};

use options::Standby;
use reconcile::Context;

pub mod caches;
pub mod election;
pub mod memory;
pub mod options;
pub mod reconcile;
pub mod sampler;
pub mod server;
pub mod standby;
pub mod synchronization;
pub mod telemetry;

/// Passes that are under way at once. Their writes are bounded by the writer; a pass that waits for its own must not keep
/// another rollout's breach from being acted on.
const CONCURRENT_PASSES: u16 = 512;
/// How often the traces of deleted rollouts are swept away.
const SWEEP: Duration = Duration::from_secs(10);
/// How long passes that have begun may go on when the process is told to end: longer than a status and its event take, and
/// not so long that a write that hangs keeps the next leader waiting.
const LAST_PASSES: Duration = Duration::from_secs(1);

/// What the operator is given.
#[derive(Clone)]
pub struct Dependencies {
    /// A client without retries of its own: a retreat has its own deadlines.
    pub client: Client,
    /// Reads the members' metrics.
    pub scraper: Arc<dyn Scraper>,
    /// Asks the servers that Connections name.
    pub connections: Arc<dyn MetricsSource>,
    /// The wall clock.
    pub clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    /// Name of this replica, unique among them.
    pub replica: String,
    /// Namespace of the Lease.
    pub namespace: String,
    /// Namespaces whose fleets it may touch.
    pub namespaces: Vec<String>,
    /// What it does while another replica leads.
    pub standby: Standby,
    /// Counters for the metrics endpoint.
    pub telemetry: Arc<telemetry::Telemetry>,
    /// Answers what would be done.
    pub planner: server::plan::Planner,
}

/// Runs until `shutdown`, lets passes that have begun come to their end, then gives the lease back.
///
/// # Errors
/// When a watch ends for good, which only a defect can cause; the process should end and be started again.
pub async fn run(dependencies: Dependencies, shutdown: impl Future<Output = ()> + Send) -> Result<(), String> {
    let Dependencies {
        client,
        scraper,
        connections,
        clock,
        replica,
        namespace,
        namespaces,
        standby,
        telemetry,
        planner,
    } = dependencies;
    let sources = sampler::Sources { members: Arc::new(EachMember::new(scraper)), connections };
    let (wake, woken) = mpsc::unbounded();
    let mut tasks = JoinSet::new();
    let synchronization = synchronization::Synchronization::default();
    let (rollouts, changes) = caches::rollouts(&client, &synchronization);
    let nodes = caches::nodes(&client, &synchronization, &mut tasks);
    let namespaces: BTreeMap<_, _> = namespaces
        .into_iter()
        .map(|namespace| {
            let served = caches::namespace(&client, &namespace, &rollouts, &wake, &mut tasks);
            (namespace, served)
        })
        .collect();
    let leadership = election::Leadership::new(Instant::now());
    let context = Arc::new(Context {
        world: World {
            connections: caches::connections(&client, &rollouts, &wake, &synchronization, &mut tasks),
            rollouts: rollouts.clone(),
            nodes,
        },
        synchronization,
        namespaces,
        writer: Writer::new(client.clone()),
        samplers: sampler::Samplers::new(sources.clone(), clock.clone(), wake.clone(), telemetry.clone()),
        sources,
        starts: tokio::sync::Mutex::default(),
        memory: memory::Memory::default(),
        leadership: leadership.clone(),
        client: client.clone(),
        replica: replica.clone(),
        standby,
        clock: clock.clone(),
        telemetry: telemetry.clone(),
    });
    planner.decide_by(context.clone());
    let election = election::Election { client, namespace, replica, clock, leadership, telemetry: telemetry.clone() };
    let (stop_election, stopped) = tokio::sync::oneshot::channel();
    let everything = {
        let rollouts = rollouts.clone();
        move || {
            for rollout in rollouts.state() {
                // A closed channel means that the controller has ended.
                let _ = wake.unbounded_send(kube_runtime::reflector::ObjectRef::from_obj(&*rollout));
            }
        }
    };
    let candidate = context.clone();
    let mut election = tokio::spawn(async move {
        let mut stopped = stopped;
        // Who has not caught up leads nobody, and would keep the Lease from somebody who has.
        tokio::select! {
            () = candidate.caught_up() => election.run(stopped, everything).await,
            _ = &mut stopped => {}
        }
    });
    let sweeper = context.clone();
    tasks.spawn(async move {
        loop {
            tokio::time::sleep(SWEEP).await;
            sweeper.sweep();
        }
    });
    let ready = context.clone();
    tasks.spawn(async move {
        ready.caught_up().await;
        ready.telemetry.set_ready();
        std::future::pending().await
    });
    let (finish, finishing) = tokio::sync::oneshot::channel::<()>();
    let mut passes = Controller::for_stream(changes, rollouts)
        .with_config(controller::Config::default().concurrency(CONCURRENT_PASSES))
        .reconcile_on(woken)
        .graceful_shutdown_on(async {
            let _ = finishing.await;
        })
        .run(reconcile::reconcile, reconcile::on_error, context.clone())
        .for_each(|_| std::future::ready(()))
        .boxed();
    let outcome = tokio::select! {
        () = &mut passes => Err("the watch of rollouts ended".to_owned()),
        Some(ended) = tasks.join_next() => Err(format!("a watch ended: {ended:?}")),
        ended = &mut election => return Err(format!("the election ended: {ended:?}")),
        () = shutdown => {
            // Who has written a status has yet to tell of it: nobody else will.
            let _ = finish.send(());
            let _ = tokio::time::timeout(LAST_PASSES, &mut passes).await;
            Ok(())
        }
    };
    drop(passes);
    // Passes have stopped; only now may somebody else lead.
    let _ = stop_election.send(());
    let _ = election.await;
    outcome
}
