use std::fs;
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use async_trait::async_trait;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::client::Registry;
use super::error::RegistryError;
use super::home::{CONFIG, Home, OwnRegistry};
use super::process::{Process, TETHER};

/// How long one that an earlier master left may take to end.
const STOP: Duration = Duration::from_secs(5);
/// How long its collection of garbage may take.
pub(super) const COLLECT: Duration = Duration::from_secs(600);
const PAUSE: Duration = Duration::from_millis(50);
/// Where Debian's package puts it, when PATH does not say.
const PROGRAM: &str = "docker-registry";
const PID: &str = "pid";

/// A registry as a child process of the master. It ends with the master, also with one that is killed.
pub struct Child {
    home: Home,
    program: PathBuf,
    /// The master's own program.
    master: PathBuf,
    process: tokio::sync::Mutex<Process>,
}

impl Child {
    /// The program, when it is installed.
    #[must_use]
    pub fn program() -> Option<PathBuf> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let places = std::env::split_paths(&path).filter(|place| place.is_absolute());
        let places = places.chain([PathBuf::from("/usr/bin")]);
        places
            .map(|place| place.join(PROGRAM))
            .find(|program| program.is_file())
    }

    /// Starts it in a directory, which is made; ends what an earlier master left there. `master` is the
    /// master's own program, which becomes the registry.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn start(
        master: &Path,
        program: &Path,
        directory: &Path,
    ) -> Result<Self, RegistryError> {
        let home = Home::make(directory)?;
        end_leftover(home.directory()).await;
        home.furnish()?;
        let process = spawn(master, program, &home)?;
        let child = Self {
            home,
            program: program.to_owned(),
            master: master.to_owned(),
            process: tokio::sync::Mutex::new(process),
        };
        child.come_up().await?;
        Ok(child)
    }

    /// The way to a repository in it.
    ///
    /// # Errors
    /// When the client cannot be made.
    pub fn registry(&self, repository: &str) -> Result<Registry, RegistryError> {
        self.home.registry(repository)
    }

    async fn come_up(&self) -> Result<(), RegistryError> {
        let ended = || async {
            let status = self.process.lock().await.end()?;
            let log = self.home.directory().join("log");
            Some(format!("it ended, {status}; see {}", log.display()))
        };
        self.home.come_up(ended).await
    }
}

#[async_trait]
impl OwnRegistry for Child {
    async fn keep(&self) -> Result<(), RegistryError> {
        {
            let mut process = self.process.lock().await;
            if process.end().is_none() {
                return Ok(());
            }
            tracing::warn!("the registry ended; starting it again");
            self.home.leave();
            *process = spawn(&self.master, &self.program, &self.home)?;
        }
        self.come_up().await
    }

    async fn collect(&self) -> Result<(), RegistryError> {
        let mut command = tokio::process::Command::new(&self.program);
        command
            .args(["garbage-collect", CONFIG])
            .current_dir(self.home.directory())
            .env_clear()
            .stdin(Stdio::null())
            .kill_on_drop(true);
        let output = tokio::time::timeout(COLLECT, command.output()).await;
        let output = output.map_err(|_| self.home.failed("garbage-collect takes too long"))?;
        let output = output.map_err(|error| self.home.failed(error.to_string()))?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        let said = said.lines().next_back().unwrap_or_default();
        Err(self.home.failed(format!("garbage-collect: {said}")))
    }

    async fn stop(&self) {
        self.process.lock().await.stop().await;
        let _ = fs::remove_file(self.home.directory().join(PID));
        self.home.leave();
    }
}

fn spawn(master: &Path, program: &Path, home: &Home) -> Result<Process, RegistryError> {
    let start = || {
        let log = fs::OpenOptions::new()
            .create(true)
            .write(true)
            .truncate(true)
            .mode(0o600)
            .open(home.directory().join("log"))?;
        let mut command = Command::new(master);
        command
            .arg(TETHER)
            .arg(std::process::id().to_string())
            .arg(program)
            .args(["serve", CONFIG])
            .current_dir(home.directory())
            // What the master's environment says of registries and proxies is not for this one.
            .env_clear()
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            // Ctrl-C is for the master, which ends it in order.
            .process_group(0);
        let process = Process::start(command)?;
        fs::write(home.directory().join(PID), process.id().to_string())?;
        Ok(process)
    };
    start().map_err(|error: std::io::Error| home.failed(error.to_string()))
}

/// Ends the registry that an earlier master left. Its pid is trusted only when the process with it works
/// in this very directory.
pub(super) async fn end_leftover(directory: &Path) {
    let text = fs::read_to_string(directory.join(PID)).unwrap_or_default();
    let Ok(pid) = text.trim().parse::<i32>() else {
        return;
    };
    let ours = || {
        let works_in = fs::read_link(format!("/proc/{pid}/cwd")).ok();
        let here = fs::canonicalize(directory).ok();
        pid > 1 && works_in.is_some() && works_in == here
    };
    for signal in [Signal::SIGTERM, Signal::SIGKILL] {
        let until = tokio::time::Instant::now() + STOP;
        if ours() {
            tracing::info!(pid, "ending the registry that an earlier master left");
            let _ = kill(Pid::from_raw(pid), signal);
        }
        while ours() && tokio::time::Instant::now() < until {
            tokio::time::sleep(PAUSE).await;
        }
    }
    let _ = fs::remove_file(directory.join(PID));
}
