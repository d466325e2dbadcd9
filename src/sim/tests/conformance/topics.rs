//! The behaviours, by topic.

mod access;
mod apply;
mod create;
mod definition;
mod deletion;
mod events;
mod eviction;
mod json_patch;
mod leases;
mod media;
mod merge_patch;
mod metadata;
mod names;
pub mod objects;
mod read;
mod replace;
mod reviews;
mod selectors;
mod status;
mod watch;

use crate::session::Session;
use crate::target::Target;
use crate::transcript::Behaviour;

/// Names of all topics.
pub const NAMES: &[&str] = &[
    "access",
    "apply",
    "create",
    "definition",
    "deletion",
    "events",
    "eviction",
    "json-patch",
    "leases",
    "media",
    "merge-patch",
    "metadata",
    "names",
    "read",
    "replace",
    "reviews",
    "selectors",
    "status",
    "watch",
];

/// Plays the behaviours of a topic.
pub async fn play(topic: &'static str, target: Target) -> Vec<Behaviour> {
    let mut session = Session::new(target, topic);
    let s = &mut session;
    match topic {
        "access" => access::play(s).await,
        "apply" => apply::play(s).await,
        "create" => create::play(s).await,
        "definition" => definition::play(s).await,
        "deletion" => deletion::play(s).await,
        "events" => events::play(s).await,
        "eviction" => eviction::play(s).await,
        "json-patch" => json_patch::play(s).await,
        "leases" => leases::play(s).await,
        "media" => media::play(s).await,
        "merge-patch" => merge_patch::play(s).await,
        "metadata" => metadata::play(s).await,
        "names" => names::play(s).await,
        "read" => read::play(s).await,
        "replace" => replace::play(s).await,
        "reviews" => reviews::play(s).await,
        "selectors" => selectors::play(s).await,
        "status" => status::play(s).await,
        "watch" => watch::play(s).await,
        other => panic!("there is no topic {other}"),
    }
    session.behaviours
}
