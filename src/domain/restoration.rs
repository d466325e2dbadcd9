//! Taking settings back in one ConfigMap, on whatever version of it is the newest.

use std::collections::BTreeMap;

use api::{
    fleet::{Config, Delivery},
    names::{INVERSE_ANNOTATION, RETREAT_ANNOTATION, RETREAT_REASON_ANNOTATION},
};

use crate::{
    delivery,
    mark::Mark,
    observation::Shard,
    patching,
    plan::{Restoration, ShardWrite},
    record::Cohort,
    settings::setting,
};

/// The annotations by which an object says that it is part of a retreat.
#[must_use]
pub fn mark_annotations(mark: &Mark) -> BTreeMap<String, Option<String>> {
    BTreeMap::from([
        (RETREAT_ANNOTATION.to_owned(), Some(mark.run.clone())),
        (RETREAT_REASON_ANNOTATION.to_owned(), Some(mark.cause_text())),
    ])
}

/// The file of a member of the baseline: what it was before, where it is patched. A patched file that does not parse
/// stays as it is.
#[must_use]
pub fn baseline_file(
    config: &Config,
    settings: &crate::settings::Settings,
    shard: &Shard,
    member: &str,
) -> Option<String> {
    match &config.delivery {
        // Values that no file can hold were refused before the run; without a file the base config holds.
        Delivery::Rendered(_) => delivery::file(config, &settings.baseline).unwrap_or_default(),
        Delivery::Patched(_) => {
            let file = shard.files.get(member)?;
            let wrote = delivery::switched(config, settings, &shard.owners);
            let declared = setting(&settings.baseline);
            let undone = patching::undo(config.format, file, &wrote, shard.inverse.as_ref(), &declared);
            Some(undone.unwrap_or_else(|_| file.clone()))
        }
    }
}

impl Restoration {
    /// Whether this version of the ConfigMap still has something of the run to take back. A rendered one is marked
    /// even if nothing in it is optimized.
    #[must_use]
    pub fn is_due(&self, shard: &Shard) -> bool {
        let unmarked = shard.mark.as_ref().map(|mark| &mark.run) != Some(&self.mark.run);
        let optimized = shard.record.members.values().any(|entry| entry.cohort == Cohort::Optimized);
        let marks = matches!(self.config.delivery, Delivery::Rendered(_));
        shard.record.run == self.mark.run && (optimized || unmarked && marks)
    }

    /// The file of a member once this version of its ConfigMap is restored.
    #[must_use]
    pub fn file(&self, shard: &Shard, member: &str) -> Option<String> {
        baseline_file(&self.config, &self.settings, shard, member)
    }

    /// The write that takes everything back in this version of the ConfigMap; `None` when nothing is left to do.
    #[must_use]
    pub fn write(&self, shard: &Shard) -> Option<ShardWrite> {
        if !self.is_due(shard) {
            return None;
        }
        let mut record = shard.record.clone();
        let mut data = BTreeMap::new();
        for (member, entry) in &mut record.members {
            if entry.cohort == Cohort::Optimized {
                entry.cohort = Cohort::Returning;
                if let Some(pod) = self.pods.get(member) {
                    entry.pod.clone_from(pod);
                }
                data.insert(delivery::file_key(&self.config, member), self.file(shard, member));
            }
        }
        let mut write = ShardWrite {
            name: shard.name.clone(),
            resource_version: Some(shard.resource_version.clone()),
            data,
            labels: BTreeMap::new(),
            annotations: mark_annotations(&self.mark),
        };
        write.record(&self.config, Some(&record));
        if shard.inverse.is_some() {
            write.annotations.insert(INVERSE_ANNOTATION.to_owned(), None);
        }
        Some(write)
    }
}

#[cfg(test)]
mod tests;
