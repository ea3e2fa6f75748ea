use bytes::Bytes;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};

use crate::calls::{Call, CallKind, InvocationId};
use crate::key::ObjectKey;

/// A request without its body, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    method: String,
    path_and_query: String,
    /// Each byte of a value is one character, so that values that are not text survive.
    headers: Vec<(String, String)>,
}

impl Request {
    /// The request of a call; a run's task has none.
    #[must_use]
    pub fn of(kind: &CallKind) -> Option<Self> {
        let CallKind::Http {
            method,
            path_and_query,
            headers,
        } = kind
        else {
            return None;
        };
        let text = |value: &HeaderValue| value.as_bytes().iter().map(|b| char::from(*b)).collect();
        Some(Self {
            method: method.as_str().to_owned(),
            path_and_query: path_and_query.clone(),
            headers: headers
                .iter()
                .map(|(n, v)| (n.as_str().to_owned(), text(v)))
                .collect(),
        })
    }

    /// The call to make.
    pub(super) fn into_call(self, function: ObjectKey, id: InvocationId, body: Bytes) -> Call {
        let mut headers = HeaderMap::with_capacity(self.headers.len());
        for (name, value) in &self.headers {
            let bytes: Vec<u8> = value.chars().filter_map(|c| u8::try_from(c).ok()).collect();
            // They were a request's headers: nothing is left out.
            let name = HeaderName::from_bytes(name.as_bytes());
            if let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(&bytes)) {
                headers.append(name, value);
            }
        }
        let method = http::Method::from_bytes(self.method.as_bytes());
        let method = method.unwrap_or(http::Method::POST);
        let kind = CallKind::Http {
            method,
            path_and_query: self.path_and_query,
            headers,
        };
        Call {
            function,
            id,
            kind,
            body,
            patience: None,
            repeatable: false,
            recorded: true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_comes_back_byte_for_byte() {
        let mut headers = HeaderMap::new();
        headers.append("x-a", HeaderValue::from_static("1"));
        headers.append("x-a", HeaderValue::from_static("2"));
        headers.append("x-b", HeaderValue::from_bytes(b"\xff\xc3\xa9\t").unwrap());
        let path_and_query = "/p?q=%20".to_owned();
        let kind = CallKind::Http {
            method: http::Method::PUT,
            path_and_query,
            headers,
        };
        let text = serde_json::to_vec(&Request::of(&kind).unwrap()).unwrap();
        let request: Request = serde_json::from_slice(&text).unwrap();
        let function = ObjectKey::new("default", "f");
        let call = request.into_call(function, InvocationId::new(1), Bytes::new());
        let (
            CallKind::Http {
                headers: got,
                method,
                path_and_query,
            },
            CallKind::Http { headers, .. },
        ) = (call.kind, kind)
        else {
            panic!()
        };
        assert_eq!(
            (method, path_and_query.as_str()),
            (http::Method::PUT, "/p?q=%20")
        );
        assert_eq!(got, headers);
    }
}
