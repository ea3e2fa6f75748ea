//! Which runtime this node uses.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;

use common::link::RuntimeKind;

use super::docker::{self, DockerOptions, DockerRuntime, ImageSource};
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
/// its own a node is expected to keep pods apart, and only when no pods are there that an earlier start
/// ran in containers. What containers an earlier start left goes when processes are chosen.
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
    let process = || async {
        if last(layout) == Some(RuntimeKind::Docker)
            && let Err(error) = docker::leave(&options()).await
        {
            let error = chain(&error);
            if has_pods(layout) {
                return Err(ChooseError(format!(
                    "runtime process: remove the containers of an earlier start: {error}; start Docker, \
                     or remove {} to leave them there",
                    layout.runtime().display()
                )));
            }
            tracing::warn!(error, "what an earlier start left in Docker stays there");
        }
        process(settings, layout, server, node_id, user).await
    };
    let chosen = match settings.runtime {
        RuntimeChoice::Docker => {
            let made = docker().await;
            made.map_err(|error| ChooseError(format!("runtime docker: {}", chain(&error))))?
        }
        RuntimeChoice::Process => process().await?,
        RuntimeChoice::Auto => match docker().await {
            Ok(runtime) => runtime,
            Err(error) => {
                let missing = chain(&error);
                may_be_processes(settings, layout, &missing)?;
                tracing::info!(docker = missing, "pods run as processes");
                process().await?
            }
        },
    };
    note(layout, chosen.facts().kind)?;
    Ok(chosen)
}

/// Whether `auto` may choose processes, where Docker cannot be used.
fn may_be_processes(
    settings: &Settings,
    layout: &Layout,
    missing: &str,
) -> Result<(), ChooseError> {
    if !settings.master_is_local() {
        return Err(ChooseError(format!(
            "Docker cannot be used ({missing}) and the master is on another machine; make \
             Docker and the function base available (make func-base, --base-image FILE), or \
             choose --runtime process, whose pods are kept apart by user ids only"
        )));
    }
    if last(layout) == Some(RuntimeKind::Docker) && has_pods(layout) {
        return Err(ChooseError(format!(
            "Docker cannot be used ({missing}), and this node has pods that an earlier start ran in \
             containers; start Docker, or choose --runtime process to give them up"
        )));
    }
    Ok(())
}

fn has_pods(layout: &Layout) -> bool {
    std::fs::read_dir(layout.pods()).is_ok_and(|mut pods| pods.next().is_some())
}

const DOCKER: &str = "docker";
const PROCESS: &str = "process";

/// What pods last ran as.
fn last(layout: &Layout) -> Option<RuntimeKind> {
    let noted = std::fs::read_to_string(layout.runtime()).ok()?;
    match noted.trim() {
        DOCKER => Some(RuntimeKind::Docker),
        PROCESS => Some(RuntimeKind::Process),
        _ => None,
    }
}

fn note(layout: &Layout, kind: RuntimeKind) -> Result<(), ChooseError> {
    let word = match kind {
        RuntimeKind::Docker => DOCKER,
        RuntimeKind::Process => PROCESS,
    };
    std::fs::write(layout.runtime(), word).map_err(|error| {
        let path = layout.runtime();
        ChooseError(format!("write {}: {error}", path.display()))
    })
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
        pods: layout.pods(),
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
