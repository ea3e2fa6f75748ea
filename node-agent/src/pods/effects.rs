use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use common::link::{Origin, PodAssignment};
use tokio_util::sync::CancellationToken;

use super::door::Door;
use super::machine::Event;
use super::probe::{self, Readiness};
use super::register::Register;
use crate::backoff::Backoff;
use crate::builds::Preinstalled;
use crate::chain::chain;
use crate::clock::{Chance, Clock};
use crate::layers::{Layer, Layers};
use crate::layout::{Layout, LayoutError, PASSABLE, PRIVATE, make_directory, remove_directory};
use crate::runtime::{Image, PodStart, Runtime, Uids, netns};

/// What all pods share.
pub struct PodRoom {
    /// What starts them.
    pub runtime: Arc<dyn Runtime>,
    /// What they run.
    pub layers: Arc<Layers>,
    /// What lies beneath those of base full.
    pub preinstalled: Arc<Preinstalled>,
    /// Where they stand.
    pub layout: Layout,
    /// Whom they run as.
    pub uids: Arc<Uids>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// For waits.
    pub chance: Chance,
    /// See [`crate::settings::Pods`].
    pub start_timeout: Duration,
}

/// What a pod is made of; it stays on the node as long as the pod holds it.
#[derive(Clone, Default)]
pub(super) struct Parts {
    pub(super) layer: Option<Layer>,
    pub(super) image: Option<Arc<Image>>,
    /// Where the layer's base is to have more than this node's has.
    pub(super) packages: Option<PathBuf>,
}

/// After so many failed removals somebody is told.
const PATIENCE: u32 = 4;

impl PodRoom {
    /// Gets what a pod is made of; the pod holds it as long as it lives.
    pub(super) async fn fetch(&self, origin: &Origin) -> (Event, Parts) {
        let before = self.clock.now();
        match self.parts(origin).await {
            Ok(parts) => {
                let took = self.clock.now() - before;
                (Event::Fetched { took }, parts)
            }
            Err((reason, message)) => (Event::FetchFailed { reason, message }, Parts::default()),
        }
    }

    async fn parts(&self, origin: &Origin) -> Result<Parts, (&'static str, String)> {
        let image = self.runtime.image(origin).await;
        let image = image.map_err(|error| ("ErrImagePull", chain(&error)))?;
        let layer = match origin {
            Origin::Layer { digest, size, .. } if image.is_none() => {
                let layer = self.layers.get(*digest, *size).await;
                Some(layer.map_err(|error| ("LayerFailed", chain(&error)))?)
            }
            _ => None,
        };
        let packages = match &layer {
            Some(layer) => self.preinstalled.for_function(&layer.function()).await,
            None => Ok(None),
        };
        let packages = packages.map_err(|problem| ("BaseUnavailable", problem))?;
        let image = image.map(Arc::new);
        Ok(Parts {
            layer,
            image,
            packages,
        })
    }

    /// Starts a pod.
    pub(super) async fn start(
        &self,
        pod: &PodAssignment,
        parts: &Parts,
        user: Option<u32>,
    ) -> Event {
        let directory = self.layout.pod(&pod.uid);
        let function = parts.layer.as_ref().map(Layer::function);
        let at = self.clock.wall().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let start = PodStart {
            assignment: pod,
            directory: &directory,
            function: function.as_deref(),
            image: parts.image.as_deref(),
            packages: parts.packages.as_deref(),
            user,
        };
        match self.runtime.start(start).await {
            Ok(runtime_id) => Event::Started { runtime_id, at },
            Err(error) => Event::StartFailed {
                message: chain(&error),
            },
        }
    }

    /// Makes a pod's directories, the inner ones its own. One that serves on a port has none for the
    /// socket, by which a gateway on this machine knows that it must ask the agent.
    pub(super) fn make_directories(
        &self,
        uid: &str,
        user: Option<u32>,
        port: Option<u16>,
    ) -> Result<(), LayoutError> {
        let directory = self.layout.pod(uid);
        make_directory(&directory, PASSABLE)?;
        let inner: &[&str] = if port.is_some() {
            &["tmp"]
        } else {
            &["run", "tmp"]
        };
        for name in inner {
            let path = directory.join(name);
            make_directory(&path, PRIVATE)?;
            if let Some(user) = user {
                std::os::unix::fs::chown(&path, Some(user), Some(user)).map_err(|source| {
                    LayoutError::Io {
                        action: "give away",
                        path,
                        source,
                    }
                })?;
            }
        }
        Ok(())
    }

    /// Asks a pod until it is ready or says that it never will be; tells each step.
    pub(super) async fn probe(
        &self,
        uid: &str,
        door: Door,
        register: &Register,
        stop: &CancellationToken,
        tell: impl Fn(Event),
    ) {
        let before = self.clock.now();
        let answered = AtomicBool::new(false);
        let answers = || {
            if !answered.swap(true, Ordering::Relaxed) {
                let took = self.clock.now() - before;
                tell(Event::Answered { took });
            }
        };
        while !stop.is_cancelled() {
            let asked = async {
                match door {
                    Door::Socket { owner } => {
                        let stream = probe::connect(&self.layout.run(uid), owner).await;
                        answers();
                        probe::ask(stream).await
                    }
                    Door::Port(port) => {
                        let network = Arc::new(self.runtime.network(uid).await?);
                        let stream = netns::connect(Arc::clone(&network), port).await?;
                        answers();
                        register.found_network(uid, &network);
                        probe::ask_any(stream).await
                    }
                }
            };
            let answer = tokio::select! {
                () = stop.cancelled() => return,
                answer = tokio::time::timeout(self.start_timeout, asked) => answer,
            };
            match answer {
                Ok(Ok(Readiness::Ready { import_ms })) => return tell(Event::Ready { import_ms }),
                Ok(Ok(Readiness::Failed { message })) => {
                    return tell(Event::ImportFailed { message });
                }
                // The deadline or the exit decides.
                Ok(Ok(Readiness::Importing) | Err(_)) | Err(_) => {}
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Removes all a pod has on the node, trying until it is done; what is in the way is told.
    pub(super) async fn remove(&self, uid: &str, user: Option<u32>, stuck: impl Fn(String)) {
        let mut backoff = Backoff::new(self.chance.clone());
        let mut failures = 0;
        while let Err(problem) = self.try_remove(uid, user).await {
            failures += 1;
            tracing::warn!(pod = uid, failures, problem, "remove pod");
            if failures >= PATIENCE {
                stuck(problem);
            }
            tokio::time::sleep(backoff.fail()).await;
        }
        self.uids.give_back(user);
    }

    async fn try_remove(&self, uid: &str, user: Option<u32>) -> Result<(), String> {
        let removed = self.runtime.remove(uid, user).await;
        removed.map_err(|error| chain(&error))?;
        let path = self.layout.pod(uid);
        let removed = tokio::task::spawn_blocking(move || remove_directory(&path)).await;
        removed
            .map_err(|error| error.to_string())?
            .map_err(|error| chain(&error))
    }
}
