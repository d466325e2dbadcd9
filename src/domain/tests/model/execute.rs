//! One write, with the precondition that the writer gives it.

use std::rc::Rc;

use api::names::{RETREAT_ANNOTATION, RETREAT_REASON_ANNOTATION};
use domain::observation::{Pod, Shard};

use super::{
    action::Ends,
    config::Mutation,
    intern::Id,
    laws,
    model::Model,
    object,
    state::{MAP, Pending, ROLLOUT, SERVICE, State},
    step::Step,
    write::{Write, Writes},
};

/// Why a write did not happen; whoever wrote it cannot tell a conflict from a lost one here.
struct Refused;

impl Model {
    /// The next write of a pass, and what its end means for the rest of the pass; `None` where it cannot end so.
    pub fn write(&mut self, step: &mut Step, replica: usize, pass: Pending, ends: Ends) -> Option<()> {
        let plan = self.plans.get(pass.plan);
        let write = &plan.writes[usize::from(pass.next)];
        let before = step.state;
        let mut result = Ok(());
        let leads = self.leads(&before, replica) && !pass.outdated;
        if usize::from(pass.next) >= plan.anybodys && !leads {
            // Nothing is sent, so nothing can be lost.
            (ends == Ends::Answered).then_some(())?;
            result = Err(Refused);
        } else if ends != Ends::Lost {
            result = self.request(&mut step.state, replica, &pass, write);
            if ends == Ends::Unanswered && step.state == before {
                // The same as if it had never arrived.
                return None;
            }
        }
        step.told = format!("{}{}", told(write), if result.is_err() { ": refused" } else { "" });
        step.broken.extend(laws::written(self, &before, &step.state, replica, &pass, write));
        if ends != Ends::Answered {
            result = Err(Refused);
        }
        // The rollout that it goes on with is the old one, or has another status than it decided on.
        let is_other = ends != Ends::Answered || !self.decided_on(&pass, &before);
        if let (Write::Mark(_), true, Some(pass)) = (write, is_other, &mut step.state.replicas[replica].pass) {
            pass.stale |= ROLLOUT;
        }
        let goes_on = result.is_ok() || is_withdrawal(&plan, pass.next);
        let next = pass.next + 1;
        let pending = step.state.replicas[replica].pass.as_mut()?;
        pending.next = next;
        if !goes_on || usize::from(next) == plan.writes.len() {
            step.state.replicas[replica].pass = None;
        }
        Some(())
    }

    fn request(&mut self, state: &mut State, replica: usize, pass: &Pending, write: &Write) -> Result<(), Refused> {
        let fresh = |objects: u8| if pass.stale & objects == 0 { Ok(()) } else { Err(Refused) };
        let of_rollout = matches!(write, Write::Commit(_) | Write::Mark(_) | Write::Fence(_) | Write::Finalizer(_));
        if of_rollout && object::is_gone(&self.rollouts.get(state.rollout.now)) {
            return Err(Refused);
        }
        match write {
            Write::Confirm => return fresh(ROLLOUT),
            Write::Commit(status) => {
                let rollout = self.rollouts.get(state.rollout.now);
                let current = rollout.status.clone().unwrap_or_default();
                if pass.stale & ROLLOUT == 0 && object::essential(&current) == **status {
                    return Ok(());
                }
                fresh(ROLLOUT)?;
                let id = self.applied(pass, state.rollout.now, |model| {
                    let mut rollout = rollout.as_ref().clone();
                    rollout.status = Some(status.as_ref().clone());
                    model.rollouts.id(rollout)
                });
                self.set_rollout(state, id);
                seen_again(state, replica, ROLLOUT);
            }
            Write::Mark(mark) | Write::Fence(mark) => {
                if matches!(write, Write::Fence(_)) {
                    fresh(ROLLOUT)?;
                }
                let now = state.rollout.now;
                let id = self.applied(pass, now, |model| {
                    let rollout = object::marked(&model.rollouts.get(now), mark);
                    model.rollouts.id(rollout)
                });
                self.set_rollout(state, id);
                seen_again(state, replica, ROLLOUT);
            }
            Write::Finalizer(hold) => {
                fresh(ROLLOUT)?;
                let rollout = object::finalized(&self.rollouts.get(state.rollout.now), *hold);
                let id = self.rollouts.id(rollout);
                self.set_rollout(state, id);
            }
            Write::Restore(_) | Write::Map(_) => self.write_map(state, pass, write)?,
            Write::Reroute(_) | Write::Widen => {
                if matches!(write, Write::Widen) {
                    fresh(SERVICE)?;
                }
                let service = self.services.get(state.service.now);
                let service = match write {
                    Write::Reroute(mark) => object::narrowed(&service, mark),
                    _ => object::widened(&service),
                };
                let id = self.services.id(service);
                if id != state.service.now {
                    state.service.push(id, self.config.lag);
                    state.outdate(SERVICE);
                }
            }
            Write::Stop(member, _) | Write::Touch(member, _) | Write::Label { member, .. } => {
                if matches!(write, Write::Label { .. }) {
                    fresh(1 << member)?;
                }
                let now = state.pods.now[*member];
                let id = self.applied(pass, now, |model| {
                    let pod = labelled(&model.pods.get(now), write);
                    model.pods.id(pod)
                });
                if id != state.pods.now[*member] {
                    state.pods.push(*member, id, self.config.lag);
                    state.outdate(1 << member);
                }
            }
        }
        Ok(())
    }

    /// Whether the status is still the one that a pass has decided on.
    fn decided_on(&self, pass: &Pending, state: &State) -> bool {
        let status = |id| self.rollouts.get(id).status.clone();
        status(pass.rollout) == status(state.rollout.now)
    }

    /// A restoration is made for whatever version is the newest; other writes name the one that was seen.
    fn write_map(&mut self, state: &mut State, pass: &Pending, write: &Write) -> Result<(), Refused> {
        let map = self.maps.get(state.map.now);
        if let Write::Map(write) = write {
            let versioned = self.config.mutation != Some(Mutation::NoVersion);
            let is_known = write.resource_version.is_some() == map.is_some();
            if !is_known || (map.is_some() && versioned && pass.stale & MAP != 0) {
                return Err(Refused);
            }
        }
        let rollout = state.rollout.now;
        let id = self.applied(pass, state.map.now, |model| {
            let map = model.map_after(rollout, &map, write);
            model.maps.id(map)
        });
        if id != state.map.now {
            state.map.push(id, self.config.lag);
            state.outdate(MAP);
            laws::remember_returned(state, &map, &self.maps.get(id));
        }
        Ok(())
    }

    /// What a write makes of an object, computed once.
    fn applied(&mut self, pass: &Pending, object: Id, apply: impl FnOnce(&mut Self) -> Id) -> Id {
        let key = (pass.plan, pass.next, object);
        if let Some(known) = self.applied.get(&key) {
            return known;
        }
        let id = apply(self);
        self.applied.put(key, id)
    }

    fn map_after(&self, rollout: Id, map: &Rc<Option<Shard>>, write: &Write) -> Option<Shard> {
        let rollout = self.rollouts.get(rollout);
        let write = match (write, map.as_ref()) {
            (Write::Map(write), _) => write.clone(),
            (Write::Restore(restoration), Some(shard)) => {
                let Some(mut write) = restoration.write(shard) else { return Some(shard.clone()) };
                if self.config.mutation == Some(Mutation::NoMarks) {
                    write
                        .annotations
                        .retain(|name, _| ![RETREAT_ANNOTATION, RETREAT_REASON_ANNOTATION].contains(&&**name));
                }
                write
            }
            _ => return None,
        };
        Some(object::written(&rollout, map.as_ref().as_ref(), &write))
    }

    /// A new version of the rollout, if it is another one.
    pub fn set_rollout(&self, state: &mut State, id: Id) {
        if id == state.rollout.now {
            return;
        }
        state.rollout.push(id, self.config.lag);
        state.outdate(ROLLOUT);
        laws::remember(self, state);
    }
}

/// The answer to its own write brings a replica the newest version.
fn seen_again(state: &mut State, replica: usize, object: u8) {
    if let Some(pass) = &mut state.replicas[replica].pass {
        pass.stale &= !object;
    }
}

/// Withdrawals do not wait for one another; of what follows, the first refusal ends it.
fn is_withdrawal(plan: &Writes, next: u8) -> bool {
    let commits = |write: &Write| matches!(write, Write::Commit(_));
    match plan.writes[usize::from(next)] {
        Write::Reroute(_) | Write::Restore(_) | Write::Mark(_) | Write::Stop(..) => true,
        Write::Touch(..) => !plan.writes.iter().any(commits) || plan.writes[usize::from(next)..].iter().any(commits),
        _ => false,
    }
}

fn labelled(pod: &Pod, write: &Write) -> Pod {
    let mut pod = pod.clone();
    match write {
        Write::Stop(_, mark) => {
            pod.serving = Some("false".to_owned());
            pod.mark = Some(mark.clone());
        }
        Write::Touch(_, touch) => pod.touched = Some(touch.clone()),
        Write::Label { cohort, serving, .. } => {
            pod.cohort = Some((*cohort).to_owned());
            if let Some(serving) = serving {
                pod.serving = Some(serving.to_string());
                pod.mark = None;
            }
        }
        _ => {}
    }
    pod
}

/// A write in words.
fn told(write: &Write) -> String {
    match write {
        Write::Reroute(_) => "the Service is narrowed".to_owned(),
        Write::Restore(_) => "the ConfigMap is restored and marked".to_owned(),
        Write::Mark(mark) | Write::Fence(mark) => format!("the rollout is marked: {}", mark.cause.reason),
        Write::Stop(member, _) => format!("node-{member} is taken out of traffic"),
        Write::Touch(member, touch) => format!("node-{member} is told of its file {}", &touch.file[..4]),
        Write::Commit(status) => {
            let run = status.run.as_ref();
            let stage = status.stage.as_ref().map_or(0, |stage| stage.index);
            let is = |happened: Option<bool>, what: &'static str| happened.unwrap_or_default().then_some(what);
            let facts = [
                is(run.map(|run| run.aborted_at.is_some()), " aborted"),
                is(status.retreat.as_ref().map(|retreat| retreat.acknowledged_at.is_some()), " and back"),
                is(run.map(|run| run.succeeded_at.is_some()), " succeeded"),
                is(run.map(|run| run.settling_at.is_some()), " settling"),
                is(run.map(|run| run.closing_at.is_some()), " closing"),
                is(run.map(|run| run.settled_at.is_some()), " settled"),
            ];
            let attempt = run.map_or(0, |run| run.attempt);
            format!("the status: run {attempt}, stage {stage}{}", facts.into_iter().flatten().collect::<String>())
        }
        Write::Confirm => "is the rollout the same?".to_owned(),
        Write::Finalizer(hold) => format!("the finalizer is {}", if *hold { "held" } else { "released" }),
        Write::Map(write) => {
            let record = write.data.get(api::names::MEMBERS_KEY).cloned().flatten().unwrap_or_default();
            let entries = domain::record::Record::parse(Some(&record)).unwrap_or_default();
            let cohorts = entries.members.iter().map(|(name, entry)| format!(" {name}={:?}", entry.cohort));
            format!("the ConfigMap, stage {}:{}", entries.stage, cohorts.collect::<String>())
        }
        Write::Label { member, cohort, serving } => {
            let serves = serving.map_or("", |_| " and serves");
            format!("node-{member} is labelled {cohort}{serves}")
        }
        Write::Widen => "the Service is widened".to_owned(),
    }
}
