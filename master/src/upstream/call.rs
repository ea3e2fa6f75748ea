use bytes::Bytes;
use common::pod_protocol::LARGEST_ANSWER_HEAD;

use super::ConnectError;

/// What a pod answered.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Status.
    pub status: http::StatusCode,
    /// Headers, the platform's own among them.
    pub headers: http::HeaderMap,
    /// The whole body.
    pub body: Bytes,
}

impl Answer {
    /// A header's value as text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// No answer came.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    /// The pod has not begun the call and never will: it may go to another one.
    #[error("send the call to the pod")]
    NotSent(#[from] ConnectError),
    /// The pod died or closed the connection with the call in hand.
    #[error("the pod ended while it worked on the call")]
    Broken(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The node does not answer either: nobody knows what became of the pod.
    #[error("the pod's node answers nothing any more")]
    Silent,
    /// The answer is larger than the platform carries.
    #[error("the function's answer is larger than {0} bytes")]
    TooLarge(usize),
    /// The headers of the answer are larger than the platform carries.
    #[error("the headers of the function's answer are larger than {LARGEST_ANSWER_HEAD} bytes")]
    HeadTooLarge,
}

impl UpstreamError {
    /// Whether it is the way to the node that failed, so that it says nothing about the pod.
    #[must_use]
    pub fn is_on_the_way(&self) -> bool {
        matches!(self, Self::NotSent(ConnectError::Node { .. }))
    }

    /// Whether it was the answer's size, which says nothing against the pod.
    #[must_use]
    pub fn is_too_large(&self) -> bool {
        matches!(self, Self::TooLarge(_) | Self::HeadTooLarge)
    }

    /// Whether the call may go to another pod.
    #[must_use]
    pub fn is_unsent(&self) -> bool {
        matches!(self, Self::NotSent(_))
    }
}
