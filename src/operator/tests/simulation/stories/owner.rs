//! What the owners of ConfigMaps do to them so that nobody can read or write them any more, and how they mend it.

use fastrand::Rng;
use serde_json::{Value, json};
use sim::Key;

use super::{draw::choose, foreign::file_of};
use crate::world::World;

/// One such deed.
#[derive(Clone, Copy, Debug)]
pub enum Owner {
    /// They break the syntax of a member's file.
    BreaksFile,
    /// They break the record of who is a member.
    BreaksRecord,
    /// They take back the permission to edit a member's own ConfigMap.
    Forbids,
    /// They make the ConfigMap immutable.
    Freezes,
}

/// The end of a file that does not parse.
const BROKEN: &str = "broken = [\n";

/// The beginning of a record that does not.
const NO_RECORD: &str = "!";

impl Owner {
    /// One of these.
    pub fn draw(rng: &mut Rng) -> Self {
        choose(rng, &[Self::BreaksFile, Self::BreaksRecord, Self::Forbids, Self::Freezes])
    }

    /// Lets it happen to the ConfigMap of the member with this number. The member, where it is there.
    pub fn happen(self, world: &World, member: usize) -> Option<String> {
        let member = world.fleet.members().get(member)?.clone();
        let (key, file) = file_of(world, &member);
        world.server.object(&key)?;
        world.server.edit(&key, |map| match self {
            Self::BreaksFile => rewrite(&mut map["data"], &file, |text| format!("{text}{BROKEN}")),
            Self::BreaksRecord => rewrite_record(map, |record| format!("{NO_RECORD}{record}")),
            Self::Forbids => {
                if let Some(annotations) = map["metadata"]["annotations"].as_object_mut() {
                    annotations.shift_remove(api::names::MEMBER_ANNOTATION);
                }
            }
            Self::Freezes => map["immutable"] = json!(true),
        });
        Some(member)
    }

    /// Mends it.
    pub fn mend(self, world: &World, member: &str) {
        let (key, file) = file_of(world, member);
        let Some(object) = world.server.object(&key) else { return };
        match self {
            Self::BreaksFile => {
                world.server.edit(&key, |map| rewrite(&mut map["data"], &file, |text| text.replace(BROKEN, "")));
            }
            Self::BreaksRecord => {
                let mended = |record: &str| record.trim_start_matches(NO_RECORD).to_owned();
                world.server.edit(&key, |map| rewrite_record(map, mended));
            }
            Self::Forbids if key.name.contains(member) => {
                world.server.edit(&key, |map| {
                    map["metadata"]["annotations"][api::names::MEMBER_ANNOTATION] = json!(member);
                });
            }
            Self::Forbids => {}
            Self::Freezes => thaw(world, &key, object),
        }
    }
}

/// What is immutable can only be made anew.
fn thaw(world: &World, key: &Key, mut object: Value) {
    world.server.remove(key);
    if let Some(map) = object.as_object_mut() {
        map.shift_remove("immutable");
    }
    for field in ["uid", "resourceVersion", "creationTimestamp", "managedFields"] {
        if let Some(metadata) = object["metadata"].as_object_mut() {
            metadata.shift_remove(field);
        }
    }
    world.server.put(object);
}

/// Rewrites a text, where it is there.
fn rewrite(texts: &mut Value, name: &str, edit: impl FnOnce(&str) -> String) {
    if let Some(text) = texts.get(name).and_then(Value::as_str).map(edit) {
        texts[name] = json!(text);
    }
}

/// Rewrites the record of who is a member.
fn rewrite_record(map: &mut Value, edit: impl Fn(&str) -> String) {
    rewrite(&mut map["data"], api::names::MEMBERS_KEY, &edit);
    rewrite(&mut map["metadata"]["annotations"], api::names::RECORD_ANNOTATION, &edit);
}
