//! Who asks, and whether he may.
//!
//! A caller shows a client certificate of the cluster's authority (read once per connection, in
//! [`on_connect`]) or a bearer token (looked up in the store by its id and compared by the hash of its
//! secret). Who shows neither is anonymous and sees only whether the server lives.

mod caller;
mod rules;
pub mod tokens;

pub use caller::{Caller, on_connect};
pub(super) use rules::{may_read_paths, may_touch};
