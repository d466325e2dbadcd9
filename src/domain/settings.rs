//! The values of the declared settings, at the baseline and optimized.

use std::collections::BTreeMap;

use api::{
    Scalar,
    optimization::{Optimization, Setting},
    reason::Reason,
};

use serde::Serialize;

use crate::observation::Problem;

/// Values by path.
pub type Values = BTreeMap<String, Scalar>;
/// Values by path; nothing where the path is to go.
pub type Changes = BTreeMap<String, Option<Scalar>>;

/// The two sets of values between which a run switches.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Settings {
    /// What a baseline member's file says.
    pub baseline: Values,
    /// What an optimized member's file says.
    pub optimized: Values,
    /// What this rollout itself sets of it.
    pub switched: Values,
    /// What it has settled before and takes out again: the name of the optimization, by path.
    pub released: BTreeMap<String, String>,
}

impl Settings {
    /// The values of these optimizations over what is settled. What is settled is the baseline: it outranks a declared
    /// baseline value.
    #[must_use]
    pub fn new(optimizations: &[Optimization], settled: &Values) -> Self {
        let mut baseline = Values::new();
        for setting in optimizations.iter().flat_map(|optimization| &optimization.settings) {
            if let Some(value) = &setting.baseline {
                baseline.insert(setting.path.clone(), value.clone());
            }
        }
        let switched: Values = optimizations.iter().flat_map(optimized_values).collect();
        let mut optimized = settled.clone();
        optimized.extend(switched.clone());
        baseline.extend(settled.iter().map(|(path, value)| (path.clone(), value.clone())));
        Self { baseline, optimized, switched, released: BTreeMap::new() }
    }

    /// The same without what is taken out: it is settled at the baseline, and gone from optimized members.
    #[must_use]
    pub fn releasing(mut self, released: BTreeMap<String, String>) -> Self {
        self.optimized.retain(|path, _| !released.contains_key(path));
        Self { released, ..self }
    }

    /// Whether an optimization is on at the baseline: all its optimized values are settled.
    #[must_use]
    pub fn is_settled_on(&self, optimization: &Optimization) -> bool {
        optimization.settings.iter().all(|setting| self.baseline.get(&setting.path) == Some(&setting.optimized))
    }

    /// Whether a switch that says on or off can tell this optimization from its baseline: not where it is on already
    /// and only changes or loses values.
    #[must_use]
    pub fn is_told_by_switch(&self, optimization: &Optimization, settled: &Values) -> bool {
        let flips = |setting: &Setting| {
            matches!(
                (&setting.optimized, self.baseline.get(&setting.path)),
                (Scalar::Bool(to), Some(Scalar::Bool(from))) if to != from
            )
        };
        let loses = self.released.values().any(|name| *name == optimization.name);
        if loses {
            return false;
        }
        self.is_settled_on(optimization)
            || optimization.settings.iter().any(flips)
            || !optimization.settings.iter().any(|setting| settled.contains_key(&setting.path))
    }

    /// True when there is nothing to switch: every optimized value is the baseline already, and none is taken out.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.released.is_empty() && self.optimized.iter().all(|(path, value)| self.baseline.get(path) == Some(value))
    }
}

/// The optimized values of one optimization.
#[must_use]
pub fn optimized_values(optimization: &Optimization) -> Values {
    optimization.settings.iter().map(|setting| (setting.path.clone(), setting.optimized.clone())).collect()
}

/// Whether one of these optimizations sets this path.
#[must_use]
pub fn declares(optimizations: &[Optimization], path: &str) -> bool {
    optimizations.iter().flat_map(|optimization| &optimization.settings).any(|setting| setting.path == path)
}

/// Values as changes that set them.
#[must_use]
pub fn setting(values: &Values) -> Changes {
    values.iter().map(|(path, value)| (path.clone(), Some(value.clone()))).collect()
}

/// Refuses a path that stands in two optimizations.
///
/// # Errors
/// The path and both optimizations.
pub fn check_paths(optimizations: &[Optimization]) -> Result<(), Problem> {
    let mut owners: BTreeMap<&str, &str> = BTreeMap::new();
    for optimization in optimizations {
        for setting in &optimization.settings {
            if let Some(other) = owners.insert(&setting.path, &optimization.name) {
                return Err(Problem::new(
                    Reason::DuplicatePath,
                    format!(
                        "spec.optimizations: path {} stands in {other} and in {}; keep it in one of them",
                        setting.path, optimization.name
                    ),
                ));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
