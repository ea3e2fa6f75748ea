//! Pods as containers. (Stub.)
use std::path::PathBuf;

use crate::runtime::RuntimeError;

/// What the runtime needs to know.
#[derive(Clone, Debug)]
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
    /// The data directory.
    pub data: PathBuf,
}
/// x
pub struct DockerRuntime;
impl DockerRuntime {
    /// x
    pub async fn connect(_: DockerOptions) -> Result<super::process::ProcessRuntime, RuntimeError> {
        Err(RuntimeError::Refused("not yet".into()))
    }
}
