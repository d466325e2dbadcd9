//! The end of a run on its ConfigMaps: records without members.

use api::{
    fleet::Delivery,
    names::{RETREAT_ANNOTATION, RETREAT_REASON_ANNOTATION},
};

use super::{pass::Pass, stamp::patched::write_to};
use crate::{
    delivery,
    observation::Shard,
    plan::{Advance, ShardWrite},
    record::Record,
};

/// Records without members: the run is over.
#[must_use]
pub fn closed<'a>(pass: &Pass<'a>, stage: i32) -> Vec<(&'a Shard, ShardWrite)> {
    let config = &pass.spec.fleet.config;
    pass.run_shards()
        .filter(|shard| !shard.record.members.is_empty())
        .map(|shard| {
            let mut write = write_to(shard);
            let record = Record { run: shard.record.run.clone(), stage, ..Record::default() };
            write.record(config, Some(&record));
            (shard, write)
        })
        .collect()
}

/// What stays of a run that was taken back: nothing in somebody else's ConfigMap. In ours, without the rollout nobody
/// declares its baseline any more: its members' files say what is settled, and nothing else.
#[must_use]
pub fn forgotten(pass: &Pass<'_>, shard: &Shard, mut write: ShardWrite) -> Advance {
    let config = &pass.spec.fleet.config;
    match &config.delivery {
        Delivery::Patched(_) => {
            write.forget(config);
            for annotation in [RETREAT_ANNOTATION, RETREAT_REASON_ANNOTATION] {
                write.annotations.insert(annotation.to_owned(), None);
            }
        }
        Delivery::Rendered(_) if pass.is_deleted() => {
            let settled = delivery::checked_file(config, shard.base.as_deref(), &pass.settled);
            write.data.extend(shard.files.keys().map(|member| (delivery::file_key(config, member), settled.clone())));
        }
        Delivery::Rendered(_) => {}
    }
    Advance::WriteShard(write)
}
