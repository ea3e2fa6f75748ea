use std::fs::File;
use std::io::{self, BufWriter};
use std::path::PathBuf;
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
use super::files::{Hashing, blocking, give_away, read_small};
use super::step::{LOOK, Output};
use super::{native, pip};
use crate::layers::{Blobs, Layers};
use crate::layout::{Layout, LayoutError, PASSABLE, PRIVATE, make_directory, remove_directory};
use crate::machine::arch;
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

/// Where a build's parts are.
struct Place {
    root: PathBuf,
    user: Option<u32>,
    deadline: Instant,
}

impl Place {
    fn build(&self) -> PathBuf {
        self.root.join("build")
    }

    fn function(&self) -> PathBuf {
        self.build().join("function")
    }
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
        let place = Place {
            root,
            user,
            deadline,
        };
        let done = tokio::select! {
            () = self.cancel.cancelled() => Err(BuildError::Cancelled),
            () = tokio::time::sleep_until(deadline) => Err(BuildError::Timeout(seconds)),
            done = self.make(&place) => done,
        };
        for step in STEPS {
            let _ = self.room.runtime.remove(&self.step_id(step), user).await;
        }
        let root = place.root.clone();
        let removed = tokio::task::spawn_blocking(move || remove_directory(&root)).await;
        if let Ok(Err(error)) = removed {
            tracing::warn!(error = crate::chain::chain(&error), "clean up build");
        }
        self.room.uids.give_back(user);
        done
    }

    async fn make(&self, place: &Place) -> Result<Built, BuildError> {
        self.unpack_source(place).await?;
        let (handler, style) = self.check(place).await?;
        self.install(place).await?;
        self.compile(place).await?;
        let (layer, size, native) = self.pack(place).await?;
        if native {
            self.serves()?;
        }
        (self.say)(&format!("layer {layer}, {size} bytes"));
        let tar = place.root.join("layer.tar");
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

    /// Whether machine code made here is what was ordered.
    fn serves(&self) -> Result<(), BuildError> {
        let (arch, python) = (arch(), &self.room.runtime.facts().python);
        let other = |wanted: &str, own: &str| !wanted.is_empty() && wanted != own;
        if !other(&self.order.arch, arch) && !other(&self.order.python, python) {
            return Ok(());
        }
        Err(BuildError::NeedsArchitecture {
            wanted: format!("{} with Python {}", self.order.arch, self.order.python),
            found: format!("{arch} with Python {python}"),
        })
    }

    async fn unpack_source(&self, place: &Place) -> Result<(), BuildError> {
        remove_directory(&place.root)?;
        make_directory(&place.root, PASSABLE)?;
        make_directory(&place.build(), 0o755)?;
        let archive = place.root.join("source.tar.gz");
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

    async fn install(&self, place: &Place) -> Result<(), BuildError> {
        let path = place.function().join("requirements.txt");
        let wanted = read_small(&path).is_some_and(|text| pip::has_entries(&text));
        if !wanted {
            return Ok(());
        }
        let version = ["-I", "-m", "pip", "--version"].map(ToOwned::to_owned);
        let (end, output) = self
            .step(place, "pip-version", &version, false, &|_| {})
            .await?;
        if !succeeded(end) {
            let said = output.lines.last().map(String::as_str).unwrap_or_default();
            let message = format!(
                "requirements.txt cannot be installed: this node's Python has no pip ({said}); \
                 install python3-pip there, or set process.python to one that has it"
            );
            return Err(BuildError::Requirements {
                message,
                transient: false,
            });
        }
        let (end, output) = self
            .step(place, "pip", &pip::install(), true, self.say)
            .await?;
        if !succeeded(end) {
            let (message, transient) = pip::explain(&output.lines);
            return Err(BuildError::Requirements { message, transient });
        }
        // As the build's user too: what packages left there may be links to anywhere.
        let tidy = ["-I", "-c", TIDY, "{build}/function/site-packages"].map(ToOwned::to_owned);
        let (end, output) = self.step(place, "tidy", &tidy, false, &|_| {}).await?;
        if succeeded(end) {
            return Ok(());
        }
        Err(BuildError::Node(format!(
            "tidy up requirements: {}",
            output.lines.join(" ")
        )))
    }

    async fn compile(&self, place: &Place) -> Result<(), BuildError> {
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
        let (function, tar, user) = (place.function(), place.root.join("layer.tar"), place.user);
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
    async fn step(
        &self,
        place: &Place,
        name: &'static str,
        arguments: &[String],
        network: bool,
        say: &(dyn Fn(&str) + Sync),
    ) -> Result<(StepEnd, Output), BuildError> {
        let id = self.step_id(name);
        let directory = place.root.join(name);
        make_directory(&directory, PRIVATE)?;
        let options = &self.room.options;
        let environment = pip::environment(&options.settings, options.environment.iter().cloned());
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
            memory_bytes: options.settings.memory.0,
            max_file_bytes: self.order.max_layer_bytes,
            network,
            timeout: place.deadline.saturating_duration_since(Instant::now()),
        };
        let mut output = Output::of(&directory);
        let mut running = std::pin::pin!(self.room.runtime.step(step));
        let end = loop {
            tokio::select! {
                end = &mut running => break end?,
                () = tokio::time::sleep(LOOK) => output.look(say),
            }
        };
        output.finish(say);
        match end {
            StepEnd::TimedOut => Err(BuildError::Timeout(self.order.timeout_seconds)),
            end => Ok((end, output)),
        }
    }
}

const STEPS: [&str; 5] = ["check", "pip-version", "pip", "tidy", "compile"];
const TIDY: &str = include_str!("tidy.py");

fn succeeded(end: StepEnd) -> bool {
    matches!(end, StepEnd::Exit(exit) if exit.code == 0)
}
