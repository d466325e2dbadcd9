//! What a seed says will happen.

use std::{fmt, time::Duration};

use fastrand::Rng;
use serde_json::{Value, json};
use sim::FleetSpec;

use super::{draw, trouble::Trouble};
use crate::world::{BASE_MAP, OWN_CONFIG_MAP, patched_rollout, rollout};

/// Name of the rollout of a story.
pub const NAME: &str = "pooling";
/// Name of the second rollout, in the stories that have one.
pub const SECOND: &str = "caching";

/// Name of the second Service of the fleet, which some rollouts name as well.
pub const PEERS: &str = "qudag-peers";

/// A story before it is played.
#[derive(Clone, Debug)]
pub struct Script {
    /// The seed that it came from; jitter and the order of what is ready at the same time are drawn from it.
    pub seed: u64,
    /// The fleet.
    pub fleet: FleetSpec,
    /// Whether the members read their files at start alone.
    pub only_at_start: bool,
    /// The rollouts, and when they are applied.
    pub rollouts: Vec<(Duration, Value)>,
    /// By how many seconds the wall clock of each replica of the operator is ahead.
    pub skews: Vec<i64>,
    /// How long a request and its answer are on the way together.
    pub latency: Duration,
    /// What happens, and when.
    pub troubles: Vec<(Duration, Trouble)>,
}

impl Script {
    /// The story of a seed.
    pub fn new(seed: u64) -> Self {
        let mut script = Self::plain(seed);
        // Of its own, so that what is drawn here changes nothing of the rest.
        let mut rng = Rng::with_seed(!seed);
        for (_, rollout) in &mut script.rollouts {
            vary(&mut rng, &mut rollout["spec"]);
        }
        if rng.u8(0..6) == 0 {
            script.troubles.push(draw::owner(&mut rng));
            script.troubles.sort_by_key(|(at, _)| *at);
        }
        script
    }

    /// The same with less variety.
    pub fn plain(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let members = rng.usize(6..=8);
        let (patched, only_at_start) = match rng.u8(0..10) {
            0..4 => (true, false),
            4 => (false, true),
            _ => (false, false),
        };
        let mut fleet = FleetSpec { members, ..FleetSpec::default() };
        let mut first = if patched { patched_rollout(NAME) } else { rollout(NAME) };
        if patched {
            OWN_CONFIG_MAP.clone_into(&mut fleet.config_map);
        }
        shape(&mut rng, &mut first["spec"], only_at_start, !patched);
        let mut rollouts = vec![(Duration::ZERO, first)];
        if rng.u8(0..6) == 0 {
            rollouts.push((Duration::from_secs(rng.u64(0..300)), second(&mut rng, &rollouts[0].1)));
        }
        let skews: Vec<i64> =
            (0..rng.usize(1..=3)).map(|_| if rng.u8(0..6) == 0 { rng.i64(-200..200) } else { 0 }).collect();
        let latency = Duration::from_millis(rng.u64(1..=5) * 2);
        let troubles = draw::troubles(&mut rng, &skews);
        Self { seed, fleet, only_at_start, rollouts, skews, latency, troubles }
    }

    /// The most that two clocks differ by: an acknowledgement waits for the slower one.
    pub fn clocks_apart(&self) -> Duration {
        let set = self.troubles.iter().map(|(_, trouble)| match trouble {
            Trouble::Clock { seconds, .. } => seconds.unsigned_abs(),
            _ => 0,
        });
        let skew = self.skews.iter().map(|skew| skew.unsigned_abs()).max().unwrap_or_default();
        Duration::from_secs(skew + set.sum::<u64>())
    }
}

impl fmt::Display for Script {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ack = if self.only_at_start { "at their start alone" } else { "at any time" };
        writeln!(out, "{} members in {} read their files {ack}", self.fleet.members, self.fleet.config_map)?;
        writeln!(out, "{} replicas, whose clocks are ahead by {:?} s", self.skews.len(), self.skews)?;
        for (at, rollout) in &self.rollouts {
            writeln!(out, "{:>10.3} applied {}: {}", at.as_secs_f64(), rollout["metadata"]["name"], rollout["spec"])?;
        }
        for (at, trouble) in &self.troubles {
            writeln!(out, "{:>10.3} {trouble:?}", at.as_secs_f64())?;
        }
        Ok(())
    }
}

/// Gives a rollout the properties of a story.
fn shape(rng: &mut Rng, spec: &mut Value, only_at_start: bool, rendered: bool) {
    if only_at_start {
        spec["fleet"]["config"]["reload"] = json!("RestartPod");
    }
    if rendered && rng.u8(0..5) == 0 {
        spec["fleet"]["config"]["rendered"]["base"] = json!({"name": BASE_MAP, "key": "node.toml"});
    }
    if rng.u8(0..5) == 0 {
        spec["fleet"]["config"]["revisionPath"] = json!("revision");
        spec["fleet"]["acknowledgement"]["revisionLabel"] = json!("revision");
    }
    if rng.u8(0..4) == 0
        && let Some(optimizations) = spec["optimizations"].as_array_mut()
    {
        optimizations.push(dns_cache());
    }
    spec["stages"] = stages(rng);
    spec["holdoutPercent"] = json!(rng.u8(1..=4) * 10);
    let deadline = rng.u16(90..400);
    spec["metrics"]["interval"] = json!("10s");
    spec["metrics"]["silence"] = json!({"deadline": format!("{deadline}s")});
    if rng.u8(0..6) == 0 {
        spec["metrics"]["source"] = json!({"connection": "prometheus"});
    }
    if rng.u8(0..8) == 0 {
        spec["metrics"]["silence"]["action"] = json!("Hold");
    }
    spec["watchAfter"] = json!(format!("{}s", rng.u8(60..=120)));
    match rng.u8(0..5) {
        0 => drop(spec.as_object_mut().map(|spec| spec.shift_remove("traffic"))),
        1 => spec["traffic"]["method"] = json!("Labels"),
        2 => spec["traffic"]["maxLoadIncrease"] = json!("40%"),
        _ => {}
    }
    match rng.u8(0..8) {
        0 => spec["deletionPolicy"] = json!("Restore"),
        1 => spec["deletionPolicy"] = json!("Retain"),
        _ => {}
    }
}

/// Gives a rollout what golden stories do without.
fn vary(rng: &mut Rng, spec: &mut Value) {
    if spec["fleet"]["config"].get("revisionPath").is_none() && rng.u8(0..8) == 0 {
        spec["fleet"]["acknowledgement"] = json!({"timer": "20s"});
    }
    if rng.u8(0..4) == 0
        && let Some(indicators) = spec["indicators"].as_array_mut()
    {
        indicators.push(load());
    }
    if rng.u8(0..5) == 0
        && let Some(traffic) = spec.get_mut("traffic")
    {
        traffic["services"] = json!([{"name": "qudag-node"}, {"name": PEERS}]);
    }
}

/// Another optimization, which harms nobody.
fn dns_cache() -> Value {
    json!({"name": "dns_cache", "settings": [{"path": "network.dns.cached", "optimized": true, "baseline": false}]})
}

/// An indicator of what an optimization must not cost.
fn load() -> Value {
    json!({"name": "load", "maxDecrease": "50%", "metric": {"rate": {"counter": "requests_total"}}})
}

/// A second rollout on the same fleet.
fn second(rng: &mut Rng, first: &Value) -> Value {
    let mut second = first.clone();
    second["metadata"]["name"] = json!(SECOND);
    second["spec"]["optimizations"] = json!([dns_cache()]);
    second["spec"]["stages"] = stages(rng);
    second
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
