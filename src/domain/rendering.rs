//! Rendered delivery: one small file per member, many files in one ConfigMap.

use std::collections::BTreeMap;

use api::{
    Scalar,
    fleet::Config,
    names::{MEMBER_PLACEHOLDER, MEMBERS_KEY, RETREAT_ANNOTATION, RETREAT_REASON_ANNOTATION},
};

use crate::{
    format::{self, FormatError},
    mark::Mark,
    observation::Shard,
    plan::{Restoration, ShardWrite},
    record::Cohort,
    run::stable_hash,
    settings::Values,
};

/// Bytes of data up to which a ConfigMap takes further members. The API server refuses 1 MiB; the rest is room for the
/// record and for values that grow.
pub const SHARD_LIMIT: usize = 900_000;

/// Name of a member's file.
#[must_use]
pub fn file_key(config: &Config, member: &str) -> String {
    config.rendered.key.replace(MEMBER_PLACEHOLDER, member)
}

/// The member whose file has this name.
#[must_use]
pub fn member_of<'a>(config: &Config, key: &'a str) -> Option<&'a str> {
    let (before, after) = config.rendered.key.split_once(MEMBER_PLACEHOLDER)?;
    key.strip_prefix(before)?.strip_suffix(after).filter(|member| !member.is_empty())
}

/// Name of the ConfigMap with this index.
#[must_use]
pub fn shard_name(config: &Config, index: usize) -> String {
    match index {
        0 => config.rendered.name.clone(),
        _ => format!("{}-{index}", config.rendered.name),
    }
}

/// A member's file with these values; `None` when there is nothing to say.
///
/// # Errors
/// When the format cannot hold a path or a value.
pub fn file(config: &Config, values: &Values) -> Result<Option<String>, FormatError> {
    if values.is_empty() {
        return Ok(None);
    }
    let revision = config.revision_path.clone().zip(revision(config, values).map(Scalar::Text));
    let values = values.iter().map(|(path, value)| (path.clone(), value.clone()));
    let changes = values.chain(revision).map(|(path, value)| (path, Some(value))).collect();
    format::edit(config.format, "", &changes).map(Some)
}

/// What a file with these values says at `config.revisionPath`; `None` where there is no such file or path.
#[must_use]
pub fn revision(config: &Config, values: &Values) -> Option<String> {
    let wanted = config.revision_path.is_some() && !values.is_empty();
    wanted.then(|| format!("{:08x}", stable_hash(&[&serde_json::json!(values).to_string()]) & 0xffff_ffff))
}

/// Bytes that a shard's files take.
#[must_use]
pub fn size(shard: &Shard) -> usize {
    shard.files.iter().map(|(member, file)| member.len() + file.len() + ENTRY_SIZE).sum()
}

/// Bytes that a member takes beside its name and its file, in its key and in the record.
pub const ENTRY_SIZE: usize = 160;

/// The annotations by which an object says that it is part of a retreat.
#[must_use]
pub fn mark_annotations(mark: &Mark) -> BTreeMap<String, Option<String>> {
    BTreeMap::from([
        (RETREAT_ANNOTATION.to_owned(), Some(mark.run.clone())),
        (RETREAT_REASON_ANNOTATION.to_owned(), Some(mark.cause_text())),
    ])
}

impl Restoration {
    /// Whether this version of the ConfigMap still has something of the run to take back.
    #[must_use]
    pub fn is_due(&self, shard: &Shard) -> bool {
        shard.record.run == self.mark.run
            && (shard.mark.as_ref().map(|mark| &mark.run) != Some(&self.mark.run)
                || shard.record.members.values().any(|entry| entry.cohort == Cohort::Optimized))
    }

    /// The write that takes everything back in this version of the ConfigMap; `None` when nothing is left to do.
    #[must_use]
    pub fn write(&self, shard: &Shard) -> Option<ShardWrite> {
        if !self.is_due(shard) {
            return None;
        }
        // Values that no file can hold were refused before the run; without a file the base config holds.
        let baseline = file(&self.config, &self.baseline).unwrap_or_default();
        let mut record = shard.record.clone();
        let mut data = BTreeMap::new();
        for (member, entry) in &mut record.members {
            if entry.cohort == Cohort::Optimized {
                entry.cohort = Cohort::Returning;
                data.insert(file_key(&self.config, member), baseline.clone());
            }
        }
        data.insert(MEMBERS_KEY.to_owned(), Some(record.text()));
        Some(ShardWrite {
            name: shard.name.clone(),
            resource_version: Some(shard.resource_version.clone()),
            data,
            labels: BTreeMap::new(),
            annotations: mark_annotations(&self.mark),
        })
    }
}

#[cfg(test)]
mod tests;
