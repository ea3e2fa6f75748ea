use std::fs::{self, File};
use std::io::Write as _;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use reqwest::Url;
use tokio::process::{Child as Process, Command};

use super::auth::Credentials;
use super::client::Registry;
use super::error::RegistryError;
use super::open::trusts_nobody;

/// How long it may take to come up.
const START: Duration = Duration::from_secs(15);
/// How long it may take to end.
const STOP: Duration = Duration::from_secs(5);
/// How long its collection of garbage may take.
const COLLECT: Duration = Duration::from_secs(600);
const PAUSE: Duration = Duration::from_millis(50);
/// Where Debian's package puts it, when PATH does not say.
const PROGRAM: &str = "docker-registry";
const CONFIG: &str = "config.yml";
const SOCKET: &str = "socket";
const PID: &str = "pid";

/// A registry (CNCF distribution) that the master runs itself. It listens on a Unix socket in a
/// directory of the master's own, so that nobody else on the machine reaches it. It ends with the
/// master; one that a killed master left is ended by the next.
pub struct Child {
    directory: PathBuf,
    /// Keeps the way to the socket short: its path may be longer than the kernel takes.
    door: File,
    program: PathBuf,
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

    /// Starts it in a directory, which is made; ends what an earlier master left there.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn start(program: &Path, directory: &Path) -> Result<Self, RegistryError> {
        let failed = |message: String| RegistryError::Child {
            directory: directory.to_owned(),
            message,
        };
        let io = |error: std::io::Error| failed(error.to_string());
        let mut builder = fs::DirBuilder::new();
        builder
            .recursive(true)
            .mode(0o700)
            .create(directory)
            .map_err(io)?;
        end_leftover(directory).await;
        let _ = fs::remove_file(directory.join(SOCKET));
        fs::write(directory.join(CONFIG), config()).map_err(io)?;
        let process = spawn(program, directory).map_err(io)?;
        let child = Self {
            directory: directory.to_owned(),
            door: File::open(directory).map_err(io)?,
            program: program.to_owned(),
            process: tokio::sync::Mutex::new(process),
        };
        child.note_pid().await.map_err(io)?;
        child.come_up().await?;
        Ok(child)
    }

    /// The way to a repository in it.
    ///
    /// # Errors
    /// When the client cannot be made.
    pub fn registry(&self, repository: &str) -> Result<Registry, RegistryError> {
        let socket = format!("/proc/self/fd/{}/{SOCKET}", self.door.as_raw_fd());
        let client = Registry::client()
            .no_proxy()
            .unix_socket(PathBuf::from(socket));
        let client = client
            .use_preconfigured_tls(trusts_nobody()?)
            // A kept connection breaks when the registry is started again, and a new one costs little.
            .pool_max_idle_per_host(0);
        let http = client.build().map_err(RegistryError::Client)?;
        let base =
            Url::parse("http://registry/").map_err(|error| self.failed(error.to_string()))?;
        let repository = repository.to_owned();
        Ok(Registry::new(
            http,
            base,
            repository,
            Credentials::default(),
        ))
    }

    fn failed(&self, message: String) -> RegistryError {
        RegistryError::Child {
            directory: self.directory.clone(),
            message,
        }
    }

    async fn note_pid(&self) -> std::io::Result<()> {
        let pid = self.process.lock().await.id().unwrap_or_default();
        fs::write(self.directory.join(PID), pid.to_string())
    }

    async fn come_up(&self) -> Result<(), RegistryError> {
        let registry = self.registry("troupe/functions")?;
        let until = tokio::time::Instant::now() + START;
        loop {
            let error = match registry.check().await {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            if let Ok(Some(status)) = self.process.lock().await.try_wait() {
                let log = self.directory.join("log");
                return Err(self.failed(format!("it ended, {status}; see {}", log.display())));
            }
            if tokio::time::Instant::now() > until {
                return Err(error);
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Whether it still runs; one that ended is started again.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn keep(&self) -> Result<(), RegistryError> {
        {
            let mut process = self.process.lock().await;
            if !matches!(process.try_wait(), Ok(Some(_))) {
                return Ok(());
            }
            tracing::warn!("the registry ended; starting it again");
            let _ = fs::remove_file(self.directory.join(SOCKET));
            let started = spawn(&self.program, &self.directory);
            *process = started.map_err(|error| self.failed(error.to_string()))?;
        }
        self.note_pid()
            .await
            .map_err(|error| self.failed(error.to_string()))?;
        self.come_up().await
    }

    /// Frees the disk of what no manifest names any more. Nothing may be pushed meanwhile.
    ///
    /// # Errors
    /// When the registry's own collection fails.
    pub async fn collect(&self) -> Result<(), RegistryError> {
        let mut command = Command::new(&self.program);
        command
            .args(["garbage-collect", CONFIG])
            .current_dir(&self.directory)
            .env_clear()
            .stdin(Stdio::null())
            .kill_on_drop(true);
        let output = tokio::time::timeout(COLLECT, command.output()).await;
        let output =
            output.map_err(|_| self.failed("garbage-collect takes too long".to_owned()))?;
        let output = output.map_err(|error| self.failed(error.to_string()))?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        let said = said.lines().next_back().unwrap_or_default();
        Err(self.failed(format!("garbage-collect: {said}")))
    }

    /// Ends it and waits for it.
    pub async fn stop(&self) {
        let mut process = self.process.lock().await;
        if let Some(pid) = process.id().and_then(|pid| i32::try_from(pid).ok()) {
            let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
            if tokio::time::timeout(STOP, process.wait()).await.is_err() {
                let _ = process.kill().await;
            }
        }
        let _ = fs::remove_file(self.directory.join(PID));
        let _ = fs::remove_file(self.directory.join(SOCKET));
    }
}

fn spawn(program: &Path, directory: &Path) -> std::io::Result<Process> {
    let log = fs::OpenOptions::new()
        .create(true)
        .write(true)
        .truncate(true)
        .mode(0o600)
        .open(directory.join("log"))?;
    Command::new(program)
        .args(["serve", CONFIG])
        .current_dir(directory)
        // What the master's environment says of registries and proxies is not for this one.
        .env_clear()
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        // Ctrl-C is for the master, which ends it in order.
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
}

/// Ends the registry that a killed master left. Its pid is trusted only when the process with it works
/// in this very directory.
async fn end_leftover(directory: &Path) {
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

/// The registry's settings. No cache of what it has: its garbage collection would not be noticed.
fn config() -> Vec<u8> {
    let mut out = Vec::new();
    let secret: u128 = rand::random();
    // Writing to a Vec cannot fail.
    let _ = write!(
        out,
        "version: 0.1
log:
  level: warn
  accesslog:
    disabled: true
storage:
  filesystem:
    rootdirectory: data
  delete:
    enabled: true
http:
  net: unix
  addr: {SOCKET}
  secret: {secret:032x}
"
    );
    out
}
