//! What happens when nothing goes wrong any more, and what it has to end in.

use api::names::cohort;

use super::{
    action::{Action, Ends, Shows},
    model::Model,
    object,
    state::State,
};

/// The state that follows: everybody finishes what was begun, is told the news, and the leader goes on. `None` when
/// nothing changes any more.
pub fn next(model: &mut Model, state: &State) -> Option<State> {
    actions(model, state).into_iter().find_map(|action| model.step(state, action)).map(|step| step.state)
}

/// The same as an action, in the order of preference.
pub fn actions(model: &Model, state: &State) -> Vec<Action> {
    let replicas = 0..u8::try_from(model.config.replicas).unwrap();
    let mut actions: Vec<Action> =
        replicas.clone().map(|replica| Action::Write { replica, ends: Ends::Answered }).collect();
    actions.push(Action::Endpoints);
    actions.extend((0..u8::try_from(model.config.members).unwrap()).map(|member| Action::Read { member }));
    match replicas.clone().find(|replica| model.leads(state, usize::from(*replica))) {
        None => actions.extend(replicas.map(|replica| Action::Elect { replica }).chain([Action::Age])),
        Some(replica) => {
            let lags = [0; 4];
            let looks = [Shows::Breach, Shows::Pass].map(|shows| Action::Look { replica, lags, shows });
            actions.push(Action::Decide { replica, lags });
            actions.extend(looks);
        }
    }
    actions
}

/// What is wrong with a state in which nothing changes any more.
pub fn wrong(model: &Model, state: &State) -> Option<String> {
    let rollout = model.rollouts.get(state.rollout.now);
    let status = rollout.status.clone().unwrap_or_default();
    let gone = object::is_gone(&rollout);
    let settled = status.run.as_ref().is_some_and(|run| run.settled_at.is_some());
    if status.run.is_none() && !gone {
        return Some("no run has begun".to_owned());
    }
    let everybody = (1 << model.config.members) - 1;
    let map = model.maps.get(state.map.now);
    let shard = map.as_ref().as_ref();
    if let Some(shard) = shard.filter(|shard| !shard.record.members.is_empty()) {
        return Some(format!("the ConfigMap still has a record: {:?}", shard.record));
    }
    if rollout.metadata.deletion_timestamp.is_some() && !gone {
        return Some("the rollout is being deleted, and is not gone".to_owned());
    }
    if object::is_held(&rollout) && !model.config.restore {
        return Some("the finalizer is still held".to_owned());
    }
    for index in 0..model.config.members {
        let pod = model.pods.get(state.pods.now[index]);
        let is_clean = pod.cohort.as_deref() == Some(cohort::BASELINE)
            && pod.serving.as_deref() == Some("true")
            && pod.mark.is_none();
        if !is_clean {
            return Some(format!("{} is {:?}, serving {:?}, marked {:?}", pod.name, pod.cohort, pod.serving, pod.mark));
        }
    }
    if model.endpoints(state) != if model.config.traffic { everybody } else { 0 } {
        return Some("the Service is still narrowed".to_owned());
    }
    let back = status.retreat.is_some_and(|retreat| retreat.acknowledged_at.is_some());
    let expected = if settled && !(gone && model.config.restore) {
        everybody
    } else if gone || back {
        0
    } else {
        return Some(format!("the run is neither settled nor taken back: {}", object::told(&rollout)));
    };
    (state.running != expected).then(|| format!("members {:b} run the optimized values", state.running))
}
