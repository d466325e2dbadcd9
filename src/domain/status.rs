//! Conditions as Kubernetes keeps them.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

/// Sets a condition; its time of transition changes only with its status.
pub fn set_condition(conditions: &mut Vec<Condition>, mut new: Condition) {
    match conditions.iter_mut().find(|condition| condition.type_ == new.type_) {
        Some(old) => {
            if old.status == new.status {
                new.last_transition_time = old.last_transition_time.clone();
            }
            *old = new;
        }
        None => conditions.push(new),
    }
}

#[cfg(test)]
mod tests;
