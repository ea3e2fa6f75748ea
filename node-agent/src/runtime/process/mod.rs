//! Pods as child processes: no Docker needed. Each has a directory, a clean environment, a
//! [supervisor](crate::supervisor) and, when the agent is root, a user id of its own, which can
//! neither read the data directory nor reach another pod's socket. Limits are cgroups where they
//! can be written.

mod cgroup;
mod handle;
mod log_file;
mod python;
mod spawn;

use std::collections::{BTreeSet, HashMap};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use common::link::{Exit, Origin, PodAssignment, RuntimeKind};
use common::pod_protocol::{SOCKET_NAME, env};
use futures_util::stream::BoxStream;
use parking_lot::Mutex;

use super::{
    Adopted, Facts, Generic, GenericStart, Image, Kind, Limits, LogOptions, PodStart, Runtime,
    RuntimeError, Step, StepEnd, Unfit, function_environment, generic, plain_environment,
};
use crate::runtime::groups::Groups;
use crate::server::needs_a_fresh_process;
use crate::supervisor::{self, Private, Task, may_be_private};

use cgroup::Cgroups;
use handle::Handle;
pub use python::{Python, PythonError};

/// What the runtime needs to know.
#[derive(Clone, Debug)]
pub struct ProcessOptions {
    /// This program, to be started as supervisor.
    pub program: PathBuf,
    /// The Python server's directory.
    pub server: PathBuf,
    /// The Python to run it with.
    pub python: Python,
    /// The directory of all pods.
    pub pods: PathBuf,
    /// Names this agent's cgroups.
    pub node_id: String,
    /// Whether pods get user ids of their own.
    pub root: bool,
    /// See [`crate::settings::Pods`].
    pub orphan_after: Duration,
    /// See [`crate::settings::Pods`].
    pub log_bytes: u64,
    /// See [`crate::settings::Pods`].
    pub max_tasks: u64,
}

/// The runtime.
pub struct ProcessRuntime {
    options: ProcessOptions,
    facts: Facts,
    cgroups: Cgroups,
    running: Mutex<HashMap<String, Handle>>,
}

/// How long a supervisor may take to end all that it watches over; it gives up earlier by itself.
const END_DEADLINE: Duration = Duration::from_secs(30);

/// Largest file a function may write.
const MAX_FILE: u64 = 1 << 30;

impl ProcessRuntime {
    /// Looks at what the machine offers.
    #[must_use]
    pub fn new(options: ProcessOptions) -> Self {
        let cgroups = Cgroups::detect(&options.node_id);
        let mut missing = Vec::new();
        if !options.root {
            missing.push(
                "the agent does not run as root, so pods run as its own user and can read what it can",
            );
        }
        if !cgroups.limits_memory() {
            missing.push("no writable cgroup limits memory; it is counted four times a second");
        }
        if !may_be_private() {
            missing.push("builds share the machine's temporary directories");
        }
        missing.push("process pods share the machine's network and file system");
        let facts = Facts {
            kind: RuntimeKind::Process,
            version: options.python.version.clone(),
            arch: crate::machine::arch().to_owned(),
            python: options.python.release(),
            isolated: options.root,
            isolation_message: missing.join("; "),
        };
        Self {
            options,
            facts,
            cgroups,
            running: Mutex::default(),
        }
    }

    /// Compiles the Python server once, as pods may not write beside it and would compile it at each
    /// start.
    pub async fn prepared(self) -> Self {
        let mut command = tokio::process::Command::new(&self.options.python.program);
        command
            .args([
                "-I",
                "-m",
                "compileall",
                "-qq",
                "--invalidation-mode=unchecked-hash",
            ])
            .arg(&self.options.server)
            .env_clear()
            .stdin(std::process::Stdio::null())
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .kill_on_drop(true);
        // Where it fails, starts are slower.
        let _ = tokio::time::timeout(Duration::from_secs(30), command.status()).await;
        self
    }

    /// A pod's, also under the id it had while it was generic.
    fn handle(&self, uid: &str) -> Option<Handle> {
        let born = self.born(uid);
        self.running.lock().get(&born).cloned()
    }

    fn born(&self, uid: &str) -> String {
        generic::born(&self.options.pods, uid)
    }

    async fn run(&self, name: &str, task: &Task) -> Result<i32, RuntimeError> {
        let (pid, handle) = spawn::spawn(&self.options.program, task).await?;
        self.running.lock().insert(name.to_owned(), handle);
        Ok(pid)
    }

    /// What a step of a build has instead of the machine's temporary directories.
    fn private(&self, step: &Step<'_>) -> Private {
        let python = &self.options.python.program;
        let prefix = python.parent().and_then(Path::parent);
        let own = [step.build, &self.options.server, python];
        let own = own.into_iter().chain(prefix).map(ToOwned::to_owned);
        Private {
            visible: own.chain(step.files().map(ToOwned::to_owned)).collect(),
        }
    }

    fn environment(pod: PodStart<'_>, function: &Path) -> Vec<(String, String)> {
        let home = pod.directory.join("tmp");
        let (function, home) = (text(function), text(&home));
        let mut all = function_environment(pod.assignment, SOCKET_NAME, &function, &home);
        if let Some(packages) = pod.packages {
            all.push((env::PACKAGES.to_owned(), text(packages)));
        }
        all
    }

    fn task(&self, name: &str, directory: &Path, limits: Limits) -> Task {
        let (cgroups, memory_by_cgroup) = self.cgroups.create(name, limits);
        Task {
            directory: directory.to_owned(),
            program: self.options.python.program.clone(),
            arguments: Vec::new(),
            environment: Vec::new(),
            working_directory: directory.to_owned(),
            uid: None,
            private: None,
            cgroups,
            memory_bytes: limits.memory_bytes,
            memory_by_cgroup,
            max_tasks: limits.tasks,
            max_file_bytes: MAX_FILE,
            log_bytes: self.options.log_bytes,
            orphan_ms: millis(self.options.orphan_after),
            orphan_grace_ms: 5000,
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Where it is refused, starts ahead slow calls down a little.
fn weigh(groups: Option<&Groups>, shares: u32) {
    if let Some(Err(error)) = groups.map(|groups| groups.weigh(shares.into())) {
        tracing::debug!(%error, "weigh a generic pod");
    }
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

#[async_trait]
impl Runtime for ProcessRuntime {
    fn facts(&self) -> &Facts {
        &self.facts
    }

    async fn image(&self, origin: &Origin) -> Result<Option<Image>, RuntimeError> {
        match origin {
            Origin::Layer { .. } => Ok(None),
            Origin::Image { .. } => {
                let text = "this node runs pods as processes; an image needs a node with Docker";
                Err(RuntimeError::Refused(text.into()))
            }
        }
    }

    async fn start(&self, pod: PodStart<'_>) -> Result<String, RuntimeError> {
        let assignment = pod.assignment;
        let Some(function) = pod.function else {
            let text = "a pod without a function's directory cannot run as a process";
            return Err(RuntimeError::Refused(text.into()));
        };
        let limits = Limits {
            memory_bytes: assignment.memory_bytes,
            cpu_milli: assignment.cpu_milli,
            tasks: self.options.max_tasks,
        };
        let task = Task {
            arguments: vec!["-I".to_owned(), text(&self.options.server)],
            environment: Self::environment(pod, function),
            // The socket's name is relative to here: a path may be too long for a socket.
            working_directory: pod.directory.join("run"),
            uid: pod.user,
            ..self.task(&assignment.uid, pod.directory, limits)
        };
        let pid = self.run(&assignment.uid, &task).await?;
        Ok(format!("process://{pid}"))
    }

    fn generics(&self) -> Result<Kind, String> {
        Ok(Kind::Process)
    }

    fn kind_for(&self, pod: &PodAssignment) -> Result<Kind, Unfit> {
        if !matches!(pod.origin, Origin::Layer { .. }) {
            return Err(Unfit::Image);
        }
        if needs_a_fresh_process(&pod.env) {
            return Err(Unfit::Environment);
        }
        // Without groups the supervisor counts, by what it was told at its start.
        if !self.cgroups.limits_memory() && !generic::has_usual_limits(pod) {
            return Err(Unfit::Limits);
        }
        Ok(Kind::Process)
    }

    async fn start_generic(&self, start: GenericStart<'_>) -> Result<Generic, RuntimeError> {
        let limits = Limits {
            tasks: self.options.max_tasks,
            ..generic::LIMITS
        };
        let mut environment = plain_environment(".");
        environment.push((env::SOCKET.to_owned(), SOCKET_NAME.to_owned()));
        environment.push((env::GENERIC.to_owned(), "1".to_owned()));
        let task = Task {
            arguments: vec!["-I".to_owned(), text(&self.options.server)],
            environment,
            working_directory: start.directory.join("run"),
            uid: start.user,
            ..self.task(start.id, start.directory, limits)
        };
        let groups = self.cgroups.groups(start.id);
        weigh(groups.as_ref(), generic::BEHIND);
        let pid = self.run(start.id, &task).await?;
        Ok(Generic {
            id: start.id.to_owned(),
            kind: start.kind,
            user: start.user,
            runtime_id: format!("process://{pid}"),
            groups,
        })
    }

    async fn settle(&self, generic: &Generic) {
        weigh(generic.groups.as_ref(), generic::USUAL);
    }

    async fn specialise(
        &self,
        generic: &Generic,
        pod: PodStart<'_>,
    ) -> Result<Vec<(String, String)>, RuntimeError> {
        let Some(function) = pod.function else {
            let text = "a pod without a function's directory cannot run as a process";
            return Err(RuntimeError::Refused(text.into()));
        };
        let assignment = pod.assignment;
        if !generic::has_usual_limits(assignment)
            && let Some(groups) = &generic.groups
        {
            let limits = Limits {
                memory_bytes: assignment.memory_bytes,
                cpu_milli: assignment.cpu_milli,
                tasks: 0,
            };
            groups
                .limit(limits)
                .map_err(|error| RuntimeError::io("set limits", error))?;
        }
        Ok(Self::environment(pod, function))
    }

    async fn stop(&self, uid: &str, grace: Duration) {
        if let Some(handle) = self.handle(uid) {
            handle.stop(grace);
        }
    }

    async fn wait(&self, uid: &str) -> Exit {
        match self.handle(uid) {
            Some(handle) => handle.ended().await,
            None => Exit {
                code: 137,
                oom: false,
            },
        }
    }

    async fn remove(&self, uid: &str, user: Option<u32>) -> Result<(), RuntimeError> {
        if let Some(handle) = self.handle(uid) {
            handle.stop(Duration::ZERO);
            let ended = tokio::time::timeout(END_DEADLINE, handle.ended()).await;
            if ended.is_err() {
                spawn::end_leftovers(user).await;
                let text = format!(
                    "its processes have not ended within {} s",
                    END_DEADLINE.as_secs()
                );
                return Err(RuntimeError::Refused(text));
            }
        }
        if spawn::end_leftovers(user).await {
            let text = "processes of its user still run; they are killed again";
            return Err(RuntimeError::Refused(text.into()));
        }
        let born = self.born(uid);
        self.cgroups.remove(&born);
        self.running.lock().remove(&born);
        Ok(())
    }

    async fn adopt(&self, uid: &str, directory: &Path, user: Option<u32>) -> Adopted {
        if let Ok(handle) = Handle::connect(directory).await {
            self.running.lock().insert(self.born(uid), handle);
            return Adopted::Running;
        }
        spawn::end_leftovers(user).await;
        self.cgroups.remove(&self.born(uid));
        supervisor::read_exit(directory).map_or(Adopted::Lost, Adopted::Ended)
    }

    async fn network(&self, _: &str) -> Result<OwnedFd, RuntimeError> {
        let text = "pods share the machine's network";
        Err(RuntimeError::Refused(text.into()))
    }

    async fn sweep(&self, known: &BTreeSet<String>) {
        self.cgroups.sweep(known);
    }

    async fn close(&self) {
        self.cgroups.close();
    }

    async fn step(&self, step: Step<'_>) -> Result<StepEnd, RuntimeError> {
        let limits = Limits {
            memory_bytes: step.memory_bytes,
            cpu_milli: 0,
            tasks: 512,
        };
        let fill = |text_: &String| {
            text_
                .replace("{server}", &text(&self.options.server))
                .replace("{build}", &text(step.build))
        };
        let environment = step
            .environment
            .iter()
            .map(|(key, value)| (key.clone(), fill(value)));
        let task = Task {
            arguments: step.arguments.iter().map(fill).collect(),
            environment: environment.collect(),
            working_directory: step.working.to_owned(),
            uid: step.user,
            private: may_be_private().then(|| self.private(&step)),
            max_file_bytes: step.max_file_bytes,
            // A build without its agent is of no use.
            orphan_ms: 2000,
            orphan_grace_ms: 0,
            ..self.task(step.id, step.directory, limits)
        };
        self.run(step.id, &task).await?;
        // A step that is given up is ended too.
        let ended = tokio::time::timeout(step.timeout, self.wait(step.id)).await;
        self.remove(step.id, step.user).await?;
        Ok(ended.map_or(StepEnd::TimedOut, StepEnd::Exit))
    }

    async fn log(
        &self,
        directory: &Path,
        options: LogOptions,
    ) -> Result<BoxStream<'static, Result<bytes::Bytes, std::io::Error>>, RuntimeError> {
        Ok(log_file::stream(directory.to_owned(), options))
    }
}
