use bytes::{BufMut as _, Bytes, BytesMut};
use common::pod_protocol as pod;
use http::Method;
use http::header::{CONTENT_LENGTH, EXPECT};

use crate::clock::Monotonic;

/// Writes a request as HTTP/1.1. Its headers must speak of no connection.
pub(crate) fn encode(
    request: &http::Request<Bytes>,
    begin_by: Option<Monotonic>,
    onto: &mut BytesMut,
) {
    let body = request.body();
    let path = request.uri().path_and_query();
    onto.reserve(1024 + body.len());
    onto.put_slice(request.method().as_str().as_bytes());
    onto.put_u8(b' ');
    onto.put_slice(path.map_or("/", |path| path.as_str()).as_bytes());
    onto.put_slice(b" HTTP/1.1\r\n");
    for (name, value) in request.headers() {
        // The body comes at once, and its length is said below.
        if name == EXPECT || name == CONTENT_LENGTH {
            continue;
        }
        line(name.as_str(), value.as_bytes(), onto);
    }
    if let Some(time) = begin_by {
        number(pod::BEGIN_BY, time.nanoseconds(), onto);
    }
    if !body.is_empty() || !matches!(*request.method(), Method::GET | Method::HEAD) {
        number(CONTENT_LENGTH.as_str(), body.len() as u64, onto);
    }
    onto.put_slice(b"\r\n");
    onto.put_slice(body);
}

fn number(name: &str, value: u64, onto: &mut BytesMut) {
    line(name, http::HeaderValue::from(value).as_bytes(), onto);
}

fn line(name: &str, value: &[u8], onto: &mut BytesMut) {
    onto.put_slice(name.as_bytes());
    onto.put_slice(b": ");
    onto.put_slice(value);
    onto.put_slice(b"\r\n");
}
