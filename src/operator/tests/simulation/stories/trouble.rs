//! What can go wrong, or be done by others, while a rollout runs.

use std::{
    sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst},
    time::Duration,
};

use sim::{Fault, RequestInfo};
use tokio::time::Instant;

use super::{edit::Edit, foreign::Foreign, owner::Owner, replicas::Replicas};
use crate::{members::Mute, world::World};

/// One thing that happens.
#[derive(Clone, Debug)]
pub enum Trouble {
    /// Optimized members fail this share of their requests once there are so many of them.
    Harm { share: f64, from: usize },
    /// The next write but so many of a replica meets a fault.
    AtWrite { replica: usize, after: usize, fault: Fault },
    /// A share of all writes to a kind meets a fault, for a while.
    Writes { plural: &'static str, one_in: u64, fault: Fault, lasting: Duration },
    /// All requests of all replicas, or of one, meet a fault, and their watches end.
    Outage { replica: Option<usize>, fault: Fault, lasting: Duration },
    /// A replica dies; another one starts after a while.
    Kill { replica: usize, back: Duration },
    /// A replica is told to end; another one starts after a while.
    Stop { replica: usize, back: Duration },
    /// A replica hears and is heard by nobody for a while; its requests are lost.
    Cut { replica: usize, lasting: Duration },
    /// The same, but its requests are carried out when it is over.
    Hold { replica: usize, lasting: Duration },
    /// A replica's watches are late for a while, of one kind or of all.
    Lag { replica: usize, plural: Option<&'static str>, lag: Duration, lasting: Duration },
    /// All watches end; with `forget` they have to list anew.
    Disconnect { forget: bool },
    /// Members answer nothing that is of use for a while: every one, or one of two.
    Mute { how: Mute, all: bool, lasting: Duration },
    /// The Prometheus answers nobody for a while.
    Prometheus { lasting: Duration },
    /// Something happens to the pod of a member.
    Pod { member: usize, event: PodEvent },
    /// Somebody else writes to one of the objects.
    Foreign(Foreign),
    /// The owner of a member's ConfigMap keeps it from being read or written, and mends it after a while where that is
    /// given.
    Owner { member: usize, does: Owner, mended: Option<Duration> },
    /// Somebody edits the spec of a rollout, and takes it back after a while where that is given.
    Edit { rollout: &'static str, edit: Edit, back: Option<Duration> },
    /// Somebody deletes a rollout.
    Delete { rollout: &'static str },
    /// The wall clock of a replica, or of the API server, is set by this many seconds.
    Clock { replica: Option<usize>, seconds: i64 },
}

/// What happens to a pod.
#[derive(Clone, Copy, Debug)]
pub enum PodEvent {
    Restarts,
    IsKilledForMemory,
    IsReplaced,
    IsUnready { seconds: u64 },
    Joins,
    Leaves,
}

/// What ends a trouble that lasts.
#[derive(Clone, Debug)]
pub enum Ending {
    /// The replica with this number has a successor.
    Starts(usize),
    /// The user is reached again.
    Reached(String),
    /// The watches of the user are in time again.
    InTime(String),
    /// Members answer again.
    Heard,
    /// The Prometheus answers again.
    Prometheus,
    /// The member is ready again.
    Ready(String),
    /// The ConfigMap of the member can be read and written again.
    Mended(String, Owner),
    /// Fields of a spec are as they were.
    Edited(&'static str, Edit),
}

impl Trouble {
    /// The number of the replica that it happens to.
    pub fn replica(&self) -> Option<usize> {
        match self {
            Self::AtWrite { replica, .. }
            | Self::Kill { replica, .. }
            | Self::Stop { replica, .. }
            | Self::Cut { replica, .. }
            | Self::Hold { replica, .. }
            | Self::Lag { replica, .. } => Some(*replica),
            Self::Outage { replica, .. } | Self::Clock { replica, .. } => *replica,
            _ => None,
        }
    }

    /// The row of the fault matrix that it counts in.
    pub fn class(&self) -> &'static str {
        match self {
            Self::Harm { .. } => "optimized members fail",
            Self::AtWrite { fault: Fault::CrashBefore | Fault::CrashAfter, .. } => "crash at a write",
            Self::AtWrite { .. } => "lost answer, hanging write",
            Self::Writes { .. } => "writes refused, late or lost",
            Self::Outage { .. } => "outage of the API server",
            Self::Kill { .. } => "a replica dies",
            Self::Stop { .. } => "a replica is told to end",
            Self::Cut { .. } => "a replica cut off",
            Self::Hold { .. } => "a replica stopped, then resumed",
            Self::Lag { .. } => "stale caches",
            Self::Disconnect { .. } => "watches end, history compacted",
            Self::Mute { .. } => "members answer nothing of use",
            Self::Prometheus { .. } => "outage of the Prometheus",
            Self::Pod { .. } => "members come, go, restart",
            Self::Foreign(_) => "others write to our objects",
            Self::Owner { .. } => "a ConfigMap is out of reach",
            Self::Edit { .. } => "the spec is edited",
            Self::Delete { .. } => "the rollout is deleted",
            Self::Clock { .. } => "clocks are set",
        }
    }

    /// Lets it happen. What ends it, and after which time, where it lasts.
    pub async fn begin(&self, world: &World, replicas: &mut Replicas) -> Option<(Duration, Ending)> {
        match self {
            Self::Harm { share, from } => world.members.harm_by(*share, *from),
            Self::AtWrite { replica, after, fault } => at_write(world, replicas.name(*replica)?, *after, fault.clone()),
            Self::Writes { plural, one_in, fault, lasting } => writes(world, plural, *one_in, fault.clone(), *lasting),
            Self::Outage { replica, fault, lasting } => {
                let only = replica.and_then(|number| replicas.name(number));
                outage(world, only, fault.clone(), *lasting);
            }
            Self::Kill { replica, back } => {
                replicas.kill(world, *replica);
                return Some((*back, Ending::Starts(*replica)));
            }
            Self::Stop { replica, back } => {
                replicas.stop(*replica);
                return Some((*back, Ending::Starts(*replica)));
            }
            Self::Cut { replica, lasting } => {
                let name = replicas.name(*replica)?;
                world.server.cut(&name);
                return Some((*lasting, Ending::Reached(name)));
            }
            Self::Hold { replica, lasting } => {
                let name = replicas.name(*replica)?;
                world.server.hold(&name);
                return Some((*lasting, Ending::Reached(name)));
            }
            Self::Lag { replica, plural, lag, lasting } => {
                let name = replicas.name(*replica)?;
                match plural {
                    Some(plural) => world.server.lag_of(&name, plural, *lag),
                    None => world.server.lag(&name, *lag),
                }
                return Some((*lasting, Ending::InTime(name)));
            }
            Self::Disconnect { forget } => {
                if *forget {
                    world.server.compact();
                }
                world.server.disconnect();
            }
            Self::Mute { how, all, lasting } => {
                let (how, all) = (*how, *all);
                world.members.mute(move |member| (all || member.ends_with(['0', '2', '4', '6'])).then_some(how));
                return Some((*lasting, Ending::Heard));
            }
            Self::Prometheus { lasting } => {
                world.prometheus.stop(true);
                return Some((*lasting, Ending::Prometheus));
            }
            Self::Pod { member, event } => return pod(world, *member, *event),
            Self::Foreign(foreign) => foreign.happen(world),
            Self::Owner { member, does, mended } => {
                let member = does.happen(world, *member)?;
                return Some(((*mended)?, Ending::Mended(member, *does)));
            }
            Self::Edit { rollout, edit, back } => {
                let before = edit.happen(world, rollout).await?;
                return Some(((*back)?, Ending::Edited(rollout, before)));
            }
            Self::Delete { rollout } => {
                if world.rollout(rollout).is_some() {
                    world.delete(rollout).await;
                }
            }
            Self::Clock { replica, seconds } => {
                let clock = replica.map_or_else(|| world.server.clock(), |number| replicas.clock(number));
                clock.step(jiff::SignedDuration::from_secs(*seconds));
            }
        }
        None
    }
}

impl Ending {
    /// Ends it.
    pub async fn happen(self, world: &World, replicas: &mut Replicas) {
        match self {
            Self::Starts(replica) => replicas.restart(world, replica),
            Self::Reached(name) => {
                world.server.revive(&name);
                world.server.release(&name);
            }
            Self::InTime(name) => world.server.lag(&name, Duration::ZERO),
            Self::Heard => world.members.mute(|_| None),
            Self::Prometheus => world.prometheus.stop(false),
            Self::Ready(member) => world.fleet.set_ready(&member, true),
            Self::Mended(member, does) => does.mend(world, &member),
            Self::Edited(rollout, before) => drop(before.happen(world, rollout).await),
        }
    }
}

fn at_write(world: &World, name: String, after: usize, fault: Fault) {
    let left = AtomicUsize::new(after);
    world.server.on_request(move |request: &RequestInfo| {
        let counts = request.user == name && request.verb.writes() && request.key.plural != "leases";
        let is_it = counts && left.fetch_update(SeqCst, SeqCst, |left| Some(left.wrapping_sub(1))) == Ok(0);
        if is_it { fault.clone() } else { Fault::None }
    });
}

fn writes(world: &World, plural: &'static str, one_in: u64, fault: Fault, lasting: Duration) {
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

fn outage(world: &World, only: Option<String>, fault: Fault, lasting: Duration) {
    let until = Instant::now() + lasting;
    world.server.on_request(move |request: &RequestInfo| {
        let is_one = only.as_ref().map_or(request.user.starts_with("replica-"), |only| request.user == *only);
        if is_one && Instant::now() < until { fault.clone() } else { Fault::None }
    });
    world.server.disconnect();
}

fn pod(world: &World, member: usize, event: PodEvent) -> Option<(Duration, Ending)> {
    let members = world.fleet.members();
    let member = members.get(member)?;
    match event {
        PodEvent::Restarts => world.fleet.restart(member, 1),
        PodEvent::IsKilledForMemory => world.fleet.restart(member, 137),
        PodEvent::IsReplaced => world.fleet.replace(member),
        PodEvent::IsUnready { seconds } => {
            world.fleet.set_ready(member, false);
            return Some((Duration::from_secs(seconds), Ending::Ready(member.clone())));
        }
        PodEvent::Joins => drop(world.join()),
        PodEvent::Leaves if members.len() > 4 => world.fleet.remove(member),
        PodEvent::Leaves => {}
    }
    None
}
