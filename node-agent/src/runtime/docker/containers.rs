//! Single containers: where they stand, how they are ended, how they are removed. The engine may
//! fail or restart at any moment; nothing here takes silence for an end.

use std::collections::HashMap;
use std::time::Duration;

use bollard::errors::Error;
use bollard::models::ContainerSummary;
use bollard::query_parameters::{
    KillContainerOptionsBuilder, ListContainersOptionsBuilder, RemoveContainerOptionsBuilder,
};
use common::link::Exit;
use futures_util::StreamExt as _;
use tokio::time::Instant;

use super::config;
use super::engine::{Engine, is_absent, status};
use crate::backoff::Backoff;
use crate::chain::chain;
use crate::clock::Chance;
use crate::runtime::{Limits, RuntimeError};

/// Between two looks at a container while the engine does not answer.
const AGAIN: Duration = Duration::from_millis(500);
/// Between two looks whether any is left.
const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// Of a container that vanished: somebody removed it by force.
const VANISHED: Exit = Exit {
    code: 137,
    oom: false,
};

/// Where a container stands.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum State {
    /// It runs; the process id of its first process on the host.
    Running(Option<i32>),
    Ended(Exit),
    Absent,
}

pub(super) async fn state(engine: &Engine, name: &str) -> Result<State, Error> {
    let inspected = engine
        .try_ask(|docker| async move { docker.inspect_container(name, None).await })
        .await;
    let container = match inspected {
        Ok(container) => container,
        Err(error) if is_absent(&error) => return Ok(State::Absent),
        Err(error) => return Err(error),
    };
    let state = container.state.unwrap_or_default();
    if state.running.unwrap_or_default() {
        let pid = state.pid.and_then(|pid| i32::try_from(pid).ok());
        return Ok(State::Running(pid.filter(|pid| *pid > 0)));
    }
    let code = state
        .exit_code
        .and_then(|code| i32::try_from(code).ok())
        .unwrap_or(VANISHED.code);
    Ok(State::Ended(Exit {
        code,
        oom: state.oom_killed.unwrap_or_default(),
    }))
}

/// Waits until a container has ended, over restarts of the engine too.
pub(super) async fn wait(engine: &Engine, name: &str) -> Exit {
    loop {
        {
            let docker = engine.client();
            // The stream's own words are poorer than what an inspection says.
            let mut waiting = std::pin::pin!(docker.wait_container(name, None));
            let _ = waiting.next().await;
        }
        match state(engine, name).await {
            Ok(State::Ended(exit)) => return exit,
            Ok(State::Absent) => return VANISHED,
            // The engine restarts, perhaps; the container lives on or is found ended.
            Ok(State::Running(_)) | Err(_) => tokio::time::sleep(AGAIN).await,
        }
    }
}

/// SIGTERM, and after the grace SIGKILL, each tried until the engine has taken it. Returns when the
/// container has ended.
pub(super) async fn stop(engine: &Engine, name: &str, grace: Duration, chance: &Chance) {
    let killed_at = Instant::now() + grace;
    let ended = wait(engine, name);
    let stopping = async {
        if !grace.is_zero() {
            let told = signal_until_taken(engine, name, "SIGTERM", chance);
            // An engine that does not answer must not put off what follows.
            let _ = tokio::time::timeout_at(killed_at, told).await;
            tokio::time::sleep_until(killed_at).await;
        }
        signal_until_taken(engine, name, "SIGKILL", chance).await;
        // It has been told; its end is what is waited for.
        std::future::pending::<()>().await;
    };
    tokio::select! {
        _ = ended => {}
        () = stopping => {}
    }
}

async fn signal_until_taken(engine: &Engine, name: &str, signal: &str, chance: &Chance) {
    let mut backoff = Backoff::new(chance.clone());
    loop {
        let options = KillContainerOptionsBuilder::new().signal(signal).build();
        let sent = engine
            .try_ask(|docker| async move { docker.kill_container(name, Some(options)).await })
            .await;
        match sent {
            Ok(()) => return,
            // Not there, or it does not run.
            Err(error) if matches!(status(&error), Some(404 | 409)) => return,
            Err(error) => {
                tracing::warn!(
                    container = name,
                    signal,
                    error = chain(&error),
                    "stop container"
                );
            }
        }
        tokio::time::sleep(backoff.fail()).await;
    }
}

/// Removes a container, running or not. Once this succeeds it is not there.
pub(super) async fn remove(engine: &Engine, name: &str) -> Result<(), RuntimeError> {
    let options = RemoveContainerOptionsBuilder::new()
        .force(true)
        .v(true)
        .build();
    let removed = engine
        .try_ask(|docker| async move { docker.remove_container(name, Some(options)).await })
        .await;
    match removed {
        Ok(()) => Ok(()),
        Err(error) if is_absent(&error) => Ok(()),
        // A removal is under way; it may also be stuck.
        Err(error) if status(&error) == Some(409) => match state(engine, name).await {
            Ok(State::Absent) => Ok(()),
            _ => Err(RuntimeError::docker("remove container")(error)),
        },
        Err(error) => Err(RuntimeError::docker("remove container")(error)),
    }
}

/// All containers with a label, running or not.
pub(super) async fn list(
    engine: &Engine,
    label: &str,
) -> Result<Vec<ContainerSummary>, RuntimeError> {
    let filters = HashMap::from([("label", vec![label])]);
    let options = ListContainersOptionsBuilder::new()
        .all(true)
        .filters(&filters)
        .build();
    let list = |docker: std::sync::Arc<bollard::Docker>| async move {
        docker.list_containers(Some(options)).await
    };
    engine.ask("list containers", list).await
}

/// Tells the engine a container's limits, which it gives back to the container after it was restarted
/// itself.
pub(super) async fn update(engine: &Engine, container: &str, limits: Limits) {
    let body = config::update(limits);
    let updated = engine
        .try_ask(|docker| async move { docker.update_container(container, body).await })
        .await;
    match updated {
        Ok(()) => {}
        Err(error) if matches!(status(&error), Some(404 | 409)) => {}
        Err(error) => tracing::warn!(container, error = chain(&error), "update container"),
    }
}

/// Waits until there is no container with a label, while one is being removed or the engine does not answer.
///
/// # Errors
/// What is left after so long, for people.
pub(super) async fn none_left(
    engine: &Engine,
    label: &str,
    within: Duration,
) -> Result<(), String> {
    let mut left = "the engine does not answer".to_owned();
    let emptied = async {
        loop {
            left = match list(engine, label).await {
                Ok(found) if found.is_empty() => return,
                Ok(found) => format!("{} containers", found.len()),
                Err(error) => chain(&error),
            };
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    };
    let emptied = tokio::time::timeout(within, emptied).await;
    emptied.map_err(|_| left)
}

#[cfg(test)]
mod tests {
    use super::super::fake_engine;
    use super::*;

    #[tokio::test]
    async fn what_is_being_removed_and_an_engine_that_fails_are_waited_for() {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("docker.sock");
        let fake = fake_engine::engine(&socket, 24, 52);
        let host = format!("unix://{}", socket.display());
        let (engine, _) = Engine::connect(&host).await.unwrap();
        let one = ("200 OK", r#"[{"Id": "one"}]"#);
        let broken = ("500 Internal Server Error", r#"{"message": "broken"}"#);
        fake.lists.lock().extend([broken, one, one]);
        let long = Duration::from_secs(60);
        none_left(&engine, "ours", long).await.unwrap();
        assert!(
            fake.lists.lock().is_empty(),
            "it looked until there was none"
        );

        fake.lists.lock().extend([one; 100]);
        let left = none_left(&engine, "ours", LOOK_AGAIN * 3).await;
        assert_eq!(left, Err("1 containers".to_owned()));
    }
}
