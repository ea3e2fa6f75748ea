//! A request as the leader gets it.

use actix_web::HttpRequest;
use common::trust::Peer;
use http::header::{EXPECT, HOST};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};

use super::body::Body;
use crate::api::auth::{Entrance, INTRODUCTION, Introduction};
use crate::hop;

/// A request without its body.
pub(super) struct Head {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
}

impl Head {
    /// What came in by a port, and who brought it. `None` when it cannot be said again, which no real
    /// client's request is.
    pub(super) fn of(request: &HttpRequest, entrance: Entrance) -> Option<Self> {
        let mut headers = HeaderMap::with_capacity(request.headers().len() + 2);
        for (name, value) in request.headers() {
            // Nobody introduces himself, and what the client waits for was said by this master.
            let own = name.as_str() == INTRODUCTION || name.as_str() == EXPECT.as_str();
            if own || !hop::passes(name.as_str()) {
                continue;
            }
            // Two versions of the `http` crate: the same bytes, checked again.
            let name = HeaderName::from_bytes(name.as_str().as_bytes()).ok()?;
            headers.append(name, HeaderValue::from_bytes(value.as_bytes()).ok()?);
        }
        let uri = request.uri();
        if !headers.contains_key(HOST)
            && let Some(authority) = uri.authority()
        {
            headers.insert(HOST, HeaderValue::from_str(authority.as_str()).ok()?);
        }
        let introduction = Introduction::new(entrance, request.conn_data::<Peer>());
        let introduction = HeaderValue::from_str(&introduction.value()).ok()?;
        headers.insert(HeaderName::from_static(INTRODUCTION), introduction);
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        Some(Self {
            method: Method::from_bytes(request.method().as_str().as_bytes()).ok()?,
            uri: path.parse().ok()?,
            headers,
        })
    }

    /// With a body.
    pub(super) fn with(&self, body: Body) -> http::Request<Body> {
        let mut request = http::Request::new(body);
        request.method_mut().clone_from(&self.method);
        request.uri_mut().clone_from(&self.uri);
        request.headers_mut().clone_from(&self.headers);
        request
    }

    /// Whether it may be carried out twice: a read of the API, or what carries a key by which a repetition is known.
    pub(super) fn is_repeatable(&self) -> bool {
        let path = self.uri.path();
        let objects = path.starts_with("/api/") || path.starts_with("/apis/");
        (self.method == Method::GET && objects) || self.headers.contains_key("idempotency-key")
    }
}
