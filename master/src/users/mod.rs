//! People and programs that use the cluster: what each may do, and how they get in.
//!
//! A user is an administrator, a developer of some namespaces, or may only call what is in them. Credentials (a
//! certificate or a bearer token) say who asks; what he may do is looked up here at each request, so that deleting a
//! user ends all of it at once. A user made anew under an old name does not get the old one's credentials back: they
//! carry the user's own number.

mod book;
mod http;
mod role;

pub use book::{User, role_of};
pub use http::{Users, configure};
pub use role::{Role, RoleError};

/// Organization in users' certificates, and group in their tokens.
pub const GROUP: &str = "troupe:users";
