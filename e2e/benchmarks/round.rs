//! One round: half of a fleet is optimized, begins to fail at a known moment, and is taken back.

use std::{
    collections::{BTreeMap, BTreeSet},
    hash::{BuildHasher, Hasher},
    sync::Arc,
    time::Duration,
};

use api::{
    OptimizationRollout,
    names::{COHORT_LABEL, MEMBERS_KEY, SERVING_LABEL},
    reason::Reason,
};
use k8s_openapi::api::core::v1::{ConfigMap, Pod, Service};
use kube::{
    Api, ResourceExt,
    api::{Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};

use crate::{
    bench::Bench,
    fleet::{CONFIG_MAP, Fleet, SERVICE, label, ready_pods},
    load::{Load, first_failed, last_answered},
    seen::{Change, now},
};

const LONGEST: Duration = Duration::from_secs(60);
/// Percent of the requests that fail.
const ERRORS: u8 = 50;
/// Answers that are under way when a member has left.
const LAST_ANSWERS: Duration = Duration::from_millis(150);

/// A rollout that is tried again and again on one fleet.
pub struct Rounds<'a> {
    fleet: &'a Fleet,
    api: Api<OptimizationRollout>,
    name: String,
    attempt: i32,
}

/// The times of one round, in milliseconds since 1970.
#[derive(Clone, Debug)]
pub struct Times {
    /// The first request that failed was sent.
    pub served: i64,
    /// The operator decided.
    pub decided: Option<i64>,
    /// The Service's selector was narrowed.
    pub narrowed: Option<i64>,
    /// No EndpointSlice leads to one of them.
    pub unrouted: Option<i64>,
    /// The last request was sent that one of them answered.
    pub last: i64,
    /// No file is optimized.
    pub off: Option<i64>,
    /// Every member has acknowledged.
    pub acknowledged: i64,
    /// Why.
    pub reason: Reason,
}

impl<'a> Rounds<'a> {
    /// Creates the rollout; the first round is its first attempt.
    ///
    /// # Errors
    /// When the API server does not take it.
    pub async fn new(bench: &Bench, fleet: &'a Fleet, rollout: &Value) -> Result<Self, String> {
        let api: Api<OptimizationRollout> = Api::namespaced(bench.client.clone(), &fleet.namespace);
        let rollout: OptimizationRollout =
            serde_json::from_value(rollout.clone()).map_err(|error| format!("the rollout does not parse: {error}"))?;
        let created = api.create(&PostParams::default(), &rollout).await;
        created.map_err(|error| format!("cannot create the rollout: {error}"))?;
        Ok(Self { fleet, api, name: rollout.name_any(), attempt: 1 })
    }

    /// Waits until the stage of this attempt is watched; the optimized members.
    ///
    /// # Errors
    /// When it does not come to that.
    pub async fn baking(&self) -> Result<BTreeSet<String>, String> {
        let baking = |rollouts: &BTreeMap<String, Arc<OptimizationRollout>>| {
            let status = rollouts.get(&self.name)?.status.as_ref()?;
            let run = status.run.as_ref().filter(|run| run.attempt == self.attempt && run.aborted_at.is_none())?;
            let members = status.members.as_ref()?;
            let complete = members.optimized > 0 && members.optimized == run.eligible - run.holdout;
            let reason = status.summary.as_ref()?.reason.as_str();
            (complete && members.acknowledged == members.optimized && reason == "Baking").then_some(members.optimized)
        };
        let count = self.fleet.rollouts.until(LONGEST, "watching its stage", baking).await?;
        let optimized = self.fleet.optimized();
        if usize::try_from(count).is_ok_and(|count| count == optimized.len()) {
            return Ok(optimized);
        }
        Err(format!("the status says {count} optimized members, the pods say {optimized:?}"))
    }

    /// Waits for what is random in a round: at which moment between two looks the members begin to fail.
    pub async fn moment(&self) {
        tokio::time::sleep(Duration::from_millis(100 + random() % 1000)).await;
    }

    /// Lets the optimized members fail and waits until they are taken back. `meanwhile` is called at that moment.
    ///
    /// # Errors
    /// When they are not, or the load has not seen it.
    pub async fn breach(
        &self,
        load: &Load,
        optimized: &BTreeSet<String>,
        meanwhile: impl FnOnce() -> Result<(), String>,
    ) -> Result<Times, String> {
        self.fleet.forget();
        let told = now();
        self.fleet.tell(optimized, &json!({"errors": ERRORS})).await?;
        meanwhile()?;
        let reason = self.restored().await?;
        let acknowledged = now();
        tokio::time::sleep(LAST_ANSWERS).await;
        let returned = returned(&self.fleet.pods.changes(), optimized);
        let requests = load.between(told, returned.unwrap_or(acknowledged));
        let served = first_failed(&requests).ok_or("no request failed: the breach was not served")?;
        let last = last_answered(&requests, optimized).ok_or("the members have answered nothing")?;
        let decided =
            self.fleet.rollouts.all().get(&self.name).and_then(|rollout| Some(e2e::rollout::decided(rollout)?.1));
        Ok(Times {
            served,
            decided,
            narrowed: self.fleet.services.first(|name, service| name == SERVICE && is_narrowed(service)),
            unrouted: self
                .fleet
                .slices
                .first(|_, slice| slice.is_none_or(|slice| !ready_pods(slice).any(|pod| optimized.contains(&pod)))),
            last,
            off: self.fleet.config_maps.first(|name, map| name == CONFIG_MAP && is_off(map)),
            acknowledged,
            reason,
        })
    }

    /// Ends the fault, waits until everything is as it was, and begins the next attempt.
    ///
    /// # Errors
    /// When it does not come to rest.
    pub async fn again(&mut self, optimized: &BTreeSet<String>) -> Result<(), String> {
        self.fleet.tell(optimized, &json!({})).await?;
        self.fleet.at_rest().await?;
        self.attempt += 1;
        self.patch(json!({"spec": {"attempt": self.attempt, "abort": null}})).await
    }

    /// Waits until the files of this attempt are written; when that was seen, in milliseconds since 1970, and the
    /// optimized members.
    ///
    /// # Errors
    /// When they are not.
    pub async fn written(&self) -> Result<(i64, BTreeSet<String>), String> {
        let on = |maps: &BTreeMap<String, Arc<ConfigMap>>| {
            let optimized = optimized(maps.get(CONFIG_MAP)?);
            (!optimized.is_empty()).then(|| (now(), optimized))
        };
        self.fleet.config_maps.until(LONGEST, "written", on).await
    }

    /// Aborts, and waits until everybody is taken back.
    ///
    /// # Errors
    /// When they are not.
    pub async fn abort(&self) -> Result<(), String> {
        self.patch(json!({"spec": {"abort": {"reason": "benchmark"}}})).await?;
        self.restored().await.map(drop)
    }

    async fn patch(&self, change: Value) -> Result<(), String> {
        let patched = self.api.patch(&self.name, &PatchParams::default(), &Patch::Merge(change)).await;
        patched.map(drop).map_err(|error| format!("cannot change the rollout: {error}"))
    }

    /// Waits until this attempt is taken back and everybody has acknowledged; why it was.
    ///
    /// # Errors
    /// When that does not come.
    pub async fn restored(&self) -> Result<Reason, String> {
        let restored = |rollouts: &BTreeMap<String, Arc<OptimizationRollout>>| {
            let status = rollouts.get(&self.name)?.status.as_ref()?;
            status.run.as_ref().filter(|run| run.attempt == self.attempt)?;
            let retreat = status.retreat.as_ref()?;
            retreat.acknowledged_at.as_ref().map(|_| retreat.reason)
        };
        self.fleet.rollouts.until(LONGEST, "taken back", restored).await
    }

    /// Whether the status says that this attempt is aborted.
    #[must_use]
    pub fn is_aborted(&self) -> bool {
        let rollout = self.rollout();
        let run = rollout.as_ref().and_then(|rollout| rollout.status.as_ref()?.run.as_ref());
        run.is_some_and(|run| run.attempt == self.attempt && run.aborted_at.is_some())
    }

    /// The rollout as it was seen last.
    #[must_use]
    pub fn rollout(&self) -> Option<Arc<OptimizationRollout>> {
        self.fleet.rollouts.all().get(&self.name).cloned()
    }
}

/// Seconds between two times.
#[must_use]
pub fn seconds(from: i64, to: i64) -> f64 {
    (to - from) as f64 / 1000.0
}

/// Whether a Service leads to the baseline alone.
#[must_use]
pub fn is_narrowed(service: Option<&Service>) -> bool {
    let selector = service.and_then(|service| service.spec.as_ref()?.selector.as_ref());
    selector.is_some_and(|selector| selector.contains_key(COHORT_LABEL))
}

/// Whether no file of it is optimized.
#[must_use]
pub fn is_off(map: Option<&ConfigMap>) -> bool {
    map.is_none_or(|map| optimized(map).is_empty())
}

/// Members whose file is optimized.
fn optimized(map: &ConfigMap) -> BTreeSet<String> {
    let files = map.data.iter().flatten().filter(|(key, file)| *key != MEMBERS_KEY && file.contains("enabled = true"));
    files.filter_map(|(key, _)| key.strip_suffix(".toml").map(str::to_owned)).collect()
}

/// When the first of these members that was out of traffic was let in again.
fn returned(changes: &[Change<Pod>], members: &BTreeSet<String>) -> Option<i64> {
    let mut away = BTreeSet::new();
    for (at, name, pod) in changes.iter().filter(|(_, name, _)| members.contains(name)) {
        match pod.as_deref().and_then(|pod| label(pod, SERVING_LABEL)) {
            Some("false") => _ = away.insert(name),
            Some("true") if away.contains(name) => return Some(*at),
            _ => {}
        }
    }
    None
}

/// Spreads the rounds over an interval.
fn random() -> u64 {
    std::hash::RandomState::new().build_hasher().finish()
}
