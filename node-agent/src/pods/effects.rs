use std::sync::Arc;
use std::time::Duration;

use common::link::{Origin, PodAssignment};
use tokio_util::sync::CancellationToken;

use super::machine::Event;
use super::probe::{self, Readiness};
use crate::chain::chain;
use crate::clock::Clock;
use crate::layers::{Layer, Layers};
use crate::layout::{Layout, LayoutError, PASSABLE, PRIVATE, make_directory, remove_directory};
use crate::runtime::{PodStart, Runtime, Uids};

/// What all pods share.
pub struct PodRoom {
    /// What starts them.
    pub runtime: Arc<dyn Runtime>,
    /// What they run.
    pub layers: Arc<Layers>,
    /// Where they stand.
    pub layout: Layout,
    /// Whom they run as.
    pub uids: Arc<Uids>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// See [`crate::settings::Pods`].
    pub start_timeout: Duration,
}

const REMOVE_TRIES: u32 = 5;

impl PodRoom {
    /// Gets a pod's layer; the pod holds it as long as it lives.
    pub(super) async fn fetch(&self, origin: &Origin) -> (Event, Option<Layer>) {
        let before = self.clock.now();
        let layer = match origin {
            Origin::Image { .. } => None,
            Origin::Layer { digest, size, .. } => match self.layers.get(*digest, *size).await {
                Ok(layer) => Some(layer),
                Err(error) => {
                    return (
                        Event::FetchFailed {
                            message: chain(&error),
                        },
                        None,
                    );
                }
            },
        };
        (
            Event::Fetched {
                took: self.clock.now() - before,
            },
            layer,
        )
    }

    /// Starts a pod.
    pub(super) async fn start(
        &self,
        pod: &PodAssignment,
        layer: Option<&Layer>,
        user: Option<u32>,
    ) -> Event {
        let directory = self.layout.pod(&pod.uid);
        let function = layer.map(Layer::function);
        let at = self.clock.wall().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let start = PodStart {
            assignment: pod,
            directory: &directory,
            function: function.as_deref(),
            user,
        };
        match self.runtime.start(start).await {
            Ok(runtime_id) => Event::Started { runtime_id, at },
            Err(error) => Event::StartFailed {
                message: chain(&error),
            },
        }
    }

    /// Makes a pod's directories, the inner ones its own.
    pub(super) fn make_directories(&self, uid: &str, user: Option<u32>) -> Result<(), LayoutError> {
        let directory = self.layout.pod(uid);
        make_directory(&directory, PASSABLE)?;
        for name in ["run", "tmp"] {
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
        user: Option<u32>,
        stop: &CancellationToken,
        tell: impl Fn(Event),
    ) {
        let owner = user.unwrap_or_else(|| nix::unistd::geteuid().as_raw());
        let run = self.layout.run(uid);
        let before = self.clock.now();
        let mut answered = false;
        while !stop.is_cancelled() {
            let asked = async {
                let stream = probe::connect(&run, owner).await;
                if !answered {
                    answered = true;
                    tell(Event::Answered {
                        took: self.clock.now() - before,
                    });
                }
                probe::ask(stream).await
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

    /// Removes all a pod has on the node.
    pub(super) async fn remove(&self, uid: &str, user: Option<u32>) {
        for attempt in 1..=REMOVE_TRIES {
            let removed = match self.runtime.remove(uid, user).await {
                Ok(()) => {
                    let path = self.layout.pod(uid);
                    let removed =
                        tokio::task::spawn_blocking(move || remove_directory(&path)).await;
                    removed
                        .map_err(|error| error.to_string())
                        .and_then(|r| r.map_err(|e| chain(&e)))
                }
                Err(error) => Err(chain(&error)),
            };
            match removed {
                Ok(()) => break,
                Err(error) => tracing::warn!(pod = uid, attempt, error, "remove pod"),
            }
            tokio::time::sleep(Duration::from_millis(200) * attempt).await;
        }
        self.uids.give_back(user);
    }
}
