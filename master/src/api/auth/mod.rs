//! Who asks, and whether he may.
//!
//! A caller shows a client certificate of the cluster's authority (read once per connection, in
//! [`on_connect`]) or a bearer token (looked up in the store by its id and compared by the hash of its
//! secret). A node must be a member with the key of its certificate ([`members`]); what a user may do is looked up
//! each time ([`crate::users`]), so that both end at once when they are deleted. Who shows neither is anonymous and sees only whether the server lives.

mod caller;
mod introduction;
pub mod members;
mod review;
mod rules;
pub mod tokens;

pub use caller::{API_KEY, Caller, on_connect};
pub use introduction::{Entrance, INTRODUCTION, Introduction};
pub(super) use review::review;
pub(super) use rules::{may_read_paths, may_touch};
