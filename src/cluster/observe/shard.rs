//! A rendered ConfigMap and what it records.

use api::{
    fleet::Config,
    names::{MEMBERS_KEY, RETREAT_ANNOTATION, RETREAT_REASON_ANNOTATION, SETTLED_ANNOTATION},
    reason::Reason,
};
use domain::{
    mark::Mark,
    observation::{Problem, Shard},
    record::Record,
    rendering,
    settings::Values,
};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::ResourceExt;

/// Which one of the rendered ConfigMaps has this name.
#[must_use]
pub fn index(config: &Config, name: &str) -> Option<usize> {
    let rest = name.strip_prefix(&config.rendered.name)?;
    if rest.is_empty() {
        return Some(0);
    }
    let index: usize = rest.strip_prefix('-')?.parse().ok()?;
    (index > 0 && rendering::shard_name(config, index) == name).then_some(index)
}

/// Reads files and record.
///
/// # Errors
/// What makes the ConfigMap unusable: nothing of it is written then.
pub fn read(config: &Config, map: &ConfigMap) -> Result<Shard, Problem> {
    let name = map.name_any();
    if map.immutable == Some(true) {
        let message = format!("ConfigMap {name} is immutable: delete it, it will be made again");
        return Err(Problem::new(Reason::ConfigMapImmutable, message));
    }
    let unreadable = |what: String| {
        let message = format!("ConfigMap {name}: {what}; restore it from a backup, or delete it to start over");
        Problem::new(Reason::ConfigUnreadable, message)
    };
    let annotation = |name: &str| map.annotations().get(name).map(String::as_str);
    let data = map.data.clone().unwrap_or_default();
    let record = Record::parse(data.get(MEMBERS_KEY).map(String::as_str)).map_err(unreadable)?;
    let settled: Values = match annotation(SETTLED_ANNOTATION) {
        None => Values::new(),
        Some(text) => serde_json::from_str(text)
            .map_err(|error| unreadable(format!("the annotation {SETTLED_ANNOTATION} does not parse: {error}")))?,
    };
    Ok(Shard {
        resource_version: map.resource_version().unwrap_or_default(),
        mark: Mark::parse(annotation(RETREAT_ANNOTATION), annotation(RETREAT_REASON_ANNOTATION)),
        record,
        settled,
        files: data
            .into_iter()
            .filter_map(|(key, file)| Some((rendering::member_of(config, &key)?.to_owned(), file)))
            .collect(),
        name,
    })
}

#[cfg(test)]
mod tests;
