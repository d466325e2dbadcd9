//! Answers that say no, in the words of the real server.

use kube::core::Status;
use kube::core::response::StatusDetails;
use serde_json::{Value, json};

use crate::kind::Kind;

/// A `Status` of failure.
#[derive(Debug)]
pub(crate) struct Refusal(Box<Status>);

impl Refusal {
    /// A refusal with the reason that the real server gives with such a code.
    pub(crate) fn new(code: u16, message: &str) -> Self {
        let reason = match code {
            400 => "BadRequest",
            401 => "Unauthorized",
            403 => "Forbidden",
            404 => "NotFound",
            409 => "Conflict",
            410 => "Expired",
            422 => "Invalid",
            429 => "TooManyRequests",
            500 => "InternalError",
            503 => "ServiceUnavailable",
            504 => "Timeout",
            _ => "",
        };
        Self(Status::failure(message, reason).with_code(code).boxed())
    }

    pub(crate) fn not_found(kind: &Kind, name: &str) -> Self {
        Self::new(404, &format!("{} \"{name}\" not found", kind.resource())).about(kind, name)
    }

    pub(crate) fn already_exists(kind: &Kind, name: &str) -> Self {
        let mut refusal = Self::new(409, &format!("{} \"{name}\" already exists", kind.resource())).about(kind, name);
        "AlreadyExists".clone_into(&mut refusal.0.reason);
        refusal
    }

    pub(crate) fn stale(kind: &Kind, name: &str) -> Self {
        let cause = "the object has been modified; please apply your changes to the latest version and try again";
        Self::conflict(kind, name, cause)
    }

    pub(crate) fn conflict(kind: &Kind, name: &str, cause: &str) -> Self {
        let message = format!("Operation cannot be fulfilled on {} \"{name}\": {cause}", kind.resource());
        Self::new(409, &message).about(kind, name)
    }

    pub(crate) fn invalid(kind: &Kind, name: &str, cause: &str) -> Self {
        Self::new(422, &format!("{} \"{name}\" is invalid: {cause}", kind.kind)).about(kind, name)
    }

    fn about(mut self, kind: &Kind, name: &str) -> Self {
        self.0.details = Some(StatusDetails {
            name: name.to_owned(),
            group: kind.group.to_owned(),
            kind: kind.plural.to_owned(),
            uid: String::new(),
            causes: Vec::new(),
            retry_after_seconds: 0,
        });
        self
    }

    pub(crate) fn code(&self) -> u16 {
        self.0.code
    }

    pub(crate) fn message(&self) -> &str {
        &self.0.message
    }

    /// The `Status` object that the answer carries.
    pub(crate) fn body(&self) -> Value {
        json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": self.0.message,
            "reason": self.0.reason, "details": self.0.details, "code": self.0.code,
        })
    }
}
