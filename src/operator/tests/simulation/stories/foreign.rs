//! What people and other controllers do to the objects around a rollout.

use fastrand::Rng;
use k8s_openapi::api::{
    coordination::v1::Lease,
    core::v1::{ConfigMap, Pod, Service},
};
use serde_json::{Value, json};
use sim::Key;

use super::script::PEERS;
use crate::{
    prometheus::connection,
    world::{BASE_MAP, CONFIG_MAP, NAMESPACE, OWN_FILE, World},
};

/// One such write.
#[derive(Clone, Debug)]
pub enum Foreign {
    /// Somebody takes an optimized member's settings back.
    TakeBack { member: usize },
    /// Somebody switches a member on by hand.
    SwitchOn { member: usize },
    /// Somebody edits something else in the file of a member, or in the base.
    EditFile { member: usize },
    /// Somebody edits the base.
    EditBase,
    /// Somebody removes one of our labels from a pod, or gives it another value.
    Label { member: usize, label: &'static str, value: Option<&'static str> },
    /// Somebody removes the marks of a retreat.
    Unmark,
    /// Somebody removes the ConfigMap of the settings, or the one of a member.
    RemoveMap { member: usize },
    /// Somebody widens the selector of the Service.
    Selector,
    /// Somebody removes the Lease.
    RemoveLease,
    /// Somebody removes the Connection, or creates it anew.
    Connection { remove: bool },
    /// Somebody adds a finalizer, a label and an annotation of their own.
    Decorate,
}

const FINALIZER: &str = "example.com/audit";

impl Foreign {
    /// One of these.
    pub fn draw(rng: &mut Rng) -> Self {
        let member = rng.usize(0..8);
        match rng.u8(0..28) {
            0..13 => Self::TakeBack { member },
            13..15 => Self::SwitchOn { member },
            15..17 => Self::EditFile { member },
            17..19 => Self::EditBase,
            19..22 => {
                let labels = ["optimization.qudag.io/cohort", "optimization.qudag.io/serving"];
                let values = [None, Some("false"), Some("baseline"), Some("optimized"), Some("true")];
                Self::Label { member, label: labels[rng.usize(0..2)], value: values[rng.usize(0..5)] }
            }
            22 => Self::Unmark,
            23 => Self::RemoveMap { member },
            24 => Self::Selector,
            25 => Self::RemoveLease,
            26 => Self::Connection { remove: rng.bool() },
            _ => Self::Decorate,
        }
    }

    /// Lets it happen.
    pub fn happen(&self, world: &World) {
        match self {
            Self::TakeBack { member } => {
                let all = world.fleet.members();
                let optimized: Vec<&String> = all.iter().filter(|member| world.members.is_optimized(member)).collect();
                if let Some(member) = optimized.get(member % optimized.len().max(1)) {
                    rewrite(world, member, |text| text.replace("enabled = true", "enabled = false"));
                }
            }
            Self::SwitchOn { member } => {
                on(world, *member, |text| text.replace("enabled = false", "enabled = true"));
            }
            Self::EditFile { member } => on(world, *member, |text| text.replace("info", "debug")),
            Self::EditBase => {
                let base = Key::of::<ConfigMap>(NAMESPACE, BASE_MAP);
                if world.server.object(&base).is_some() {
                    world.server.edit(&base, |map| map["data"]["node.toml"] = json!(OWN_FILE.replace("info", "warn")));
                }
            }
            Self::Label { member, label, value } => {
                let Some(pod) = world.fleet.members().get(*member).map(|member| Key::of::<Pod>(NAMESPACE, member))
                else {
                    return;
                };
                metadata(world, &pod, "labels", |labels| match value {
                    Some(value) => drop(labels.insert((*label).to_owned(), json!(value))),
                    None => drop(labels.shift_remove(*label)),
                });
            }
            Self::Unmark => {
                for plural in ["pods", "services", "configmaps", "optimizationrollouts"] {
                    for object in world.server.objects(plural) {
                        if let Some(key) = Key::from_object(&object) {
                            metadata(world, &key, "annotations", |all| {
                                all.shift_remove(api::names::RETREAT_ANNOTATION);
                            });
                        }
                    }
                }
            }
            Self::RemoveMap { member } => {
                let own = world.fleet.members().get(*member).map(|member| format!("{member}-config"));
                for name in own.iter().map(String::as_str).chain([CONFIG_MAP]) {
                    world.server.remove(&Key::of::<ConfigMap>(NAMESPACE, name));
                }
            }
            Self::Selector => {
                for name in ["qudag-node", PEERS] {
                    world.server.edit(&Key::of::<Service>(NAMESPACE, name), |service| {
                        if let Some(selector) = service["spec"]["selector"].as_object_mut() {
                            selector.retain(|key, _| key == "app");
                        }
                    });
                }
            }
            Self::RemoveLease => {
                world.server.remove(&Key::of::<Lease>("optimization-operator", api::names::LEASE));
            }
            Self::Connection { remove: true } => {
                world.server.remove(&Key::of::<api::Connection>("", "prometheus"));
            }
            Self::Connection { remove: false } => world.apply(&connection()),
            Self::Decorate => {
                for rollout in world.server.objects("optimizationrollouts") {
                    let Some(key) = Key::from_object(&rollout) else { continue };
                    metadata(world, &key, "annotations", |all| {
                        drop(all.insert("example.com/by".to_owned(), json!("us")))
                    });
                    if rollout["metadata"].get("deletionTimestamp").is_none() {
                        world.server.edit(&key, |rollout| {
                            let mut all = rollout["metadata"]["finalizers"].as_array().cloned().unwrap_or_default();
                            all.push(json!(FINALIZER));
                            rollout["metadata"]["finalizers"] = all.into();
                        });
                    }
                }
            }
        }
    }
}

/// Takes away what would hold a deletion up for ever.
pub fn release(world: &World) {
    for rollout in world.server.objects("optimizationrollouts") {
        let Some(key) = Key::from_object(&rollout) else { continue };
        let held = rollout["metadata"]["finalizers"].as_array().is_some_and(|all| all.contains(&json!(FINALIZER)));
        if held {
            world.server.edit(&key, |rollout| {
                if let Some(all) = rollout["metadata"]["finalizers"].as_array_mut() {
                    all.retain(|one| one != FINALIZER);
                }
            });
        }
    }
}

/// Rewrites the file of the member with this number.
fn on(world: &World, member: usize, edit: impl Fn(&str) -> String) {
    if let Some(member) = world.fleet.members().get(member) {
        rewrite(world, member, edit);
    }
}

/// Rewrites the file of a member where it has one.
fn rewrite(world: &World, member: &str, edit: impl Fn(&str) -> String) {
    let (map, file) = file_of(world, member);
    let text = world.server.object(&map).and_then(|map| Some(map["data"].get(&file)?.as_str()?.to_owned()));
    if let Some(text) = text {
        world.server.edit(&map, |map| map["data"][&file] = json!(edit(&text)));
    }
}

/// The ConfigMap that brings a member its file, and the name of that.
pub fn file_of(world: &World, member: &str) -> (Key, String) {
    let own = Key::of::<ConfigMap>(NAMESPACE, &format!("{member}-config"));
    if world.server.object(&own).is_some() {
        (own, "node.toml".to_owned())
    } else {
        (Key::of::<ConfigMap>(NAMESPACE, CONFIG_MAP), format!("{member}.toml"))
    }
}

/// Edits the labels or the annotations of an object, where it is there.
fn metadata(world: &World, key: &Key, field: &str, edit: impl FnOnce(&mut serde_json::Map<String, Value>)) {
    if world.server.object(key).is_none() {
        return;
    }
    world.server.edit(key, |object| {
        let Some(metadata) = object["metadata"].as_object_mut() else { return };
        let all = metadata.entry(field).or_insert_with(|| json!({}));
        if let Some(all) = all.as_object_mut() {
            edit(all);
        }
    });
}
