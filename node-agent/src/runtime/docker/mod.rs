//! Pods as containers: a read-only root, no capabilities, a user id of the pod's own, limits, and
//! no network unless the function asks for one. Everything this agent makes carries its label, so
//! that the next start finds it and an end removes it.
//!
//! [`engine`] is the connection, [`containers`] and [`config`] what containers are and how they are
//! ended, [`network`] and [`firewall`] what they reach, [`base`] and [`images`] what they are made
//! of, [`room`] the small directory a pod may write, [`lend`] what is put into those that run already,
//! [`leave`] how a node gives all of it up.

mod base;
mod config;
mod containers;
mod engine;
#[cfg(test)]
mod fake_engine;
mod firewall;
mod images;
mod leave;
mod lend;
mod network;
mod room;
mod runtime;
mod step;
mod steps;

use std::net::SocketAddr;
use std::path::PathBuf;

pub use leave::leave;
pub use runtime::DockerRuntime;

use crate::clock::Chance;
use crate::registry::Grants;

/// What the runtime needs to know.
#[derive(Clone)]
pub struct DockerOptions {
    /// See [`crate::settings::Docker`].
    pub settings: crate::settings::Docker,
    /// The Python server's directory.
    pub server: PathBuf,
    /// Names this agent's containers.
    pub node_id: String,
    /// The node's name.
    pub node: String,
    /// See [`crate::settings::Pods`].
    pub log_bytes: u64,
    /// See [`crate::settings::Pods`].
    pub max_tasks: u64,
    /// The directory of all pods.
    pub pods: PathBuf,
    /// Where the images that were brought in are noted.
    pub images: PathBuf,
    /// Where the cluster's images come from.
    pub registry: ImageSource,
    /// For waits.
    pub chance: Chance,
}

/// Where this agent serves the cluster's images to its engine.
#[derive(Clone)]
pub struct ImageSource {
    /// The port on loopback.
    pub address: SocketAddr,
    /// What the engine may read there.
    pub grants: Grants,
}
