use std::fs::File;
use std::io::{self, BufWriter};
use std::sync::Arc;
use std::time::Duration;

use common::archive::{self, Limits, Packing};
use common::digest::Digest;
use common::link::{BuildOrder, Built};
use common::resources::Style;
use serde::Deserialize;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::error::BuildError;
use super::files::{Hashing, blocking, give_away};
use super::place::Place;
use super::platform::Platform;
use super::requirements::Serves;
use super::step::{LOOK, Output};
use super::{native, pip};
use crate::layers::{Blobs, Layers};
use crate::layout::{Layout, LayoutError, PRIVATE, make_directory};
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
}

#[derive(Deserialize)]
struct Verdict {
    ok: bool,
    handler: Option<String>,
    style: Option<Style>,
    reason: Option<String>,
    message: Option<String>,
}

impl Build<'_> {
    /// Does all of it, and cleans up whatever happens.
    pub(super) async fn run(&self) -> Result<Built, BuildError> {
        let seconds = self.order.timeout_seconds.max(1);
        let deadline = Instant::now() + Duration::from_secs(u64::from(seconds));
        let user = self
            .room
            .uids
            .take()
            .map_err(|error| BuildError::Node(error.to_string()))?;
        let root = self.room.layout.builds().join(&self.order.id);
        let mut place = Place::new(root, user, deadline);
        let done = tokio::select! {
            () = self.cancel.cancelled() => Err(BuildError::Cancelled),
            () = tokio::time::sleep_until(deadline) => Err(BuildError::Timeout(seconds)),
            done = self.make(&mut place) => done,
        };
        for step in STEPS {
            let _ = self.room.runtime.remove(&self.step_id(step), user).await;
        }
        let removed = tokio::task::spawn_blocking(move || place.remove()).await;
        if let Ok(Err(error)) = removed {
            tracing::warn!(error = crate::chain::chain(&error), "clean up build");
        }
        self.room.uids.give_back(user);
        done
    }

    async fn make(&self, place: &mut Place) -> Result<Built, BuildError> {
        place.make(self.room.options.settings.disk.0).await?;
        let place = &*place;
        self.unpack_source(place).await?;
        let (handler, style) = self.check(place).await?;
        let serves = self.install(place).await?;
        self.compile(place).await?;
        let (layer, size, native) = self.pack(place).await?;
        if native && serves == Serves::Own {
            self.check_platform()?;
        }
        (self.say)(&format!("layer {layer}, {size} bytes"));
        let tar = place.root().join("layer.tar");
        self.room.blobs.put(layer, &tar).await?;
        // The node that built it is likely to run it.
        drop(self.room.layers.put(layer, &tar).await?);
        Ok(Built {
            layer,
            size,
            handler,
            style,
            native,
        })
    }

    /// Architecture and Python of what is made here.
    pub(super) fn own_platform(&self) -> Platform {
        let facts = self.room.runtime.facts();
        Platform {
            arch: facts.arch.clone(),
            python: facts.python.clone(),
        }
    }

    /// Whether machine code made here is what was ordered.
    fn check_platform(&self) -> Result<(), BuildError> {
        let own = self.own_platform();
        if own.serves(&self.order.arch, &self.order.python) {
            return Ok(());
        }
        let wanted = Platform {
            arch: self.order.arch.clone(),
            python: self.order.python.clone(),
        };
        Err(BuildError::NeedsArchitecture {
            wanted: wanted.to_string(),
            found: own.to_string(),
        })
    }

    async fn unpack_source(&self, place: &Place) -> Result<(), BuildError> {
        let archive = place.root().join("source.tar.gz");
        let most = self.room.options.settings.max_source.0;
        let source = self.order.source;
        self.room
            .blobs
            .get(source, &archive, most)
            .await
            .map_err(|error| {
                if error.transient {
                    BuildError::Store(error)
                } else {
                    BuildError::BadSource(format!("fetch source: {error}"))
                }
            })?;
        let (build, function, user) = (place.build(), place.function(), place.user);
        blocking(move || {
            let io = |source| LayoutError::Io {
                action: "open",
                path: archive.clone(),
                source,
            };
            let file = File::open(&archive).map_err(io)?;
            archive::unpack_gzip(io::BufReader::new(file), &function, Limits::bytes(most))
                .map_err(|error| BuildError::BadSource(format!("unpack source: {error}")))?;
            // What users upload under this name would hide what is installed.
            if !function.join("site-packages").is_dir() {
                make_directory(&function.join("site-packages"), 0o755)?;
            }
            make_directory(&build.join("home"), PRIVATE)?;
            // The directory around them stays ours, so that neither can be replaced by a link.
            if let Some(user) = user {
                give_away(&function, user)
                    .and_then(|()| give_away(&build.join("home"), user))
                    .map_err(|error| BuildError::Node(error.to_string()))?;
            }
            Ok(())
        })
        .await
    }

    async fn check(&self, place: &Place) -> Result<(String, Style), BuildError> {
        let mut arguments = vec!["-I", "{server}", "--check", "{build}/function"]
            .into_iter()
            .map(ToOwned::to_owned)
            .collect::<Vec<_>>();
        if let Some(handler) = &self.order.handler {
            arguments.extend(["--handler".to_owned(), handler.clone()]);
        }
        if let Some(style) = self.order.style {
            arguments.extend(["--style".to_owned(), style.as_str().to_owned()]);
        }
        let (end, output) = self
            .step(place, "check", &arguments, false, &|_| {})
            .await?;
        let verdict = output
            .lines
            .iter()
            .rev()
            .find_map(|line| serde_json::from_str::<Verdict>(line).ok());
        let Some(verdict) = verdict else {
            let said = output.lines.join(" ");
            return Err(BuildError::Node(format!(
                "check the source: it ended {end:?}: {said}"
            )));
        };
        match (verdict.ok, verdict.handler, verdict.style) {
            (true, Some(handler), Some(style)) => {
                (self.say)(&format!("entry {handler}, style {}", style.as_str()));
                Ok((handler, style))
            }
            _ => Err(BuildError::Check {
                reason: verdict.reason.unwrap_or_else(|| "NoEntry".to_owned()),
                message: verdict.message.unwrap_or_default(),
            }),
        }
    }

    async fn compile(&self, place: &Place) -> Result<(), BuildError> {
        // Another Python cannot read what this one compiles.
        let own = self.own_platform();
        if !own.serves(&own.arch, &self.order.python) {
            return Ok(());
        }
        let words = [
            "-s",
            "-m",
            "compileall",
            "-qq",
            "-f",
            "--invalidation-mode=unchecked-hash",
            "-s",
            "{build}",
            "-p",
            "/",
            "{build}/function",
        ];
        // Some packages carry files for other Pythons; what does not compile stays as it is.
        let arguments = words.map(ToOwned::to_owned);
        self.step(place, "compile", &arguments, false, &|_| {})
            .await
            .map(|_| ())
    }

    async fn pack(&self, place: &Place) -> Result<(Digest, u64, bool), BuildError> {
        let (function, tar, user) = (place.function(), place.root().join("layer.tar"), place.user);
        let most = self.order.max_layer_bytes;
        blocking(move || {
            let node = |error: io::Error| BuildError::Node(format!("pack layer: {error}"));
            let native = native::holds_machine_code(&function).map_err(node)?;
            let packing = Packing {
                prefix: "function",
                bytecode: true,
                owner: user,
                limits: Limits::bytes(most),
            };
            let mut out = Hashing::new(BufWriter::new(File::create(&tar).map_err(node)?));
            archive::pack(&function, &packing, &mut out).map_err(BuildError::pack)?;
            let (digest, size) = out.finish().map_err(node)?;
            if size > most {
                let text = format!("the layer is {size} bytes, more than the {most} allowed");
                return Err(BuildError::TooLarge(text));
            }
            Ok((digest, size, native))
        })
        .await
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

const STEPS: [&str; 5] = ["check", "pip-version", "pip", "tidy", "compile"];
/// What programs say when nothing more can be written, also when they have tidied up since.
const DISK_FULL: &str = "No space left on device";

pub(super) fn succeeded(end: StepEnd) -> bool {
    matches!(end, StepEnd::Exit(exit) if exit.code == 0)
}
