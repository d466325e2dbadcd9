//! Who may wait for ever, and whether it is so.

use std::time::Duration;

use api::OptimizationRollout;
use api::fleet::Delivery;
use domain::record::Cohort;
use domain::{delivery, format, rendering};
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::core::{Selector, SelectorExt};
use serde_json::Value;
use tokio::time::Instant;

use super::hands::{Hands, displaced};
use super::harm::WELL;
use super::map::{Map, asks_members, files, says, switched, switches};
use super::view::View;
use crate::kind::Key;
use crate::object::{labels, text, texts};

/// Who has not answered for so long is silent.
const SILENT: Duration = Duration::from_secs(60);

/// A rollout that gives this reason, and what is there.
pub(super) struct Waiting<'v> {
    pub(super) key: &'v Key,
    pub(super) rollout: &'v OptimizationRollout,
    pub(super) run: &'v str,
    pub(super) view: &'v View,
    pub(super) hands: &'v Hands,
    pub(super) at: Instant,
}

impl Waiting<'_> {
    /// Whether it waits for people, or for ever, as it says, while its run goes on.
    pub(super) fn goes_on(&self, reason: &str) -> bool {
        match reason {
            "Overridden" | "Paused" | "Silence" | "NoMetricsPort" => true,
            "AwaitingMeasurements" => self.measures_nothing(),
            "AwaitingAcknowledgement" => self.is_unknown(),
            _ => self.is_out_of_reach(reason),
        }
    }

    /// The same while its run goes back.
    pub(super) fn goes_back(&self, reason: &str) -> bool {
        match reason {
            "Unreachable" => self.is_unreachable(),
            "Overridden" => self.is_on_again(),
            _ => self.is_out_of_reach(reason),
        }
    }

    /// Whether it waits before it has a run.
    pub(super) fn never_starts(&self, reason: &str) -> bool {
        match reason {
            // Nothing is to be done, or by a person.
            "Settled" | "AlreadyOptimized" | "AbortRequested" | "Paused" | "FleetTooSmall" | "NoMetricsPort" => true,
            "FleetBusy" => self.is_busy(),
            "NotMounted" => !self.is_mounted(),
            "NoMembers" => self.view.fleet(self.rollout).next().is_none(),
            "NoEligibleMembers" => !self.view.fleet(self.rollout).any(|(_, pod)| self.is_selected(pod)),
            "ConfigUnreadable" if self.lacks_keys() => true,
            _ => self.is_out_of_reach(reason),
        }
    }

    /// Whether another rollout has a run that is not over, or is gone and left its records behind.
    fn is_busy(&self) -> bool {
        let recorded = self.view.maps_for(self.rollout).any(|(_, map)| !map.record.members.is_empty());
        recorded || self.view.rollouts().any(|(key, other)| key != self.key && is_under_way(other))
    }

    /// Whether every member has its ConfigMap mounted.
    fn is_mounted(&self) -> bool {
        let config = &self.rollout.spec.fleet.config;
        let is_its_own = |map: &str, member: &str| match &config.delivery {
            Delivery::Rendered(rendered) => map == rendered.name,
            Delivery::Patched(patched) => delivery::member_of(&patched.name, map) == Some(member),
        };
        self.view.fleet(self.rollout).all(|(key, pod)| {
            let mut volumes = pod.pointer("/spec/volumes").and_then(Value::as_array).into_iter().flatten();
            volumes.any(|volume| is_its_own(text(volume, "/configMap/name"), &key.name))
        })
    }

    /// Whether a pod runs on a Node that the rollout selects.
    fn is_selected(&self, pod: &Value) -> bool {
        let selector = self.rollout.spec.fleet.node_selector.clone().unwrap_or_default();
        let node = self.view.object(&Key::of::<Node>("", text(pod, "/spec/nodeName")));
        Selector::try_from(selector).is_ok_and(|selector| selector.matches(&node.map(labels).unwrap_or_default()))
    }

    /// Whether no member's own ConfigMap has the key that is named.
    fn lacks_keys(&self) -> bool {
        let Delivery::Patched(patched) = &self.rollout.spec.fleet.config.delivery else { return false };
        let mut maps = self.view.objects("configmaps", &self.key.namespace);
        maps.all(|(key, map)| {
            delivery::member_of(&patched.name, &key.name).is_none() || !texts(map, "/data").contains_key(&patched.key)
        })
    }

    /// Whether members do not say what they are asked for: somebody gave an optimization a name, a setting a path, or what
    /// they say it by a name, that they do not know.
    fn is_unknown(&self) -> bool {
        let answers = self.view.answers();
        let says = |pod: &Value| switches(self.rollout).all(|name| answers.enabled(pod).contains(name));
        self.hands.acknowledged(self.key) != Some(&self.rollout.spec.fleet.acknowledgement)
            || switches(self.rollout).any(|name| !answers.knows(name))
            || self.optimized().any(|pod| pod.is_some_and(|pod| !says(pod)))
    }

    /// Whether an optimized member answers nothing of use, or nobody knows what would be.
    fn measures_nothing(&self) -> bool {
        !asks_members(self.rollout)
            || !self.hands.measures_as_made(self.key, self.rollout)
            || self.optimized().any(|pod| pod.is_none_or(|pod| self.is_silent(pod)))
            // Others fail as well, of something else.
            || self.view.fleet(self.rollout).any(|(_, pod)| self.view.answers().fails(pod).is_none_or(|fails| fails > WELL))
    }

    /// Whether a member that is to come back says that it is optimized, or nothing, or is asked in another way than it says it.
    fn is_unreachable(&self) -> bool {
        let acknowledgement = &self.rollout.spec.fleet.acknowledgement;
        let says = |pod: &Value| self.view.enables_any(pod, self.rollout);
        self.hands.acknowledged(self.key) != Some(acknowledgement)
            || acknowledgement.revision_label.is_some()
            || self.view.fleet(self.rollout).any(|(_, pod)| displaced(pod) && (says(pod) || self.is_silent(pod)))
    }

    /// Whether somebody else gave the switched values again to a member that is to come back.
    fn is_on_again(&self) -> bool {
        let (config, values) = (&self.rollout.spec.fleet.config, switched(self.rollout));
        self.view.maps_of(self.run).filter(|(key, _)| self.hands.edited(key)).any(|(key, map)| {
            let returns = |member: &str| map.cohort(self.run, member) == Some(Cohort::Returning);
            let members = files(self.rollout, key, map.files.keys());
            members.iter().any(|(member, file)| returns(member) && says(config, map.files.get(*file), &values))
        })
    }

    fn is_silent(&self, pod: &Value) -> bool {
        self.view.answers().at(pod).is_none_or(|at| self.at.duration_since(at) > SILENT)
    }

    /// The pods of the members that its run has switched on; none where one is not there.
    fn optimized(&self) -> impl Iterator<Item = Option<&Value>> {
        let members = self.view.maps_of(self.run).flat_map(|(_, map)| map.members(Cohort::Optimized));
        members.map(|member| self.view.object(&Key::of::<Pod>(&self.key.namespace, member)))
    }

    /// Whether the owner of a ConfigMap keeps it from being read or written, in the way that is told.
    fn is_out_of_reach(&self, reason: &str) -> bool {
        let config = &self.rollout.spec.fleet.config;
        self.maps().any(|(key, map)| {
            let parses = |file: &String| format::read(config.format, file, std::iter::empty()).is_ok();
            match reason {
                "ConfigMapImmutable" | "NotOptedIn" => self.view.is_locked(key),
                "ConfigUnreadable" => {
                    map.unreadable
                        || files(self.rollout, key, map.files.keys())
                            .iter()
                            .any(|(_, file)| map.files.get(*file).is_some_and(|text| !parses(text)))
                }
                _ => false,
            }
        })
    }

    /// ConfigMaps that bring the settings to members, or are to do so: what one is called is enough, because nobody can
    /// put a file into one that is out of reach.
    fn maps(&self) -> impl Iterator<Item = (&Key, &Map)> {
        let is_named = move |key: &Key| match &self.rollout.spec.fleet.config.delivery {
            Delivery::Rendered(rendered) => rendering::shard_index(rendered, &key.name).is_some(),
            Delivery::Patched(patched) => delivery::member_of(&patched.name, &key.name)
                .is_some_and(|member| self.view.fleet(self.rollout).any(|(pod, _)| pod.name == member)),
        };
        let brings = move |key: &Key, map: &Map| !files(self.rollout, key, map.files.keys()).is_empty();
        let maps = self.view.maps().filter(|(key, _)| key.namespace == self.key.namespace);
        maps.filter(move |(key, map)| is_named(key) || brings(key, map))
    }
}

/// Whether a rollout has a run whose members are not all settled or back.
pub(super) fn is_under_way(rollout: &OptimizationRollout) -> bool {
    let run = rollout.status.as_ref().and_then(|status| status.run.as_ref());
    let retreat = rollout.status.as_ref().and_then(|status| status.retreat.as_ref());
    let is_back = retreat.is_some_and(|retreat| retreat.acknowledged_at.is_some());
    run.is_some_and(|run| run.settled_at.is_none() && (run.aborted_at.is_none() || !is_back))
}
