//! Rendered delivery: one small file per member, many files in one ConfigMap.

use api::fleet::{Config, Rendered};

use crate::{delivery, format::FormatError, observation::Shard, record::Cohort, settings::Settings};

/// Bytes of data up to which a ConfigMap takes further members. The API server refuses 1 MiB; the rest is room for the
/// record and for values that grow.
pub const SHARD_LIMIT: usize = 900_000;
/// Bytes of data up to which files that are there may grow.
pub const LARGEST: usize = 1_000_000;
/// Bytes that a member takes beside its name and its file, in its key and in the record.
pub const ENTRY_SIZE: usize = 160;
/// Bytes that a base has at most: its copy and some files have to fit into one ConfigMap.
pub const LONGEST_BASE: usize = 200_000;

/// Name of the ConfigMap with this index.
#[must_use]
pub fn shard_name(rendered: &Rendered, index: usize) -> String {
    match index {
        0 => rendered.name.clone(),
        _ => format!("{}-{index}", rendered.name),
    }
}

/// Which one of the rendered ConfigMaps has this name.
#[must_use]
pub fn shard_index(rendered: &Rendered, name: &str) -> Option<usize> {
    let rest = name.strip_prefix(&rendered.name)?;
    if rest.is_empty() {
        return Some(0);
    }
    let index: usize = rest.strip_prefix('-')?.parse().ok()?;
    (shard_name(rendered, index) == name).then_some(index)
}

/// Bytes that a shard's files take, with the copy of their base, and room for a base that grows to twice its size.
#[must_use]
pub fn size(shard: &Shard) -> usize {
    let base = shard.base.as_ref().map_or(0, String::len);
    base + shard.files.iter().map(|(member, file)| member.len() + file.len() + base + ENTRY_SIZE).sum::<usize>()
}

/// The two files between which a run switches, on one base or without any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendering {
    /// An optimized member's file.
    pub optimized: Option<String>,
    /// Every other member's file.
    pub baseline: Option<String>,
}

impl Rendering {
    /// The files with these settings.
    ///
    /// # Errors
    /// When the base does not parse, or the format or the base cannot hold a setting.
    pub fn new(config: &Config, settings: &Settings, base: Option<&str>) -> Result<Self, FormatError> {
        Ok(Self {
            optimized: delivery::file(config, base, &settings.optimized)?,
            baseline: delivery::file(config, base, &settings.baseline)?,
        })
    }

    /// The same where the base was checked before: see [`delivery::checked_file`].
    #[must_use]
    pub fn checked(config: &Config, settings: &Settings, base: Option<&str>) -> Self {
        Self {
            optimized: delivery::checked_file(config, base, &settings.optimized),
            baseline: delivery::checked_file(config, base, &settings.baseline),
        }
    }

    /// The file of a member of this cohort, or of one that joined.
    #[must_use]
    pub fn file(&self, cohort: Option<Cohort>) -> Option<&str> {
        if cohort == Some(Cohort::Optimized) { self.optimized.as_deref() } else { self.baseline.as_deref() }
    }

    /// Bytes of the longer one.
    #[must_use]
    pub fn size(&self) -> usize {
        [&self.optimized, &self.baseline].into_iter().flatten().map(String::len).max().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;
