//! The way to the server.

mod error;
mod http;
mod kubeconfig;
mod resource;

pub use common::trust::install_crypto;
pub use error::{Error, chain};
pub use http::{APPLY_PATCH, Client, JSON, MERGE_PATCH, Request, TABLE, lines};
pub use kubeconfig::{Access, Kubeconfig, Overrides};
pub use resource::{ResourceType, resolve, segment, server_version};
