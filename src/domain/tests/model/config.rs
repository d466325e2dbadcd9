//! What is explored: how many members, stages, replicas and troubles, and what is broken on purpose.

use std::fmt;

/// The most members that a state has room for.
pub const MEMBERS: usize = 4;
/// The most versions that a cache is behind.
pub const LAG: usize = 2;
/// Replicas of the operator.
pub const REPLICAS: usize = 2;

/// The bounds of one exploration.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// Members of the fleet.
    pub members: usize,
    /// Stages, of which each doubles the members.
    pub stages: usize,
    /// Percent that is held out.
    pub holdout: i32,
    /// Replicas of the operator.
    pub replicas: usize,
    /// How many versions of each kind of object a cache may be behind.
    pub lag: usize,
    /// How often a replica crashes before or after a write, or a write or its answer is lost.
    pub faults: u8,
    /// How often a leader that runs fails to renew its Lease in time.
    pub lapses: u8,
    /// Whether the fleet has a Service.
    pub traffic: bool,
    /// Whether the optimization may turn out to be harmful.
    pub harm: bool,
    /// Whether measurements may stay away to the deadline.
    pub silence: bool,
    /// Whether a deletion takes back what is settled as well.
    pub restore: bool,
    /// What people do, each once.
    pub people: &'static [Person],
    /// What is broken on purpose.
    pub mutation: Option<Mutation>,
}

impl Config {
    /// Two members in one stage under two replicas, of which one does not renew its Lease once, and an optimization that
    /// may be harmful.
    pub const SMALL: Self = Self {
        members: 2,
        stages: 1,
        holdout: 0,
        replicas: 2,
        lag: 0,
        faults: 0,
        lapses: 1,
        traffic: false,
        harm: true,
        silence: false,
        restore: false,
        people: &[],
        mutation: None,
    };

    /// Percent of each stage.
    pub fn percents(&self) -> impl Iterator<Item = i32> {
        (1..=self.stages).map(|index| 100 >> (self.stages - index))
    }

    /// The same with `name=value` in place of what it says.
    ///
    /// # Errors
    /// What is no such thing.
    pub fn with(mut self, change: &str) -> Result<Self, String> {
        let (name, value) = change.split_once('=').unwrap_or((change, "1"));
        let number: usize = value.parse().map_err(|_| format!("{change}: {value:?} is no number"))?;
        let small = u8::try_from(number).map_err(|_| format!("{change}: the number is too large"))?;
        match name {
            "members" if (1..=MEMBERS).contains(&number) => self.members = number,
            "stages" if (1..=3).contains(&number) => self.stages = number,
            "holdout" if number <= 50 => self.holdout = i32::from(small),
            "replicas" if (1..=REPLICAS).contains(&number) => self.replicas = number,
            "lag" if number <= LAG => self.lag = number,
            "faults" => self.faults = small,
            "lapses" => self.lapses = small,
            "traffic" => self.traffic = number > 0,
            "harm" => self.harm = number > 0,
            "silence" => self.silence = number > 0,
            "abort" => self.people = &[Person::Abort],
            "retry" => self.people = &[Person::Abort, Person::Retry],
            "shrink" => self.people = &[Person::Shrink],
            "delete" => self.people = &[Person::Delete],
            "restore" => self.restore = number > 0,
            _ => return Err(format!("{change}: there is no such bound, or it is lower")),
        }
        Ok(self)
    }
}

/// What somebody does to the rollout while it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Person {
    /// Sets `spec.abort`.
    Abort,
    /// Raises `spec.attempt` after a run was taken back.
    Retry,
    /// Lowers the percent of the last stage.
    Shrink,
    /// Deletes the rollout.
    Delete,
}

/// A defect of the writer or of the election. Each has to be found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::EnumIter)]
pub enum Mutation {
    /// Writes to ConfigMaps name no version.
    NoVersion,
    /// Whoever has led once goes on without asking for the Lease.
    NoLease,
    /// What goes on is written before the status is committed, and nobody asks whether the rollout is still the same.
    AdvanceFirst,
    /// A retreat leaves no marks.
    NoMarks,
}

impl fmt::Display for Config {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { members, stages, replicas, lag, faults, lapses, .. } = self;
        write!(out, "members={members} stages={stages} replicas={replicas} lag={lag} faults={faults} lapses={lapses}")?;
        let extras =
            [(self.traffic, "traffic"), (self.harm, "harm"), (self.silence, "silence"), (self.restore, "restore")];
        extras.iter().filter(|(is, _)| *is).try_for_each(|(_, what)| write!(out, " {what}"))?;
        self.people.iter().try_for_each(|person| write!(out, " {person:?}"))?;
        self.mutation.map_or(Ok(()), |mutation| write!(out, " broken={mutation:?}"))
    }
}
