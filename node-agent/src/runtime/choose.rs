//! Which runtime this node uses.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;

use super::docker::{DockerOptions, DockerRuntime, ImageSource};
use super::process::{ProcessOptions, ProcessRuntime, Python};
use super::{Runtime, RuntimeError};
use crate::chain::chain;
use crate::clock::Chance;
use crate::layout::Layout;
use crate::settings::{RuntimeChoice, Settings};

/// No runtime can be used. The text says how to choose.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct ChooseError(String);

/// The runtime the settings name, or the one that `auto` finds: Docker where the engine and the
/// function base are there; processes only when the master is on loopback, since on a machine of
/// its own a node is expected to keep pods apart.
///
/// # Errors
/// When the chosen one cannot be used, or `auto` finds none.
pub async fn choose(
    settings: &Settings,
    layout: &Layout,
    server: &Path,
    node_id: &str,
    user: Option<u32>,
    registry: ImageSource,
    chance: &Chance,
) -> Result<Arc<dyn Runtime>, ChooseError> {
    let options = || DockerOptions {
        settings: settings.docker.clone(),
        server: server.to_owned(),
        node_id: node_id.to_owned(),
        node: settings.name.clone(),
        log_bytes: settings.pods.log_bytes.0,
        max_tasks: settings.pods.max_tasks,
        pods: layout.pods(),
        images: layout.images(),
        registry: registry.clone(),
        chance: chance.clone(),
    };
    let docker = || docker(options());
    let process = || process(settings, layout, server, node_id, user);
    match settings.runtime {
        RuntimeChoice::Docker => {
            let made = docker().await;
            made.map_err(|error| ChooseError(format!("runtime docker: {}", chain(&error))))
        }
        RuntimeChoice::Process => process().await,
        RuntimeChoice::Auto => {
            let missing = match docker().await {
                Ok(runtime) => return Ok(runtime),
                Err(error) => chain(&error),
            };
            if settings.master_is_local() {
                tracing::info!(docker = missing, "pods run as processes");
                return process().await;
            }
            Err(ChooseError(format!(
                "Docker cannot be used ({missing}) and the master is on another machine; make \
                 Docker and the function base available (make func-base, --base-image FILE), or \
                 choose --runtime process, whose pods are kept apart by user ids only"
            )))
        }
    }
}

async fn docker(options: DockerOptions) -> Result<Arc<dyn Runtime>, RuntimeError> {
    Ok(Arc::new(DockerRuntime::connect(options).await?))
}

async fn process(
    settings: &Settings,
    layout: &Layout,
    server: &Path,
    node_id: &str,
    user: Option<u32>,
) -> Result<Arc<dyn Runtime>, ChooseError> {
    if user.is_some() {
        check_reachable(layout.data())?;
    }
    let python = Python::find(&settings.process.python, user)
        .await
        .map_err(|error| ChooseError(format!("runtime process: {error}")))?;
    let program = std::env::current_exe()
        .map_err(|error| ChooseError(format!("runtime process: find own program: {error}")))?;
    let options = ProcessOptions {
        program,
        server: server.to_owned(),
        python,
        node_id: node_id.to_owned(),
        root: user.is_some(),
        orphan_after: settings.pods.orphan_after,
        log_bytes: settings.pods.log_bytes.0,
        max_tasks: settings.pods.max_tasks,
    };
    Ok(Arc::new(ProcessRuntime::new(options).prepared().await))
}

/// Pods run as users of their own and must be able to enter the data directory.
fn check_reachable(data: &Path) -> Result<(), ChooseError> {
    let path = data.canonicalize().unwrap_or_else(|_| data.to_owned());
    let closed = path.ancestors().find(|directory| {
        directory
            .metadata()
            .is_ok_and(|metadata| metadata.permissions().mode() & 0o001 == 0)
    });
    match closed {
        Some(closed) => Err(ChooseError(format!(
            "runtime process: pods run as users of their own and cannot enter {}, where {} is; \
             choose another --data-dir, or chmod o+x {}",
            closed.display(),
            data.display(),
            closed.display()
        ))),
        None => Ok(()),
    }
}
