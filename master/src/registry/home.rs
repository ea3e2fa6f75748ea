use std::fs::{self, File};
use std::io::Write as _;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use reqwest::Url;

use super::auth::Credentials;
use super::client::Registry;
use super::error::RegistryError;
use super::open::trusts_nobody;

/// How long it may take to come up.
const START: Duration = Duration::from_secs(15);
const PAUSE: Duration = Duration::from_millis(50);
/// The registry's settings, in its directory.
pub(super) const CONFIG: &str = "config.yml";
const SOCKET: &str = "socket";

/// A registry (CNCF distribution) that the master runs itself: as a process, or through Docker.
#[async_trait]
pub trait OwnRegistry: Send + Sync {
    /// Starts it again if it ended.
    ///
    /// # Errors
    /// When it does not come up.
    async fn keep(&self) -> Result<(), RegistryError>;

    /// Frees the disk of what no manifest names any more. Nothing may be pushed meanwhile.
    ///
    /// # Errors
    /// When the registry's own collection fails.
    async fn collect(&self) -> Result<(), RegistryError>;

    /// Ends it and waits for it.
    async fn stop(&self);
}

/// The directory of the master's own registry. It listens on a Unix socket there, so that nobody else
/// on the machine reaches it.
pub(super) struct Home {
    directory: PathBuf,
    /// Keeps the way to the socket short: its path may be longer than the kernel takes.
    door: File,
}

impl Home {
    /// Makes the directory.
    pub(super) fn make(directory: &Path) -> Result<Self, RegistryError> {
        let made = || {
            let mut builder = fs::DirBuilder::new();
            builder.recursive(true).mode(0o700).create(directory)?;
            // What looks at it from elsewhere, as an engine does, has another working directory.
            let directory = fs::canonicalize(directory)?;
            let door = File::open(&directory)?;
            Ok(Self { directory, door })
        };
        made().map_err(|error: std::io::Error| failure(directory, error.to_string()))
    }

    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Writes the settings anew, for a registry that is about to be started.
    pub(super) fn furnish(&self) -> Result<(), RegistryError> {
        let _ = fs::remove_file(self.directory.join(SOCKET));
        fs::write(self.directory.join(CONFIG), config())
            .map_err(|error| self.failed(error.to_string()))
    }

    /// Takes away what only a running one has.
    pub(super) fn leave(&self) {
        let _ = fs::remove_file(self.directory.join(SOCKET));
    }

    /// The way to a repository in it.
    ///
    /// # Errors
    /// When the client cannot be made.
    pub(super) fn registry(&self, repository: &str) -> Result<Registry, RegistryError> {
        let socket = format!("/proc/self/fd/{}/{SOCKET}", self.door.as_raw_fd());
        let client = Registry::client()
            .no_proxy()
            .unix_socket(PathBuf::from(socket));
        let client = client
            .use_preconfigured_tls(trusts_nobody()?)
            // A kept connection breaks when the registry is started again, and a new one costs little.
            .pool_max_idle_per_host(0);
        let http = client.build().map_err(RegistryError::Client)?;
        let base =
            Url::parse("http://registry/").map_err(|error| self.failed(error.to_string()))?;
        let repository = repository.to_owned();
        Ok(Registry::new(
            http,
            base,
            repository,
            Credentials::default(),
        ))
    }

    /// Waits until it answers; `ended` says when there is nothing to wait for any more, and why.
    pub(super) async fn come_up<F>(&self, ended: impl Fn() -> F) -> Result<(), RegistryError>
    where
        F: Future<Output = Option<String>>,
    {
        let registry = self.registry("troupe/functions")?;
        let until = tokio::time::Instant::now() + START;
        loop {
            let error = match registry.check().await {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            if let Some(why) = ended().await {
                return Err(self.failed(why));
            }
            if tokio::time::Instant::now() > until {
                return Err(error);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    pub(super) fn failed(&self, message: impl Into<String>) -> RegistryError {
        failure(&self.directory, message.into())
    }
}

fn failure(directory: &Path, message: String) -> RegistryError {
    RegistryError::Own {
        directory: directory.to_owned(),
        message,
    }
}

/// The registry's settings; paths are relative to its directory. No cache of what it has: its garbage
/// collection would not be noticed.
fn config() -> Vec<u8> {
    let mut out = Vec::new();
    let secret: u128 = rand::random();
    // Writing to a Vec cannot fail.
    let _ = write!(
        out,
        "version: 0.1
log:
  level: warn
  accesslog:
    disabled: true
storage:
  filesystem:
    rootdirectory: data
  delete:
    enabled: true
http:
  net: unix
  addr: {SOCKET}
  secret: {secret:032x}
"
    );
    out
}
