//! What people change in the spec of a rollout while it runs.

use std::time::Duration;

use fastrand::Rng;
use serde_json::{Value, json};

use super::{script::NAME, trouble::Trouble};
use crate::world::{World, key};

/// One edit, taken back after `lasting` where that makes sense.
pub fn draw(rng: &mut Rng, lasting: Duration) -> Trouble {
    let seconds = |value: u64| json!(format!("{value}s"));
    let stage = rng.u8(0..3);
    let (path, value, back) = match rng.u8(0..26) {
        0..2 => ("/paused".to_owned(), json!(true), Some(json!(false))),
        2..4 => ("/abort".to_owned(), json!({"reason": "somebody says so"}), Some(Value::Null)),
        4 => ("/attempt".to_owned(), json!(rng.u8(2..4)), None),
        5 => ("/promoteThrough".to_owned(), json!(format!("stage-{stage}")), Some(Value::Null)),
        6..9 => (format!("/stages/{stage}/percent"), json!(rng.u8(1..70)), None),
        9..11 => (format!("/stages/{stage}/bake"), seconds(rng.u64(30..150)), None),
        11 => ("/stages/0".to_owned(), json!({"name": "other", "percent": 8, "bake": "60s"}), None),
        12 => ("/stages/1".to_owned(), Value::Null, None),
        13 => ("/optimizations/0/settings/1/optimized".to_owned(), json!(150), Some(json!(100))),
        14 => ("/optimizations/1".to_owned(), Value::Null, None),
        15 => ("/optimizations".to_owned(), json!([]), None),
        16 => ("/indicators/0/max".to_owned(), json!("5%"), Some(json!("1%"))),
        17 => ("/indicators/0/mode".to_owned(), json!("Observe"), Some(json!("Enforce"))),
        18 => ("/indicators/0/maxIncrease".to_owned(), json!("50%"), Some(Value::Null)),
        19 => ("/holdoutPercent".to_owned(), json!(rng.u8(0..50)), None),
        20 => ("/metrics/interval".to_owned(), seconds(rng.u64(2..20)), Some(json!("10s"))),
        21 => ("/metrics/silence/deadline".to_owned(), seconds(rng.u64(90..300)), None),
        22 => ("/watchAfter".to_owned(), seconds(rng.u64(30..200)), None),
        23 => ("/deletionPolicy".to_owned(), json!(["Restore", "Retain", "RestoreUnfinished"][rng.usize(0..3)]), None),
        24 => ("/traffic/method".to_owned(), json!("Labels"), Some(json!("Selector"))),
        _ => ("/traffic/maxLoadIncrease".to_owned(), json!("60%"), None),
    };
    // Another plan may have settled by the time that the first one is wanted again.
    let lasting = if path.starts_with("/optimizations") { lasting * 15 } else { lasting };
    Trouble::Edit { rollout: NAME, path, value, back: back.map(|value| (value, lasting)) }
}

/// Gives the field at a path of the spec this value; null takes it away. Nothing happens where the rollout is gone or
/// being deleted, or where its spec has no such place.
pub fn apply(world: &World, rollout: &str, path: &str, value: &Value) {
    let is_there = world
        .server
        .object(&key(rollout))
        .is_some_and(|rollout| rollout["metadata"].get("deletionTimestamp").is_none());
    let Some((parent, name)) = path.rsplit_once('/').filter(|_| is_there) else { return };
    world.edit(rollout, |spec| {
        let mut edited = spec.clone();
        match edited.pointer_mut(parent) {
            Some(Value::Object(fields)) if value.is_null() => drop(fields.shift_remove(name)),
            Some(Value::Object(fields)) => drop(fields.insert(name.to_owned(), value.clone())),
            Some(Value::Array(items)) => match name.parse::<usize>() {
                Ok(index) if index < items.len() && value.is_null() => drop(items.remove(index)),
                Ok(index) if index < items.len() => items[index] = value.clone(),
                _ => {}
            },
            _ => {}
        }
        *spec = edited;
    });
}
