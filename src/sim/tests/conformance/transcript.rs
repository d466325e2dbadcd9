//! What was sent and what came back, as text that is the same on every run.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use serde_json::{Map, Value, json};

use crate::session::{APPLY, JSON, JSON_PATCH, MERGE};
use crate::shape::shape;
use crate::target::{ADMIN, Message};
use crate::topics::objects::rollout;

/// Longer texts are told by their length.
const LONGEST: usize = 1500;

/// A sequence of requests and answers.
pub struct Behaviour {
    pub name: String,
    pub namespace: String,
    pub tells_managers: bool,
    pub steps: Vec<Step>,
    /// Texts that differ on every run, and what is written for them.
    pub secrets: Vec<(String, String)>,
    /// All resourceVersions of objects.
    versions: BTreeSet<u64>,
    /// The resourceVersions of lists and bookmarks: how far the server was.
    moments: BTreeSet<String>,
    uids: Vec<String>,
    /// Parts of objects that most behaviours share, and what is written for them.
    standard: Vec<(Value, String)>,
}

/// One thing in a behaviour.
pub enum Step {
    Note(String),
    Exchange { request: String, sent: Option<Value>, code: u16, received: Value },
}

impl Behaviour {
    pub fn new(name: &str, namespace: &str) -> Self {
        Self {
            name: name.to_owned(),
            namespace: namespace.to_owned(),
            tells_managers: false,
            steps: Vec::new(),
            secrets: Vec::new(),
            versions: BTreeSet::new(),
            moments: BTreeSet::new(),
            uids: Vec::new(),
            standard: standard(),
        }
    }

    pub fn sent(&mut self, message: Message, code: u16, body: &Value) {
        let sent = serde_json::from_slice::<Value>(&message.body).ok();
        let prefix = sent.as_ref().and_then(|sent| sent.pointer("/metadata/generateName")).and_then(Value::as_str);
        if let (Some(prefix), Some(name)) = (prefix, body.pointer("/metadata/name").and_then(Value::as_str)) {
            self.secrets.push((name.to_owned(), format!("{prefix}<generated>")));
        }
        let token = body.pointer("/metadata/continue").and_then(Value::as_str);
        if let Some(token) = token.filter(|token| !token.is_empty()) {
            self.secrets.push((token.to_owned(), "<continue>".to_owned()));
        }
        self.collect(body);
        let kind = match message.content_type {
            MERGE => " (merge)",
            JSON_PATCH => " (json)",
            APPLY => " (apply)",
            "" | JSON => "",
            other => &format!(" ({other})"),
        };
        let metadata = if message.accept == JSON { "" } else { " for the metadata" };
        let user = if message.user == ADMIN { String::new() } else { format!(" as {}", message.user) };
        let request = format!("{} {}{kind}{metadata}{user}", message.method, message.path);
        let unread = String::from_utf8_lossy(&message.body).into_owned();
        let mut sent = sent.or_else(|| (!unread.is_empty()).then_some(Value::String(unread)));
        let metadata = sent.as_mut().and_then(|sent| sent.get_mut("metadata")).and_then(Value::as_object_mut);
        if let (false, Some(metadata)) = (self.tells_managers, metadata) {
            metadata.shift_remove("managedFields");
        }
        let received = shape(body, self.tells_managers);
        self.steps.push(Step::Exchange { request, sent, code, received });
    }

    /// Remembers what the server drew.
    fn collect(&mut self, body: &Value) {
        match body {
            Value::Array(events) => events.iter().for_each(|event| self.collect(event)),
            Value::Object(fields) => {
                let is_moment = fields.get("kind").and_then(Value::as_str).is_some_and(|kind| kind.ends_with("List"));
                let is_bookmark = fields.get("type") == Some(&json!("BOOKMARK"));
                let version = body.pointer("/metadata/resourceVersion").and_then(Value::as_str);
                if let Some(version) = version {
                    if is_moment {
                        self.moments.insert(version.to_owned());
                    } else if let Ok(number) = version.parse() {
                        self.versions.insert(number);
                    }
                }
                for uid in [body.pointer("/metadata/uid"), body.pointer("/details/uid")] {
                    if let Some(uid) = uid.and_then(Value::as_str).filter(|uid| !uid.is_empty())
                        && !self.uids.iter().any(|known| known == uid)
                    {
                        self.uids.push(uid.to_owned());
                    }
                }
                if is_bookmark {
                    let moment = body.pointer("/object/metadata/resourceVersion").and_then(Value::as_str);
                    self.moments.extend(moment.map(str::to_owned));
                } else {
                    fields.get("object").into_iter().for_each(|object| self.collect(object));
                }
                let items = fields.get("items").and_then(Value::as_array);
                items.into_iter().flatten().for_each(|item| self.collect(item));
            }
            _ => {}
        }
    }

    /// The requests and answers as text.
    pub fn steps_text(&self) -> String {
        let mut text = String::new();
        for step in &self.steps {
            match step {
                Step::Note(note) => writeln!(text, "({note})").unwrap(),
                Step::Exchange { request, sent, code, received } => {
                    writeln!(text, "{}", self.plain(&self.path(request))).unwrap();
                    if let Some(sent) = sent {
                        writeln!(text, "  {}", self.line(sent)).unwrap();
                    }
                    match received {
                        Value::Array(events) => {
                            writeln!(text, "{code}").unwrap();
                            events.iter().for_each(|event| writeln!(text, "  {}", self.line(event)).unwrap());
                        }
                        received => writeln!(text, "{code}\n  {}", self.line(received)).unwrap(),
                    }
                }
            }
        }
        text
    }

    fn line(&self, value: &Value) -> String {
        self.value("", value).to_string()
    }

    /// A value with its fields in order, and with what the server drew replaced.
    fn value(&self, field: &str, value: &Value) -> Value {
        match value {
            Value::Object(_) | Value::Array(_) if self.standard.iter().any(|(known, _)| known == value) => {
                let name = self.standard.iter().find(|(known, _)| known == value).map(|(_, name)| name.clone());
                Value::String(name.unwrap_or_default())
            }
            Value::Object(fields) => {
                let sorted: BTreeMap<&String, &Value> = fields.iter().collect();
                let is_of_a_version = fields.get("path") == Some(&json!("/metadata/resourceVersion"));
                let field = |name| if is_of_a_version && name == "value" { "resourceVersion" } else { name };
                let named = sorted.into_iter().map(|(name, value)| (self.plain(name), self.value(field(name), value)));
                Value::Object(Map::from_iter(named))
            }
            Value::Array(items) => items.iter().map(|item| self.value(field, item)).collect(),
            Value::String(text) => Value::String(self.word(field, text)),
            other => other.clone(),
        }
    }

    fn word(&self, field: &str, text: &str) -> String {
        match field {
            "resourceVersion" => self.version(text),
            "creationTimestamp" | "deletionTimestamp" => "<time>".to_owned(),
            _ if text.len() > LONGEST => format!("<{} characters>", text.len()),
            _ => self.plain(text),
        }
    }

    fn version(&self, text: &str) -> String {
        match text.parse::<u64>() {
            Ok(number) if self.versions.contains(&number) || self.moments.contains(text) => {
                format!("<v{}>", self.versions.range(..=number).count())
            }
            _ => text.to_owned(),
        }
    }

    /// The resourceVersion in the query of a request.
    fn path(&self, request: &str) -> String {
        let Some((before, rest)) = request.split_once("resourceVersion=") else { return request.to_owned() };
        let end = rest.find(['&', ' ']).unwrap_or(rest.len());
        format!("{before}resourceVersion={}{}", self.version(&rest[..end]), &rest[end..])
    }

    /// A text without the namespace, uids and versions that the server drew.
    fn plain(&self, text: &str) -> String {
        let secrets = self.secrets.iter();
        let mut text = secrets.fold(text.to_owned(), |text, (secret, name)| text.replace(secret, name));
        text = text.replace(&self.namespace, "ns");
        for (index, uid) in self.uids.iter().enumerate() {
            text = text.replace(uid, &format!("<uid{}>", index + 1));
        }
        let decoding = " is invalid: patch: Invalid value: \"";
        if let Some((before, after)) = text.split_once(decoding)
            && let Some((_, after)) = after.rsplit_once("\": ")
        {
            text = format!("{before}{decoding}<the object>\": {after}");
        }
        for marker in ["too old resource version: ", "Too large resource version: ", "in record ("] {
            text = self.without_number(&text, marker);
        }
        text
    }

    /// Replaces the number, or two, after a marker.
    fn without_number(&self, text: &str, marker: &str) -> String {
        let Some((before, rest)) = text.split_once(marker) else { return text.to_owned() };
        let end = rest.find(|character: char| !character.is_ascii_digit()).unwrap_or(rest.len());
        let (number, mut rest) = rest.split_at(end);
        if number.is_empty() {
            return text.to_owned();
        }
        if let Some((_, after)) = rest.strip_prefix(" (").and_then(|rest| rest.split_once(')')) {
            rest = after;
        }
        let number = if marker.starts_with("in record") { self.version(number) } else { "<number>".to_owned() };
        format!("{before}{marker}{number}{rest}")
    }
}

/// The parts of a rollout that hardly any behaviour is about, as they are sent and as they come back.
fn standard() -> Vec<(Value, String)> {
    let spec = rollout("a")["spec"].take();
    let mut fleet = spec["fleet"].clone();
    fleet["identity"] = json!("Pod");
    fleet["config"]["format"] = json!("Toml");
    fleet["acknowledgement"] = json!({"label": "optimization", "timer": "1m"});
    let parts = ["fleet", "optimizations", "stages"].map(|part| (spec[part].clone(), format!("<{part}>")));
    let mut standard = vec![(fleet, "<fleet with defaults>".to_owned())];
    standard.extend(parts);
    standard
}
