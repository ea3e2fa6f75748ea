//! Who may speak to whom: the cluster's own certificate authority, identities, join tokens and the
//! TLS settings made of them. No function here builds a TLS configuration that skips a check.
//!
//! A cluster has one [`Authority`]. Everybody holds an [`Identity`] signed by it; the name and the
//! organizations of a [`Peer`] come from its certificate, and the subject of a certificate always
//! comes from the caller that signs, never from the one who asks. A node that joins knows nothing
//! but a [`JoinToken`], which carries the hash of the authority's certificate.

mod authority;
mod error;
mod file;
mod identity;
mod joining;
mod masters_only;
mod peer;
mod tls;
mod token;

pub use authority::Authority;
pub use error::Error;
pub use file::write_atomic;
pub use identity::{Csr, Identity, csr_key};
pub use joining::joining_client_config;
pub use peer::Peer;
pub use tls::{ClientAuth, client_config, install_crypto, master_client_config, server_config};
pub use token::{JoinToken, ParseTokenError};

/// Organization of the nodes' certificates; their common name is [`NODE_PREFIX`] and the name.
pub const NODES: &str = "system:nodes";
/// Organization of the masters' certificates: the only ones an agent's data plane serves.
pub const MASTERS: &str = "troupe:masters";
/// Organization of the administrators' certificates.
pub const ADMINS: &str = "system:masters";
/// What the common name of a node's certificate starts with.
pub const NODE_PREFIX: &str = "system:node:";

#[cfg(test)]
mod tests;
