//! A ConfigMap with members' files, and what it records.

use std::collections::BTreeMap;

use api::{
    fleet::{Config, Delivery, Rendered},
    names::{
        BASE_ANNOTATION, BASE_KEY, FIELD_MANAGER, INVERSE_ANNOTATION, MEMBER_ANNOTATION, MEMBERS_KEY,
        RECORD_ANNOTATION, RETREAT_ANNOTATION, RETREAT_REASON_ANNOTATION, ROLLOUT_LABEL, SETTLED_ANNOTATION,
        SETTLED_BY_ANNOTATION,
    },
    reason::Reason,
};
use domain::{
    delivery,
    mark::Mark,
    observation::{Locked, Problem, Shard},
    record::Record,
    rendering,
};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::ResourceExt;
use serde::de::DeserializeOwned;

/// Whether a ConfigMap may hold files of a fleet with this configuration, by its name.
#[must_use]
pub fn is_named(config: &Config, name: &str) -> bool {
    match &config.delivery {
        Delivery::Rendered(rendered) => rendering::shard_index(rendered, name).is_some(),
        Delivery::Patched(patched) => delivery::member_of(&patched.name, name).is_some(),
    }
}

/// Reads files and record.
///
/// # Errors
/// What makes the ConfigMap unusable: nothing of it is written then.
pub fn read(config: &Config, map: &ConfigMap) -> Result<Shard, Problem> {
    permission(config, map)?;
    let shard = contents(config, map)?;
    changeable(config, map)?;
    match &config.delivery {
        Delivery::Patched(patched) if shard.files.is_empty() => {
            let message = format!("ConfigMap {} has no key {}; add the member's file to it", shard.name, patched.key);
            Err(Problem::new(Reason::ConfigUnreadable, message))
        }
        Delivery::Patched(_) | Delivery::Rendered(_) => Ok(shard),
    }
}

/// Reads what a ConfigMap records that may not be written any more; `None` where it may, or records nothing. Of one whose
/// owner forbids to edit it, nothing but the record is known.
///
/// # Errors
/// Why nobody can read what it records.
pub fn locked(config: &Config, map: &ConfigMap) -> Result<Option<Locked>, Problem> {
    let shard = contents(config, map)?;
    let lock = permission(config, map).and_then(|()| changeable(config, map)).err();
    Ok(lock.filter(|_| !shard.record.members.is_empty()).map(|problem| Locked { shard, problem }))
}

/// Reads what a ConfigMap says, whether it may be written or not.
///
/// # Errors
/// Why nobody can read what it records.
pub fn contents(config: &Config, map: &ConfigMap) -> Result<Shard, Problem> {
    let name = map.name_any();
    let own = |key: &str| map.data.as_ref().and_then(|data| data.get(key));
    let (record, base, files) = match &config.delivery {
        Delivery::Rendered(rendered) => {
            (own(MEMBERS_KEY).map(String::as_str), own(BASE_KEY).cloned(), rendered_files(rendered, map))
        }
        Delivery::Patched(patched) => {
            let member = delivery::member_of(&patched.name, &name);
            let file = member.zip(own(&patched.key)).map(|(member, file)| (member.to_owned(), file.clone()));
            (annotation(map, RECORD_ANNOTATION), None, file.into_iter().collect())
        }
    };
    Ok(Shard {
        resource_version: map.resource_version().unwrap_or_default(),
        mark: Mark::parse(annotation(map, RETREAT_ANNOTATION), annotation(map, RETREAT_REASON_ANNOTATION)),
        record: Record::parse(record).map_err(|what| unreadable(&name, &what))?,
        settled: parsed(map, SETTLED_ANNOTATION)?.unwrap_or_default(),
        owners: parsed(map, SETTLED_BY_ANNOTATION)?.unwrap_or_default(),
        base,
        rollout: map.labels().get(ROLLOUT_LABEL).cloned(),
        inverse: parsed(map, INVERSE_ANNOTATION)?,
        last_writer: last_writer(map),
        files,
        name,
    })
}

/// Whether a ConfigMap can be written at all.
fn changeable(config: &Config, map: &ConfigMap) -> Result<(), Problem> {
    if map.immutable != Some(true) {
        return Ok(());
    }
    let again = match &config.delivery {
        Delivery::Rendered(_) => "delete it, it will be made again",
        Delivery::Patched(_) => "make it again without immutable: true",
    };
    Err(Problem::new(Reason::ConfigMapImmutable, format!("ConfigMap {} is immutable: {again}", map.name_any())))
}

/// Whether the owner of a member's own ConfigMap lets it be edited.
fn permission(config: &Config, map: &ConfigMap) -> Result<(), Problem> {
    let Delivery::Patched(patched) = &config.delivery else { return Ok(()) };
    let name = map.name_any();
    let Some(member) = annotation(map, MEMBER_ANNOTATION) else {
        let member = delivery::member_of(&patched.name, &name).unwrap_or_default();
        let message = format!(
            "the owner of ConfigMap {name} does not let the operator edit it; to allow it: kubectl --namespace {} \
             annotate configmap {name} {MEMBER_ANNOTATION}={member}",
            map.namespace().unwrap_or_default()
        );
        return Err(Problem::new(Reason::NotOptedIn, message));
    };
    if delivery::config_map(config, member).as_deref() != Some(&name) {
        let message = format!(
            "ConfigMap {name} says in its annotation {MEMBER_ANNOTATION} that it is of member {member}, whose ConfigMap \
             has another name; correct the annotation or spec.fleet.config.patched.name"
        );
        return Err(Problem::new(Reason::NotOptedIn, message));
    }
    Ok(())
}

fn rendered_files(rendered: &Rendered, map: &ConfigMap) -> BTreeMap<String, String> {
    let data = map.data.iter().flatten();
    let files = data.filter(|(key, _)| ![MEMBERS_KEY, BASE_KEY].contains(&key.as_str()));
    files.filter_map(|(key, file)| Some((delivery::member_of(&rendered.key, key)?.to_owned(), file.clone()))).collect()
}

fn annotation<'m>(map: &'m ConfigMap, name: &str) -> Option<&'m str> {
    map.annotations().get(name).map(String::as_str)
}

fn parsed<T: DeserializeOwned>(map: &ConfigMap, name: &str) -> Result<Option<T>, Problem> {
    let text = annotation(map, name).map(serde_json::from_str).transpose();
    text.map_err(|error| unreadable(&map.name_any(), &format!("the annotation {name} does not parse: {error}")))
}

fn unreadable(name: &str, what: &str) -> Problem {
    let message = format!("ConfigMap {name}: {what}; restore it from a backup, or delete it to start over");
    Problem::new(Reason::ConfigUnreadable, message)
}

fn last_writer(map: &ConfigMap) -> Option<String> {
    map.managed_fields().iter().find_map(|entry| entry.manager.clone())
}

/// Takes away what no decision looks at: the content of other people's ConfigMaps, and of who wrote what all but the
/// latest writer beside ourselves.
pub fn prune(map: &mut ConfigMap) {
    let managed = map.metadata.managed_fields.take().unwrap_or_default().into_iter();
    let foreign = managed.filter(|entry| entry.manager.as_deref() != Some(FIELD_MANAGER));
    let latest = foreign.max_by_key(|entry| entry.time.as_ref().map(|time| time.0));
    let opted_in = [MEMBER_ANNOTATION, BASE_ANNOTATION].iter().any(|name| map.annotations().contains_key(*name));
    let ours = map.labels().contains_key(ROLLOUT_LABEL) || opted_in;
    map.binary_data = None;
    if ours {
        map.metadata.managed_fields = latest.map(|entry| {
            vec![k8s_openapi::apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry { fields_v1: None, ..entry }]
        });
    } else {
        map.data = None;
        // Who was allowed to edit it once knows what it has recorded there.
        map.annotations_mut().retain(|name, _| name == RECORD_ANNOTATION);
    }
}

#[cfg(test)]
mod tests;
