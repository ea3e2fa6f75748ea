//! What came of one attempt. Pure.

use bytes::Bytes;
use common::pod_protocol as pod;

use crate::calls::CallError;
use crate::router::Refusal;
use crate::upstream::Answer;

/// Largest answer that is kept.
pub(super) const MOST_RESULT_BYTES: usize = 6 << 20;
/// Most letters of an exception that go into the short text of an error.
const MOST_WORDS: usize = 500;
/// A pod's word for "too many connections": no user code was reached.
const OUTCOME_BUSY: &str = "busy";

/// What an attempt's end means for the invocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// The function answered: the end.
    Done,
    /// Another attempt may help; this one counts.
    Retry,
    /// No function was reached: try again, this one does not count.
    Refused,
    /// Another attempt would end the same way.
    Hopeless,
}

/// What came of one attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// What it means.
    pub class: Class,
    /// What went wrong, for people.
    pub error: Option<String>,
    /// What the function answered, good or bad.
    pub response: Option<Response>,
}

/// A function's answer as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// HTTP status.
    pub status: u16,
    /// Content type.
    pub content_type: Option<String>,
    /// The body.
    pub body: Bytes,
}

impl Outcome {
    /// An attempt that brought no answer.
    pub(super) fn without_answer(class: Class, error: impl Into<String>) -> Self {
        Self {
            class,
            error: Some(error.into()),
            response: None,
        }
    }

    /// What the function answered.
    #[must_use]
    pub fn of_answer(answer: Answer) -> Self {
        let status = answer.status.as_u16();
        if answer.header(pod::OUTCOME) == Some(OUTCOME_BUSY) {
            return Self::without_answer(Class::Refused, "the pod takes no more connections");
        }
        let (class, error) = match status {
            ..400 => (Class::Done, None),
            400..500 => (
                Class::Hopeless,
                Some(said("the function answered", status, &answer)),
            ),
            _ => (
                Class::Retry,
                Some(said("the function failed with", status, &answer)),
            ),
        };
        let content_type = answer.header("content-type").map(str::to_owned);
        if answer.body.len() > MOST_RESULT_BYTES {
            let error = format!(
                "the function answered {} bytes, at most {MOST_RESULT_BYTES} are kept",
                answer.body.len()
            );
            let response = Some(Response {
                status,
                content_type: None,
                body: Bytes::new(),
            });
            let class = if class == Class::Done {
                Class::Hopeless
            } else {
                class
            };
            return Self {
                class,
                error: Some(error),
                response,
            };
        }
        let response = Some(Response {
            status,
            content_type,
            body: answer.body,
        });
        Self {
            class,
            error,
            response,
        }
    }

    /// The platform got no answer.
    #[must_use]
    pub fn of_error(error: &CallError) -> Self {
        let class = match error {
            CallError::NoSuchFunction(_)
            | CallError::Refused {
                refusal: Refusal::Deleted,
                ..
            } => {
                let message = "the function does not exist any more";
                return Self::without_answer(Class::Hopeless, message);
            }
            CallError::Refused { .. } | CallError::Directory(..) => Class::Refused,
            CallError::Lost { source, .. } if source.is_too_large() => Class::Hopeless,
            CallError::Lost { source, .. } if source.is_unsent() => Class::Refused,
            CallError::Lost { .. } | CallError::Deadline { .. } => Class::Retry,
        };
        Self::without_answer(class, error.explain())
    }
}

/// The answer in a few words; an exception by its name.
fn said(what: &str, status: u16, answer: &Answer) -> String {
    #[derive(Default, serde::Deserialize)]
    #[serde(rename_all = "camelCase", default)]
    struct Words {
        error_type: Option<String>,
        error_message: Option<String>,
        message: Option<String>,
    }
    let words: Words = serde_json::from_slice(&answer.body).unwrap_or_default();
    let words = match (words.error_type, words.error_message.or(words.message)) {
        (Some(kind), Some(message)) => format!(": {kind}: {message}"),
        (Some(words), None) | (None, Some(words)) => format!(": {words}"),
        (None, None) => String::new(),
    };
    let words: String = words.chars().take(MOST_WORDS).collect();
    format!("{what} {status}{words}")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::key::ObjectKey;

    fn answer(status: u16, outcome: &'static str, body: &str) -> Answer {
        let mut headers = http::HeaderMap::new();
        headers.insert(pod::OUTCOME, http::HeaderValue::from_static(outcome));
        let status = http::StatusCode::from_u16(status).unwrap();
        Answer {
            status,
            headers,
            body: Bytes::copy_from_slice(body.as_bytes()),
        }
    }

    #[test]
    fn only_the_functions_own_failures_are_worth_a_counted_retry() {
        let class = |status, outcome| Outcome::of_answer(answer(status, outcome, "")).class;
        assert_eq!(class(200, "ok"), Class::Done);
        assert_eq!(class(302, "ok"), Class::Done);
        assert_eq!(class(400, "badrequest"), Class::Hopeless);
        assert_eq!(class(500, "error"), Class::Retry);
        assert_eq!(class(504, "timeout"), Class::Retry);
        assert_eq!(class(503, "busy"), Class::Refused);
    }

    #[test]
    fn an_exception_is_named() {
        let body = r#"{"errorType":"ValueError","errorMessage":"no","stackTrace":[]}"#;
        let outcome = Outcome::of_answer(answer(500, "error", body));
        assert_eq!(
            outcome.error.unwrap(),
            "the function failed with 500: ValueError: no"
        );
        assert_eq!(outcome.response.unwrap().body, body.as_bytes());
    }

    #[test]
    fn an_answer_too_large_is_not_kept_and_not_asked_for_again() {
        let outcome = Outcome::of_answer(answer(200, "ok", &"x".repeat(MOST_RESULT_BYTES + 1)));
        assert_eq!(outcome.class, Class::Hopeless);
        assert!(outcome.response.unwrap().body.is_empty());
    }

    #[test]
    fn a_refusal_is_no_attempt_and_a_deleted_function_is_the_end() {
        let function = ObjectKey::new("default", "f");
        let refused = |refusal| CallError::Refused {
            function: function.clone(),
            refusal,
        };
        let class = |error| Outcome::of_error(&error).class;
        assert_eq!(class(refused(Refusal::QueueFull(1))), Class::Refused);
        assert_eq!(class(refused(Refusal::HoldExpired(60))), Class::Refused);
        assert_eq!(class(refused(Refusal::Paused)), Class::Refused);
        assert_eq!(class(refused(Refusal::Deleted)), Class::Hopeless);
        assert_eq!(
            class(CallError::NoSuchFunction(function.clone())),
            Class::Hopeless
        );
        let after = Duration::from_secs(1);
        assert_eq!(class(CallError::Deadline { function, after }), Class::Retry);
    }
}
