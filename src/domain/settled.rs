//! Whose the settled values are.

use std::collections::BTreeMap;

use api::{Scalar, optimization::Optimization};
use serde::{Deserialize, Serialize};

use crate::{
    patching::Inverse,
    settings::{Values, declares},
};

/// Who settled the value at each path.
pub type Owners = BTreeMap<String, Owner>;

/// Who settled a value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Owner {
    /// Name of the rollout.
    #[serde(rename = "r")]
    pub rollout: String,
    /// Name of its optimization.
    #[serde(rename = "o")]
    pub optimization: String,
    /// What a patched file said there before; nothing where it said nothing, and where files are rendered.
    #[serde(rename = "b", default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Scalar>,
}

/// The owners once a rollout has settled its optimizations. Of a file that was patched more than once, the first patch
/// knows what was there before.
#[must_use]
pub fn owners(
    rollout: &str,
    optimizations: &[Optimization],
    settled: &Values,
    known: &Owners,
    inverse: Option<&Inverse>,
) -> Owners {
    let declared = optimizations.iter().flat_map(|optimization| {
        optimization.settings.iter().map(move |setting| (setting.path.as_str(), optimization.name.as_str()))
    });
    let declared: BTreeMap<&str, &str> = declared.collect();
    let owner = |path: &String| {
        let known = known.get(path);
        let Some(optimization) = declared.get(path.as_str()) else { return known.cloned() };
        let before = || inverse.and_then(|inverse| inverse.before.get(path).cloned().flatten());
        Some(Owner {
            rollout: rollout.to_owned(),
            optimization: (*optimization).to_owned(),
            before: known.map_or_else(before, |known| known.before.clone()),
        })
    };
    settled.keys().filter_map(|path| Some((path.clone(), owner(path)?))).collect()
}

/// The owners of all ConfigMaps of a fleet together. Where they disagree, the path is not this rollout's any more.
#[must_use]
pub fn merged<'a>(rollout: &str, all: impl Iterator<Item = &'a Owners>) -> Owners {
    let mut merged = Owners::new();
    for (path, owner) in all.flatten() {
        let known = merged.entry(path.clone()).or_insert_with(|| owner.clone());
        if known.rollout == rollout {
            known.clone_from(owner);
        }
    }
    merged
}

/// What a rollout has settled and does not declare any more: the name of the optimization, by path.
#[must_use]
pub fn released(
    rollout: &str,
    optimizations: &[Optimization],
    settled: &Values,
    owners: &Owners,
) -> BTreeMap<String, String> {
    owners
        .iter()
        .filter(|(path, owner)| {
            owner.rollout == rollout && settled.contains_key(*path) && !declares(optimizations, path)
        })
        .map(|(path, owner)| (path.clone(), owner.optimization.clone()))
        .collect()
}

#[cfg(test)]
mod tests;
