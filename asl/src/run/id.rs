//! Names for what a run has in flight. They come from event ids, so a replay finds the same ones.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

/// One attempt of one task: the id of the event that scheduled it.
///
/// Each attempt of a Retry has its own event and so its own id. Together with the execution's id it is an idempotency key:
/// an effect that is issued again after a crash carries the same id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TaskId(pub u64);

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// What a timer is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TimerKind {
    /// A Wait state ends. The event is its `WaitStateEntered`.
    Wait,
    /// The next attempt of a retried state. The event is the last one before the pause.
    Retry,
    /// `TimeoutSeconds` of a task. The event is the one that scheduled it.
    Timeout,
    /// `HeartbeatSeconds` of a task. The event is the one that scheduled it.
    Heartbeat,
    /// `TimeoutSeconds` of the whole state machine. The event is 1.
    Execution,
}

/// A timer: what it is for and the event it belongs to. Text form: `wait-7`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TimerId {
    /// What it is for.
    pub kind: TimerKind,
    /// The event it belongs to.
    pub event: u64,
}

impl TimerId {
    pub(crate) fn new(kind: TimerKind, event: u64) -> Self {
        TimerId { kind, event }
    }
}

impl fmt::Display for TimerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            TimerKind::Wait => "wait",
            TimerKind::Retry => "retry",
            TimerKind::Timeout => "timeout",
            TimerKind::Heartbeat => "heartbeat",
            TimerKind::Execution => "execution",
        };
        write!(f, "{kind}-{}", self.event)
    }
}

/// The text is no timer's name.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("'{0}' is no timer: want wait-N, retry-N, timeout-N, heartbeat-N or execution-N")]
pub struct NotATimer(String);

impl FromStr for TimerId {
    type Err = NotATimer;

    fn from_str(text: &str) -> Result<Self, NotATimer> {
        let wrong = || NotATimer(text.to_owned());
        let (kind, event) = text.split_once('-').ok_or_else(wrong)?;
        let kind = match kind {
            "wait" => TimerKind::Wait,
            "retry" => TimerKind::Retry,
            "timeout" => TimerKind::Timeout,
            "heartbeat" => TimerKind::Heartbeat,
            "execution" => TimerKind::Execution,
            _ => return Err(wrong()),
        };
        Ok(TimerId {
            kind,
            event: event.parse().map_err(|_| wrong())?,
        })
    }
}

impl Serialize for TimerId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for TimerId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

/// One thread of control inside a run: the machine itself (0), a Parallel branch or a Map iteration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StrandId(pub u32);

impl StrandId {
    /// The machine itself.
    pub const ROOT: StrandId = StrandId(0);
}
