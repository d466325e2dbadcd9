//! Streams of changes.

use std::borrow::Cow;
use std::convert::Infallible;
use std::fmt::Write as _;
use std::time::Duration;

use bytes::Bytes;
use futures::Stream;
use futures::stream::unfold;
use http_body::Frame;
use serde_json::{Value, json};
use tokio::select;
use tokio::sync::watch::Receiver;
use tokio::time::{Instant, sleep_until};

use crate::kind::Kind;
use crate::object::set_metadata;
use crate::refusal::Refusal;
use crate::request::Call;
use crate::selector::Filter;
use crate::server::{ApiServer, State};
use crate::store::Change;

/// How often a quiet watch tells the client how far it is.
const BOOKMARK_INTERVAL: Duration = Duration::from_secs(60);
/// A watch without a timeout of its own ends after this time, as those of the real server do.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(1800);

/// A client gives a connection up that was silent for so long.
pub(crate) const READ_TIMEOUT: Duration = Duration::from_secs(70);

/// The body of the answer to a watch. It ends by its timeout, by [`ApiServer::disconnect`], and after an error.
pub(crate) fn stream(server: &ApiServer, call: Call) -> impl Stream<Item = Result<Frame<Bytes>, Infallible>> + use<> {
    let state = server.state();
    let seen = call.watch.after.unwrap_or_else(|| state.store.revision());
    let mut backlog = String::new();
    let is_expired = call.watch.after.is_some_and(|after| after < state.store.compacted());
    if is_expired {
        let message = format!("too old resource version: {seen} ({})", state.store.compacted());
        push_line(&mut backlog, "ERROR", &Refusal::new(410, &message).body());
    } else if call.watch.after.is_none() {
        for object in state.store.collection(call.kind).filter(|object| call.filter.matches(object)) {
            push_line(&mut backlog, "ADDED", &shown(object, call.metadata_only));
        }
        if call.watch.sends_initial_events {
            let mut end = bookmark(call.kind, seen, call.metadata_only);
            set_metadata(&mut end, "annotations", json!({"k8s.io/initial-events-end": "true"}));
            push_line(&mut backlog, "BOOKMARK", &end);
        }
    }
    let now = Instant::now();
    let watch = Watch {
        server: server.clone(),
        changes: server.shared.signals.of(call.kind),
        disconnects: state.disconnects,
        end: now + call.watch.timeout.unwrap_or(DEFAULT_TIMEOUT),
        next_bookmark: now + BOOKMARK_INTERVAL,
        seen,
        backlog,
        is_expired,
        silent_since: None,
        call,
    };
    unfold(watch, async |mut watch| {
        let lines = watch.next().await?;
        Some((Ok(Frame::data(Bytes::from(lines))), watch))
    })
}

struct Watch {
    server: ApiServer,
    call: Call,
    changes: Receiver<()>,
    /// How often all watches had been ended when this one began.
    disconnects: u64,
    end: Instant,
    next_bookmark: Instant,
    /// The revision up to which everything was sent.
    seen: u64,
    /// Lines to send first.
    backlog: String,
    is_expired: bool,
    /// Since when the client hears nothing.
    silent_since: Option<Instant>,
}

impl Watch {
    /// The next lines; none when the stream ends.
    async fn next(&mut self) -> Option<String> {
        loop {
            self.changes.mark_unchanged();
            let wake = match self.advance() {
                Step::Send(lines) => return Some(lines),
                Step::End => return None,
                Step::Silent => {
                    let given_up = *self.silent_since.get_or_insert_with(Instant::now) + READ_TIMEOUT;
                    if Instant::now() >= given_up {
                        return None;
                    }
                    given_up
                }
                Step::Wait(until) => {
                    self.silent_since = None;
                    until
                }
            };
            select! {
                biased;
                changed = self.changes.changed() => changed.ok()?,
                () = sleep_until(wake) => {}
            }
        }
    }

    fn advance(&mut self) -> Step {
        let server = self.server.clone();
        let state = server.state();
        let user = &self.call.info.user;
        if state.cut.contains(user) || state.held.contains(user) {
            return Step::Silent;
        }
        let now = Instant::now();
        let mut lines = std::mem::take(&mut self.backlog);
        let next_change = if self.is_expired { None } else { self.collect(&state, now, &mut lines) };
        if self.call.watch.bookmarks && now >= self.next_bookmark && !self.is_expired {
            self.next_bookmark = now + BOOKMARK_INTERVAL;
            push_line(&mut lines, "BOOKMARK", &bookmark(self.call.kind, self.seen, self.call.metadata_only));
        }
        if !lines.is_empty() {
            return Step::Send(lines);
        }
        if self.is_expired || now >= self.end || state.disconnects != self.disconnects {
            return Step::End;
        }
        let wake = next_change.into_iter().chain([self.end]);
        Step::Wait(wake.chain(self.call.watch.bookmarks.then_some(self.next_bookmark)).min().unwrap_or(self.end))
    }

    /// Adds the changes that have arrived by now. Returns when the next one arrives.
    fn collect(&mut self, state: &State, now: Instant, lines: &mut String) -> Option<Instant> {
        let lag = state.lag(&self.call.info.user, self.call.kind) + state.latency / 2;
        for change in state.store.changes_after(self.seen) {
            let is_ours = change.key.is_of(self.call.kind);
            if is_ours && change.at + lag > now {
                return Some(change.at + lag);
            }
            self.seen = change.revision;
            if let Some((event, object)) = is_ours.then(|| event(change, &self.call.filter)).flatten() {
                push_line(lines, event, &shown(&object, self.call.metadata_only));
            }
        }
        None
    }
}

enum Step {
    Send(String),
    Wait(Instant),
    /// Nothing is sent to somebody who is cut off or held up.
    Silent,
    End,
}

/// What a change is to somebody who sees the objects of a filter alone.
fn event<'c>(change: &'c Change, filter: &Filter) -> Option<(&'static str, Cow<'c, Value>)> {
    let matching = |object: &&std::sync::Arc<Value>| filter.matches(object);
    match (change.before.as_ref().filter(matching), change.after.as_ref().filter(matching)) {
        (None, None) => None,
        (None, Some(after)) => Some(("ADDED", Cow::Borrowed(after))),
        (Some(_), Some(after)) => Some(("MODIFIED", Cow::Borrowed(after))),
        (Some(before), None) => {
            let mut object = Value::clone(before);
            set_metadata(&mut object, "resourceVersion", change.revision.to_string());
            Some(("DELETED", Cow::Owned(object)))
        }
    }
}

fn push_line(lines: &mut String, event: &str, object: &Value) {
    // Writing to a string cannot fail.
    let _ = writeln!(lines, r#"{{"type":"{event}","object":{object}}}"#);
}

fn bookmark(kind: &Kind, revision: u64, slim: bool) -> Value {
    let bookmark = json!({
        "apiVersion": kind.api_version(), "kind": kind.kind, "metadata": {"resourceVersion": revision.to_string()},
    });
    shown(&bookmark, slim).into_owned()
}

/// An object as the client wants it.
pub(crate) fn shown(object: &Value, metadata_only: bool) -> Cow<'_, Value> {
    if !metadata_only {
        return Cow::Borrowed(object);
    }
    let metadata = object.get("metadata");
    Cow::Owned(json!({"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata", "metadata": metadata}))
}

#[cfg(test)]
mod tests;
