//! What an action makes of a state.

use api::status::Run;
use domain::election::{self, LEASE_DURATION, Next};

use super::{
    action::{Action, Ends, Shows},
    config::{Mutation, Person},
    laws::{self, Broken},
    model::{Lags, Model},
    object,
    state::{Age, Lease, Measured, Pending, Replica, State},
};

/// What came of an action.
pub struct Step {
    pub state: State,
    /// Laws that it broke.
    pub broken: Vec<Broken>,
    /// What was done, for people.
    pub told: String,
}

impl Model {
    /// What an action makes of a state; `None` where it cannot happen or changes nothing.
    pub fn step(&mut self, before: &State, action: Action) -> Option<Step> {
        let mut step = Step { state: *before, broken: Vec::new(), told: String::new() };
        let state = &mut step.state;
        match action {
            Action::Decide { replica, lags } => self.begin(before, replica.into(), lags, &mut step)?,
            Action::Write { replica, ends } => {
                let replica = usize::from(replica);
                let pass = state.replicas[replica].pass?;
                if ends != Ends::Answered {
                    state.faults = state.faults.checked_sub(1)?;
                }
                self.write(&mut step, replica, pass, ends)?;
            }
            Action::Crash { replica } => {
                state.faults = state.faults.checked_sub(1)?;
                state.replicas[usize::from(replica)] = Replica::default();
            }
            Action::Look { replica, lags, shows } => {
                let measured = self.look(before, replica.into(), lags, shows)?;
                state.replicas[usize::from(replica)].measured = measured;
            }
            Action::Read { member } => {
                let optimized = laws::optimized_files(&self.maps.get(state.map.now));
                state.running = state.running & !(1 << member) | optimized & 1 << member;
            }
            Action::Endpoints => state.endpoints = self.endpoints(state),
            Action::Harm => state.harmful = self.config.harm,
            Action::Age => age(state)?,
            Action::Elect { replica } => elect(state, replica),
            Action::Person { which } => self.person(state, which)?,
        }
        (step.state != *before).then_some(step)
    }

    fn begin(&mut self, before: &State, replica: usize, lags: Lags, step: &mut Step) -> Option<()> {
        if before.replicas[replica].pass.is_some() {
            return None;
        }
        let leads = self.leads(before, replica);
        let (seen, stale) = self.seen(before, replica, lags, leads)?;
        let (plan, stale) =
            if leads { self.decided_leading(before, seen, stale)? } else { self.decided_standby(before, seen, stale)? };
        let knew_abort = laws::aborted_run(&self.rollouts.get(before.rollout.now)).is_some();
        let rollout = if leads { seen.rollout } else { before.rollout.now };
        let pass = Pending { plan, next: 0, stale, knew_abort, rollout, outdated: false };
        step.told = self.plans.get(plan).why.clone();
        step.broken.extend(laws::promotes(self, before, replica, &pass));
        step.state.replicas[replica].pass = Some(pass);
        Some(())
    }

    /// Whether a replica leads, as far as it knows.
    pub fn leads(&self, state: &State, replica: usize) -> bool {
        let forever = self.config.mutation == Some(Mutation::NoLease) && state.replicas[replica].renewed;
        forever || state.may_advance(replica)
    }

    fn look(&mut self, state: &State, replica: usize, lags: Lags, shows: Shows) -> Option<Measured> {
        let old = state.replicas[replica].measured;
        let (seen, _) = self.seen(state, replica, lags, true)?;
        let (bake, counting) = self.sampling(seen);
        let harmed = state.harmful && state.running != 0;
        match shows {
            Shows::Pass if harmed => return None,
            Shows::Breach if !harmed => return None,
            Shows::Silence if !self.config.silence => return None,
            _ => {}
        }
        if bake == 0 {
            return (shows == Shows::Pass).then(Measured::default);
        }
        let breach = old.breach && self.same_run(old.bake, bake);
        let mut measured = if old.bake == bake { old } else { Measured { bake, breach, ..Measured::default() } };
        measured.passing = shows == Shows::Pass;
        measured.covered |= measured.passing && counting;
        measured.breach |= shows == Shows::Breach;
        measured.silent = shows == Shows::Silence;
        Some(measured)
    }

    /// Members whose pods the Service selects now.
    pub fn endpoints(&self, state: &State) -> u8 {
        if !self.config.traffic {
            return 0;
        }
        let service = self.services.get(state.service.now);
        let selected = |index: &usize| object::is_endpoint(&service, &self.pods.get(state.pods.now[*index]));
        (0..self.config.members).filter(selected).fold(0, |all, index| all | 1 << index)
    }

    fn person(&mut self, state: &mut State, which: u8) -> Option<()> {
        if state.people & 1 << which == 0 {
            return None;
        }
        let rollout = self.rollouts.get(state.rollout.now);
        if object::is_gone(&rollout) {
            return None;
        }
        let run: Option<&Run> = rollout.status.as_ref().and_then(|status| status.run.as_ref());
        let edited = match self.config.people[usize::from(which)] {
            Person::Abort => {
                run.filter(|run| run.aborted_at.is_none())?;
                object::edited(&rollout, |spec| spec.abort = Some(abort()))
            }
            Person::Retry => {
                run.filter(|run| run.aborted_at.is_some())?;
                object::edited(&rollout, |spec| (spec.abort, spec.attempt) = (None, spec.attempt + 1))
            }
            Person::Delete => object::deleted(&rollout),
            Person::Shrink => {
                run?;
                object::edited(&rollout, |spec| {
                    let before = spec.stages.iter().rev().nth(1).map_or(0, |stage| stage.percent);
                    let last = spec.stages.last_mut().unwrap();
                    last.percent = (before + last.percent) / 2;
                })
            }
        };
        state.people &= !(1 << which);
        let id = self.rollouts.id(edited);
        self.set_rollout(state, id);
        Some(())
    }
}

fn abort() -> api::rollout::Abort {
    serde_json::from_value(serde_json::json!({"reason": "enough"})).unwrap()
}

/// A holder that runs and renews in time costs nothing; that it does not is one of a few lapses.
fn age(state: &mut State) -> Option<()> {
    let holder = state.lease.holder?;
    let renews = state.replicas[usize::from(holder)].renewed;
    state.lease.age = match state.lease.age {
        Age::Fresh if renews => {
            state.lapses = state.lapses.checked_sub(1)?;
            Age::Lapsed
        }
        Age::Fresh => Age::Lapsed,
        Age::Lapsed | Age::Expired => Age::Expired,
    };
    Some(())
}

fn elect(state: &mut State, replica: u8) {
    let names = ["A", "B"];
    let unchanged_for = match state.lease.age {
        Age::Fresh => std::time::Duration::ZERO,
        Age::Lapsed => election::RENEW_DEADLINE,
        Age::Expired => LEASE_DURATION,
    };
    let holder = state.lease.holder.map(|holder| names[usize::from(holder)].to_owned());
    let next = election::next(names[usize::from(replica)], &election::Seen { holder, unchanged_for });
    if let (Next::Acquire, Some(pass)) = (next, &mut state.replicas[usize::from(replica)].pass) {
        pass.outdated = true;
    }
    if next != Next::Wait {
        state.lease = Lease { holder: Some(replica), age: Age::Fresh };
        state.replicas[usize::from(replica)].renewed = true;
    }
}
