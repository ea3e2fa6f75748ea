use std::collections::HashMap;
use std::time::Duration;

use bollard::errors::Error;
use bollard::models::NetworkCreateRequest;
use bollard::query_parameters::RemoveContainerOptionsBuilder;
use bollard::{API_DEFAULT_VERSION, Docker};
use common::link::Exit;

use crate::runtime::RuntimeError;

/// Longest wait for the engine's answer to one request.
const ANSWER_SECONDS: u64 = 120;
const GREETING: Duration = Duration::from_secs(10);
const DEFAULT_HOST: &str = "unix:///var/run/docker.sock";

/// The engine, spoken to in a version it knows.
pub(super) async fn connect(host: &str) -> Result<(Docker, String), RuntimeError> {
    let own = std::env::var("DOCKER_HOST").unwrap_or_default();
    let host = [host, &own, DEFAULT_HOST]
        .into_iter()
        .find(|host| !host.is_empty());
    let host = host.unwrap_or(DEFAULT_HOST);
    if !host.starts_with("unix://") {
        let text = format!("setting docker.host: found {host:?}, want unix:///PATH");
        return Err(RuntimeError::Refused(text));
    }
    let greeting = async {
        Docker::connect_with_unix(host, ANSWER_SECONDS, API_DEFAULT_VERSION)?
            .negotiate_version()
            .await
    };
    let docker = tokio::time::timeout(GREETING, greeting)
        .await
        .map_err(|_| RuntimeError::Refused(format!("Docker at {host} does not answer")))?
        .map_err(RuntimeError::docker("connect to Docker"))?;
    let version = docker
        .version()
        .await
        .map_err(RuntimeError::docker("ask Docker's version"))?;
    Ok((docker, version.version.unwrap_or_default()))
}

/// Where a container stands.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum State {
    Running,
    Ended(Exit),
    Absent,
}

pub(super) async fn state(docker: &Docker, name: &str) -> Result<State, Error> {
    let container = match docker.inspect_container(name, None).await {
        Ok(container) => container,
        Err(error) if is_absent(&error) => return Ok(State::Absent),
        Err(error) => return Err(error),
    };
    let state = container.state.unwrap_or_default();
    if state.running.unwrap_or_default() {
        return Ok(State::Running);
    }
    let code = state
        .exit_code
        .and_then(|code| i32::try_from(code).ok())
        .unwrap_or(137);
    Ok(State::Ended(Exit {
        code,
        oom: state.oom_killed.unwrap_or_default(),
    }))
}

pub(super) fn is_absent(error: &Error) -> bool {
    matches!(
        error,
        Error::DockerResponseServerError {
            status_code: 404,
            ..
        }
    )
}

/// Removes a container, running or not; nothing to do when it is not there.
pub(super) async fn remove(docker: &Docker, name: &str) -> Result<(), RuntimeError> {
    let options = RemoveContainerOptionsBuilder::new()
        .force(true)
        .v(true)
        .build();
    match docker.remove_container(name, Some(options)).await {
        Ok(()) => Ok(()),
        // 409: a removal is under way.
        Err(Error::DockerResponseServerError {
            status_code: 404 | 409,
            ..
        }) => Ok(()),
        Err(error) => Err(RuntimeError::docker("remove container")(error)),
    }
}

/// The network of pods that may reach outwards; they do not reach each other on it.
pub(super) fn network(node_id: &str) -> String {
    format!("troupe-{node_id}")
}

pub(super) async fn ensure_network(docker: &Docker, node_id: &str) -> Result<(), RuntimeError> {
    let name = network(node_id);
    match docker.inspect_network(&name, None).await {
        Ok(_) => return Ok(()),
        Err(error) if is_absent(&error) => {}
        Err(error) => return Err(RuntimeError::docker("inspect network")(error)),
    }
    let request = NetworkCreateRequest {
        name,
        driver: Some("bridge".to_owned()),
        labels: Some(HashMap::from([(
            super::config::AGENT_LABEL.to_owned(),
            node_id.to_owned(),
        )])),
        options: Some(HashMap::from([(
            "com.docker.network.bridge.enable_icc".to_owned(),
            "false".to_owned(),
        )])),
        ..NetworkCreateRequest::default()
    };
    let created = docker.create_network(request).await;
    created
        .map(|_| ())
        .map_err(RuntimeError::docker("create network"))
}

pub(super) async fn remove_network(docker: &Docker, node_id: &str) {
    if let Err(error) = docker.remove_network(&network(node_id)).await
        && !is_absent(&error)
    {
        tracing::warn!(error = crate::chain::chain(&error), "remove network");
    }
}
