use std::collections::BTreeSet;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bollard::models::ContainerCreateBody;
use bollard::query_parameters::{CreateContainerOptionsBuilder, LogsOptionsBuilder};
use bytes::Bytes;
use common::link::{Exit, Origin, PodAssignment, RuntimeKind};
use futures_util::stream::{BoxStream, StreamExt as _};
use jiff::Timestamp;
use parking_lot::Mutex;

use super::base::Base;
use super::containers::State;
use super::engine::Engine;
use super::firewall::Firewall;
use super::images::{Images, Watermarks};
use super::steps::{Running, Steps};
use super::{DockerOptions, base, config, containers, lend, network, room, step};
use crate::bases::Saved;
use crate::chain::chain;
use crate::layout::{PRIVATE, make_directory};
use crate::machine::arch;
use crate::runtime::{
    Adopted, Facts, Generic, GenericStart, Groups, Image, Kind, Known, Limits, LogOptions,
    PodStart, Runtime, RuntimeError, Step, StepEnd, Unfit, generic, groups, netns,
};
use crate::server::needs_a_fresh_process;
use crate::settings::host_address;

/// After a pod was told its function, so long its start has the machine for itself.
const AFTERWARDS: Duration = Duration::from_secs(1);
/// How long an agent that ends waits for its last containers to be gone.
const LAST_LOOKS: Duration = Duration::from_secs(2);

/// The runtime.
pub struct DockerRuntime {
    options: DockerOptions,
    engine: Arc<Engine>,
    images: Images,
    firewall: Firewall,
    facts: Facts,
    /// The function base.
    base: Base,
    /// The one with packages preinstalled, where it is there: for the master, which lays functions over
    /// it. What is put together here gets its packages as a directory.
    full: Option<Base>,
    /// Whether pods write into memory of their own only.
    rooms: bool,
    /// What is in the way of putting directories into containers that run.
    cannot_lend: Option<String>,
    /// The builds' steps that run.
    steps: Arc<Mutex<Steps>>,
    trouble: Mutex<Option<String>>,
}

impl DockerRuntime {
    /// Connects to the engine and finds the function base, or brings it in.
    ///
    /// # Errors
    /// When either is not there; the text says what to do.
    pub async fn connect(options: DockerOptions) -> Result<Self, RuntimeError> {
        let (engine, version) = Engine::connect(&options.settings.host).await?;
        let base = base::ensure(&engine, &options.settings).await?;
        let full = base::full(&engine, &options.settings, &base.arch).await?;
        network::ensure(&engine, &options.node_id).await?;
        let engine = Arc::new(engine);
        let (chance, file) = (options.chance.clone(), options.images.clone());
        let settings = &options.settings;
        let allow = settings.allow.iter().map(|text| host_address(text));
        let allow = allow
            .collect::<Result<_, _>>()
            .map_err(|error| RuntimeError::Refused(error.to_string()))?;
        let rooms = room::can(engine.host());
        let cannot_lend = if rooms {
            lend::share(&options.pods).err().map(|error| chain(&error))
        } else {
            Some(room::LACKING.to_owned())
        };
        let runtime = Self {
            images: Images::open(
                Arc::clone(&engine),
                format!("linux/{}", base.arch),
                file,
                chance,
            ),
            firewall: Firewall::new(
                &options.node_id,
                settings.firewall,
                allow,
                settings.deny.clone(),
            ),
            facts: Facts {
                kind: RuntimeKind::Docker,
                version,
                arch: base.arch.clone(),
                python: base.python.clone(),
                isolated: true,
                isolation_message: String::new(),
            },
            rooms,
            cannot_lend,
            engine,
            base,
            full,
            options,
            steps: Arc::default(),
            trouble: Mutex::default(),
        };
        runtime.hold_back().await;
        Ok(runtime)
    }

    fn bases(&self) -> impl Iterator<Item = &Base> {
        std::iter::once(&self.base).chain(&self.full)
    }

    /// The name of a pod's container: one that was generic keeps the name it had.
    fn container(&self, uid: &str) -> String {
        let id = generic::born(&self.options.pods, uid);
        format!("troupe-{}-{id}", self.options.node_id)
    }

    fn label(&self) -> String {
        format!("{}={}", config::AGENT_LABEL, self.options.node_id)
    }

    /// Creates and starts a container; one that does not start is removed.
    async fn run(&self, uid: &str, body: ContainerCreateBody) -> Result<String, RuntimeError> {
        let name = &self.container(uid);
        let mut options = CreateContainerOptionsBuilder::new().name(name);
        // Of images for several architectures the engine takes its own, unless it is told.
        let platform = format!("linux/{}", self.base.arch);
        if self.base.arch != arch() {
            options = options.platform(&platform);
        }
        let options = options.build();
        let create = |docker: Arc<bollard::Docker>| async move {
            docker.create_container(Some(options), body).await
        };
        let created = self.engine.ask("create container", create).await?;
        let start =
            |docker: Arc<bollard::Docker>| async move { docker.start_container(name, None).await };
        if let Err(error) = self.engine.ask("start container", start).await {
            // Where this fails too, it goes with the pod.
            if let Err(error) = containers::remove(&self.engine, name).await {
                tracing::warn!(container = name, error = chain(&error), "remove container");
            }
            return Err(error);
        }
        Ok(created.id)
    }

    async fn update(&self, container: &str, limits: Limits) {
        containers::update(&self.engine, container, limits).await;
    }

    /// Sees to it that pods reach what they may and nothing else; what is in the way is noted.
    async fn hold_back(&self) {
        let mut troubles = Vec::new();
        if let Err(error) = network::ensure(&self.engine, &self.options.node_id).await {
            troubles.push(chain(&error));
        } else if let Err(error) = self.firewall.ensure().await {
            troubles.push(error.to_string());
        }
        if !self.rooms {
            troubles.push(room::LACKING.to_owned());
        }
        let trouble = (!troubles.is_empty()).then(|| troubles.join("; "));
        let mut known = self.trouble.lock();
        if *known != trouble {
            match &trouble {
                Some(text) => tracing::warn!(trouble = text, "pods are not held back"),
                None => tracing::info!("pods are held back"),
            }
            *known = trouble;
        }
    }

    /// Removes containers of this agent that `known` does not name.
    /// Removes containers that nobody knows, of pods and of builds' steps.
    async fn remove_others(&self, known: &Known) {
        let found = match containers::list(&self.engine, &self.label()).await {
            Ok(found) => found,
            Err(error) => return tracing::warn!(error = chain(&error), "look for containers"),
        };
        for container in found {
            let labels = container.labels.unwrap_or_default();
            let pod = labels.get(config::POD_LABEL);
            let keep = match pod {
                Some(uid) => known(uid),
                None => self
                    .steps
                    .lock()
                    .has_one_of(&container.names.unwrap_or_default()),
            };
            let Some(id) = container.id.filter(|_| !keep) else {
                continue;
            };
            tracing::info!(container = id, "nobody knows it; removed");
            if let Err(error) = containers::remove(&self.engine, &id).await {
                tracing::warn!(error = chain(&error), "remove container");
            }
        }
    }
}

#[async_trait]
impl Runtime for DockerRuntime {
    fn facts(&self) -> &Facts {
        &self.facts
    }

    fn trouble(&self) -> Option<String> {
        self.trouble.lock().clone()
    }

    async fn image(&self, origin: &Origin) -> Result<Option<Image>, RuntimeError> {
        let name = match origin {
            Origin::Layer { image: None, .. } => return Ok(None),
            Origin::Layer { image, .. } => image.as_deref().unwrap_or_default(),
            Origin::Image { reference, .. } => return self.images.get(reference).await.map(Some),
        };
        let source = &self.options.registry;
        let parts = name
            .split_once('@')
            .map(|(name, digest)| (name, digest.parse()));
        let Some((repository, Ok(digest))) = parts else {
            let text = format!("found image {name:?}, want NAME@sha256:DIGEST");
            return Err(RuntimeError::Refused(text));
        };
        let _grant = source.grants.give(repository, digest);
        let reference = format!("{}/{name}", source.address);
        self.images.get(&reference).await.map(Some)
    }

    async fn has_image(&self, origin: &Origin) -> bool {
        let Origin::Layer {
            image: Some(name), ..
        } = origin
        else {
            return true;
        };
        let reference = format!("{}/{name}", self.options.registry.address);
        // An engine that does not answer says so to who needs the image.
        !matches!(
            super::images::find(&self.engine, &reference).await,
            Ok(None)
        )
    }

    async fn start(&self, pod: PodStart<'_>) -> Result<String, RuntimeError> {
        let uid = &pod.assignment.uid;
        if self.rooms && pod.assignment.origin.port().is_none() {
            room::make(&pod.directory.join("run"), pod.user)?;
        }
        let image = pod
            .image
            .map_or(self.base.image.as_str(), |image| image.id.as_str());
        self.run(uid, config::pod(&self.options, image, pod)).await
    }

    fn generics(&self) -> Result<Kind, String> {
        match &self.cannot_lend {
            Some(problem) => Err(problem.clone()),
            None => Ok(Kind::Egress),
        }
    }

    fn kind_for(&self, pod: &PodAssignment) -> Result<Kind, Unfit> {
        if self.cannot_lend.is_some() {
            return Err(Unfit::Unsupported);
        }
        if !matches!(pod.origin, Origin::Layer { .. }) {
            return Err(Unfit::Image);
        }
        if needs_a_fresh_process(&pod.env) {
            return Err(Unfit::Environment);
        }
        Ok(if pod.egress {
            Kind::Egress
        } else {
            Kind::Closed
        })
    }

    async fn start_generic(&self, start: GenericStart<'_>) -> Result<Generic, RuntimeError> {
        room::make(&start.directory.join("run"), start.user)?;
        for place in [config::FUNCTION_PLACE, config::PACKAGES_PLACE] {
            make_directory(&start.directory.join(place), 0o755)?;
        }
        let body = config::generic(&self.options, &self.base.image, start);
        let runtime_id = self.run(start.id, body).await?;
        let groups = match containers::state(&self.engine, &runtime_id).await {
            Ok(State::Running(Some(pid))) => std::fs::read_to_string(format!("/proc/{pid}/cgroup"))
                .ok()
                .and_then(|text| Groups::read(&text, Path::new(groups::MOUNT), &runtime_id)),
            _ => None,
        };
        Ok(Generic {
            id: start.id.to_owned(),
            kind: start.kind,
            user: start.user,
            runtime_id,
            groups,
        })
    }

    async fn settle(&self, generic: &Generic) {
        self.update(&generic.runtime_id, generic::LIMITS).await;
    }

    async fn specialise(
        &self,
        generic: &Generic,
        pod: PodStart<'_>,
    ) -> Result<Vec<(String, String)>, RuntimeError> {
        let assignment = pod.assignment;
        if !generic::has_usual_limits(assignment) {
            let limits = Limits {
                memory_bytes: assignment.memory_bytes,
                cpu_milli: assignment.cpu_milli,
                tasks: 0,
            };
            let groups = generic.groups.as_ref().ok_or_else(|| {
                RuntimeError::Refused("its control groups were not found".to_owned())
            })?;
            groups
                .limit(limits)
                .map_err(|error| RuntimeError::io("set limits", error))?;
            // They hold already; the engine is told when the start is over.
            let (engine, id) = (Arc::clone(&self.engine), generic.runtime_id.clone());
            tokio::spawn(async move {
                tokio::time::sleep(AFTERWARDS).await;
                containers::update(&engine, &id, limits).await;
            });
        }
        let lent = [
            (pod.function, config::FUNCTION_PLACE),
            (pod.packages, config::PACKAGES_PLACE),
        ];
        let aside = pod.directory.join("tmp");
        for (source, place) in lent {
            if let Some(source) = source {
                lend::lend(source, &pod.directory.join(place), &aside)?;
            }
        }
        Ok(config::word(pod))
    }

    async fn stop(&self, uid: &str, grace: Duration) {
        let name = self.container(uid);
        containers::stop(&self.engine, &name, grace, &self.options.chance).await;
    }

    async fn wait(&self, uid: &str) -> Exit {
        containers::wait(&self.engine, &self.container(uid)).await
    }

    async fn remove(&self, uid: &str, _: Option<u32>) -> Result<(), RuntimeError> {
        containers::remove(&self.engine, &self.container(uid)).await?;
        let directory = self.options.pods.join(uid);
        for place in [config::FUNCTION_PLACE, config::PACKAGES_PLACE, "tmp"] {
            lend::take_back(&directory.join(place))?;
        }
        room::remove(&directory.join("run"))
    }

    async fn adopt(&self, uid: &str, _: &Path, _: Option<u32>) -> Adopted {
        match containers::state(&self.engine, &self.container(uid)).await {
            Ok(State::Running(_)) => Adopted::Running,
            Ok(State::Ended(exit)) => Adopted::Ended(exit),
            Ok(State::Absent) => Adopted::Lost,
            Err(error) => {
                // Who waits for its end hears the truth once the engine answers.
                tracing::warn!(pod = uid, error = chain(&error), "look for container");
                Adopted::Running
            }
        }
    }

    fn base_ids(&self) -> Vec<String> {
        self.bases().map(|base| base.id.clone()).collect()
    }

    async fn save_bases(&self, directory: &Path) -> Result<Vec<Saved>, RuntimeError> {
        let mut saved = Vec::new();
        for (number, base) in self.bases().enumerate() {
            let place = directory.join(number.to_string());
            make_directory(&place, PRIVATE)?;
            saved.push(base::save(&self.engine, base, place).await?);
        }
        Ok(saved)
    }

    async fn network(&self, uid: &str) -> Result<OwnedFd, RuntimeError> {
        let name = self.container(uid);
        let pid = || async {
            match containers::state(&self.engine, &name).await {
                Ok(State::Running(Some(pid))) => Ok(pid),
                Ok(_) => Err(RuntimeError::Refused("it does not run".to_owned())),
                Err(error) => Err(RuntimeError::docker("inspect container")(error)),
            }
        };
        let before = pid().await?;
        let network = netns::open(before)?;
        // The same process before and after: what was opened is the pod's.
        if pid().await? != before {
            return Err(RuntimeError::Refused("it was started anew".to_owned()));
        }
        Ok(network)
    }

    async fn sweep(&self, known: &BTreeSet<String>) {
        let known = known.clone();
        self.remove_others(&move |uid| known.contains(uid)).await;
    }

    async fn tend(&self, known: &Known) {
        self.hold_back().await;
        self.remove_others(known).await;
        let marks = Watermarks {
            high: self.options.settings.images_high,
            low: self.options.settings.images_low,
        };
        if let Err(error) = self.images.collect(marks).await {
            tracing::warn!(error = chain(&error), "make room on the engine's disk");
        }
    }

    async fn step(&self, step: Step<'_>) -> Result<StepEnd, RuntimeError> {
        let body = config::step(&self.options, &self.base.image, step);
        let name = self.container(step.id);
        // Also when the step is given up half-way.
        let _running = Running::note(&self.steps, &name);
        self.run(step.id, body).await?;
        let ran = async {
            let docker = self.engine.client();
            let copied = step::copy_log(&docker, &name, step.directory);
            let (copied, exit) = tokio::join!(copied, self.wait(step.id));
            copied.map(|()| exit)
        };
        let ended = tokio::time::timeout(step.timeout, ran).await;
        containers::remove(&self.engine, &name).await?;
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
        let docker = self.engine.client();
        let stream = docker.logs(&self.container(&uid), Some(query.build()));
        Ok(stream
            .map(|piece| piece.map(|p| p.into_bytes()).map_err(std::io::Error::other))
            .boxed())
    }

    async fn close(&self) {
        // Containers that could not be removed stay held back; the next start removes them.
        let label = self.label();
        if let Err(left) = containers::none_left(&self.engine, &label, LAST_LOOKS).await {
            tracing::warn!(left, "left for the next start");
            return;
        }
        network::remove(&self.engine, &self.options.node_id).await;
        self.firewall.remove().await;
        if let Err(error) = lend::take_back(&self.options.pods) {
            tracing::warn!(error = chain(&error), "unmount the directory of pods");
        }
    }
}
