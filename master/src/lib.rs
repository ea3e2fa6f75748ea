//! Troupe's control plane.
//!
//! A tree of actors decides, the gateway forwards, the store remembers:
//!
//! - [`store`]: keys, revisions, watches, leases; embedded or etcd.
//! - [`objects`]: the API's objects in the store, for everybody inside.
//! - [`supervisor`]: the root of the tree, death watch, restarts.
//! - [`functions`], [`workflows`], [`nodes`], [`scheduler`], [`images`], [`router`]: the rooms of the
//!   tree, one folder each.
//! - [`calls`] and [`upstream`]: one call's way to a pod and back; [`gateway`]: the same over HTTP.

pub mod calls;
pub mod clock;
pub mod functions;
pub mod gateway;
pub mod images;
pub mod key;
pub mod nodes;
pub mod objects;
pub mod router;
pub mod scheduler;
pub mod store;
pub mod supervisor;
pub mod upstream;
pub mod workflows;
