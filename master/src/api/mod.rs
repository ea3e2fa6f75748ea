//! The Kubernetes-style HTTP face, good enough that the real kubectl does not notice.
//!
//! One handler takes every path that names objects. It finds out who asks ([`auth`]), what is named
//! and what is wanted (`request`), and passes on to one file per verb (`verbs`). What the verbs decide
//! with is pure and stands apart: patches, server-side apply, selectors, tables, validation.
//!
//! Three rules hold for every kind. Nothing is written that the kind's type cannot hold, and the
//! answer names every field that is wrong, with its path. Lists and watches fit together: a watch from
//! a list's resourceVersion misses nothing, or says that it expired. And people cannot make what the
//! platform makes: the answer says what to apply instead.

mod apply;
pub mod auth;
mod cache;
mod discovery;
mod error;
mod health;
mod kinds;
mod openapi;
mod patch;
mod request;
mod role;
mod routes;
mod selectors;
mod state;
mod table;
mod validation;
mod verbs;

pub use auth::{Caller, on_connect};
pub use cache::Caches;
pub use error::ApiError;
pub use role::Role;
pub use routes::{configure, configure_reads};
pub use state::ApiState;
pub use validation::{AnyDefinition, DefinitionProblem, Definitions};
pub use verbs::log::{LogOptions, LogStream, NoLogs, PodLogs};
