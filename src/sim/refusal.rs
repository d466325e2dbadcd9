//! Answers that say no, in the words of the real server.

use kube::core::Status;
use kube::core::response::{StatusCause, StatusDetails};
use serde_json::{Value, json};

use crate::fault::Denial;
use crate::kind::Kind;
use crate::object::text;
use crate::request::{RequestInfo, Subresource, Verb};

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
            405 => "MethodNotAllowed",
            409 => "Conflict",
            410 => "Expired",
            415 => "UnsupportedMediaType",
            422 => "Invalid",
            429 => "TooManyRequests",
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

    /// The name of an object that waits for its finalizers.
    pub(crate) fn still_exists(kind: &Kind, name: &str) -> Self {
        let mut refusal = Self::already_exists(kind, name);
        refusal.0.message = format!("object is being deleted: {}", refusal.0.message);
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

    /// A deletion that was meant for another object.
    pub(crate) fn precondition(kind: &Kind, name: &str, cause: &str) -> Self {
        let message = format!("Operation cannot be fulfilled on {} \"{name}\": {cause}", kind.qualified());
        Self::new(409, &message).of(kind.group, kind.kind, name)
    }

    pub(crate) fn invalid(kind: &Kind, name: &str, cause: &str) -> Self {
        let message = format!("{} \"{name}\" is invalid: {cause}", kind.qualified());
        let group = if kind.is_checked_as_core() { "" } else { kind.group };
        Self::new(422, &message).of(group, kind.kind, name)
    }

    /// The same for one cause or several.
    pub(crate) fn invalid_for(kind: &Kind, name: &str, causes: &[String]) -> Self {
        let mut refusal = match causes {
            [cause] => Self::invalid(kind, name, cause),
            causes => Self::invalid(kind, name, &format!("[{}]", causes.join(", "))),
        };
        let told = causes.iter().filter_map(|cause| cause.split_once(": ")).map(|(field, message)| StatusCause {
            reason: String::new(),
            message: message.to_owned(),
            field: field.to_owned(),
        });
        if let Some(details) = &mut refusal.0.details {
            details.causes = told.collect();
        }
        refusal
    }

    /// Options that make no sense.
    pub(crate) fn options(kind: &str, cause: &str) -> Self {
        Self::new(422, &format!("{kind}.meta.k8s.io \"\" is invalid: {cause}")).of("meta.k8s.io", kind, "")
    }

    /// A body that cannot be read.
    pub(crate) fn no_json(kind: &Kind, verb: Verb, body: &[u8], error: &serde_json::Error) -> Self {
        let what = if error.is_eof() { "unexpected end of JSON input".to_owned() } else { error.to_string() };
        if verb == Verb::Patch {
            return Self::new(400, &format!("error decoding patch: {what}"));
        }
        let body = String::from_utf8_lossy(body);
        let parsing = format!("couldn't get version/kind; json parse error: {what} ({body})");
        let message = format!("the object provided is unrecognized (must be of type {}): {parsing}", kind.kind);
        Self::new(400, &message)
    }

    /// An object whose fields cannot be read.
    pub(crate) fn undecodable(kind: &Kind, what: &str, is_patch: bool) -> Self {
        if is_patch {
            return Self::new(422, &format!(" \"\" is invalid: patch: Invalid value: \"\": {what}")).of("", "", "");
        }
        let message = format!("{0} in version \"{1}\" cannot be handled as a {0}: {what}", kind.kind, kind.version);
        Self::new(400, &message)
    }

    /// A replacement that does not say of which revision.
    pub(crate) fn without_version(kind: &Kind, name: &str) -> Self {
        let cause = "metadata.resourceVersion: Invalid value: 0: must be specified for an update";
        Self::new(422, &format!("{} \"{name}\" is invalid: {cause}", kind.resource())).about(kind, name)
    }

    /// An object of another kind than its path.
    pub(crate) fn other_kind(kind: &Kind, object: &Value) -> Self {
        let (api_version, name) = (text(object, "/apiVersion"), text(object, "/kind"));
        let unrecognized = format!("the object provided is unrecognized (must be of type {})", kind.kind);
        if kind.custom && name.is_empty() {
            let message = format!("Object 'Kind' is missing in '{object}'");
            return Self::new(400, &format!("{unrecognized}: {message}"));
        }
        if kind.custom && api_version == kind.api_version() {
            let other = format!("{name}.{}", kind.group);
            let cause = format!("kind: Invalid value: \"{name}\": must be {}", kind.kind);
            let object_name = text(object, "/metadata/name");
            let message = format!("{other} \"{object_name}\" is invalid: {cause}");
            return Self::new(422, &message).of(kind.group, name, object_name);
        }
        if kind.custom {
            let expected = format!("does not match the expected API version ({})", kind.api_version());
            return Self::new(400, &format!("the API version in the data ({api_version}) {expected}"));
        }
        let message = format!("{name} in version \"{api_version}\" cannot be handled as a {}", kind.kind);
        Self::new(400, &message)
    }

    /// A review of the access of nobody.
    pub(crate) fn about_nobody() -> Self {
        let cause = "spec.user: Invalid value: \"\": at least one of user or group must be specified";
        Self::new(422, &format!(".authorization.k8s.io \"\" is invalid: {cause}")).of("authorization.k8s.io", "", "")
    }

    /// A write that the rules of access do not allow.
    pub(crate) fn forbidden(kind: &Kind, info: &RequestInfo) -> Self {
        let subresource = match info.subresource {
            Some(Subresource::Status) => "/status",
            Some(Subresource::Eviction) => "/eviction",
            None => "",
        };
        let verb = match info.verb {
            Verb::Get => "get",
            Verb::List => "list",
            Verb::Watch => "watch",
            Verb::Create => "create",
            Verb::Update => "update",
            Verb::Patch => "patch",
            Verb::Delete => "delete",
        };
        let scope = match info.key.namespace.as_str() {
            "" => "at the cluster scope".to_owned(),
            namespace => format!("in the namespace \"{namespace}\""),
        };
        let name = if info.verb == Verb::Create && info.subresource.is_none() { "" } else { &info.key.name };
        let named = if name.is_empty() { String::new() } else { format!(" \"{name}\"") };
        let message = format!(
            "{}{named} is forbidden: User \"{}\" cannot {verb} resource \"{}{subresource}\" in API group \"{}\" {scope}",
            kind.resource(),
            info.user,
            kind.plural,
            kind.group,
        );
        Self::new(403, &message).about(kind, name)
    }

    /// A write that an admission policy refuses.
    pub(crate) fn denied(kind: &Kind, name: &str, denial: &Denial) -> Self {
        let Denial { policy, binding, message, reason } = denial;
        let what = format!("ValidatingAdmissionPolicy '{policy}' with binding '{binding}' denied request: {message}");
        let code = if reason == "Forbidden" { 403 } else { 422 };
        Self::new(code, &format!("{} \"{name}\" is forbidden: {what}", kind.resource())).about(kind, name)
    }

    /// A type of patch that a kind does not have.
    pub(crate) fn media_type(kind: &Kind) -> Self {
        let accepted = "application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml";
        let unknown = "the body of the request was in an unknown format - accepted media types include";
        let message =
            if kind.custom { format!("{unknown}: {accepted}") } else { "415: Unsupported Media Type".to_owned() };
        Self::new(415, &message)
    }

    /// A patch that cannot be carried out.
    pub(crate) fn unprocessable() -> Self {
        Self::new(422, "the server rejected our request due to an error in our request").of("", "", "")
    }

    fn about(self, kind: &Kind, name: &str) -> Self {
        self.of(kind.group, kind.plural, name)
    }

    fn of(mut self, group: &str, kind: &str, name: &str) -> Self {
        self.0.details = Some(StatusDetails {
            name: name.to_owned(),
            group: group.to_owned(),
            kind: kind.to_owned(),
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
        let mut body = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": self.0.message,
            "code": self.0.code,
        });
        if let Some(fields) = body.as_object_mut() {
            if !self.0.reason.is_empty() {
                fields.insert("reason".to_owned(), self.0.reason.clone().into());
            }
            if let Some(details) = &self.0.details {
                fields.insert("details".to_owned(), json!(details));
            }
        }
        body
    }
}
