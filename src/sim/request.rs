//! What a request asks for.

use std::collections::BTreeMap;
use std::time::Duration;

use http::request::Parts;
use http::{Method, header};
use serde_json::Value;

use crate::kind::{Key, Kind};
use crate::object::text;
use crate::refusal::Refusal;
use crate::selector::{Filter, parse_fields, parse_labels};

/// What a request does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verb {
    /// Reads one object.
    Get,
    /// Reads a collection.
    List,
    /// Follows a collection.
    Watch,
    /// Creates an object, or evicts a pod.
    Create,
    /// Replaces an object.
    Update,
    /// Merges a patch into an object.
    Patch,
    /// Deletes an object.
    Delete,
}

impl Verb {
    /// Whether it changes anything.
    pub fn writes(self) -> bool {
        !matches!(self, Self::Get | Self::List | Self::Watch)
    }
}

/// A part of an object with a path of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Subresource {
    /// `/status`.
    Status,
    /// `/eviction` of a pod.
    Eviction,
}

/// A request as hooks see it.
#[derive(Clone, Debug)]
pub struct RequestInfo {
    /// Who sent it: the name given to [`crate::ApiServer::client_as`].
    pub user: String,
    /// What it does.
    pub verb: Verb,
    /// What it is about. The name is empty for collections and for creations with a generated name.
    pub key: Key,
    /// The subresource that it is about.
    pub subresource: Option<Subresource>,
    /// The object, patch or options that it carries; null where it carries none.
    pub body: Value,
}

/// A request with everything that is needed to answer it.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) info: RequestInfo,
    pub(crate) kind: &'static Kind,
    pub(crate) filter: Filter,
    pub(crate) watch: WatchOptions,
    /// Whether the client wants the metadata alone.
    pub(crate) metadata_only: bool,
}

#[derive(Debug)]
pub(crate) struct WatchOptions {
    /// Everything that is there is sent first where none is given.
    pub(crate) after: Option<u64>,
    pub(crate) bookmarks: bool,
    pub(crate) timeout: Option<Duration>,
}

/// The code of a request that the real server would understand and this one does not.
pub(crate) const UNSUPPORTED: u16 = 501;

impl Call {
    pub(crate) fn parse(user: &str, parts: &Parts, body: &[u8]) -> Result<Self, Refusal> {
        let unsupported = |what: &str| {
            let message = format!("the simulated API server does not support {what}: {} {}", parts.method, parts.uri);
            Refusal::new(UNSUPPORTED, &message)
        };
        let path = Path::parse(parts.uri.path()).ok_or_else(|| unsupported("this path"))?;
        let kind = Kind::served(path.group, path.version, path.plural).ok_or_else(|| unsupported("this resource"))?;
        let subresource = match path.subresource {
            "" => None,
            "status" if kind.has_status => Some(Subresource::Status),
            "eviction" if kind.plural == "pods" => Some(Subresource::Eviction),
            _ => return Err(unsupported("this subresource")),
        };
        let query: BTreeMap<_, _> =
            form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes()).into_owned().collect();
        let option = |name: &str| query.get(name).map(String::as_str).unwrap_or_default();
        let verb = match (&parts.method, path.name.is_empty(), subresource) {
            (&Method::GET, true, None) if matches!(option("watch"), "true" | "1") => Verb::Watch,
            (&Method::GET, true, None) => Verb::List,
            (&Method::GET, false, None) => Verb::Get,
            (&Method::POST, true, None) | (&Method::POST, false, Some(Subresource::Eviction)) => Verb::Create,
            (&Method::PUT, false, None | Some(Subresource::Status)) => Verb::Update,
            (&Method::PATCH, false, None | Some(Subresource::Status)) => Verb::Patch,
            (&Method::DELETE, false, None) => Verb::Delete,
            _ => return Err(unsupported("this method")),
        };
        let header = |name| parts.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if verb == Verb::Patch && header(header::CONTENT_TYPE) != "application/merge-patch+json" {
            return Err(unsupported("this type of patch"));
        }
        let body = if body.is_empty() {
            Value::Null
        } else {
            serde_json::from_slice(body).map_err(|error| Refusal::new(400, &format!("the body is no JSON: {error}")))?
        };
        if matches!(verb, Verb::Create | Verb::Update) && !body.get("metadata").is_some_and(Value::is_object) {
            return Err(Refusal::new(400, "the body is no object with metadata"));
        }
        for refused in ["dryRun", "sendInitialEvents", "continue"] {
            if !option(refused).is_empty() || body.get(refused).is_some() {
                return Err(unsupported(refused));
            }
        }
        if option("resourceVersionMatch") == "Exact" {
            return Err(unsupported("exact reads"));
        }
        let filter = Filter {
            namespace: path.namespace.to_owned(),
            labels: parse_labels(option("labelSelector"))?,
            fields: parse_fields(option("fieldSelector")).ok_or_else(|| unsupported("this field selector"))?,
        };
        let watch = WatchOptions {
            after: option("resourceVersion").parse().ok().filter(|revision| *revision > 0),
            bookmarks: option("allowWatchBookmarks") == "true",
            timeout: option("timeoutSeconds").parse().ok().map(Duration::from_secs),
        };
        let name = if path.name.is_empty() { text(&body, "/metadata/name") } else { path.name };
        let key = kind.key(path.namespace, name);
        let metadata_only = header(header::ACCEPT).contains("as=PartialObjectMetadata");
        let info = RequestInfo { user: user.to_owned(), verb, key, subresource, body };
        Ok(Self { info, kind, filter, watch, metadata_only })
    }
}

/// The parts of a path; those that it lacks are empty.
struct Path<'a> {
    group: &'a str,
    version: &'a str,
    namespace: &'a str,
    plural: &'a str,
    name: &'a str,
    subresource: &'a str,
}

impl<'a> Path<'a> {
    fn parse(path: &'a str) -> Option<Self> {
        let mut segments = path.trim_start_matches('/').split('/');
        let (group, version) = match segments.next()? {
            "api" => ("", segments.next()?),
            "apis" => (segments.next()?, segments.next()?),
            _ => return None,
        };
        let rest: Vec<&str> = segments.collect();
        let (namespace, rest) = match rest.as_slice() {
            // `namespaces/x/status` is about the namespace itself.
            ["namespaces", namespace, rest @ ..] if !matches!(rest, [] | ["status"]) => (*namespace, rest),
            rest => ("", rest),
        };
        let (plural, name, subresource) = match rest {
            [plural] => (*plural, "", ""),
            [plural, name] => (*plural, *name, ""),
            [plural, name, subresource] => (*plural, *name, *subresource),
            _ => return None,
        };
        Some(Self { group, version, namespace, plural, name, subresource })
    }
}
