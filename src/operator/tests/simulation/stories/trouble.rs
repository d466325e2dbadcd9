//! What can go wrong, or be done by others, while a rollout runs.

use std::{
    sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst},
    time::Duration,
};

use fastrand::Rng;
use k8s_openapi::api::core::v1::ConfigMap;
use serde_json::{Value, json};
use sim::{Fault, Key, RequestInfo};
use tokio::time::{Instant, sleep};

use super::script::NAME;
use crate::world::{CONFIG_MAP, NAMESPACE, OWN_FILE, Replica, World, key};

/// One thing that happens.
#[derive(Clone, Debug)]
pub enum Trouble {
    /// Optimized members fail this share of their requests once there are so many of them.
    Harm { share: f64, from: usize },
    /// The next write but so many of a replica meets a fault.
    AtWrite { replica: usize, after: usize, fault: Fault },
    /// A share of all writes to a kind meets a fault, for a while.
    Writes { plural: &'static str, one_in: u64, fault: Fault, lasting: Duration },
    /// A replica dies; another one starts after a while.
    Kill { replica: usize, back: Duration },
    /// A replica hears and is heard by nobody for a while.
    Pause { replica: usize, lasting: Duration },
    /// A replica's watches are late for a while.
    Lag { replica: usize, lag: Duration, lasting: Duration },
    /// All watches end; with `forget` they have to list anew.
    Disconnect { forget: bool },
    /// Members answer no scrape for a while: every one, or one of two.
    Silence { all: bool, lasting: Duration },
    /// Something happens to the pod of a member.
    Pod { member: usize, event: PodEvent },
    /// Somebody takes an optimized member's settings back.
    Override { member: usize },
    /// Somebody edits the spec, and takes it back after a while where that is given.
    Edit { path: &'static str, value: Value, back: Option<(Value, Duration)> },
    /// Somebody deletes the rollout.
    Delete,
    /// The wall clock is set by this many seconds.
    Clock { seconds: i64 },
}

/// What happens to a pod.
#[derive(Clone, Copy, Debug)]
pub enum PodEvent {
    Restarts,
    IsReplaced,
    IsUnready,
    Joins,
    Leaves,
}

/// Up to five troubles, within the time that a run takes; in some stories the leader is lost at the breach.
pub fn draw(rng: &mut Rng, replicas: usize) -> Vec<(Duration, Trouble)> {
    let count = rng.usize(0..=5);
    let mut troubles: Vec<(Duration, Trouble)> =
        (0..count).map(|_| (Duration::from_millis(rng.u64(0..420_000)), one(rng, replicas))).collect();
    if replicas > 1 && rng.u8(0..4) == 0 {
        let breach = Duration::from_millis(rng.u64(20_000..300_000));
        troubles.push((breach, Trouble::Harm { share: 0.5, from: rng.usize(1..3) }));
        let lost = breach + Duration::from_millis(rng.u64(0..12_000));
        troubles.push((lost, Trouble::Pause { replica: 1, lasting: Duration::from_secs(rng.u64(5..60)) }));
    }
    troubles.sort_by_key(|(at, _)| *at);
    troubles
}

fn one(rng: &mut Rng, replicas: usize) -> Trouble {
    let replica = rng.usize(1..=replicas);
    let lasting = Duration::from_secs(rng.u64(2..60));
    match rng.u8(0..32) {
        0..6 => Trouble::Harm { share: *rng.choice([0.02, 0.1, 0.5].iter()).unwrap(), from: rng.usize(1..4) },
        6..10 => {
            let faults = [Fault::CrashBefore, Fault::CrashAfter, Fault::LoseResponse, Fault::Hang];
            Trouble::AtWrite { replica, after: rng.usize(0..12), fault: rng.choice(faults).unwrap() }
        }
        10..13 => {
            let faults = [
                Fault::Refuse(409, "conflict".to_owned()),
                Fault::Refuse(429, "too many requests".to_owned()),
                Fault::Refuse(500, "internal error".to_owned()),
                Fault::Refuse(403, "forbidden".to_owned()),
                Fault::Delay(Duration::from_millis(1500)),
                Fault::Delay(Duration::from_millis(4000)),
                Fault::LoseResponse,
            ];
            let plural = rng.choice(["pods", "configmaps", "services", "optimizationrollouts", "leases", "events"]);
            let fault = rng.choice(faults).unwrap();
            Trouble::Writes { plural: plural.unwrap(), one_in: rng.u64(1..4), fault, lasting }
        }
        13 => Trouble::Kill { replica, back: lasting },
        14 | 28 | 29 => Trouble::Pause { replica, lasting },
        15 => Trouble::Lag { replica, lag: Duration::from_millis(rng.u64(100..3000)), lasting },
        16 => Trouble::Disconnect { forget: rng.bool() },
        17 => Trouble::Silence { all: rng.bool(), lasting: lasting * 4 },
        18..22 => {
            use PodEvent::{IsReplaced, IsUnready, Joins, Leaves, Restarts};
            let event = rng.choice([Restarts, IsReplaced, IsUnready, Joins, Leaves]).unwrap();
            Trouble::Pod { member: rng.usize(0..8), event }
        }
        22 | 30 | 31 => Trouble::Override { member: rng.usize(0..8) },
        23..26 => edit(rng, lasting),
        26 => Trouble::Delete,
        _ => Trouble::Clock { seconds: rng.i64(-300..300) },
    }
}

fn edit(rng: &mut Rng, lasting: Duration) -> Trouble {
    let (path, value, back) = match rng.u8(0..8) {
        0 => ("/paused", json!(true), Some(json!(false))),
        1 => ("/abort", json!({"reason": "somebody says so"}), Some(Value::Null)),
        2 => ("/attempt", json!(2), None),
        3 => ("/promoteThrough", json!("stage-0"), None),
        4 => ("/stages/0/percent", json!(rng.u8(1..10)), None),
        5 => ("/stages/0/bake", json!("90s"), None),
        6 => ("/optimizations/0/settings/1/optimized", json!(150), None),
        _ => ("/indicators/0/max", json!("5%"), None),
    };
    Trouble::Edit { path, value, back: back.map(|value| (value, lasting)) }
}

/// The replicas of a story, by their numbers; a replica that died has a successor.
pub struct Replicas {
    running: Vec<Option<Replica>>,
    started: usize,
}

impl Replicas {
    /// Starts so many.
    pub fn start(world: &World, count: usize) -> Self {
        let mut replicas = Self { running: Vec::new(), started: 0 };
        for _ in 0..count {
            replicas.running.push(None);
            let last = replicas.running.len();
            replicas.restart(world, last);
        }
        replicas
    }

    /// Name of the replica with this number, from 1.
    fn name(&self, number: usize) -> Option<String> {
        Some(self.running.get(number - 1)?.as_ref()?.name().to_owned())
    }

    /// Starts a successor.
    fn restart(&mut self, world: &World, number: usize) {
        self.started += 1;
        let replica = world.start(&format!("replica-{}", self.started));
        self.running[number - 1] = Some(replica);
    }

    /// Every replica is alive and hears everybody.
    pub fn revive(&mut self, world: &World) {
        for number in 1..=self.running.len() {
            match self.name(number) {
                Some(name) if !world.server.is_cut(&name) => world.server.lag(&name, Duration::ZERO),
                _ => self.replace(world, number),
            }
        }
    }

    /// Ends a replica and starts another one.
    fn replace(&mut self, world: &World, number: usize) {
        if let Some(replica) = self.running[number - 1].take() {
            world.kill(replica);
        }
        self.restart(world, number);
    }
}

impl Trouble {
    /// Lets it happen, and end after its time.
    pub async fn happen(self, world: &World, replicas: &mut Replicas) {
        match self {
            Self::Harm { share, from } => world.members.harm_by(share, from),
            Self::AtWrite { replica, after, fault } => {
                let Some(name) = replicas.name(replica) else { return };
                let left = AtomicUsize::new(after);
                world.server.on_request(move |request: &RequestInfo| {
                    let counts = request.user == name && request.verb.writes() && request.key.plural != "leases";
                    let is_it = counts && left.fetch_update(SeqCst, SeqCst, |left| Some(left.wrapping_sub(1))) == Ok(0);
                    if is_it { fault.clone() } else { Fault::None }
                });
            }
            Self::Writes { plural, one_in, fault, lasting } => {
                let until = Instant::now() + lasting;
                let count = AtomicU64::new(0);
                world.server.on_request(move |request: &RequestInfo| {
                    let meets = request.user.starts_with("replica-")
                        && request.verb.writes()
                        && request.key.plural == plural
                        && Instant::now() < until;
                    let is_one = meets && count.fetch_add(1, SeqCst).is_multiple_of(one_in);
                    if is_one { fault.clone() } else { Fault::None }
                });
            }
            Self::Kill { replica, back } => {
                if let Some(replica) = replicas.running[replica - 1].take() {
                    world.kill(replica);
                }
                sleep(back).await;
                replicas.restart(world, replica);
            }
            Self::Pause { replica, lasting } => {
                let Some(name) = replicas.name(replica) else { return };
                world.server.cut(&name);
                sleep(lasting).await;
                world.server.revive(&name);
            }
            Self::Lag { replica, lag, lasting } => {
                let Some(name) = replicas.name(replica) else { return };
                world.server.lag(&name, lag);
                sleep(lasting).await;
                world.server.lag(&name, Duration::ZERO);
            }
            Self::Disconnect { forget } => {
                if forget {
                    world.server.compact();
                }
                world.server.disconnect();
            }
            Self::Silence { all, lasting } => {
                world.members.silence(move |member| all || member.ends_with(['0', '2', '4', '6']));
                sleep(lasting).await;
                world.members.silence(|_| false);
            }
            Self::Pod { member, event } => pod(world, member, event).await,
            Self::Override { member } => take_back(world, member),
            Self::Edit { path, value, back } => {
                edit_spec(world, path, value);
                if let Some((value, after)) = back {
                    sleep(after).await;
                    edit_spec(world, path, value);
                }
            }
            Self::Delete => {
                if world.rollout(NAME).is_some() {
                    world.delete(NAME).await;
                }
            }
            Self::Clock { seconds } => world.server.clock().step(jiff::SignedDuration::from_secs(seconds)),
        }
    }
}

async fn pod(world: &World, member: usize, event: PodEvent) {
    let members = world.fleet.members();
    let Some(member) = members.get(member) else { return };
    match event {
        PodEvent::Restarts => world.fleet.restart(member, 1),
        PodEvent::IsReplaced => world.fleet.replace(member),
        PodEvent::IsUnready => {
            world.fleet.set_ready(member, false);
            sleep(Duration::from_secs(20)).await;
            world.fleet.set_ready(member, true);
        }
        PodEvent::Joins => drop(world.fleet.add()),
        PodEvent::Leaves if members.len() > 4 => world.fleet.remove(member),
        PodEvent::Leaves => {}
    }
}

/// Somebody writes the baseline into an optimized member's file.
fn take_back(world: &World, member: usize) {
    let optimized: Vec<String> =
        world.fleet.members().into_iter().filter(|member| world.members.is_optimized(member)).collect();
    let Some(member) = optimized.get(member % optimized.len().max(1)) else { return };
    let own = Key::of::<ConfigMap>(NAMESPACE, &format!("{member}-config"));
    let rendered = Key::of::<ConfigMap>(NAMESPACE, CONFIG_MAP);
    let (map, file, text) = if world.server.object(&own).is_some() {
        (own, "node.toml".to_owned(), OWN_FILE)
    } else {
        (rendered, format!("{member}.toml"), "network.pool.enabled = false\n")
    };
    if world.server.object(&map).is_some_and(|map| map["data"].get(&file).is_some()) {
        world.server.edit(&map, |map| map["data"][&file] = json!(text));
    }
}

fn edit_spec(world: &World, path: &str, value: Value) {
    let is_there =
        world.server.object(&key(NAME)).is_some_and(|rollout| rollout["metadata"].get("deletionTimestamp").is_none());
    if !is_there {
        return;
    }
    world.edit(NAME, |spec| match spec.pointer_mut(path) {
        Some(field) if !value.is_null() => *field = value,
        _ => {
            let (parent, name) = path.rsplit_once('/').unwrap_or_default();
            if let Some(parent) = spec.pointer_mut(parent).and_then(Value::as_object_mut) {
                if value.is_null() {
                    parent.shift_remove(name);
                } else {
                    parent.insert(name.to_owned(), value);
                }
            }
        }
    });
}
