use std::sync::Arc;
use std::time::Duration;

use common::link::BuildOrder;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::error::BuildError;
use super::pip;
use super::place::Place;
use super::platform::Platform;
use super::preinstalled::Preinstalled;
use super::step::{LOOK, Output};
use crate::chain::chain;
use crate::layers::{Blobs, Layers};
use crate::layout::{Layout, PRIVATE, make_directory};
use crate::runtime::{Runtime, Step, StepEnd, Uids};
use crate::settings::Builds as BuildSettings;

/// What builds need to know.
#[derive(Clone, Debug, Default)]
pub struct BuilderOptions {
    /// See [`crate::settings::Builds`].
    pub settings: BuildSettings,
    /// The agent's own environment, of which some reaches pip.
    pub environment: Vec<(String, String)>,
}

/// What all builds share.
pub struct BuildRoom {
    /// What runs the steps.
    pub runtime: Arc<dyn Runtime>,
    /// Where sources come from and layers go to.
    pub blobs: Arc<dyn Blobs>,
    /// Keeps a layer that was made here.
    pub layers: Arc<Layers>,
    /// Where builds stand.
    pub layout: Layout,
    /// Whom they run as.
    pub uids: Arc<Uids>,
    /// Settings.
    pub options: BuilderOptions,
}

/// One build under way.
pub(super) struct Build<'a> {
    pub(super) room: &'a BuildRoom,
    pub(super) order: &'a BuildOrder,
    pub(super) say: &'a (dyn Fn(&str) + Sync),
    pub(super) cancel: &'a CancellationToken,
    /// Where it makes sure of what base full has.
    pub(super) preinstalled: Option<&'a Arc<Preinstalled>>,
}

impl Build<'_> {
    /// Takes what the build needs for itself.
    pub(super) fn begin(&self) -> Result<Place, BuildError> {
        let seconds = self.order.timeout_seconds.max(1);
        let deadline = Instant::now() + Duration::from_secs(u64::from(seconds));
        let user = self.room.uids.take();
        let user = user.map_err(|error| BuildError::Node(chain(&error)))?;
        let root = self.room.layout.builds().join(&self.order.id);
        Ok(Place::new(root, user, deadline))
    }

    /// Does the work, unless it takes too long or nobody wants it any more.
    pub(super) async fn limit<T>(
        &self,
        work: impl Future<Output = Result<T, BuildError>>,
    ) -> Result<T, BuildError> {
        let seconds = self.order.timeout_seconds.max(1);
        let most = Duration::from_secs(u64::from(seconds));
        tokio::select! {
            () = self.cancel.cancelled() => Err(BuildError::Cancelled),
            () = tokio::time::sleep(most) => Err(BuildError::Timeout(seconds)),
            done = work => done,
        }
    }

    /// Ends what still runs of it and removes all it has.
    pub(super) async fn end(&self, place: Place) {
        let user = place.user;
        for step in STEPS {
            let _ = self.room.runtime.remove(&self.step_id(step), user).await;
        }
        let removed = tokio::task::spawn_blocking(move || place.remove()).await;
        if let Ok(Err(error)) = removed {
            tracing::warn!(error = chain(&error), "clean up build");
        }
        self.room.uids.give_back(user);
    }

    /// Architecture and Python of what is made here.
    pub(super) fn own_platform(&self) -> Platform {
        let facts = self.room.runtime.facts();
        Platform {
            arch: facts.arch.clone(),
            python: facts.python.clone(),
        }
    }

    fn step_id(&self, name: &str) -> String {
        format!("build-{}-{name}", self.order.id)
    }

    /// Runs a step and says its lines as they come.
    pub(super) async fn step(
        &self,
        place: &Place,
        name: &'static str,
        arguments: &[String],
        network: bool,
        say: &(dyn Fn(&str) + Sync),
    ) -> Result<(StepEnd, Output), BuildError> {
        let id = self.step_id(name);
        let directory = place.root().join(name);
        make_directory(&directory, PRIVATE)?;
        let options = &self.room.options;
        let settings = &options.settings;
        let environment = pip::environment(settings, options.environment.iter().cloned());
        let (build, function) = (place.build(), place.function());
        let step = Step {
            id: &id,
            build: &build,
            // Requirements may name directories beside them.
            working: if network { &function } else { &build },
            directory: &directory,
            arguments,
            environment: &environment,
            user: place.user,
            memory_bytes: settings.memory.0 + place.memory_bytes(settings.disk.0),
            max_file_bytes: self.order.max_layer_bytes,
            network,
            timeout: place.left(),
        };
        let mut output = Output::of(&directory);
        let mut running = std::pin::pin!(self.room.runtime.step(step));
        let mut full = false;
        let end = loop {
            tokio::select! {
                end = &mut running => break end?,
                () = tokio::time::sleep(LOOK) => {
                    output.look(say);
                    full |= place.is_full();
                }
            }
        };
        output.finish(say);
        full |= place.is_full() || output.says(DISK_FULL);
        match end {
            StepEnd::TimedOut => Err(BuildError::Timeout(self.order.timeout_seconds)),
            StepEnd::Exit(exit) if exit.oom => Err(BuildError::OutOfMemory(settings.memory.0)),
            StepEnd::Exit(exit) if exit.code != 0 && full => {
                Err(BuildError::DiskFull(settings.disk.0))
            }
            end => Ok((end, output)),
        }
    }
}

const STEPS: [&str; 6] = ["check", "pip-version", "wheels", "pip", "tidy", "compile"];
/// What programs say when nothing more can be written, also when they have tidied up since.
const DISK_FULL: &str = "No space left on device";

pub(super) fn succeeded(end: StepEnd) -> bool {
    matches!(end, StepEnd::Exit(exit) if exit.code == 0)
}
