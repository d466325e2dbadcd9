//! What people change in the spec of a rollout while it runs. The API server checks it as it checks any edit, and what it
//! refuses does not happen.

mod field;

use std::{fmt, time::Duration};

use api::OptimizationRollout;
use fastrand::Rng;
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use serde_json::{Value, json};

use super::{
    draw::choose,
    script::{NAME, SECOND},
    trouble::Trouble,
};
use crate::world::{NAMESPACE, World, key};

/// Fields that are set together, and to what; null takes one away.
#[derive(Clone)]
pub struct Edit(Vec<(String, Value)>);

impl Edit {
    /// One that sets a single field.
    pub fn of(path: impl Into<String>, value: Value) -> Self {
        Self(vec![(path.into(), value)])
    }

    /// The paths of the fields.
    fn paths(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.0.iter().map(|(path, _)| path.as_str())
    }

    /// What puts the fields back to what they are in this spec.
    fn back(&self, spec: &Value) -> Self {
        let before = |path: &str| spec.pointer(path).cloned().unwrap_or_default();
        Self(self.paths().map(|path| (path.to_owned(), before(path))).rev().collect())
    }

    /// The same as JSON Patch, for this spec.
    fn patch(&self, spec: &Value) -> Value {
        let operations = self.0.iter().map(|(path, value)| {
            let operation = match (spec.pointer(path), value) {
                (_, Value::Null) => "remove",
                (Some(_), _) => "replace",
                (None, _) => "add",
            };
            json!({"op": operation, "path": format!("/spec{path}"), "value": value})
        });
        operations.collect()
    }

    /// Makes it, unless the API server refuses it, the rollout is gone or going, or its spec has no such place. What takes
    /// it back.
    pub async fn happen(&self, world: &World, rollout: &str) -> Option<Self> {
        let object = world.server.object(&key(rollout))?;
        if object["metadata"].get("deletionTimestamp").is_some() {
            return None;
        }
        let rollouts: Api<OptimizationRollout> = Api::namespaced(world.server.client_as("person"), NAMESPACE);
        let patch = serde_json::from_value(self.patch(&object["spec"])).unwrap();
        match rollouts.patch(rollout, &PatchParams::default(), &Patch::<()>::Json(patch)).await {
            Ok(_) => Some(self.back(&object["spec"])),
            Err(kube::Error::Api(error)) if error.code == 422 => None,
            Err(other) => panic!("{self:?}: {other}"),
        }
    }
}

impl fmt::Debug for Edit {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let changes: Vec<String> = self.0.iter().map(|(path, value)| format!("{path}: {value}")).collect();
        out.write_str(&changes.join(", "))
    }
}

/// One edit, which some take back after a while.
pub fn draw(rng: &mut Rng, lasting: Duration) -> Trouble {
    let rollout = if rng.u8(0..8) == 0 { SECOND } else { NAME };
    if rng.u8(0..3) == 0 {
        let edit = choose(rng, &field::edits());
        let back = (rng.u8(0..3) > 0).then_some(lasting * 4);
        return Trouble::Edit { rollout, edit, back };
    }
    let (edit, is_taken_back) = likely(rng);
    // Another plan may have settled by the time that the first one is wanted again.
    let lasting = if edit.paths().any(|path| path.starts_with("/optimizations")) { lasting * 15 } else { lasting };
    Trouble::Edit { rollout, edit, back: is_taken_back.then_some(lasting) }
}

/// What people change most, and whether it is taken back.
fn likely(rng: &mut Rng) -> (Edit, bool) {
    let seconds = |value: u64| json!(format!("{value}s"));
    let stage = rng.u8(0..3);
    let (path, value, is_taken_back) = match rng.u8(0..21) {
        0..2 => ("/paused".to_owned(), json!(true), true),
        2..4 => ("/abort".to_owned(), json!({"reason": "somebody says so"}), true),
        4 => ("/attempt".to_owned(), json!(rng.u8(2..4)), false),
        5 => ("/promoteThrough".to_owned(), json!(format!("stage-{stage}")), true),
        6..9 => (format!("/stages/{stage}/percent"), json!(rng.u8(1..70)), false),
        9..11 => (format!("/stages/{stage}/bake"), seconds(rng.u64(30..150)), false),
        11 => ("/stages/0".to_owned(), json!({"name": "other", "percent": 8, "bake": "60s"}), false),
        12 => ("/stages/1".to_owned(), Value::Null, false),
        13 => ("/optimizations/0/settings/1/optimized".to_owned(), json!(150), true),
        14 => ("/optimizations/1".to_owned(), Value::Null, false),
        15 => ("/indicators/0/max".to_owned(), json!("5%"), true),
        16 => ("/indicators/0/maxIncrease".to_owned(), json!("50%"), true),
        17 => ("/holdoutPercent".to_owned(), json!(rng.u8(0..50)), false),
        18 => ("/metrics/interval".to_owned(), seconds(rng.u64(2..20)), true),
        19 => ("/metrics/silence/deadline".to_owned(), seconds(rng.u64(90..300)), false),
        _ => ("/watchAfter".to_owned(), seconds(rng.u64(30..200)), false),
    };
    (Edit::of(path, value), is_taken_back)
}

#[cfg(test)]
mod tests;
