//! How a request gets to a pod: straight to its Unix socket where the gateway shares the pod's
//! machine, else through the node agent's data plane over mutual TLS. Both speak HTTP/1.1 over
//! kept connections.
//!
//! A pod's socket is hostile ground: the local way uses only paths under the directory that the
//! master's own settings name, and opens them without following links.

mod call;
mod connect;
mod endpoint;
mod pool;
mod stream;

pub use call::{Answer, UpstreamError};
pub use connect::{ConnectError, NodeLink, Reach};
pub use endpoint::Endpoint;
pub use stream::{ByteStream, stream};
