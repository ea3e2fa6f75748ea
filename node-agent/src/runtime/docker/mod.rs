//! Pods as containers: a read-only root, no capabilities, a user id of the pod's own, limits, and
//! no network unless the function asks for one. Everything this agent makes carries its label, so
//! that the next start finds it and an end removes it.

mod config;
mod engine;
mod image;
mod step;

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use bollard::Docker;
use bollard::models::ContainerCreateBody;
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, ListContainersOptionsBuilder, LogsOptionsBuilder,
    StopContainerOptionsBuilder,
};
use bytes::Bytes;
use common::link::{Exit, Origin, RuntimeKind};
use futures_util::stream::{BoxStream, StreamExt as _};
use jiff::Timestamp;

use super::{Adopted, Facts, LogOptions, PodStart, Runtime, RuntimeError, Step, StepEnd};

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
}

/// The runtime.
pub struct DockerRuntime {
    options: DockerOptions,
    docker: Docker,
    facts: Facts,
    /// The function base.
    image: String,
}

/// Between two looks at a container while the engine does not answer.
const AGAIN: Duration = Duration::from_millis(500);

impl DockerRuntime {
    /// Connects to the engine and finds the function base, or brings it in.
    ///
    /// # Errors
    /// When either is not there; the text says what to do.
    pub async fn connect(options: DockerOptions) -> Result<Self, RuntimeError> {
        let (docker, version) = engine::connect(&options.settings.host).await?;
        let image = image::ensure(&docker, &options.settings).await?;
        engine::ensure_network(&docker, &options.node_id).await?;
        let facts = Facts {
            kind: RuntimeKind::Docker,
            version,
            arch: crate::machine::arch().to_owned(),
            python: String::new(),
            isolated: true,
            isolation_message: String::new(),
        };
        Ok(Self {
            options,
            docker,
            facts,
            image,
        })
    }

    fn container(&self, uid: &str) -> String {
        format!("troupe-{}-{uid}", self.options.node_id)
    }

    /// Creates and starts a container; one that does not start is removed.
    async fn run(&self, uid: &str, body: ContainerCreateBody) -> Result<String, RuntimeError> {
        let name = self.container(uid);
        let options = CreateContainerOptionsBuilder::new().name(&name).build();
        let created = self.docker.create_container(Some(options), body).await;
        let id = created
            .map_err(RuntimeError::docker("create container"))?
            .id;
        if let Err(error) = self.docker.start_container(&name, None).await {
            engine::remove(&self.docker, &name).await?;
            return Err(RuntimeError::docker("start container")(error));
        }
        Ok(id)
    }
}

#[async_trait]
impl Runtime for DockerRuntime {
    fn facts(&self) -> &Facts {
        &self.facts
    }

    async fn start(&self, pod: PodStart<'_>) -> Result<String, RuntimeError> {
        let assignment = pod.assignment;
        let image = match &assignment.origin {
            Origin::Layer { .. } => self.image.clone(),
            Origin::Image {
                port: Some(port), ..
            } => {
                return Err(RuntimeError::Refused(format!(
                    "an image that serves on port {port} cannot be run yet; it may listen on the \
                     Unix socket that TROUPE_SOCKET names"
                )));
            }
            Origin::Image { reference, .. } => {
                image::pull(&self.docker, reference).await?;
                reference.clone()
            }
        };
        self.run(&assignment.uid, config::pod(&self.options, &image, pod))
            .await
    }

    async fn stop(&self, uid: &str, grace: Duration) {
        let seconds = i32::try_from(grace.as_secs()).unwrap_or(i32::MAX);
        let options = StopContainerOptionsBuilder::new().t(seconds).build();
        if let Err(error) = self
            .docker
            .stop_container(&self.container(uid), Some(options))
            .await
            && !engine::is_absent(&error)
        {
            tracing::warn!(
                pod = uid,
                error = crate::chain::chain(&error),
                "stop container"
            );
        }
    }

    async fn wait(&self, uid: &str) -> Exit {
        let name = self.container(uid);
        loop {
            // The stream's own words are poorer than what an inspection says.
            let mut waiting = std::pin::pin!(self.docker.wait_container(&name, None));
            let _ = waiting.next().await;
            match engine::state(&self.docker, &name).await {
                Ok(engine::State::Ended(exit)) => return exit,
                Ok(engine::State::Absent) => {
                    return Exit {
                        code: 137,
                        oom: false,
                    };
                }
                // The engine restarts, perhaps; the container lives on or is found ended.
                Ok(engine::State::Running) | Err(_) => tokio::time::sleep(AGAIN).await,
            }
        }
    }

    async fn remove(&self, uid: &str, _: Option<u32>) -> Result<(), RuntimeError> {
        engine::remove(&self.docker, &self.container(uid)).await
    }

    async fn adopt(&self, uid: &str, _: &Path, _: Option<u32>) -> Adopted {
        match engine::state(&self.docker, &self.container(uid)).await {
            Ok(engine::State::Running) => Adopted::Running,
            Ok(engine::State::Ended(exit)) => Adopted::Ended(exit),
            Ok(engine::State::Absent) | Err(_) => Adopted::Lost,
        }
    }

    async fn sweep(&self, known: &BTreeSet<String>) {
        let label = format!("{}={}", config::AGENT_LABEL, self.options.node_id);
        let filters = HashMap::from([("label", vec![label.as_str()])]);
        let options = ListContainersOptionsBuilder::new()
            .all(true)
            .filters(&filters)
            .build();
        let found = match self.docker.list_containers(Some(options)).await {
            Ok(found) => found,
            Err(error) => {
                return tracing::warn!(error = crate::chain::chain(&error), "list containers");
            }
        };
        for container in found {
            let labels = container.labels.unwrap_or_default();
            if labels
                .get(config::POD_LABEL)
                .is_some_and(|uid| known.contains(uid))
            {
                continue;
            }
            let Some(id) = container.id else { continue };
            tracing::info!(container = id, "left by an earlier agent; removed");
            if let Err(error) = engine::remove(&self.docker, &id).await {
                tracing::warn!(error = crate::chain::chain(&error), "remove container");
            }
        }
    }

    async fn step(&self, step: Step<'_>) -> Result<StepEnd, RuntimeError> {
        let body = config::step(&self.options, &self.image, step);
        self.run(step.id, body).await?;
        let name = self.container(step.id);
        let ran = async {
            let copied = step::copy_log(&self.docker, &name, step.directory);
            let (copied, exit) = tokio::join!(copied, self.wait(step.id));
            copied.map(|()| exit)
        };
        let ended = tokio::time::timeout(step.timeout, ran).await;
        engine::remove(&self.docker, &name).await?;
        match ended {
            Ok(exit) => Ok(StepEnd::Exit(exit?)),
            Err(_) => Ok(StepEnd::TimedOut),
        }
    }

    async fn log(
        &self,
        directory: &Path,
        options: LogOptions,
    ) -> Result<BoxStream<'static, Result<Bytes, std::io::Error>>, RuntimeError> {
        let uid = directory
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let tail = options
            .tail_lines
            .map_or_else(|| "all".to_owned(), |lines| lines.to_string());
        let mut query = LogsOptionsBuilder::new()
            .stdout(true)
            .stderr(true)
            .follow(options.follow)
            .tail(&tail);
        if let Some(seconds) = options.since_seconds {
            let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
            let since = Timestamp::now().as_second().saturating_sub(seconds);
            query = query.since(i32::try_from(since).unwrap_or_default());
        }
        let stream = self.docker.logs(&self.container(&uid), Some(query.build()));
        Ok(stream
            .map(|piece| piece.map(|p| p.into_bytes()).map_err(std::io::Error::other))
            .boxed())
    }

    async fn close(&self) {
        engine::remove_network(&self.docker, &self.options.node_id).await;
    }
}
