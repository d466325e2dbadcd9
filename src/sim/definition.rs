//! What the definitions of our kinds make of an object: unknown fields go, defaults come, and schema and rules are
//! checked.

use std::sync::LazyLock;

use api::{Connection, OptimizationRollout};
use kube::CustomResourceExt;
use kube::core::cel::{CompiledSchema, apply_defaults, compile_schema, validate_compiled};
use serde_json::{Value, json};

use crate::kind::Kind;
use crate::schema;

static ROLLOUT: LazyLock<Definition> = LazyLock::new(Definition::of::<OptimizationRollout>);
static CONNECTION: LazyLock<Definition> = LazyLock::new(Definition::of::<Connection>);

struct Definition {
    schema: Value,
    rules: CompiledSchema,
}

impl Definition {
    fn of<K: CustomResourceExt>() -> Self {
        let versions = K::crd().spec.versions.into_iter();
        let schema = json!(versions.filter_map(|version| version.schema?.open_api_v3_schema).next());
        Self { rules: compile_schema(&schema), schema }
    }
}

fn find(kind: &Kind) -> Option<&'static Definition> {
    match kind.kind {
        "OptimizationRollout" => Some(&ROLLOUT),
        "Connection" => Some(&CONNECTION),
        _ => None,
    }
}

/// The schema of a field; `*` stands for any entry of a list.
pub(crate) fn schema_at(kind: &Kind, names: &[String]) -> Option<&'static Value> {
    names.iter().try_fold(&find(kind)?.schema, |schema, name| match name.as_str() {
        "*" => schema.get("items"),
        name => schema.get("properties").and_then(|all| all.get(name)).or_else(|| schema.get("additionalProperties")),
    })
}

/// Takes away what the definition does not know, and puts defaults where something was left out. What is as it was
/// before is that way already.
pub(crate) fn fill(kind: &Kind, object: &mut Value, before: Option<&Value>) {
    let Some(definition) = find(kind) else { return };
    let Some(fields) = object.as_object_mut() else { return };
    let properties = definition.schema.get("properties");
    fields.retain(|name, _| {
        matches!(name.as_str(), "apiVersion" | "kind" | "metadata")
            || properties.is_some_and(|all| all.get(name).is_some())
    });
    for (name, value) in fields.iter_mut() {
        let is_as_before = before.and_then(|before| before.get(name)) == Some(&*value);
        if let Some(schema) = properties.and_then(|all| all.get(name)).filter(|_| !is_as_before) {
            schema::prune(schema, value);
            *value = apply_defaults(schema, value);
        }
    }
}

/// Said where rules could not be evaluated.
const UNCHECKED: &str = "<nil>: Invalid value: null: some validation rules were not checked because the object was \
                         invalid; correct the existing errors to complete validation";
/// Problems after which rules are not evaluated.
const BLOCKING: [&str; 5] =
    [": Required value", ": Unsupported value", ": Too long", ": Too many", " in body must be of type "];

/// Adds to problems of a custom object that its rules were not checked, where that is so.
pub(crate) fn with_notice(kind: &Kind, mut causes: Vec<String>) -> Vec<String> {
    if kind.custom && causes.iter().any(|cause| BLOCKING.iter().any(|words| cause.contains(words))) {
        causes.push(UNCHECKED.to_owned());
    }
    causes
}

/// Adds what the schema and the rules do not allow. What did not change is not refused: it may be older than a rule.
pub(crate) fn problems(kind: &Kind, object: &Value, before: Option<&Value>, mut causes: Vec<String>) -> Vec<String> {
    let Some(definition) = find(kind) else { return causes };
    let is_new = |field: &str| before.is_none_or(|before| before.get(field) != object.get(field));
    for field in ["spec", "status"].into_iter().filter(|field| is_new(field)) {
        let schema = definition.schema.pointer(&format!("/properties/{field}")).unwrap_or(&Value::Null);
        match object.get(field) {
            Some(value) => schema::check(schema, value, field, &mut causes),
            None if schema::requires(&definition.schema, field) => causes.push(format!("{field}: Required value")),
            None => {}
        }
    }
    let count = causes.len();
    let mut causes = with_notice(kind, causes);
    if causes.len() == count && is_new("spec") {
        causes.extend(broken_rules(definition, object, before));
    }
    causes
}

fn broken_rules(definition: &Definition, object: &Value, before: Option<&Value>) -> Vec<String> {
    let broken = validate_compiled(&definition.rules, object, before).err().into_iter().flatten();
    let mut broken: Vec<(String, String)> = broken.map(|error| (error.field_path, error.message)).collect();
    broken.sort();
    let cause = |(path, message): (String, String)| {
        let value = object.pointer(&pointer(&path)).filter(|value| !value.is_object() && !value.is_array());
        let value = value.map(|value| format!("{value}: ")).unwrap_or_default();
        let path = if path.is_empty() { "<nil>".to_owned() } else { path };
        format!("{path}: Invalid value: {value}{message}")
    };
    broken.into_iter().map(cause).collect()
}

/// `spec.stages[0].name` as a JSON pointer.
fn pointer(path: &str) -> String {
    let steps = path.split(['.', '[', ']']).filter(|step| !step.is_empty());
    steps.fold(String::new(), |pointer, step| format!("{pointer}/{step}"))
}
