//! An invocation as clients see it. Pure.

use base64::Engine as _;
use bytes::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;

use super::{Id, Record, State};

/// Said of one that is known, and nothing more.
const EMPTIED: &str = "its request and result are not kept any more: newer ones needed the room (invocations.max-results)";

/// What `GET /invocations/ID` answers.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct View {
    id: String,
    function: String,
    state: State,
    /// The one under way included.
    attempts: u32,
    created_at: String,
    completed_at: Option<String>,
    status_code: Option<u16>,
    /// The document where the answer is JSON, else a text.
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<Box<RawValue>>,
    /// Whether `result` is base64, for bytes that are no text.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    is_base64_encoded: bool,
    error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<&'static str>,
}

impl View {
    /// The view of an invocation, without its result.
    #[must_use]
    pub fn new(id: Id, record: &Record) -> Self {
        let time = |at: jiff::Timestamp| format!("{at:.3}");
        Self {
            id: id.to_string(),
            function: format!("{}/{}", record.namespace, record.name),
            state: record.state,
            attempts: record.attempts + u32::from(record.state == State::Running),
            created_at: time(record.created),
            completed_at: record.completed.map(time),
            status_code: record.status,
            result: None,
            is_base64_encoded: false,
            error: record.error.clone(),
            note: record.emptied.then_some(EMPTIED),
        }
    }

    /// With the body of the answer.
    #[must_use]
    pub fn with_result(mut self, content_type: Option<&str>, body: &Bytes) -> Self {
        let says_json = content_type.is_none_or(|kind| kind.contains("json"));
        let document = if says_json {
            serde_json::from_slice(body).ok()
        } else {
            None
        };
        self.result = document.or_else(|| {
            let text = match std::str::from_utf8(body) {
                Ok(text) => serde_json::to_string(text),
                Err(_) => {
                    self.is_base64_encoded = true;
                    serde_json::to_string(&base64::engine::general_purpose::STANDARD.encode(body))
                }
            };
            text.ok().and_then(|text| RawValue::from_string(text).ok())
        });
        self
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use serde_json::{Value, json};

    use super::*;
    use crate::key::ObjectKey;

    fn shown(kind: Option<&str>, body: &'static [u8]) -> Value {
        let record = Record::new(
            &ObjectKey::new("default", "f"),
            0,
            Timestamp::from_millisecond(1500).unwrap(),
        );
        let view = View::new(Id(1), &record).with_result(kind, &Bytes::from_static(body));
        serde_json::to_value(view).unwrap()
    }

    #[test]
    fn json_is_a_document_text_a_string_and_bytes_are_base64() {
        let json_type = Some("application/json");
        assert_eq!(shown(json_type, b"[1]")["result"], json!([1]));
        assert_eq!(shown(json_type, b"not json")["result"], json!("not json"));
        assert_eq!(shown(Some("text/plain"), b"12")["result"], json!("12"));
        let bytes = shown(None, b"\xff\x00");
        assert_eq!(
            (&bytes["result"], &bytes["isBase64Encoded"]),
            (&json!("/wA="), &json!(true))
        );
        let big = shown(None, b"123456789012345678901234567890");
        assert_eq!(big["result"].to_string(), "123456789012345678901234567890");
    }

    #[test]
    fn what_is_not_known_yet_is_null() {
        let record = shown(None, b"");
        assert_eq!(record["function"], "default/f");
        assert_eq!(record["createdAt"], "1970-01-01T00:00:01.500Z");
        assert_eq!(
            (&record["completedAt"], &record["error"]),
            (&Value::Null, &Value::Null)
        );
    }
}
