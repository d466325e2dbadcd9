//! The rules of deleting and evicting.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{Done, Writing, raise_generation};
use crate::kind::Kind;
use crate::object::{has_finalizers, is_being_deleted, set_metadata, text};
use crate::refusal::Refusal;
use crate::store::Store;

/// How long a pod on a Node may take to end where it does not say itself.
const GRACE_PERIOD: i64 = 30;

impl Store {
    /// Carries an eviction out. No disruption budget stands in its way: a test that wants one refuses the request.
    pub(crate) fn evict(&mut self, writing: &Writing<'_>, eviction: &Value) -> Result<Done, Refusal> {
        let named = text(eviction, "/metadata/name");
        if named != writing.key.name {
            return Err(Refusal::new(400, "name in URL does not match name in Eviction object"));
        }
        self.delete_as(writing, eviction.get("deleteOptions").unwrap_or(&Value::Null), true)
    }

    pub(crate) fn delete(&mut self, writing: &Writing<'_>, options: &Value) -> Result<Done, Refusal> {
        self.delete_as(writing, options, false)
    }

    /// Deletes. An evicted pod says first that it is disrupted.
    fn delete_as(&mut self, writing: &Writing<'_>, options: &Value, evicted: bool) -> Result<Done, Refusal> {
        let (kind, key) = (writing.kind, writing.key);
        let before = self.get(key).ok_or_else(|| Refusal::not_found(kind, &key.name))?;
        let fields = [("uid", "UID", "deleted and then recreated"), ("resourceVersion", "ResourceVersion", "modified")];
        for (field, name, what) in fields {
            let wanted = text(options, &format!("/preconditions/{field}"));
            let found = text(&before, &format!("/metadata/{field}"));
            if !wanted.is_empty() && wanted != found {
                let cause =
                    format!("the {name} in the precondition ({wanted}) does not match the {name} in record ({found})");
                let cause = format!("{cause}. The object might have been {what}");
                return Err(Refusal::precondition(kind, &key.name, &cause));
            }
        }
        (writing.admit)(Some(&before), None)?;
        let mut object = Value::clone(&before);
        if evicted && !is_being_deleted(&object) {
            disrupt(&mut object);
            object = Value::clone(&self.commit(key, object));
        }
        if text(options, "/propagationPolicy") == "Foreground" {
            let finalizers = object.pointer("/metadata/finalizers").and_then(Value::as_array).cloned();
            let mut finalizers = finalizers.unwrap_or_default();
            finalizers.push(json!("foregroundDeletion"));
            set_metadata(&mut object, "finalizers", finalizers);
        }
        let grace = grace_period(kind, &before, options);
        let pending = object.pointer("/metadata/deletionGracePeriodSeconds").and_then(Value::as_i64);
        if grace == 0 && !has_finalizers(&object) {
            if kind.kind == "Pod" {
                let is_news = !is_being_deleted(&before);
                mark_deleted(&mut object, self.timestamp(), 0, is_news);
                object = Value::clone(&self.commit(key, object));
            }
            self.remove(key);
            set_metadata(&mut object, "resourceVersion", self.revision().to_string());
            return Ok(Done { object: Arc::new(object), before: Some(before), gone: true, created: false });
        }
        if is_being_deleted(&before) && pending.is_none_or(|pending| pending <= grace) {
            return Ok(Done { object: before.clone(), before: Some(before), gone: false, created: false });
        }
        mark_deleted(&mut object, self.timestamp_in(grace), grace, true);
        Ok(Done { before: Some(before), object: self.commit(key, object), gone: false, created: false })
    }
}

/// Says in an object that it is being deleted.
fn mark_deleted(object: &mut Value, at: String, grace: i64, is_news: bool) {
    set_metadata(object, "deletionTimestamp", at);
    set_metadata(object, "deletionGracePeriodSeconds", grace);
    if is_news && object.pointer("/metadata/generation").is_some() {
        raise_generation(object);
    }
}

/// Adds the condition that tells why a pod ends.
fn disrupt(pod: &mut Value) {
    let condition = json!({"type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI"});
    if let Some(Value::Array(conditions)) = pod.pointer_mut("/status/conditions") {
        conditions.push(condition);
    } else if let Some(Value::Object(status)) = pod.get_mut("status") {
        status.insert("conditions".to_owned(), json!([condition]));
    }
}

/// How long an object may take to end: a pod that a Node has is ended by its kubelet.
fn grace_period(kind: &Kind, object: &Value, options: &Value) -> i64 {
    if kind.kind != "Pod" || text(object, "/spec/nodeName").is_empty() {
        return 0;
    }
    let wanted = options.get("gracePeriodSeconds").and_then(Value::as_i64);
    let own = object.pointer("/spec/terminationGracePeriodSeconds").and_then(Value::as_i64);
    wanted.or(own).unwrap_or(GRACE_PERIOD)
}
