//! Where every run has to end: nobody is optimized, traffic is back, and the status says so.

use api::names::{COHORT_LABEL, MEMBERS_KEY, RECORD_ANNOTATION, RETREAT_ANNOTATION, SERVING_LABEL, cohort};
use domain::record::Record;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::ResourceExt;

use crate::{members::Members, node::Seen};

/// Holds if everything is as it was before the run, and told.
///
/// # Errors
/// With the first thing that is not.
pub fn holds(seen: &Seen, members: &Members) -> Result<(), String> {
    let optimized = members.optimized();
    if !optimized.is_empty() {
        return Err(format!("{optimized:?} run the optimized values"));
    }
    for pod in &seen.pods {
        let label = |name: &str| pod.labels().get(name).map(String::as_str);
        let is_back = label(COHORT_LABEL) == Some(cohort::BASELINE)
            && label(SERVING_LABEL) == Some("true")
            && !pod.annotations().contains_key(RETREAT_ANNOTATION);
        if !is_back {
            return Err(format!("pod {} has the labels {:?}", pod.name_any(), pod.labels()));
        }
    }
    let service = seen.service.as_ref().ok_or("the Service is gone")?;
    let selector = service.spec.as_ref().and_then(|spec| spec.selector.clone()).unwrap_or_default();
    if selector.contains_key(COHORT_LABEL) || service.annotations().contains_key(RETREAT_ANNOTATION) {
        return Err(format!("the Service selects {selector:?}"));
    }
    if let Some(map) = seen.maps.values().find(|map| is_recorded(map)) {
        return Err(format!("ConfigMap {} still has a record of members", map.name_any()));
    }
    let files = seen.maps.values().flat_map(|map| map.data.iter().flatten());
    if let Some((file, _)) = files.into_iter().find(|(_, text)| text.contains("enabled = true")) {
        return Err(format!("the file {file} is optimized"));
    }
    told(seen)
}

/// Whether a ConfigMap says of a member that it is in a cohort.
fn is_recorded(map: &ConfigMap) -> bool {
    let rendered = map.data.as_ref().and_then(|data| data.get(MEMBERS_KEY));
    let record = rendered.or_else(|| map.annotations().get(RECORD_ANNOTATION));
    Record::parse(record.map(String::as_str)).is_ok_and(|record| !record.members.is_empty())
}

/// Whether the status says all of it.
fn told(seen: &Seen) -> Result<(), String> {
    let rollout = seen.rollout.as_ref().ok_or("the rollout is gone")?;
    if !rollout.finalizers().is_empty() {
        return Err("the rollout still has its finalizer".to_owned());
    }
    let status = rollout.status.clone().unwrap_or_default();
    let aborted = status.run.is_some_and(|run| run.aborted_at.is_some());
    let acknowledged = status.retreat.as_ref().is_some_and(|retreat| {
        retreat.off_at.is_some() && retreat.rerouted_at.is_some() && retreat.acknowledged_at.is_some()
    });
    if !aborted || !acknowledged {
        return Err(format!("the status says {:?} of the retreat", status.retreat));
    }
    let members = status.members.unwrap_or_default();
    if (members.optimized, members.returning) != (0, 0) {
        return Err(format!("the status counts {members:?}"));
    }
    for (name, value) in [("Aborted", "True"), ("Stalled", "True"), ("Ready", "False"), ("Progressing", "False")] {
        let condition = status.conditions.iter().find(|condition| condition.type_ == name);
        let holds = condition.is_some_and(|condition| {
            condition.status == value && condition.observed_generation == rollout.metadata.generation
        });
        if !holds {
            return Err(format!("condition {name} is {condition:?}"));
        }
    }
    Ok(())
}
