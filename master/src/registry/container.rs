use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use bollard::errors::Error;
use bollard::models::{ContainerCreateBody, HostConfig, HostConfigLogConfig, Mount, MountType};
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, LogsOptionsBuilder, RemoveContainerOptionsBuilder,
    StopContainerOptionsBuilder,
};
use bollard::{API_DEFAULT_VERSION, Docker};
use common::digest::Digest;
use futures_util::{StreamExt as _, TryStreamExt as _};

use super::child::{COLLECT, end_leftover};
use super::client::Registry;
use super::error::RegistryError;
use super::home::{CONFIG, Home, OwnRegistry};
use crate::settings::OwnRegistry as Settings;

/// Longest wait for an engine to answer.
const QUICK: Duration = Duration::from_secs(30);
const GREETING: Duration = Duration::from_secs(5);
const DEFAULT_HOST: &str = "unix:///var/run/docker.sock";
/// Where the registry's directory is inside.
const INSIDE: &str = "/registry";
/// Which directory a registry's container serves.
const LABEL: &str = "troupe.dev/registry";
const STOP_SECONDS: i32 = 5;

/// An engine that has an image of the registry.
pub struct Image {
    docker: Docker,
    /// Its digest: a tag may come to mean another.
    id: String,
}

impl Image {
    /// Looks for the image. Why there is none is said for people.
    ///
    /// # Errors
    /// When there is no engine, or it has no such image.
    pub async fn find(settings: &Settings) -> Result<Self, String> {
        if settings.image.is_empty() {
            return Err("own-registry.image is empty".to_owned());
        }
        let docker = connect(&settings.docker_host).await?;
        let asked = tokio::time::timeout(QUICK, docker.inspect_image(&settings.image)).await;
        let found = asked.map_err(|_| "Docker does not answer".to_owned())?;
        let found = found.map_err(|error| format!("image {}: {error}", settings.image))?;
        let id = found.id.unwrap_or_default();
        Ok(Self { docker, id })
    }
}

async fn connect(host: &str) -> Result<Docker, String> {
    let own = std::env::var("DOCKER_HOST").unwrap_or_default();
    let host = [host, &own, DEFAULT_HOST]
        .into_iter()
        .find(|host| !host.is_empty())
        .unwrap_or(DEFAULT_HOST);
    if !host.starts_with("unix://") {
        // The directory must be this machine's.
        return Err(format!("Docker at {host}: want unix:///PATH"));
    }
    let greet = async {
        let docker = Docker::connect_with_unix(host, QUICK.as_secs(), API_DEFAULT_VERSION)?;
        docker.negotiate_version().await
    };
    let greeted = tokio::time::timeout(GREETING, greet).await;
    greeted
        .map_err(|_| format!("Docker at {host} does not answer"))?
        .map_err(|error| format!("Docker at {host}: {error}"))
}

/// A registry in a container, without a network: its directory, with its socket, is the only way in. It
/// ends with the master; one that a killed master left is taken over by the next.
pub struct Container {
    home: Home,
    image: Image,
    /// The container's; follows from the directory.
    name: String,
}

impl Container {
    /// Starts it in a directory, which is made, or takes over the one that an earlier master left there.
    ///
    /// # Errors
    /// When it does not come up; nothing is left of it then.
    pub async fn start(image: Image, directory: &Path) -> Result<Self, RegistryError> {
        let home = Home::make(directory)?;
        end_leftover(home.directory()).await;
        let id = Digest::of(home.directory().as_os_str().as_encoded_bytes()).hex();
        let name = format!("troupe-registry-{}", &id[..8]);
        let container = Self { home, image, name };
        if container.is_running().await? {
            tracing::info!(
                container = container.name,
                "taking over the registry that an earlier master left"
            );
            if container.come_up().await.is_ok() {
                return Ok(container);
            }
        }
        if let Err(error) = container.begin().await {
            let _ = container.remove(&container.name).await;
            return Err(error);
        }
        Ok(container)
    }

    /// The way to a repository in it.
    ///
    /// # Errors
    /// When the client cannot be made.
    pub fn registry(&self, repository: &str) -> Result<Registry, RegistryError> {
        self.home.registry(repository)
    }

    async fn ask<T>(
        &self,
        action: &str,
        request: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, RegistryError> {
        let asked = tokio::time::timeout(QUICK, request).await;
        asked
            .unwrap_or(Err(Error::RequestTimeoutError))
            .map_err(|error| self.home.failed(format!("{action}: {error}")))
    }

    /// Whether it runs, from the same image.
    async fn is_running(&self) -> Result<bool, RegistryError> {
        let inspected = self.image.docker.inspect_container(&self.name, None);
        let inspected = async {
            match inspected.await {
                Ok(container) => Ok(Some(container)),
                Err(error) if is_absent(&error) => Ok(None),
                Err(error) => Err(error),
            }
        };
        let container = self.ask("look for its container", inspected).await?;
        Ok(container.is_some_and(|container| {
            let running = container.state.and_then(|state| state.running);
            running == Some(true) && container.image.as_deref() == Some(&self.image.id)
        }))
    }

    /// Starts it anew.
    async fn begin(&self) -> Result<(), RegistryError> {
        self.remove(&self.name).await?;
        self.home.furnish()?;
        self.run(&self.name, "serve").await?;
        self.come_up().await
    }

    async fn come_up(&self) -> Result<(), RegistryError> {
        let ended = || async {
            match self.is_running().await {
                Ok(true) => None,
                Ok(false) => {
                    let said = self.last_words(&self.name).await;
                    Some(format!("its container ended: {said}"))
                }
                Err(error) => Some(error.to_string()),
            }
        };
        self.home.come_up(ended).await
    }

    /// Starts a container that does one thing of the registry's.
    async fn run(&self, name: &str, word: &str) -> Result<(), RegistryError> {
        let docker = &self.image.docker;
        let options = CreateContainerOptionsBuilder::new().name(name).build();
        let body = body(&self.image.id, self.home.directory(), word);
        let create = docker.create_container(Some(options), body);
        self.ask("create its container", create).await?;
        let start = docker.start_container(name, None);
        self.ask("start its container", start).await
    }

    /// The last line that it printed.
    async fn last_words(&self, name: &str) -> String {
        let options = LogsOptionsBuilder::new()
            .stdout(true)
            .stderr(true)
            .tail("1")
            .build();
        let lines = self.image.docker.logs(name, Some(options));
        let lines = lines
            .map_ok(|line| line.to_string())
            .try_collect::<Vec<_>>();
        match tokio::time::timeout(QUICK, lines).await {
            Ok(Ok(lines)) => lines.join(" ").trim().to_owned(),
            _ => "its log cannot be read".to_owned(),
        }
    }

    /// Removes a container, running or not.
    async fn remove(&self, name: &str) -> Result<(), RegistryError> {
        let options = RemoveContainerOptionsBuilder::new()
            .force(true)
            .v(true)
            .build();
        let removed = async {
            match self
                .image
                .docker
                .remove_container(name, Some(options))
                .await
            {
                Err(error) if !is_absent(&error) => Err(error),
                _ => Ok(()),
            }
        };
        self.ask("remove its container", removed).await
    }
}

#[async_trait]
impl OwnRegistry for Container {
    async fn keep(&self) -> Result<(), RegistryError> {
        if self.is_running().await? {
            return Ok(());
        }
        tracing::warn!(
            container = self.name,
            "the registry ended; starting it again"
        );
        self.begin().await
    }

    async fn collect(&self) -> Result<(), RegistryError> {
        let name = format!("{}-collect", self.name);
        // One that a killed master left.
        self.remove(&name).await?;
        let collected = async {
            self.run(&name, "garbage-collect").await?;
            let mut waiting = self.image.docker.wait_container(&name, None);
            let ended = tokio::time::timeout(COLLECT, waiting.next()).await;
            let ended = ended.map_err(|_| self.home.failed("garbage-collect takes too long"))?;
            match ended {
                Some(Ok(_)) => Ok(()),
                _ => {
                    let said = self.last_words(&name).await;
                    Err(self.home.failed(format!("garbage-collect: {said}")))
                }
            }
        };
        let collected = collected.await;
        let removed = self.remove(&name).await;
        collected.and(removed)
    }

    async fn stop(&self) {
        let options = StopContainerOptionsBuilder::new().t(STOP_SECONDS).build();
        let stop = self.image.docker.stop_container(&self.name, Some(options));
        let _ = self.ask("stop its container", stop).await;
        if let Err(error) = self.remove(&self.name).await {
            let error = crate::explain(&error);
            tracing::warn!(
                container = self.name,
                error,
                "the registry's container stays"
            );
        }
        self.home.leave();
    }
}

/// What the container is made of: nothing but the registry's directory, as the master's own user.
fn body(image: &str, directory: &Path, word: &str) -> ContainerCreateBody {
    let user = format!("{}:{}", nix::unistd::geteuid(), nix::unistd::getegid());
    let directory = directory.to_string_lossy().into_owned();
    let mount = Mount {
        typ: Some(MountType::BIND),
        source: Some(directory.clone()),
        target: Some(INSIDE.to_owned()),
        ..Mount::default()
    };
    let log = HostConfigLogConfig {
        typ: Some("json-file".to_owned()),
        config: Some([("max-size".to_owned(), "1m".to_owned())].into()),
    };
    ContainerCreateBody {
        image: Some(image.to_owned()),
        // The image's own entry point takes a command of the registry's.
        cmd: Some(vec![word.to_owned(), format!("{INSIDE}/{CONFIG}")]),
        env: Some(vec!["OTEL_TRACES_EXPORTER=none".to_owned()]),
        working_dir: Some(INSIDE.to_owned()),
        user: Some(user),
        labels: Some([(LABEL.to_owned(), directory)].into()),
        host_config: Some(HostConfig {
            mounts: Some(vec![mount]),
            network_mode: Some("none".to_owned()),
            readonly_rootfs: Some(true),
            cap_drop: Some(vec!["ALL".to_owned()]),
            security_opt: Some(vec!["no-new-privileges".to_owned()]),
            pids_limit: Some(512),
            log_config: Some(log),
            ..HostConfig::default()
        }),
        ..ContainerCreateBody::default()
    }
}

fn is_absent(error: &Error) -> bool {
    matches!(
        error,
        Error::DockerResponseServerError {
            status_code: 404,
            ..
        }
    )
}
