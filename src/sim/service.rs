//! Answers requests: the transport behind the clients.

use std::convert::Infallible;
use std::future::pending;
use std::io;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, timeout};
use tower::BoxError;

use crate::fault::Fault;
use crate::history::{Entry, Write};
use crate::object::{copy_field, text};
use crate::refusal::Refusal;
use crate::request::{Call, Page, PatchType, Subresource, UNSUPPORTED, Verb};
use crate::server::ApiServer;
use crate::store::Store;
use crate::watch::{self, READ_TIMEOUT, shown};
use crate::write::{Wish, Writing};

/// Between two requests.
const TURN: Duration = Duration::from_millis(1);

type Answer = Response<UnsyncBoxBody<Bytes, Infallible>>;

impl ApiServer {
    /// A client that acts as `user`. It does not retry, and gives a connection up that was silent for 70 seconds, as
    /// the operator's does.
    ///
    /// The server goes on with a request that the client gives up on, as the real one may.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn client_as(&self, user: &str) -> Client {
        let (server, user) = (self.clone(), user.to_owned());
        let service = tower::service_fn(move |request: Request<Body>| {
            let work = tokio::spawn(server.clone().answer(user.clone(), request));
            async move {
                match timeout(READ_TIMEOUT, work).await {
                    Err(_) => Err(io::Error::from(io::ErrorKind::TimedOut).into()),
                    Ok(Ok(answer)) => answer,
                    Ok(Err(error)) => match error.try_into_panic() {
                        // A hook that panics has to fail the test.
                        Ok(panic) => resume_unwind(panic),
                        Err(error) => Err(error.into()),
                    },
                }
            }
        });
        Client::new(service, "default")
    }

    async fn answer(self, user: String, request: Request<Body>) -> Result<Answer, BoxError> {
        let sent = Instant::now();
        let (parts, body) = request.into_parts();
        let body = body.collect_bytes().await?;
        let one_way = self.state().latency / 2;
        sleep(one_way).await;
        self.passage(&user).await;
        self.turn(&format!("{user} {} {} {}", parts.method, parts.uri, String::from_utf8_lossy(&body))).await;

        let call = match Call::parse(&user, &parts, &body) {
            Ok(call) => call,
            Err(refusal) => {
                if refusal.code() == UNSUPPORTED {
                    self.state().unsupported.push(refusal.message().to_owned());
                }
                return Ok(json_answer(refusal.code(), &refusal.body()));
            }
        };
        let hooks = self.hooks().clone();
        let fault = hooks.fault(&call.info);
        if fault != Fault::None {
            self.fault(&user, Some(call.info.key.clone()), &format!("{fault:?}"));
        }
        match &fault {
            Fault::Delay(delay) => sleep(*delay).await,
            Fault::Hang => pending().await,
            Fault::CrashBefore => self.cut(&user),
            _ => {}
        }
        self.passage(&user).await;

        let refused = match &fault {
            Fault::Refuse(code, message) => Some(Refusal::new(*code, message)),
            Fault::Forbid => Some(Refusal::forbidden(call.kind, &call.info)),
            _ => None,
        };
        let answer = if let Some(review) = self.review(&call) {
            refused.map_or(review, Err).map(|review| json_answer(201, &review))
        } else if call.info.verb.writes() {
            self.write(&call, refused, sent)
        } else {
            self.state().reads += u64::from(call.info.key.plural != "leases");
            refused.map_or_else(|| self.read(call), Err)
        };
        if fault == Fault::CrashAfter {
            self.cut(&user);
        }
        sleep(one_way).await;
        self.passage(&user).await;
        if fault == Fault::LoseResponse {
            return Err(io::Error::from(io::ErrorKind::ConnectionReset).into());
        }
        Ok(answer.unwrap_or_else(|refusal| json_answer(refusal.code(), &refusal.body())))
    }

    /// Returns when a request or an answer of a user gets through: never while that one is cut off, later while it is
    /// held up.
    async fn passage(&self, user: &str) {
        let mut changes = self.shared.signals.of_all();
        loop {
            let (cut, held) = {
                let state = self.state();
                (state.cut.contains(user), state.held.contains(user))
            };
            match (cut, held) {
                (true, _) => pending().await,
                (false, true) if changes.changed().await.is_ok() => {}
                _ => return,
            }
        }
    }

    /// Returns when it is a request's turn: one a millisecond, and those that arrived together in an order that what they
    /// ask decides; who asks the same is answered together. Reconciles run in the order of a map that is seeded anew in
    /// each process, and a story must not depend on it.
    async fn turn(&self, asks: &str) {
        let ticket = self.state().queue.enter(asks);
        loop {
            sleep(TURN).await;
            if self.state().queue.leave(ticket) {
                return;
            }
        }
    }

    fn read(&self, call: Call) -> Result<Answer, Refusal> {
        let Call { info, kind, .. } = &call;
        let state = self.state();
        match info.verb {
            Verb::Watch => {
                drop(state);
                Ok(answer(200, StreamBody::new(watch::stream(self, call)).boxed_unsync()))
            }
            Verb::List => list(&call, &state.store).map(|list| json_answer(200, &list)),
            _ => {
                let object = state.store.get(&info.key).ok_or_else(|| Refusal::not_found(kind, &info.key.name))?;
                Ok(json_answer(200, &shown(&object, call.metadata_only)))
            }
        }
    }

    /// Carries a write out unless it is refused, logs it, and shows it to the hooks.
    fn write(&self, call: &Call, refused: Option<Refusal>, sent: Instant) -> Result<Answer, Refusal> {
        let Call { info, kind, .. } = call;
        let (key, body) = (&info.key, &info.body);
        let hooks = self.hooks().clone();
        let admit = |before: Option<&Value>, after: Option<&Value>| match hooks.denial(info, before, after) {
            Some(denial) => Err(Refusal::denied(kind, &key.name, &denial)),
            None => Ok(()),
        };
        let (subresource, manager) = (info.subresource, call.manager.as_str());
        let writing = Writing { kind, key, subresource, manager, admit: &admit };
        let mut state = self.state();
        let store = &mut state.store;
        let result = refused.map_or(Ok(()), Err).and_then(|()| match (info.verb, info.subresource) {
            (Verb::Create, Some(_)) => store.evict(&writing, body),
            (Verb::Create, None) => store.create(&writing, body),
            (Verb::Update, _) => store.change(&writing, &Wish::Replace(body)),
            (Verb::Patch, _) => match call.patch {
                PatchType::Merge => store.change(&writing, &Wish::Merge(body)),
                PatchType::Json => {
                    let patch = serde_json::from_value(body.clone()).map_err(|_| Refusal::unprocessable())?;
                    store.change(&writing, &Wish::Patch(&patch))
                }
                PatchType::Apply => store.apply(&writing, body, call.force),
            },
            _ => store.delete(&writing, body),
        });
        let code = match &result {
            Ok(done) if done.created || info.subresource == Some(Subresource::Eviction) => 201,
            Ok(_) => 200,
            Err(refusal) => refusal.code(),
        };
        let mut write = Write {
            sent,
            at: Instant::now(),
            user: info.user.clone(),
            verb: info.verb,
            key: key.clone(),
            subresource: info.subresource,
            body: body.clone(),
            code,
            before: None,
            after: None,
        };
        if let Ok(done) = &result {
            text(&done.object, "/metadata/name").clone_into(&mut write.key.name);
            write.before = done.before.clone();
            write.after = (!done.gone).then(|| done.object.clone());
        }
        state.record(Entry::Write(write.clone()));
        drop(state);
        self.shared.signals.changed([write.key.plural.as_str()]);
        let done = result?;
        hooks.written(&write);
        if info.subresource == Some(Subresource::Eviction) {
            let success =
                json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201});
            return Ok(json_answer(code, &success));
        }
        if info.verb == Verb::Delete && done.gone && !kind.returns_what_it_deletes() {
            let details = json!({
                "name": key.name, "group": kind.group, "kind": kind.plural, "uid": text(&done.object, "/metadata/uid"),
            });
            let success =
                json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details});
            return Ok(json_answer(code, &success));
        }
        Ok(json_answer(code, &shown(&done.object, call.metadata_only)))
    }
}

/// A page of a list.
fn list(call: &Call, store: &Store) -> Result<Value, Refusal> {
    let Call { kind, filter, page, .. } = call;
    let revision = page.at.unwrap_or_else(|| store.revision());
    if revision < store.compacted() {
        return Err(Refusal::new(
            410,
            "The provided continue parameter is too old to display a consistent list result.",
        ));
    }
    let objects =
        if page.at.is_some() { store.collection_at(kind, revision) } else { store.collection(kind).cloned().collect() };
    let place =
        |object: &Value| (text(object, "/metadata/namespace").to_owned(), text(object, "/metadata/name").to_owned());
    let is_later = |object: &Arc<Value>| page.after.as_ref().is_none_or(|after| place(object) > *after);
    let mut selected: Vec<Arc<Value>> =
        objects.into_iter().filter(|object| is_later(object) && filter.matches(object)).collect();
    let remaining = if page.limit == 0 { 0 } else { selected.len().saturating_sub(page.limit) };
    selected.truncate(selected.len() - remaining);
    let mut metadata = json!({"resourceVersion": revision.to_string()});
    if let (true, Some(fields)) = (call.kind.custom && !call.metadata_only, metadata.as_object_mut()) {
        fields.insert("continue".to_owned(), "".into());
    }
    if let (true, Some(last), Some(fields)) = (remaining > 0, selected.last(), metadata.as_object_mut()) {
        fields.insert("continue".to_owned(), Page::next(revision, last).into());
        if filter.selects_all() {
            fields.insert("remainingItemCount".to_owned(), remaining.into());
        }
    }
    let (api_version, kind) = if call.metadata_only {
        ("meta.k8s.io/v1".to_owned(), "PartialObjectMetadataList".to_owned())
    } else {
        (kind.api_version(), format!("{}List", kind.kind))
    };
    let items: Vec<Value> = selected.iter().map(|object| list_item(call, object)).collect();
    Ok(json!({"apiVersion": api_version, "kind": kind, "metadata": metadata, "items": items}))
}

/// Items of built-in kinds do not repeat what kind they are.
fn list_item(call: &Call, object: &Value) -> Value {
    let mut item = shown(object, call.metadata_only).into_owned();
    if !call.kind.custom && !call.metadata_only {
        for field in ["apiVersion", "kind"] {
            copy_field(&mut item, &Value::Null, field);
        }
    }
    item
}

fn json_answer(code: u16, body: &Value) -> Answer {
    answer(code, Full::new(Bytes::from(body.to_string())).boxed_unsync())
}

fn answer(code: u16, body: UnsyncBoxBody<Bytes, Infallible>) -> Answer {
    let mut answer = Response::new(body);
    *answer.status_mut() = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}

#[cfg(test)]
mod tests;
