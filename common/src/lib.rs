//! The vocabulary both sides of Troupe's wire share. No control logic lives here.
//!
//! - [`resources`]: the Kubernetes-shaped objects people apply and read.
//! - [`link`]: what the master and a node agent say to each other.
//! - [`pod_protocol`]: the headers and paths spoken to the server inside a pod.
//! - [`open_files`]: how many a program may have.
//! - [`digest`]: content addresses.
//! - [`archive`]: directories as tar archives, safe against hostile ones.
//! - [`settings`]: file, environment, flags.
//! - [`socket`]: connecting to a Unix socket in a hostile directory.
//! - [`trust`]: the cluster's authority, identities, join tokens and TLS.

pub mod archive;
pub mod digest;
pub mod link;
pub mod metrics;
pub mod open_files;
pub mod pod_protocol;
pub mod resources;
pub mod settings;
pub mod socket;
pub mod trust;
