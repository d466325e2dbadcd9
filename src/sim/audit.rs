//! The history of a real API server: what its audit log says, and what its etcd holds.
//!
//! The audit log (level `RequestResponse`, stages `ResponseComplete` and `Panic`) knows who asked for what. It lacks
//! the lines of requests that were under way when the server was killed, so the versions come from etcd's own history:
//! a version that no line accounts for is a change by nobody.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;
use tokio::time::Instant;

use crate::history::{Entry, Write};
use crate::kind::Key;
use crate::object::{set_metadata, text};
use crate::request::{Subresource, Verb};

/// One version of an object, as etcd holds it.
#[derive(Clone, Debug)]
pub struct Revision {
    /// What it is about.
    pub key: Key,
    /// Number of the version; they count all changes of a cluster.
    pub number: u64,
    /// The object; none where it is gone.
    pub object: Option<Value>,
}

/// One request about an object, as the audit log has it.
#[derive(Clone, Debug)]
pub struct Line {
    /// Who sent it: the name, and the UID where there is one.
    pub user: (String, String),
    /// What it did.
    pub verb: Verb,
    /// What it was about.
    pub key: Key,
    /// The subresource that it was about.
    pub subresource: Option<Subresource>,
    /// The object, patch or options that it carried.
    pub body: Value,
    /// HTTP code of the answer; 0 where there was none.
    pub code: u16,
    /// When the answer was complete.
    pub at: Timestamp,
    /// The object that the answer holds.
    object: Option<Value>,
}

/// A moment on two clocks: that of the audit log, and that of the history.
#[derive(Clone, Copy, Debug)]
pub struct Origin {
    /// On the wall.
    pub wall: Timestamp,
    /// In the history.
    pub instant: Instant,
}

impl Origin {
    /// Now.
    pub fn now() -> Self {
        Self { wall: Timestamp::now(), instant: Instant::now() }
    }

    /// The instant of a time; of an earlier one than the origin the origin itself.
    pub fn instant(&self, at: Timestamp) -> Instant {
        self.instant + Duration::try_from(at.duration_since(self.wall)).unwrap_or_default()
    }
}

impl Line {
    /// The request that a line tells of; none for reads, and for what is no line.
    pub fn parse(line: &str) -> Option<Self> {
        let event: Value = serde_json::from_str(line).ok()?;
        if !matches!(text(&event, "/stage"), "ResponseComplete" | "Panic") {
            return None;
        }
        let verb = match text(&event, "/verb") {
            "create" => Verb::Create,
            "update" => Verb::Update,
            "patch" => Verb::Patch,
            "delete" => Verb::Delete,
            _ => return None,
        };
        let subresource = match text(&event, "/objectRef/subresource") {
            "" => None,
            "status" => Some(Subresource::Status),
            "eviction" => Some(Subresource::Eviction),
            _ => return None,
        };
        let object = event.get("responseObject").filter(|object| text(object, "/kind") != "Status").cloned();
        let reference = |part: &str| text(&event, &format!("/objectRef/{part}")).to_owned();
        let mut name = reference("name");
        if name.is_empty() {
            let carried = event.pointer("/requestObject/metadata/name").and_then(Value::as_str);
            name = carried.or_else(|| object.as_ref().map(|object| text(object, "/metadata/name")))?.to_owned();
        }
        let code = event.pointer("/responseStatus/code").and_then(Value::as_u64).unwrap_or_default();
        Some(Self {
            user: (text(&event, "/user/username").to_owned(), text(&event, "/user/uid").to_owned()),
            verb,
            key: Key {
                group: reference("apiGroup"),
                plural: reference("resource"),
                namespace: reference("namespace"),
                name,
            },
            subresource,
            body: event.get("requestObject").cloned().unwrap_or_default(),
            code: u16::try_from(code).unwrap_or_default(),
            at: text(&event, "/stageTimestamp").parse().ok()?,
            object,
        })
    }

    /// Number of the version that the answer holds.
    fn number(&self) -> Option<u64> {
        text(self.object.as_ref()?, "/metadata/resourceVersion").parse().ok()
    }

    fn is_accepted(&self) -> bool {
        (200..300).contains(&self.code)
    }

    /// Whether nobody was told what became of it.
    fn is_unanswered(&self) -> bool {
        self.code == 0 || self.code >= 499
    }

    /// Whether this may be what made a version.
    fn may_have_made(&self, revision: &Revision) -> bool {
        if self.key != revision.key {
            return false;
        }
        let deletes = self.is_accepted() && self.verb == Verb::Delete;
        match &revision.object {
            Some(_) => self.is_unanswered() && self.verb != Verb::Delete,
            None => deletes || (self.is_unanswered() && self.verb == Verb::Delete),
        }
    }
}

/// A history out of both, in the order of the versions, and how many versions no line accounts for. `name` makes one
/// name of a user's name and UID.
pub fn history(
    lines: Vec<Line>,
    revisions: Vec<Revision>,
    origin: Origin,
    name: impl Fn(&str, &str) -> String,
) -> (Vec<Entry>, usize) {
    let mut lines: Vec<Option<Line>> = lines.into_iter().map(Some).collect();
    let made: Vec<(Revision, Option<Line>)> = revisions
        .into_iter()
        .map(|revision| {
            let line = author(&mut lines, &revision);
            (revision, line)
        })
        .collect();
    let unaccounted = made.iter().filter(|(_, line)| line.is_none()).count();
    let times = times(&made);
    let mut objects: BTreeMap<Key, Arc<Value>> = BTreeMap::new();
    let mut versions: BTreeMap<(Key, u64), Arc<Value>> = BTreeMap::new();
    let mut entries = Vec::new();
    for ((revision, line), at) in made.into_iter().zip(times) {
        let Revision { key, number, object } = revision;
        let before = objects.remove(&key);
        let answered = line.as_ref().and_then(|line| line.object.clone()).filter(|_| object.is_some());
        let after = answered.or(object).map(|mut object| {
            set_metadata(&mut object, "resourceVersion", number.to_string());
            Arc::new(object)
        });
        if let Some(after) = &after {
            objects.insert(key.clone(), after.clone());
            versions.insert((key.clone(), number), after.clone());
        }
        let at = at.map_or(origin.instant, |at| origin.instant(at));
        entries.push(match line {
            Some(line) if line.is_accepted() => write(line, at, before, after, &name),
            Some(line) => write(Line { code: 200, ..line }, at, before, after, &name),
            None => Entry::Change { at, key, before, after },
        });
    }
    // What changed nothing stands where it was answered.
    for line in lines.into_iter().flatten() {
        let at = origin.instant(line.at);
        let same = line.number().filter(|_| line.is_accepted());
        let same = same.and_then(|number| versions.get(&(line.key.clone(), number))).cloned();
        entries.push(write(line, at, same.clone(), same, &name));
    }
    entries.sort_by_key(Entry::at);
    (entries, unaccounted)
}

/// The line of the request that made a version.
fn author(lines: &mut [Option<Line>], revision: &Revision) -> Option<Line> {
    let answered = |line: &Line| {
        line.is_accepted()
            && line.verb != Verb::Delete
            && line.key == revision.key
            && line.number() == Some(revision.number)
    };
    let first = |holds: &dyn Fn(&Line) -> bool| lines.iter().position(|line| line.as_ref().is_some_and(holds));
    let found = first(&answered).or_else(|| first(&|line| line.may_have_made(revision)))?;
    lines.get_mut(found)?.take()
}

/// No version is older than the answer to any later one: the earliest answer from each version on.
fn times(made: &[(Revision, Option<Line>)]) -> Vec<Option<Timestamp>> {
    let mut earliest: Option<Timestamp> = None;
    let mut times: Vec<Option<Timestamp>> = made
        .iter()
        .rev()
        .map(|(_, line)| {
            // The answer of an unanswered request is the end of waiting for it.
            let answered = line.as_ref().filter(|line| line.is_accepted()).map(|line| line.at);
            earliest = answered.into_iter().chain(earliest).min();
            earliest
        })
        .collect();
    times.reverse();
    // The last ones may have no answer after them.
    let mut latest = None;
    for time in &mut times {
        latest = time.or(latest);
        *time = latest;
    }
    times
}

fn write(
    line: Line,
    at: Instant,
    before: Option<Arc<Value>>,
    after: Option<Arc<Value>>,
    name: impl Fn(&str, &str) -> String,
) -> Entry {
    let Line { user: (user, uid), verb, key, subresource, body, code, .. } = line;
    // A request without an answer was refused, unless it made a version.
    let code = if code == 0 { 500 } else { code };
    Entry::Write(Write { sent: at, at, user: name(&user, &uid), verb, key, subresource, body, code, before, after })
}

#[cfg(test)]
mod tests;
