//! How settings reach members, whichever way they are delivered: the name and the text of each file.

use std::collections::BTreeMap;

use api::{
    Scalar,
    fleet::{Config, Delivery},
    names::MEMBER_PLACEHOLDER,
    optimization::Optimization,
};

use crate::{
    acknowledgement::fingerprint,
    format::{self, FormatError},
    patching,
    record::Cohort,
    run::stable_hash,
    settings::{Changes, Settings, Values, optimized_values, setting},
    settled::Owners,
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

/// By which a touch names a rendered file with these values: another base is no news.
#[must_use]
pub fn told(config: &Config, values: &Values) -> String {
    fingerprint(checked_file(config, None, values).as_deref())
}

/// The member for whom a template with a placeholder gives this name.
#[must_use]
pub fn member_of<'a>(template: &str, name: &'a str) -> Option<&'a str> {
    let (before, after) = template.split_once(MEMBER_PLACEHOLDER)?;
    name.strip_prefix(before)?.strip_suffix(after).filter(|member| !member.is_empty())
}

/// A file with these values, written into the base where there is one; `None` when there is nothing to say.
///
/// # Errors
/// When the base does not parse, or the format or the base cannot hold a path or a value.
pub fn file(config: &Config, base: Option<&str>, values: &Values) -> Result<Option<String>, FormatError> {
    if base.is_none() && values.is_empty() {
        return Ok(None);
    }
    format::edit(config.format, base.unwrap_or_default(), &setting(&revised(config, values, values))).map(Some)
}

/// The same where it was checked before the run; what a file could not hold after all leaves the base alone.
#[must_use]
pub fn checked_file(config: &Config, base: Option<&str>, values: &Values) -> Option<String> {
    file(config, base, values).unwrap_or_else(|_| base.map(str::to_owned))
}

/// What a file with these values says at `config.revisionPath`; `None` where there is no such file or path.
#[must_use]
pub fn revision(config: &Config, values: &Values) -> Option<String> {
    let wanted = config.revision_path.is_some() && !values.is_empty();
    wanted.then(|| format!("{:08x}", stable_hash(&[&serde_json::json!(values).to_string()]) & 0xffff_ffff))
}

/// What is written into the patched file of an optimized member, in whose ConfigMap values have these owners.
#[must_use]
pub fn switched(config: &Config, settings: &Settings, owners: &Owners) -> Changes {
    let mut changes = restored(&settings.released, owners);
    changes.extend(setting(&settings.switched));
    if let Some(path) = &config.revision_path {
        // Where no value is left there is no revision either.
        changes.insert(path.clone(), revision(config, &settings.optimized).map(Scalar::Text));
    }
    changes
}

/// What stood at these paths of a patched file before they were settled; a path that was not settled there is nobody's to
/// change.
#[must_use]
pub fn restored<V>(paths: &BTreeMap<String, V>, owners: &Owners) -> Changes {
    paths.keys().filter_map(|path| Some((path.clone(), owners.get(path)?.before.clone()))).collect()
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
        (_, delivery, Some(file)) if is_complete(delivery) => {
            patching::says(config.format, file, &setting(&optimized_values(optimization)))
        }
        _ => settings.is_settled_on(optimization),
    }
}

/// Whether a file says all that its member runs, and not only what differs from a file that we do not know.
fn is_complete(delivery: &Delivery) -> bool {
    match delivery {
        Delivery::Rendered(rendered) => rendered.base.is_some(),
        Delivery::Patched(_) => true,
    }
}

/// Whether a member with this file, who is in this cohort, still runs an optimization that is taken out.
#[must_use]
pub fn keeps(config: &Config, settings: &Settings, cohort: Option<Cohort>, file: Option<&str>, name: &str) -> bool {
    match (&config.delivery, file) {
        (delivery, Some(file)) if is_complete(delivery) => {
            let out = settings.released.iter().filter(|(_, optimization)| *optimization == name);
            let settled = out.map(|(path, _)| (path.clone(), settings.baseline.get(path).cloned()));
            patching::says(config.format, file, &settled.collect())
        }
        _ => cohort != Some(Cohort::Optimized),
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
        Delivery::Rendered(_) | Delivery::Patched(_) => {
            let found = format::read(config.format, file, [path]).ok()?;
            found.get(path).map(ToString::to_string)
        }
    }
}

#[cfg(test)]
mod tests;
