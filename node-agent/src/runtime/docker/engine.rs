//! The connection to the engine: in a version both know, with an end to every wait.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use bollard::errors::Error;
use bollard::{API_DEFAULT_VERSION, Docker};

use crate::chain::chain;
use crate::runtime::RuntimeError;

/// Longest wait for the head of an answer that may take its time: pulls, loads.
const PATIENT_SECONDS: u64 = 300;
/// Longest wait for everything else.
const QUICK: Duration = Duration::from_secs(60);
const GREETING: Duration = Duration::from_secs(10);
const DEFAULT_HOST: &str = "unix:///var/run/docker.sock";

/// The engine. It may be restarted, also as another version, while this lives.
pub(super) struct Engine {
    host: String,
    client: ArcSwap<Docker>,
}

impl Engine {
    /// Connects; also tells the engine's version.
    pub(super) async fn connect(host: &str) -> Result<(Self, String), RuntimeError> {
        let own = std::env::var("DOCKER_HOST").unwrap_or_default();
        let host = [host, &own, DEFAULT_HOST]
            .into_iter()
            .find(|host| !host.is_empty());
        let host = host.unwrap_or(DEFAULT_HOST);
        if !host.starts_with("unix://") {
            let text = format!("setting docker.host: found {host:?}, want unix:///PATH");
            return Err(RuntimeError::Refused(text));
        }
        let docker = negotiate(host).await?;
        let version = docker
            .version()
            .await
            .map_err(RuntimeError::docker("ask Docker's version"))?;
        let engine = Self {
            host: host.to_owned(),
            client: ArcSwap::from_pointee(docker),
        };
        Ok((engine, version.version.unwrap_or_default()))
    }

    /// Where it listens, as `unix:///…`.
    pub(super) fn host(&self) -> &str {
        &self.host
    }

    /// For requests that end by themselves or whose caller has a deadline.
    pub(super) fn client(&self) -> Arc<Docker> {
        self.client.load_full()
    }

    /// One request, answered within a minute or failed. `action` says what is attempted.
    pub(super) async fn ask<T, F>(
        &self,
        action: &'static str,
        request: impl FnOnce(Arc<Docker>) -> F,
    ) -> Result<T, RuntimeError>
    where
        F: Future<Output = Result<T, Error>>,
    {
        match self.try_ask(request).await {
            Ok(value) => Ok(value),
            Err(error) => Err(RuntimeError::docker(action)(error)),
        }
    }

    /// The same, for callers to whom the error means something.
    pub(super) async fn try_ask<T, F>(
        &self,
        request: impl FnOnce(Arc<Docker>) -> F,
    ) -> Result<T, Error>
    where
        F: Future<Output = Result<T, Error>>,
    {
        let asked = tokio::time::timeout(QUICK, request(self.client())).await;
        let result = asked.unwrap_or(Err(Error::RequestTimeoutError));
        if let Err(error) = &result
            && speaks_another_version(error)
        {
            self.renegotiate().await;
        }
        result
    }

    /// The engine came back as another version; the next request is in one that it knows.
    async fn renegotiate(&self) {
        match negotiate(&self.host).await {
            Ok(docker) => self.client.store(Arc::new(docker)),
            Err(error) => tracing::warn!(error = chain(&error), "negotiate Docker's API anew"),
        }
    }
}

async fn negotiate(host: &str) -> Result<Docker, RuntimeError> {
    let greeting = async {
        Docker::connect_with_unix(host, PATIENT_SECONDS, API_DEFAULT_VERSION)?
            .negotiate_version()
            .await
    };
    tokio::time::timeout(GREETING, greeting)
        .await
        .map_err(|_| RuntimeError::Refused(format!("Docker at {host} does not answer")))?
        .map_err(RuntimeError::docker("connect to Docker"))
}

fn speaks_another_version(error: &Error) -> bool {
    matches!(
        error,
        Error::DockerResponseServerError { status_code: 400, message } if message.contains("client version")
    )
}

pub(super) fn is_absent(error: &Error) -> bool {
    status(error) == Some(404)
}

/// What the engine answered, when it did.
pub(super) fn status(error: &Error) -> Option<u16> {
    match error {
        Error::DockerResponseServerError { status_code, .. } => Some(*status_code),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use super::super::fake_engine::engine;
    use super::*;

    async fn spoken(oldest: u32, newest: u32) -> usize {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("docker.sock");
        engine(&socket, oldest, newest);
        let host = format!("unix://{}", socket.display());
        let (engine, version) = Engine::connect(&host).await.unwrap();
        assert_eq!(version, "29.0.0");
        let listed = engine.try_ask(|docker| async move { docker.list_containers(None).await });
        assert!(listed.await.unwrap().is_empty());
        engine.client().client_version().minor_version
    }

    #[tokio::test]
    async fn old_and_new_engines_are_spoken_to_in_a_version_that_they_know() {
        assert_eq!(spoken(12, 41).await, 41, "Docker 20.10");
        assert_eq!(spoken(24, 48).await, 48, "Docker 28");
        assert_eq!(
            spoken(44, 52).await,
            52,
            "Docker 29, which knows no old ones"
        );
        let own = API_DEFAULT_VERSION.minor_version;
        assert_eq!(spoken(44, 99).await, own, "one of a later day");
    }

    #[tokio::test]
    async fn an_engine_that_comes_back_as_another_version_is_spoken_to_anew() {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("docker.sock");
        let speaks = engine(&socket, 44, 52);
        let host = format!("unix://{}", socket.display());
        let (engine, _) = Engine::connect(&host).await.unwrap();
        let list = || engine.try_ask(|docker| async move { docker.list_containers(None).await });
        assert!(list().await.unwrap().is_empty());
        speaks.oldest.store(12, Ordering::SeqCst);
        speaks.newest.store(41, Ordering::SeqCst);
        // One request may find out; paths without a version, as bollard 0.21 sends them, need not.
        let _ = list().await;
        assert!(list().await.unwrap().is_empty());
    }

    #[test]
    fn an_engine_that_wants_another_version_is_told_from_other_refusals() {
        let refusal = |text: &str| Error::DockerResponseServerError {
            status_code: 400,
            message: text.to_owned(),
        };
        let old = "client version 1.41 is too old. Minimum supported API version is 1.44";
        assert!(speaks_another_version(&refusal(old)));
        assert!(!speaks_another_version(&refusal("invalid mount config")));
        assert!(!speaks_another_version(&Error::RequestTimeoutError));
    }
}
