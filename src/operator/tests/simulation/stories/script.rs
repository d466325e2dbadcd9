//! What a seed says will happen.

use std::time::Duration;

use fastrand::Rng;
use serde_json::{Value, json};
use sim::FleetSpec;

use super::trouble::{self, Trouble};
use crate::world::{OWN_CONFIG_MAP, patched_rollout, rollout};

/// Name of the rollout of a story.
pub const NAME: &str = "pooling";

/// A story before it is played.
#[derive(Debug)]
pub struct Script {
    /// The fleet.
    pub fleet: FleetSpec,
    /// Whether the members read their files at start alone.
    pub only_at_start: bool,
    /// The rollout.
    pub rollout: Value,
    /// How many replicas the operator has.
    pub replicas: usize,
    /// How long a request and its answer are on the way together.
    pub latency: Duration,
    /// What happens, and when.
    pub troubles: Vec<(Duration, Trouble)>,
}

impl Script {
    /// The story of a seed.
    pub fn new(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let members = rng.usize(6..=8);
        let (patched, only_at_start) = match rng.u8(0..10) {
            0..4 => (true, false),
            4 => (false, true),
            _ => (false, false),
        };
        let mut fleet = FleetSpec { members, ..FleetSpec::default() };
        let mut rollout = if patched { patched_rollout(NAME) } else { rollout(NAME) };
        if patched {
            OWN_CONFIG_MAP.clone_into(&mut fleet.config_map);
        }
        let spec = &mut rollout["spec"];
        if only_at_start {
            spec["fleet"]["config"]["reload"] = json!("RestartPod");
        }
        spec["stages"] = stages(&mut rng);
        spec["holdoutPercent"] = json!(rng.u8(1..=4) * 10);
        spec["metrics"]["interval"] = json!("10s");
        spec["metrics"]["silence"] = json!({"deadline": format!("{}s", rng.u16(90..400))});
        spec["watchAfter"] = json!(format!("{}s", rng.u8(60..=120)));
        match rng.u8(0..5) {
            0 => drop(spec.as_object_mut().unwrap().shift_remove("traffic")),
            1 => spec["traffic"]["method"] = json!("Labels"),
            2 => spec["traffic"]["maxLoadIncrease"] = json!("40%"),
            _ => {}
        }
        match rng.u8(0..8) {
            0 => spec["deletionPolicy"] = json!("Restore"),
            1 => spec["deletionPolicy"] = json!("Retain"),
            _ => {}
        }
        let replicas = rng.usize(1..=3);
        let latency = Duration::from_millis(rng.u64(1..=5) * 2);
        let troubles = trouble::draw(&mut rng, replicas);
        Self { fleet, only_at_start, rollout, replicas, latency, troubles }
    }
}

/// Up to three stages with rising percentages.
fn stages(rng: &mut Rng) -> Value {
    let mut percent = 0;
    let stages: Vec<Value> = (0..rng.u32(1..=3))
        .map(|number| {
            percent += rng.u32(10..=33);
            json!({"name": format!("stage-{number}"), "percent": percent, "bake": format!("{}s", rng.u8(60..=120))})
        })
        .collect();
    stages.into()
}
