use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// Version of the link. A side that hears another one ends the session and says so.
pub const PROTOCOL: u32 = 4;
/// How often an agent reports its usage when nothing else is said.
pub const HEARTBEAT: Duration = Duration::from_secs(5);
/// After so long without a frame the other side counts as gone.
pub const SILENCE: Duration = Duration::from_secs(15);
/// Frames sent and not acknowledged before the session is given up.
pub const MAX_UNACKED: u64 = 1024;
/// Largest frame, in bytes.
pub const MAX_FRAME_BYTES: usize = 16 << 20;

/// One WebSocket text message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Frame<B> {
    /// [`PROTOCOL`].
    pub v: u32,
    /// Counts this side's frames from 1. Frames that only acknowledge do not count.
    pub seq: u64,
    /// The last frame of the other side that was handled.
    pub ack: u64,
    /// What is said.
    pub body: B,
}

/// A message is not a frame.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// Not the JSON that was expected.
    #[error("read link frame")]
    Json(#[from] serde_json::Error),
    /// Another version.
    #[error(
        "read link frame: peer speaks version {0}, this side speaks {PROTOCOL}; upgrade the older one"
    )]
    Version(u32),
}

impl<B: Serialize + DeserializeOwned> Frame<B> {
    /// A frame of this version.
    pub fn new(seq: u64, ack: u64, body: B) -> Self {
        Self {
            v: PROTOCOL,
            seq,
            ack,
            body,
        }
    }

    /// The text to send.
    ///
    /// # Errors
    /// When the body cannot be written as JSON.
    pub fn encode(&self) -> Result<String, FrameError> {
        Ok(serde_json::to_string(self)?)
    }

    /// Reads a text that was received.
    ///
    /// # Errors
    /// When it is not a frame, or one of another version.
    pub fn decode(text: &str) -> Result<Self, FrameError> {
        #[derive(Deserialize)]
        struct Version {
            v: u32,
        }
        let Version { v } = serde_json::from_str(text)?;
        if v != PROTOCOL {
            return Err(FrameError::Version(v));
        }
        Ok(serde_json::from_str(text)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::{ToAgent, ToMaster};

    #[test]
    fn frames_read_back_and_other_versions_are_refused() {
        let frame = Frame::new(
            3,
            2,
            ToAgent::RemovePod {
                uid: "u".into(),
                grace_seconds: 5,
            },
        );
        let text = frame.encode().unwrap();
        assert_eq!(Frame::<ToAgent>::decode(&text).unwrap(), frame);
        let old = text.replace("\"v\":4", "\"v\":9");
        assert!(matches!(
            Frame::<ToAgent>::decode(&old),
            Err(FrameError::Version(9))
        ));
        assert!(Frame::<ToMaster>::decode("{}").is_err());
    }
}
