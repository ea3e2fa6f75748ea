//! What a master that does not lead does with a request: it hands it to the leader.
//!
//! Such a master serves reads of the API from the store. Everything else goes to the leader's API port over mutual TLS,
//! with the bodies streamed; who asked, and by which port, goes along as an
//! [`Introduction`](crate::api::auth::Introduction). While nobody leads, requests are held for a bounded time. A request
//! of which no byte was sent is sent to the next leader; one whose leader went away is not, unless it may be repeated.
//! Agents are told where the leader is.

mod body;
mod http;
mod line;
mod request;
mod send;
mod state;

pub use http::{configure, configure_link};
pub use state::Relay;
