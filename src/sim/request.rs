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
    /// Patches an object, or applies it.
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
    pub(crate) page: Page,
    pub(crate) patch: PatchType,
    /// Who manages the fields that are written.
    pub(crate) manager: String,
    /// Whether an apply takes fields from others.
    pub(crate) force: bool,
    /// Whether the client wants the metadata alone.
    pub(crate) metadata_only: bool,
}

#[derive(Debug)]
pub(crate) struct WatchOptions {
    /// Everything that is there is sent first where none is given.
    pub(crate) after: Option<u64>,
    /// Whether what is there is sent first, and then a bookmark.
    pub(crate) sends_initial_events: bool,
    pub(crate) bookmarks: bool,
    pub(crate) timeout: Option<Duration>,
}

/// How a list comes in pages.
#[derive(Debug, Default)]
pub(crate) struct Page {
    /// How many objects it has at most; all where it is 0.
    pub(crate) limit: usize,
    /// The revision that is listed; that of now where there is none.
    pub(crate) at: Option<u64>,
    /// The namespace and the name where the page before this one ended.
    pub(crate) after: Option<(String, String)>,
}

impl Page {
    fn parse(limit: &str, token: &str, version: &str) -> Result<Self, Refusal> {
        let limit = limit.parse().unwrap_or_default();
        if token.is_empty() {
            return Ok(Self { limit, at: version.parse().ok(), after: None });
        }
        let mut parts = token.splitn(3, '/');
        let revision = parts.next().and_then(|revision| revision.parse().ok());
        match (revision, parts.next(), parts.next()) {
            (Some(revision), Some(namespace), Some(name)) => {
                Ok(Self { limit, at: Some(revision), after: Some((namespace.to_owned(), name.to_owned())) })
            }
            _ => Err(Refusal::new(400, "invalid continue token: continue key is not valid")),
        }
    }

    /// The token of the page after the one that ends with an object.
    pub(crate) fn next(revision: u64, last: &Value) -> String {
        format!("{revision}/{}/{}", text(last, "/metadata/namespace"), text(last, "/metadata/name"))
    }
}

/// What the body of a patch is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PatchType {
    Merge,
    Json,
    Apply,
}

/// The code of a request that the real server would understand and this one does not.
pub(crate) const UNSUPPORTED: u16 = 501;

/// Who manages what a client wrote that does not say who it is.
const UNKNOWN_MANAGER: &str = "unknown";

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
            (&Method::GET, false, None | Some(Subresource::Status)) => Verb::Get,
            (&Method::POST, true, None) | (&Method::POST, false, Some(Subresource::Eviction)) => Verb::Create,
            (&Method::PUT, false, None | Some(Subresource::Status)) => Verb::Update,
            (&Method::PATCH, false, None | Some(Subresource::Status)) => Verb::Patch,
            (&Method::DELETE, false, None) => Verb::Delete,
            _ => return Err(unsupported("this method")),
        };
        let header = |name| parts.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let patch = match header(header::CONTENT_TYPE) {
            "application/json-patch+json" => PatchType::Json,
            "application/apply-patch+yaml" => PatchType::Apply,
            "application/strategic-merge-patch+json" if !kind.custom => {
                return Err(unsupported("this type of patch"));
            }
            other if verb == Verb::Patch && other != "application/merge-patch+json" => {
                return Err(Refusal::media_type(kind));
            }
            _ => PatchType::Merge,
        };
        let body = parse_body(kind, verb, patch, body)?;
        if !option("dryRun").is_empty() || body.get("dryRun").is_some() {
            return Err(unsupported("dryRun"));
        }
        check_options(verb, &option)?;
        if let Some(term) = option("fieldSelector").split(',').find(|term| !term.is_empty() && !term.contains('=')) {
            let selector = option("fieldSelector");
            return Err(Refusal::new(400, &format!("invalid selector: '{selector}'; can't understand '{term}'")));
        }
        let filter = Filter {
            namespace: path.namespace.to_owned(),
            labels: parse_labels(option("labelSelector"))?,
            fields: parse_fields(kind.kind, option("fieldSelector"))
                .ok_or_else(|| unsupported("this field selector"))?,
        };
        let watch = WatchOptions {
            after: option("resourceVersion").parse().ok().filter(|revision| *revision > 0),
            sends_initial_events: option("sendInitialEvents") == "true",
            bookmarks: option("allowWatchBookmarks") == "true",
            timeout: option("timeoutSeconds").parse().ok().map(Duration::from_secs),
        };
        // A list from a cache is whole.
        let limit = if option("resourceVersion") == "0" { "" } else { option("limit") };
        let page = Page::parse(limit, option("continue"), &exact_version(&option))?;
        let name = if path.name.is_empty() { text(&body, "/metadata/name") } else { path.name };
        let key = kind.key(path.namespace, name);
        let metadata_only = header(header::ACCEPT).contains("as=PartialObjectMetadata");
        let info = RequestInfo { user: user.to_owned(), verb, key, subresource, body };
        let (manager, force) = (option("fieldManager"), option("force") == "true");
        if patch == PatchType::Apply && manager.is_empty() {
            return Err(Refusal::options("PatchOptions", "fieldManager: Required value: is required for apply patch"));
        }
        if verb == Verb::Patch && patch != PatchType::Apply && force {
            let cause = "force: Forbidden: may not be specified for non-apply patch";
            return Err(Refusal::options("PatchOptions", cause));
        }
        let manager = if manager.is_empty() { UNKNOWN_MANAGER } else { manager }.to_owned();
        Ok(Self { info, kind, filter, watch, page, patch, manager, force, metadata_only })
    }
}

fn parse_body(kind: &Kind, verb: Verb, patch: PatchType, body: &[u8]) -> Result<Value, Refusal> {
    if body.is_empty() {
        return Ok(Value::Null);
    }
    let parsed: Value = serde_json::from_slice(body).map_err(|error| Refusal::no_json(kind, verb, body, &error))?;
    let decoding = |found: &str, wanted: &str| {
        let what = format!("json: cannot unmarshal {found} into Go value of type {wanted}");
        Err(Refusal::new(400, &format!("error decoding patch: {what}")))
    };
    match (verb, patch, &parsed) {
        (Verb::Patch, PatchType::Merge, Value::Array(_)) => decoding("array", "map[string]interface {}"),
        (Verb::Patch, PatchType::Json, Value::Object(_)) => decoding("object", "[]handlers.jsonPatchOp"),
        (Verb::Create | Verb::Update, ..) if !parsed.is_object() => {
            Err(Refusal::new(400, "the body is no object with metadata"))
        }
        _ => Ok(parsed),
    }
}

/// The revision that a list is wanted at; empty where it is that of now.
fn exact_version<'a>(option: &impl Fn(&str) -> &'a str) -> String {
    if option("resourceVersionMatch") == "Exact" { option("resourceVersion").to_owned() } else { String::new() }
}

/// Refuses options that contradict each other.
fn check_options<'a>(verb: Verb, option: &impl Fn(&str) -> &'a str) -> Result<(), Refusal> {
    let refused = |cause: &str| Err(Refusal::options("ListOptions", cause));
    let (version, matching) = (option("resourceVersion"), option("resourceVersionMatch"));
    match verb {
        Verb::Watch if option("sendInitialEvents") == "true" && matching != "NotOlderThan" => refused(
            "resourceVersionMatch: Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan",
        ),
        Verb::Watch if !version.is_empty() && version.parse::<u64>().is_err() => {
            let what = format!("strconv.ParseUint: parsing \"{version}\": invalid syntax");
            Err(Refusal::new(500, &format!("resourceVersion: Invalid value: \"{version}\": {what}")))
        }
        Verb::List if !matching.is_empty() && version.is_empty() => refused(
            "resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided",
        ),
        Verb::List if matching == "Exact" && version == "0" => refused(
            "resourceVersionMatch: Forbidden: resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"",
        ),
        _ => Ok(()),
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
