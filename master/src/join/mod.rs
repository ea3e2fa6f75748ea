//! How nodes get in: join tokens, certificates by CSR, the link.
//!
//! A join makes the Node object, with the digest of the node's key on it ([`crate::api::auth::members`]): a name belongs
//! to the key that came first, until its object is deleted. A node's certificate names it `system:node:NAME`; with it the node may greet as that node, and
//! nothing in this module believes a name from anywhere else.

mod http;
mod tokens;

pub use http::{Joining, configure};
