//! The end of a run on its ConfigMaps: records without members.

use api::{
    fleet::Delivery,
    names::{INVERSE_ANNOTATION, RETREAT_ANNOTATION, RETREAT_REASON_ANNOTATION},
};

use super::{pass::Pass, stamp::patched::write_to};
use crate::{delivery, plan::Advance, record::Record};

/// Records without members: the run is over.
#[must_use]
pub fn closed(pass: &Pass<'_>, stage: i32) -> Vec<Advance> {
    let config = &pass.spec.fleet.config;
    pass.run_shards()
        .filter(|shard| !shard.record.members.is_empty())
        .map(|shard| {
            let mut write = write_to(shard);
            let record = Record { run: shard.record.run.clone(), stage, members: Default::default() };
            write.record(config, Some(&record));
            Advance::WriteShard(write)
        })
        .collect()
}

/// What stays of a run that was taken back: nothing in somebody else's ConfigMap. In ours, without the rollout nobody
/// declares its baseline any more: its members' files say what is settled, and nothing else.
#[must_use]
pub fn forgotten(pass: &Pass<'_>, advance: Advance) -> Advance {
    let Advance::WriteShard(mut write) = advance else { return advance };
    let config = &pass.spec.fleet.config;
    match &config.delivery {
        Delivery::Patched(_) => {
            write.record(config, None);
            for annotation in [INVERSE_ANNOTATION, RETREAT_ANNOTATION, RETREAT_REASON_ANNOTATION] {
                write.annotations.insert(annotation.to_owned(), None);
            }
        }
        Delivery::Rendered(_) if pass.is_deleted() => {
            let settled = delivery::file(config, &pass.settled).unwrap_or_default();
            let shards = pass.seen.shards.iter().filter(|shard| shard.name == write.name);
            let members = shards.flat_map(|shard| shard.files.keys());
            write.data.extend(members.map(|member| (delivery::file_key(config, member), settled.clone())));
        }
        Delivery::Rendered(_) => {}
    }
    Advance::WriteShard(write)
}
