use std::fmt;

use common::resources::Retry;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::calls::InvocationId;
use crate::key::ObjectKey;

/// An invocation's id in little memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id(pub u128);

impl Id {
    /// Reads the 32 hexadecimal digits that [`fmt::Display`] writes; `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if text.len() != 32 || !text.bytes().all(digit) {
            return None;
        }
        u128::from_str_radix(text, 16).ok().map(Self)
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl From<Id> for InvocationId {
    fn from(id: Id) -> Self {
        Self::new(id.0)
    }
}

/// How far an invocation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum State {
    /// It waits for its first or next attempt.
    Pending,
    /// An attempt is being made.
    Running,
    /// The function answered.
    Succeeded,
    /// It is a dead letter.
    Failed,
}

impl State {
    /// Whether nothing more will happen by itself.
    #[must_use]
    pub fn is_final(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed)
    }

    /// The state that a word names.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        let all = [Self::Pending, Self::Running, Self::Succeeded, Self::Failed];
        all.into_iter().find(|state| state.as_str() == word)
    }

    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::Running => "Running",
            Self::Succeeded => "Succeeded",
            Self::Failed => "Failed",
        }
    }
}

/// What is known of an invocation, without its bodies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// Namespace of the function.
    pub namespace: String,
    /// Name of the function.
    pub name: String,
    /// How far it is.
    pub state: State,
    /// Attempts that ended and count.
    pub attempts: u32,
    /// Refusals in a row: attempts that reached no function and do not count.
    pub refusals: u32,
    /// When it was accepted.
    pub created: Timestamp,
    /// Since when its age counts: acceptance, or the last redrive.
    pub since: Timestamp,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub completed: Option<Timestamp>,
    /// When the next attempt is due.
    pub due: Timestamp,
    /// Status of the last answer.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub status: Option<u16>,
    /// Content type of the last answer.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub content_type: Option<String>,
    /// What went wrong last.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub error: Option<String>,
    /// Hash of the function and the client's idempotency key.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub key: Option<String>,
    /// Bytes of the request's body.
    pub bytes: u64,
    /// What the function said of retries when the call was accepted.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub retry: Option<Retry>,
    /// Whether it has ended and its request and answer had to make room for others'.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub emptied: bool,
}

impl Record {
    /// An invocation that was just accepted.
    #[must_use]
    pub fn new(function: &ObjectKey, bytes: u64, now: Timestamp) -> Self {
        Self {
            namespace: function.namespace.to_string(),
            name: function.name.to_string(),
            state: State::Pending,
            attempts: 0,
            refusals: 0,
            created: now,
            since: now,
            completed: None,
            due: now,
            status: None,
            content_type: None,
            error: None,
            key: None,
            bytes,
            retry: None,
            emptied: false,
        }
    }

    /// The function.
    #[must_use]
    pub fn function(&self) -> ObjectKey {
        ObjectKey::new(&self.namespace, &self.name)
    }

    /// The same invocation, begun anew at `now` with all its attempts.
    #[must_use]
    pub fn again(mut self, now: Timestamp) -> Self {
        self.state = State::Pending;
        (self.attempts, self.refusals) = (0, 0);
        (self.since, self.due) = (now, now);
        (self.completed, self.status, self.content_type, self.error) = (None, None, None, None);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_as_they_are_written_and_nothing_else_is_one() {
        for id in [0, 1, u128::MAX] {
            assert_eq!(Id::parse(&Id(id).to_string()), Some(Id(id)));
        }
        let text = Id(0xabc).to_string();
        for wrong in [
            "",
            "abc",
            &text[1..],
            &text.to_uppercase(),
            &text.replacen('0', "+", 1),
        ] {
            assert_eq!(Id::parse(wrong), None, "{wrong}");
        }
    }
}
