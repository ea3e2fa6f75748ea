//! How a request gets to a pod: straight to its Unix socket where the gateway shares the pod's machine (HTTP/1.1
//! over kept connections), else through the node agent's data plane (HTTP/2 over mutual TLS, one connection for all
//! calls of a thread to a node).
//!
//! A pod's socket is hostile ground: the local way uses only paths under the directory that the
//! master's own settings name, and opens them without following links.

mod arriving;
mod call;
mod connect;
mod connection;
mod endpoint;
mod node;
mod pool;
mod shard;
mod stream;

pub use arriving::Arriving;
pub use call::{Answer, UpstreamError};
pub use connect::{ConnectError, Reach};
pub use endpoint::Endpoint;
pub use node::NodeLink;
pub use stream::{ByteStream, stream};
