//! How settings reach members, whichever way they are delivered: the name and the text of each file.

use api::{
    Scalar,
    fleet::{Config, Delivery},
    names::MEMBER_PLACEHOLDER,
    optimization::Optimization,
};

use crate::{
    format::{self, FormatError},
    patching,
    record::Cohort,
    run::stable_hash,
    settings::{Settings, Values, optimized_values},
};

/// Name of a member's file in its ConfigMap.
#[must_use]
pub fn file_key(config: &Config, member: &str) -> String {
    match &config.delivery {
        Delivery::Rendered(rendered) => rendered.key.replace(MEMBER_PLACEHOLDER, member),
        Delivery::Patched(patched) => patched.key.clone(),
    }
}

/// Name of the ConfigMap that is a member's own; `None` where the operator renders.
#[must_use]
pub fn config_map(config: &Config, member: &str) -> Option<String> {
    match &config.delivery {
        Delivery::Rendered(_) => None,
        Delivery::Patched(patched) => Some(patched.name.replace(MEMBER_PLACEHOLDER, member)),
    }
}

/// The member for whom a template with a placeholder gives this name.
#[must_use]
pub fn member_of<'a>(template: &str, name: &'a str) -> Option<&'a str> {
    let (before, after) = template.split_once(MEMBER_PLACEHOLDER)?;
    name.strip_prefix(before)?.strip_suffix(after).filter(|member| !member.is_empty())
}

/// A file of its own with these values; `None` when there is nothing to say.
///
/// # Errors
/// When the format cannot hold a path or a value.
pub fn file(config: &Config, values: &Values) -> Result<Option<String>, FormatError> {
    if values.is_empty() {
        return Ok(None);
    }
    let changes = revised(config, values, values).into_iter().map(|(path, value)| (path, Some(value))).collect();
    format::edit(config.format, "", &changes).map(Some)
}

/// What a file with these values says at `config.revisionPath`; `None` where there is no such file or path.
#[must_use]
pub fn revision(config: &Config, values: &Values) -> Option<String> {
    let wanted = config.revision_path.is_some() && !values.is_empty();
    wanted.then(|| format!("{:08x}", stable_hash(&[&serde_json::json!(values).to_string()]) & 0xffff_ffff))
}

/// What is written into the patched file of an optimized member.
#[must_use]
pub fn switched(config: &Config, settings: &Settings) -> Values {
    revised(config, &settings.switched, &settings.optimized)
}

/// What is written into the patched file of a member that joins a settled fleet.
#[must_use]
pub fn joined(config: &Config, settled: &Values) -> Values {
    revised(config, settled, settled)
}

fn revised(config: &Config, values: &Values, all: &Values) -> Values {
    let revision = config.revision_path.clone().zip(revision(config, all).map(Scalar::Text));
    values.iter().map(|(path, value)| (path.clone(), value.clone())).chain(revision).collect()
}

/// Whether a member with this file, who is in this cohort, runs an optimization.
#[must_use]
pub fn enables(
    config: &Config,
    settings: &Settings,
    cohort: Option<Cohort>,
    file: Option<&str>,
    optimization: &Optimization,
) -> bool {
    match (cohort, &config.delivery, file) {
        (Some(Cohort::Optimized), ..) => true,
        (_, Delivery::Patched(_), Some(file)) => patching::says(config.format, file, &optimized_values(optimization)),
        (_, Delivery::Rendered(_) | Delivery::Patched(_), _) => settings.is_settled_on(optimization),
    }
}

/// The revision that a member with this file has to repeat.
#[must_use]
pub fn expected_revision(
    config: &Config,
    settings: &Settings,
    cohort: Option<Cohort>,
    file: Option<&str>,
) -> Option<String> {
    let (path, file) = (config.revision_path.as_deref()?, file?);
    match &config.delivery {
        Delivery::Rendered(_) if cohort == Some(Cohort::Optimized) => revision(config, &settings.optimized),
        Delivery::Rendered(_) => revision(config, &settings.baseline),
        Delivery::Patched(_) => {
            let found = format::read(config.format, file, [path]).ok()?;
            found.get(path).map(ToString::to_string)
        }
    }
}

#[cfg(test)]
mod tests;
