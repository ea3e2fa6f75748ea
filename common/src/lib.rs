//! The vocabulary both sides of Troupe's wire share. No control logic lives here.
//!
//! - [`resources`]: the Kubernetes-shaped objects people apply and read.
//! - [`link`]: what the master and a node agent say to each other.
//! - [`pod_protocol`]: the headers and paths spoken to the server inside a pod.
//! - [`digest`]: content addresses.
//! - [`trust`]: the cluster's authority, identities, join tokens and TLS.

pub mod digest;
pub mod link;
pub mod pod_protocol;
pub mod resources;
pub mod trust;
