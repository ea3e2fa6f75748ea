//! Watches: a chunked answer of JSON lines, fed from the watch cache.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::web::Bytes;
use common::resources::Status;
use futures_util::stream;
use serde_json::{Value, json};
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::Instant;

use super::{Call, reply};
use crate::api::ApiError;
use crate::api::cache::{CacheEvent, Cached, EventKind, Expired, KindCache};
use crate::api::request::Form;
use crate::api::selectors::Selector;
use crate::api::table::partial;
use crate::objects::prefix;
use crate::store::Revision;

/// Longest watch of a client that does not say how long. kubectl does not take up a watch that ended.
const LONGEST: Duration = Duration::from_secs(24 * 3600);
/// A quiet watch sends an empty line (which JSON ignores) this often: writing is how the server
/// learns that a client is gone.
const HEARTBEAT: Duration = Duration::from_secs(30);
/// Most changes sent in one chunk.
const CHUNK: usize = 256;

struct Watcher {
    call: Call,
    selector: Selector,
    prefix: String,
    cache: Arc<KindCache>,
    head: watch::Receiver<Revision>,
    /// Changes up to here were sent; `None` until the watch has begun.
    position: Option<Revision>,
    initial: bool,
    ends: Instant,
    ended: bool,
    _permit: OwnedSemaphorePermit,
}

pub(super) fn answer(call: Call) -> Result<HttpResponse, ApiError> {
    let kind = call.target.kind;
    let mut selector = Selector::parse(kind, &call.options)?;
    if let Some(name) = &call.target.name {
        selector.only_name(name);
    }
    let cache = call.state.caches().of(kind).cloned();
    let cache = cache.ok_or_else(|| ApiError::no_such_path(kind.plural))?;
    let version = call.options.resource_version.as_str();
    let position = match version {
        "" | "0" => None,
        _ if call.options.send_initial_events => None,
        version => Some(version.parse().map_err(|_| {
            ApiError::bad_request(format!(
                "query parameter resourceVersion: found {version:?}, want a list's resourceVersion"
            ))
        })?),
    };
    let permit = Arc::clone(call.state.watches())
        .try_acquire_owned()
        .map_err(|_| ApiError::new(429, "TooManyRequests", "too many watches are open"))?;
    let lasts = call.options.timeout_seconds.filter(|seconds| *seconds > 0);
    let lasts = lasts.map_or(LONGEST, Duration::from_secs).min(LONGEST);
    let watcher = Watcher {
        selector,
        prefix: prefix(kind, call.target.namespace.as_deref()),
        head: cache.changes(),
        cache,
        position,
        initial: position.is_none(),
        ends: Instant::now() + lasts,
        ended: false,
        call,
        _permit: permit,
    };
    let lines = stream::unfold(watcher, |mut watcher| async move {
        let lines = watcher.next().await?;
        Some((Ok::<_, Infallible>(Bytes::from(lines)), watcher))
    });
    Ok(HttpResponse::Ok()
        .content_type("application/json")
        .streaming(lines))
}

impl Watcher {
    /// The next lines; `None` at the end.
    async fn next(&mut self) -> Option<String> {
        if self.ended {
            return None;
        }
        tokio::select! {
            () = self.cache.filled() => {}
            () = tokio::time::sleep_until(self.ends) => return None,
        }
        loop {
            self.head.borrow_and_update();
            let Some(position) = self.position else {
                return Some(self.begin());
            };
            match self.cache.read(|ring| ring.after(position, CHUNK)) {
                Err(expired) => {
                    self.ended = true;
                    return Some(self.expired(position, expired));
                }
                Ok(events) => {
                    self.position = Some(events.last().map_or(position, |event| event.revision));
                    let lines: String = events.iter().filter_map(|e| self.line(e)).collect();
                    if !lines.is_empty() {
                        return Some(lines);
                    }
                    if !events.is_empty() {
                        continue;
                    }
                }
            }
            let quiet = (Instant::now() + HEARTBEAT).min(self.ends);
            tokio::select! {
                changed = self.head.changed() => changed.ok()?,
                () = tokio::time::sleep_until(quiet) => {
                    if quiet == self.ends {
                        return None;
                    }
                    return Some(self.heartbeat());
                }
            }
        }
    }

    /// All objects there are, as if they had just been added.
    fn begin(&mut self) -> String {
        let (cached, revision) = self.cache.read(|ring| ring.objects(&self.prefix));
        self.position = Some(revision);
        let objects: Vec<Value> = cached
            .iter()
            .filter_map(|(_, cached)| Cached::parse(cached))
            .filter(|object| self.selector.matches(object))
            .collect();
        let mut lines: String = objects
            .iter()
            .map(|object| self.frame("ADDED", object))
            .collect();
        if self.initial && self.call.options.send_initial_events {
            lines.push_str(&self.bookmark(revision, true));
        }
        if lines.is_empty() {
            "\n".to_owned()
        } else {
            lines
        }
    }

    /// The line that an event means to this client.
    fn line(&self, event: &CacheEvent) -> Option<String> {
        if !event.key.starts_with(&self.prefix) {
            return None;
        }
        let object = event.object()?;
        let before = event
            .before()
            .is_some_and(|before| self.selector.matches(before));
        let now = event.kind != EventKind::Deleted && self.selector.matches(object);
        let word = match (before, now) {
            (false, false) => return None,
            (false, true) => "ADDED",
            (true, true) => "MODIFIED",
            (true, false) => "DELETED",
        };
        Some(self.frame(word, object))
    }

    fn frame(&self, word: &str, object: &Value) -> String {
        let body = match self.call.form {
            Form::Plain => return format!("{{\"type\":\"{word}\",\"object\":{object}}}\n"),
            Form::Partial => partial(object),
            Form::Table => {
                let metadata = json!({ "resourceVersion": object["metadata"]["resourceVersion"] });
                reply::as_table(&self.call, std::iter::once(object), metadata)
            }
        };
        format!("{{\"type\":\"{word}\",\"object\":{body}}}\n")
    }

    fn bookmark(&self, revision: Revision, initial: bool) -> String {
        let kind = self.call.target.kind;
        let mut metadata =
            json!({ "resourceVersion": revision.to_string(), "creationTimestamp": null });
        if initial {
            metadata["annotations"] = json!({ "k8s.io/initial-events-end": "true" });
        }
        let object = match self.call.form {
            Form::Table => reply::as_table(&self.call, std::iter::empty(), metadata),
            Form::Plain | Form::Partial => {
                json!({ "kind": kind.kind, "apiVersion": kind.api_version(), "metadata": metadata })
            }
        };
        format!("{{\"type\":\"BOOKMARK\",\"object\":{object}}}\n")
    }

    /// Says that the watch lives; how far it is, to those who asked for that.
    fn heartbeat(&self) -> String {
        match self.position {
            Some(position) if self.call.options.bookmarks => self.bookmark(position, false),
            _ => "\n".to_owned(),
        }
    }

    fn expired(&self, position: Revision, expired: Expired) -> String {
        let message = format!(
            "too old resource version: {position} ({}); list again",
            expired.oldest
        );
        let status = serde_json::to_value(Status::failure(410, "Expired", message));
        format!(
            "{{\"type\":\"ERROR\",\"object\":{}}}\n",
            status.unwrap_or_default()
        )
    }
}
