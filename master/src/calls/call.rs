use std::time::Duration;

use bytes::Bytes;
use common::pod_protocol as pod;
use http::header::{HeaderMap, HeaderName, HeaderValue};

use super::InvocationId;
use crate::key::ObjectKey;

/// One call of a function.
#[derive(Clone, Debug)]
pub struct Call {
    /// The function.
    pub function: ObjectKey,
    /// Names the call in logs and answers.
    pub id: InvocationId,
    /// What the function sees.
    pub kind: CallKind,
    /// The request body.
    pub body: Bytes,
    /// Longest time the caller waits for the function; the function's own limit when absent.
    pub patience: Option<Duration>,
    /// Whether another pod may be tried after a pod died with the call: the caller can tell a repeat.
    pub repeatable: bool,
    /// Whether it is on record: another master that leads makes it, too, so that only one that surely leads may.
    pub recorded: bool,
}

/// What the function sees of its caller.
#[derive(Clone, Debug)]
pub enum CallKind {
    /// An HTTP request.
    Http {
        /// Its method.
        method: http::Method,
        /// Its path below the function's name, and its query; begins with `/`.
        path_and_query: String,
        /// Its headers; the platform's own and hop-by-hop ones are left out.
        headers: HeaderMap,
    },
    /// The input of a run's task: the body is the JSON document.
    Event,
}

impl Call {
    /// The request for a pod, which has `time_left`.
    pub(super) fn request(&self, time_left: Duration) -> http::Request<Bytes> {
        let (method, uri, mut headers, word) = match &self.kind {
            CallKind::Http {
                method,
                path_and_query,
                headers,
            } => (
                method.clone(),
                path_and_query.as_str(),
                headers.clone(),
                pod::CALL_HTTP,
            ),
            CallKind::Event => (http::Method::POST, "/", HeaderMap::new(), pod::CALL_EVENT),
        };
        headers.remove(http::header::CONTENT_LENGTH);
        headers
            .entry(http::header::HOST)
            .or_insert(HeaderValue::from_static("function"));
        headers.insert(
            HeaderName::from_static(pod::CALL_KIND),
            HeaderValue::from_static(word),
        );
        if let Ok(id) = HeaderValue::from_str(self.id.as_str()) {
            headers.insert(HeaderName::from_static(pod::INVOCATION_ID), id);
        }
        let left = u64::try_from(time_left.as_millis()).unwrap_or(u64::MAX);
        headers.insert(
            HeaderName::from_static(pod::DEADLINE_MS),
            HeaderValue::from(left),
        );
        let mut request = http::Request::new(self.body.clone());
        *request.method_mut() = method;
        // The path came in as part of a valid URI.
        *request.uri_mut() = uri.parse().unwrap_or_else(|_| http::Uri::from_static("/"));
        *request.headers_mut() = headers;
        request
    }
}
