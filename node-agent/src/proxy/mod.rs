//! The data plane: masters and gateways call pods and read logs here, over mutual TLS.
//!
//! Only certificates of the masters' organization get in. HTTP/1.1 and HTTP/2; what is behind is
//! HTTP/1.1 over the pod's Unix socket, with connections kept.

mod call;
mod connections;
mod log;
mod metrics;
mod server;
mod status;

pub use connections::{CallError, Connections};
pub use metrics::CallCounts;
pub use server::{ProxyRoom, serve};
