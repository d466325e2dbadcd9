//! One state of the whole: objects with their latest versions, members, the Lease, replicas, and what is left of the
//! bounds.

use super::{
    config::{LAG, MEMBERS, REPLICAS},
    intern::Id,
};

/// No content.
pub const NONE: Id = Id::MAX;

/// An object with the contents that it had before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Versions {
    /// What it is now.
    pub now: Id,
    before: [Id; LAG],
}

impl Versions {
    pub fn new(now: Id) -> Self {
        Self { now, before: [NONE; LAG] }
    }

    /// What a cache sees that is so many versions behind; `None` where there are not so many.
    pub fn seen(&self, lag: usize) -> Option<Id> {
        let id = if lag == 0 { self.now } else { self.before[lag - 1] };
        (id != NONE).then_some(id)
    }

    /// A new version, of which as many as `lag` old ones are remembered.
    pub fn push(&mut self, id: Id, lag: usize) {
        self.before.rotate_right(1);
        self.before[0] = self.now;
        self.before[lag..].fill(NONE);
        self.now = id;
    }
}

/// The pods, and what the latest changes of them replaced, the newest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Pods {
    /// What they are now.
    pub now: [Id; MEMBERS],
    replaced: [(u8, Id); LAG],
}

impl Pods {
    pub fn new(now: [Id; MEMBERS]) -> Self {
        Self { now, replaced: [(0, NONE); LAG] }
    }

    /// What a cache sees that is so many changes behind, and which pods have changed since.
    pub fn seen(&self, lag: usize) -> Option<([Id; MEMBERS], u8)> {
        let mut pods = self.now;
        let mut changed = 0;
        for (member, before) in &self.replaced[..lag] {
            if *before == NONE {
                return None;
            }
            pods[usize::from(*member)] = *before;
            changed |= 1 << member;
        }
        Some((pods, changed))
    }

    pub fn push(&mut self, member: usize, id: Id, lag: usize) {
        self.replaced.rotate_right(1);
        self.replaced[0] = (u8::try_from(member).unwrap(), self.now[member]);
        self.replaced[lag..].fill((0, NONE));
        self.now[member] = id;
    }
}

/// How long ago the Lease was renewed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Age {
    /// A moment ago.
    Fresh,
    /// So long that its holder may not advance.
    Lapsed,
    /// So long that another replica takes it.
    Expired,
}

/// The Lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Lease {
    /// The replica that holds it.
    pub holder: Option<u8>,
    pub age: Age,
}

/// What a replica has measured of the bake that it looks at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Measured {
    /// The run and its bake; zero before the first look.
    pub bake: Id,
    /// The whole bake was watched.
    pub covered: bool,
    /// The latest look counted.
    pub passing: bool,
    /// There was a breach.
    pub breach: bool,
    /// Nothing sufficient to the deadline.
    pub silent: bool,
}

/// A pass whose writes are on their way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Pending {
    /// Its plan.
    pub plan: Id,
    /// The next of its writes.
    pub next: u8,
    /// Objects that have changed since it saw them: bit by bit the pods, then the rollout, the ConfigMap, the Service.
    pub stale: u8,
    /// The run had been taken back when it decided, whether it could see that or not.
    pub knew_abort: bool,
    /// The rollout that it saw.
    pub rollout: Id,
    /// Somebody else may have led since.
    pub outdated: bool,
}

/// The bit of the rollout in [`Pending::stale`].
pub const ROLLOUT: u8 = 1 << 4;
/// The bit of the ConfigMap.
pub const MAP: u8 = 1 << 5;
/// The bit of the Service.
pub const SERVICE: u8 = 1 << 6;

/// One replica of the operator.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Replica {
    /// It has renewed the Lease since it started.
    pub renewed: bool,
    pub measured: Measured,
    pub pass: Option<Pending>,
}

/// Everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct State {
    pub rollout: Versions,
    pub map: Versions,
    pub service: Versions,
    pub pods: Pods,
    /// Members whose pods the endpoints of the Service hold.
    pub endpoints: u8,
    /// Members whose process runs the optimized values.
    pub running: u8,
    /// The optimization is harmful.
    pub harmful: bool,
    pub lease: Lease,
    pub replicas: [Replica; REPLICAS],
    /// Faults that may still happen.
    pub faults: u8,
    /// Renewals that may still be missed.
    pub lapses: u8,
    /// What people may still do, bit by bit.
    pub people: u8,
    /// For the laws: how many members the run was last allowed, and who was taken back in it.
    pub allowed: u8,
    pub returned: u8,
}

impl State {
    /// An object has changed: passes that are under way have seen another version.
    pub fn outdate(&mut self, objects: u8) {
        for pass in self.replicas.iter_mut().filter_map(|replica| replica.pass.as_mut()) {
            pass.stale |= objects;
        }
    }

    /// Whether this replica knows that nobody else can hold the Lease.
    pub fn may_advance(&self, replica: usize) -> bool {
        let renewal = match self.lease.age {
            Age::Fresh => std::time::Duration::ZERO,
            Age::Lapsed => domain::election::RENEW_DEADLINE,
            Age::Expired => domain::election::LEASE_DURATION,
        };
        self.holds(replica) && domain::election::may_advance(renewal)
    }

    fn holds(&self, replica: usize) -> bool {
        self.replicas[replica].renewed && self.lease.holder.map(usize::from) == Some(replica)
    }
}
