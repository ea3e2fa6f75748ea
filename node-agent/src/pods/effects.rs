use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use common::digest::Digest;
use common::link::{Origin, PodAssignment};
use tokio_util::sync::CancellationToken;

use super::door::Door;
use super::machine::{Event, Told};
use super::register::Register;
use crate::builds::Preinstalled;
use crate::chain::chain;
use crate::clock::Clock;
use crate::layers::{Layer, Layers};
use crate::pool::{Claim, Miss, Pool};
use crate::premises::Premises;
use crate::runtime::{Generic, Image, PodStart, netns};
use crate::server::{self, Readiness};

/// Why a pod's parts are not there: a word, and the same for people.
type Lacking = (&'static str, String);

/// What all pods share.
pub struct PodRoom {
    /// Where they stand and what starts them.
    pub premises: Premises,
    /// Those that wait.
    pub pool: Pool,
    /// What they run.
    pub layers: Arc<Layers>,
    /// What lies beneath those of base full.
    pub preinstalled: Arc<Preinstalled>,
    /// The time.
    pub clock: Arc<dyn Clock>,
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

/// Longest time until a generic pod has taken the word.
const WORD: Duration = Duration::from_secs(2);
/// Who is told its function says at once whether it takes calls; an import that takes longer than
/// this is waited for as that of any pod.
const QUICK: Duration = Duration::from_millis(250);

/// A pod that starts has the machine for itself so long before its function's image is pulled.
const PULL_AFTER: Duration = Duration::from_secs(2);

impl PodRoom {
    /// Gets what a pod is made of; the pod holds it as long as it lives. For a generic pod it is the
    /// layer, also where there is an image.
    pub(super) async fn fetch(&self, origin: &Origin, generic: bool) -> (Event, Parts) {
        let before = self.clock.now();
        let mut parts = Err(("", String::new()));
        if generic {
            parts = self.parts_for_generic(origin).await;
        }
        if parts.is_err() {
            parts = self.parts(origin).await;
        }
        match parts {
            Ok(parts) => {
                let took = self.clock.now() - before;
                (Event::Fetched { took }, parts)
            }
            Err((reason, message)) => (Event::FetchFailed { reason, message }, Parts::default()),
        }
    }

    async fn parts(&self, origin: &Origin) -> Result<Parts, Lacking> {
        if let Some(parts) = self.parts_before_image(origin).await {
            return Ok(parts);
        }
        let image = self.premises.runtime.image(origin).await;
        let image = image.map_err(|error| ("ErrImagePull", chain(&error)))?;
        match (origin, image) {
            (Origin::Layer { digest, size, .. }, None) => self.layer(*digest, *size).await,
            (_, image) => Ok(Parts {
                image: image.map(Arc::new),
                ..Parts::default()
            }),
        }
    }

    /// Where the engine must pull the image first and the layer stands on the node already, nobody
    /// waits for the image: this pod is put together here, later ones are made of it.
    async fn parts_before_image(&self, origin: &Origin) -> Option<Parts> {
        let Origin::Layer {
            digest,
            size,
            image: Some(_),
            ..
        } = origin
        else {
            return None;
        };
        let runtime = &self.premises.runtime;
        if !self.layers.has(*digest) || runtime.has_image(origin).await {
            return None;
        }
        let layer = self.layers.get(*digest, *size).await.ok()?;
        // The image has the packages; they are not installed a second time.
        if self.preinstalled.are_wanted(&layer.function()) {
            return None;
        }
        let (runtime, origin) = (Arc::clone(runtime), origin.clone());
        tokio::spawn(async move {
            tokio::time::sleep(PULL_AFTER).await;
            if let Err(error) = runtime.image(&origin).await {
                tracing::warn!(error = chain(&error), "pull an image ahead");
            }
        });
        Some(Parts {
            layer: Some(layer),
            ..Parts::default()
        })
    }

    async fn parts_for_generic(&self, origin: &Origin) -> Result<Parts, Lacking> {
        let Origin::Layer {
            digest,
            size,
            image,
            ..
        } = origin
        else {
            return Err(("NoLayer", String::new()));
        };
        if image.is_none() {
            return self.layer(*digest, *size).await;
        }
        let layer = self.layers.get(*digest, *size).await;
        let layer = layer.map_err(|error| ("LayerFailed", chain(&error)))?;
        // The image has the packages; they are not installed a second time.
        if self.preinstalled.are_wanted(&layer.function()) {
            return Err(("BaseUnavailable", String::new()));
        }
        Ok(Parts {
            layer: Some(layer),
            ..Parts::default()
        })
    }

    async fn layer(&self, digest: Digest, size: u64) -> Result<Parts, Lacking> {
        let layer = self.layers.get(digest, size).await;
        let layer = layer.map_err(|error| ("LayerFailed", chain(&error)))?;
        let packages = self.preinstalled.for_function(&layer.function()).await;
        let packages = packages.map_err(|problem| ("BaseUnavailable", problem))?;
        Ok(Parts {
            layer: Some(layer),
            image: None,
            packages,
        })
    }

    /// Starts a pod: tells a generic one its function, else from nothing.
    pub(super) async fn start(
        &self,
        pod: &PodAssignment,
        parts: &Parts,
        user: Option<u32>,
        claim: Option<Claim>,
    ) -> Event {
        let directory = self.premises.layout.pod(&pod.uid);
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
        if let Some(Claim(generic)) = claim {
            match self.specialise(&generic, start).await {
                Ok(ready) => {
                    self.pool.counts().hit();
                    let runtime_id = generic.runtime_id;
                    return Event::Started {
                        runtime_id,
                        at,
                        warm: true,
                        ready,
                    };
                }
                Err(problem) => {
                    tracing::warn!(pod = pod.uid, problem, "a generic pod was of no use");
                    self.pool.counts().miss(Miss::Broken);
                }
            }
            if let Err(message) = self.premises.clear(&pod.uid, user).await {
                return Event::StartFailed { message };
            }
        }
        match self.premises.runtime.start(start).await {
            Ok(runtime_id) => Event::Started {
                runtime_id,
                at,
                warm: false,
                ready: None,
            },
            Err(error) => Event::StartFailed {
                message: chain(&error),
            },
        }
    }

    async fn specialise(
        &self,
        generic: &Generic,
        pod: PodStart<'_>,
    ) -> Result<Option<Told>, String> {
        let before = self.clock.now();
        if pod.function.is_none() {
            return Err("the pod is made of an image".to_owned());
        }
        let environment = self.premises.runtime.specialise(generic, pod).await;
        let environment = environment.map_err(|error| chain(&error))?;
        let Door::Socket { owner } = Door::of(None, generic.user) else {
            return Err("it has no socket".to_owned());
        };
        let run = self.premises.layout.run(&pod.assignment.uid);
        let told = async {
            let stream = server::connect(&run, owner).await;
            server::tell(stream, &environment, QUICK).await
        };
        let told = match tokio::time::timeout(WORD, told).await {
            Ok(told) => told.map_err(|error| error.to_string())?,
            Err(_) => return Err("it does not take the word".to_owned()),
        };
        let import = |ms: f64| Duration::try_from_secs_f64(ms / 1e3).unwrap_or_default();
        Ok(match told {
            Readiness::Ready { import_ms } => Some(Told {
                took: (self.clock.now() - before).saturating_sub(import(import_ms)),
                import_ms,
            }),
            // Whatever else it is, who asks it next finds out.
            _ => None,
        })
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
                        let stream = server::connect(&self.premises.layout.run(uid), owner).await;
                        answers();
                        server::ask(stream).await
                    }
                    Door::Port(port) => {
                        let network = Arc::new(self.premises.runtime.network(uid).await?);
                        let stream = netns::connect(Arc::clone(&network), port).await?;
                        answers();
                        register.found_network(uid, &network);
                        server::ask_any(stream).await
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
                // The agent that should have told it ended before it had.
                Ok(Ok(Readiness::Waiting)) => return tell(Event::NeverTold),
                // The deadline or the exit decides.
                Ok(Ok(Readiness::Importing) | Err(_)) | Err(_) => {}
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}
