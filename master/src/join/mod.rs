//! How nodes get in: join tokens, certificates by CSR, the link.
//!
//! A node's certificate names it `system:node:NAME`; with it the node may greet as that node, and
//! nothing in this module believes a name from anywhere else.

mod http;
mod tokens;

pub use http::{Joining, configure};
