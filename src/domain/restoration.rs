//! Taking settings back in one ConfigMap, on whatever version of it is the newest.

use std::collections::BTreeMap;

use api::{
    fleet::{Config, Delivery},
    names::{INVERSE_ANNOTATION, RETREAT_ANNOTATION, RETREAT_REASON_ANNOTATION},
};

use crate::{
    acknowledgement::fingerprint,
    delivery,
    format::FormatError,
    mark::Mark,
    observation::Shard,
    patching,
    plan::{Restoration, ShardWrite},
    record::Cohort,
    settings::{Settings, setting},
};

/// The annotations by which an object says that it is part of a retreat.
#[must_use]
pub fn mark_annotations(mark: &Mark) -> BTreeMap<String, Option<String>> {
    BTreeMap::from([
        (RETREAT_ANNOTATION.to_owned(), Some(mark.run.clone())),
        (RETREAT_REASON_ANNOTATION.to_owned(), Some(mark.cause_text())),
    ])
}

/// The files of these members at the baseline: rendered on the ConfigMap's own copy of the base, or patched back to what
/// they were before. A patched file that does not parse stays as it is; whoever asks for it looks for what is
/// [`broken`] before.
#[must_use]
pub fn baseline_files<'m>(
    config: &Config,
    settings: &Settings,
    shard: &Shard,
    members: impl Iterator<Item = &'m str>,
) -> BTreeMap<&'m str, Option<String>> {
    match &config.delivery {
        Delivery::Rendered(_) => {
            let file = delivery::checked_file(config, shard.base.as_deref(), &settings.baseline);
            members.map(|member| (member, file.clone())).collect()
        }
        Delivery::Patched(_) => members.map(|member| (member, unpatched(config, settings, shard, member))).collect(),
    }
}

fn unpatched(config: &Config, settings: &Settings, shard: &Shard, member: &str) -> Option<String> {
    let file = shard.files.get(member)?;
    Some(undone(config, settings, shard, file).unwrap_or_else(|_| file.clone()))
}

/// A file in a member's own ConfigMap without what the run has written into it.
fn undone(config: &Config, settings: &Settings, shard: &Shard, file: &str) -> Result<String, FormatError> {
    let wrote = delivery::switched(config, settings, &shard.owners);
    let declared = setting(&settings.baseline);
    patching::undo(config.format, file, &wrote, shard.inverse.as_ref(), &declared)
}

/// The member whose own file, which says optimized values, cannot be given back, and why: its owner has broken it.
#[must_use]
pub fn broken<'s>(config: &Config, settings: &Settings, shard: &'s Shard) -> Option<(&'s str, FormatError)> {
    if matches!(config.delivery, Delivery::Rendered(_)) {
        return None;
    }
    let optimized = shard.record.members.iter().filter(|(_, entry)| entry.cohort == Cohort::Optimized);
    let mut files = optimized.filter_map(|(member, _)| Some((member, shard.files.get(member)?)));
    files.find_map(|(member, file)| Some((member.as_str(), undone(config, settings, shard, file).err()?)))
}

/// By which a touch names what a member's file says at the baseline.
#[must_use]
pub fn baseline_fingerprint(config: &Config, settings: &Settings, shard: &Shard, member: &str) -> String {
    let file = match &config.delivery {
        Delivery::Rendered(_) => None,
        Delivery::Patched(_) => unpatched(config, settings, shard, member),
    };
    told_baseline(config, settings, file.as_deref())
}

/// By which a touch names a file at the baseline.
#[must_use]
pub fn told_baseline(config: &Config, settings: &Settings, file: Option<&str>) -> String {
    match &config.delivery {
        Delivery::Rendered(_) => delivery::told(config, &settings.baseline),
        Delivery::Patched(_) => fingerprint(file),
    }
}

impl Restoration {
    /// Whether this version of the ConfigMap still has something of the run to take back, or to be marked: a rendered one
    /// even if nothing in it is optimized, and one whose file is broken, which goes back when it is mended.
    #[must_use]
    pub fn is_due(&self, shard: &Shard) -> bool {
        let unmarked = shard.mark.as_ref().map(|mark| &mark.run) != Some(&self.mark.run);
        let optimized = shard.record.members.values().any(|entry| entry.cohort == Cohort::Optimized);
        let rendered = matches!(self.config.delivery, Delivery::Rendered(_));
        shard.record.run == self.mark.run
            && (unmarked && (optimized || rendered) || optimized && !self.is_broken(shard))
    }

    fn is_broken(&self, shard: &Shard) -> bool {
        broken(&self.config, &self.settings, shard).is_some()
    }

    /// The fingerprint of a member's file once its ConfigMap, as it was seen, is restored.
    #[must_use]
    pub fn fingerprint(&self, member: &str) -> String {
        baseline_fingerprint(&self.config, &self.settings, &self.seen, member)
    }

    /// The write that takes everything back in this version of the ConfigMap; `None` when nothing is left to do.
    #[must_use]
    pub fn write(&self, shard: &Shard) -> Option<ShardWrite> {
        if !self.is_due(shard) {
            return None;
        }
        // Who cannot get its file back stays optimized, and what leads back stays with it.
        let is_broken = self.is_broken(shard);
        let mut write = returned(&self.config, &self.settings, shard, &self.pods, |_| !is_broken);
        write.annotations.extend(mark_annotations(&self.mark));
        Some(write)
    }
}

/// The write that gives the optimized members of a ConfigMap whom `leaves` names their baseline. `pods` are the UIDs of
/// the members' pods.
#[must_use]
pub fn returned(
    config: &Config,
    settings: &Settings,
    shard: &Shard,
    pods: &BTreeMap<String, String>,
    leaves: impl Fn(&str) -> bool,
) -> ShardWrite {
    let mut record = shard.record.clone();
    let leaving =
        record.members.iter_mut().filter(|(member, entry)| entry.cohort == Cohort::Optimized && leaves(member));
    for (member, entry) in leaving {
        entry.cohort = Cohort::Returning;
        if let Some(pod) = pods.get(member) {
            entry.pod.clone_from(pod);
        }
    }
    let optimized = shard.record.members.iter().filter(|(_, entry)| entry.cohort == Cohort::Optimized);
    let leaving = optimized.map(|(member, _)| member.as_str()).filter(|member| leaves(member));
    let files = baseline_files(config, settings, shard, leaving);
    let data = files.into_iter().map(|(member, file)| (delivery::file_key(config, member), file)).collect();
    let mut write = ShardWrite {
        name: shard.name.clone(),
        resource_version: Some(shard.resource_version.clone()),
        data,
        labels: BTreeMap::new(),
        annotations: BTreeMap::new(),
    };
    write.record(config, Some(&record));
    if shard.inverse.is_some() && record != shard.record {
        write.annotations.insert(INVERSE_ANNOTATION.to_owned(), None);
    }
    write
}

#[cfg(test)]
mod tests;
