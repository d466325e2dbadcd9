//! The way to a state, for people.

use super::{action::Action, end, model::Model};

/// Tells what happens, step by step; `None` stands for what follows when nothing goes wrong.
pub fn tell(model: &mut Model, actions: &[Option<Action>]) -> String {
    let mut state = model.initial();
    let mut lines = Vec::new();
    for (number, action) in actions.iter().enumerate() {
        let candidates = match action {
            Some(action) => vec![*action],
            None => end::actions(model, &state),
        };
        let taken = candidates.into_iter().find_map(|action| Some((action, model.step(&state, action)?)));
        let Some((action, step)) = taken else { break };
        let told = if step.told.is_empty() { String::new() } else { format!(": {}", step.told) };
        lines.push(format!("  {:3}. {}{told}", number + 1, action.told(&model.config)));
        state = step.state;
    }
    lines.join("\n")
}
