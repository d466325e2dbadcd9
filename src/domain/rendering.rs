//! Rendered delivery: one small file per member, many files in one ConfigMap.

use api::fleet::Rendered;

use crate::observation::Shard;

/// Bytes of data up to which a ConfigMap takes further members. The API server refuses 1 MiB; the rest is room for the
/// record and for values that grow.
pub const SHARD_LIMIT: usize = 900_000;
/// Bytes that a member takes beside its name and its file, in its key and in the record.
pub const ENTRY_SIZE: usize = 160;

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
    (index > 0 && shard_name(rendered, index) == name).then_some(index)
}

/// Bytes that a shard's files take.
#[must_use]
pub fn size(shard: &Shard) -> usize {
    shard.files.iter().map(|(member, file)| member.len() + file.len() + ENTRY_SIZE).sum()
}

#[cfg(test)]
mod tests;
