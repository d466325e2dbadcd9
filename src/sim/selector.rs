//! Which objects a list or a watch is about.

use kube::core::{Expression, Selector, SelectorExt};
use serde_json::Value;

use crate::object::{labels, text};
use crate::refusal::Refusal;

/// The namespace and the selectors of a list or a watch.
#[derive(Debug, Default)]
pub(crate) struct Filter {
    /// All namespaces where empty.
    pub(crate) namespace: String,
    pub(crate) labels: Selector,
    pub(crate) fields: Vec<FieldTerm>,
}

/// `metadata.name=a` or `metadata.name!=a`.
#[derive(Debug)]
pub(crate) struct FieldTerm {
    pointer: &'static str,
    value: String,
    equal: bool,
}

impl Filter {
    /// Whether it is about all objects of its namespace.
    pub(crate) fn selects_all(&self) -> bool {
        self.fields.is_empty() && self.labels.selects_all()
    }

    pub(crate) fn matches(&self, object: &Value) -> bool {
        (self.namespace.is_empty() || text(object, "/metadata/namespace") == self.namespace)
            && self.fields.iter().all(|term| (text(object, term.pointer) == term.value) == term.equal)
            && (self.labels.selects_all() || self.labels.matches(&labels(object)))
    }
}

/// Reads a `labelSelector`.
pub(crate) fn parse_labels(selector: &str) -> Result<Selector, Refusal> {
    split_outside_parentheses(selector)
        .into_iter()
        .map(|term| parse_label_term(term.trim()))
        .collect::<Option<Vec<_>>>()
        .map(Selector::from_iter)
        .ok_or_else(|| Refusal::new(400, &format!("unable to parse requirement of labelSelector {selector:?}")))
}

fn split_outside_parentheses(selector: &str) -> Vec<&str> {
    let mut inside = false;
    let terms = selector.split(|character| {
        match character {
            '(' => inside = true,
            ')' => inside = false,
            _ => {}
        }
        character == ',' && !inside
    });
    terms.filter(|term| !term.trim().is_empty()).collect()
}

fn parse_label_term(term: &str) -> Option<Expression> {
    if let Some((key, value)) = term.split_once("!=") {
        return Some(Expression::NotEqual(word(key)?, value.trim().to_owned()));
    }
    if let Some((key, value)) = term.split_once("==").or_else(|| term.split_once('=')) {
        return Some(Expression::Equal(word(key)?, value.trim().to_owned()));
    }
    if let Some(key) = term.strip_prefix('!') {
        return Some(Expression::DoesNotExist(word(key)?));
    }
    let Some((key, set)) = term.strip_suffix(')').and_then(|term| term.split_once('(')) else {
        return Some(Expression::Exists(word(term)?));
    };
    let values = set.split(',').map(|value| value.trim().to_owned()).collect();
    match key.trim().split_once(char::is_whitespace)? {
        (key, "in") => Some(Expression::In(word(key)?, values)),
        (key, "notin") => Some(Expression::NotIn(word(key)?, values)),
        _ => None,
    }
}

fn word(text: &str) -> Option<String> {
    let text = text.trim();
    let is_key = |character: char| character.is_ascii_alphanumeric() || "-_./".contains(character);
    (!text.is_empty() && text.chars().all(is_key)).then(|| text.to_owned())
}

/// Reads a `fieldSelector`; none where it names a field that this server does not select by.
pub(crate) fn parse_fields(kind: &str, selector: &str) -> Option<Vec<FieldTerm>> {
    selector.split(',').filter(|term| !term.is_empty()).map(|term| parse_field_term(kind, term)).collect()
}

fn parse_field_term(kind: &str, term: &str) -> Option<FieldTerm> {
    let (field, value, equal) = match term.split_once("!=") {
        Some((field, value)) => (field, value, false),
        None => {
            let (field, value) = term.split_once("==").or_else(|| term.split_once('='))?;
            (field, value, true)
        }
    };
    let pointer = match field {
        "metadata.name" => "/metadata/name",
        "metadata.namespace" => "/metadata/namespace",
        "spec.nodeName" if kind == "Pod" => "/spec/nodeName",
        "status.phase" if kind == "Pod" => "/status/phase",
        _ => return None,
    };
    Some(FieldTerm { pointer, value: value.to_owned(), equal })
}

#[cfg(test)]
mod tests;
