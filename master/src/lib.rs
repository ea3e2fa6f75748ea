//! Troupe's control plane.
//!
//! A tree of actors decides, the gateway forwards, the store remembers:
//!
//! - [`store`]: keys, revisions, watches, leases; embedded or etcd.
//! - [`objects`]: the API's objects in the store, for everybody inside.
//! - [`supervisor`]: the root of the tree, death watch, restarts.
//! - [`functions`], [`workflows`], [`invocations`], [`nodes`], [`scheduler`], [`images`], [`router`]:
//!   the rooms of the tree, one folder each; [`house`] puts them together.
//! - [`relay`]: what a master that does not lead does with requests.
//! - [`api`]: the Kubernetes-style face; [`join`]: how nodes get in.
//! - [`calls`] and [`upstream`]: one call's way to a pod and back; [`gateway`]: the same over HTTP;
//!   [`step_functions`]: the API of AWS Step Functions.

pub mod api;
pub mod arn;
pub mod blobs;
pub mod calls;
pub mod clock;
mod explain;
pub mod functions;
pub mod gateway;
mod hop;
pub mod house;
pub mod images;
pub mod invocations;
pub mod join;
pub mod key;
pub mod metrics;
pub mod nodes;
pub mod objects;
pub mod platform;
pub mod registry;
pub mod relay;
pub mod router;
pub mod scheduler;
pub mod seal;
pub mod settings;
pub mod step_functions;
pub mod store;
pub mod supervisor;
pub mod upstream;
pub mod users;
pub mod workflows;

pub use explain::explain;
