use std::collections::BTreeSet;

use kube::CustomResourceExt;

use super::*;
use crate::world::{based_rollout, patched_rollout, rollout};

/// The fields of a schema that hold values, with `-` for any item of a list.
fn leaves(schema: &Value, path: &str, into: &mut BTreeSet<String>) {
    match (schema["properties"].as_object(), &schema["items"]) {
        (Some(fields), _) => fields.iter().for_each(|(name, field)| leaves(field, &format!("{path}/{name}"), into)),
        (None, Value::Null) => drop(into.insert(path.to_owned())),
        (None, items) => leaves(items, &format!("{path}/-"), into),
    }
}

/// The same of a value.
fn set(value: &Value, path: &str, into: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => fields.iter().for_each(|(name, field)| set(field, &format!("{path}/{name}"), into)),
        Value::Array(items) => items.iter().for_each(|item| set(item, &format!("{path}/-"), into)),
        _ => drop(into.insert(path.to_owned())),
    }
}

fn spec() -> Value {
    let version = OptimizationRollout::crd().spec.versions.remove(0);
    json!(version.schema.unwrap().open_api_v3_schema)["properties"]["spec"].take()
}

#[test]
fn every_field_of_a_spec_is_edited_in_some_story() {
    let (mut fields, mut edited) = (BTreeSet::new(), BTreeSet::new());
    leaves(&spec(), "", &mut fields);
    for Edit(changes) in field::edits() {
        for (path, value) in changes {
            let path: Vec<&str> =
                path.split('/').map(|name| if name.parse::<u8>().is_ok() { "-" } else { name }).collect();
            set(&value, &path.join("/"), &mut edited);
        }
    }
    let is_edited = |field: &String| {
        let inside = format!("{field}/");
        edited.iter().any(|path| path == field || path.starts_with(&inside))
    };
    let forgotten: Vec<&String> = fields.iter().filter(|field| !is_edited(field)).collect();
    assert!(fields.len() > 60, "{fields:?}");
    assert!(forgotten.is_empty(), "an edit of each is wanted in edit/field.rs: {forgotten:#?}");
}

/// A spec before an edit, after it, and after that was taken back; `None` where the edit is refused.
async fn specs(edit: &Edit, rollout: &Value) -> Option<[Value; 3]> {
    let world = World::new();
    world.apply(rollout);
    let spec = || world.server.object(&key("pooling")).unwrap()["spec"].clone();
    let before = spec();
    let back = edit.happen(&world, "pooling").await?;
    let after = spec();
    back.happen(&world, "pooling").await;
    Some([before, after, spec()])
}

#[tokio::test(start_paused = true)]
async fn every_edit_is_allowed_before_a_run_where_there_is_a_place_for_it_and_can_be_taken_back() {
    let mut rollouts = [rollout("pooling"), based_rollout("pooling"), patched_rollout("pooling")];
    for rollout in &mut rollouts {
        rollout["spec"]["stages"][0]["name"] = json!("stage-0");
    }
    let mut useless = Vec::new();
    for edit in field::edits() {
        let mut changes = false;
        for rollout in &rollouts {
            let Some([before, after, again]) = specs(&edit, rollout).await else { continue };
            changes |= before != after;
            // The number of an attempt never falls.
            let is_final = edit.paths().any(|path| path == "/attempt");
            assert!(before == again || is_final, "{edit:?} stays:\n{before}\n{again}");
        }
        if !changes {
            useless.push(edit);
        }
    }
    assert!(useless.is_empty(), "{useless:#?}");
}
