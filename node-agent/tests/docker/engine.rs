//! An engine of a test's own, in a network of its own, that can be restarted and stopped.

use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Runs a test in a network namespace of its own, and what it starts too: engines that share one
/// write over each other's rules.
pub(crate) fn in_own_network<F: Future<Output = ()>>(test: impl FnOnce(String) -> F) {
    let Some((_, base)) = crate::node::environment() else {
        return;
    };
    unshare(CloneFlags::CLONE_NEWNET).unwrap();
    let up = Command::new("ip")
        .args(["link", "set", "lo", "up"])
        .status();
    assert!(up.unwrap().success());
    // Threads are where the one is that starts them.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    runtime.unwrap().block_on(test(base));
}

pub(crate) struct Engine {
    directory: tempfile::TempDir,
    live_restore: bool,
    child: Child,
}

impl Engine {
    pub(crate) fn start(live_restore: bool) -> Self {
        let directory = tempfile::Builder::new().prefix("eng").tempdir().unwrap();
        let child = spawn(&directory, live_restore);
        let engine = Self {
            directory,
            live_restore,
            child,
        };
        engine.wait();
        engine
    }

    pub(crate) fn host(&self) -> String {
        format!("unix://{}", self.socket().display())
    }

    fn socket(&self) -> PathBuf {
        self.directory.path().join("docker.sock")
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.id()).unwrap())
    }

    fn wait(&self) {
        for _ in 0..600 {
            let version = Command::new("docker")
                .args(["-H", &self.host(), "version"])
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status();
            if version.unwrap().success() {
                return;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("the engine does not come up: {}", self.log());
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }

    pub(crate) fn end(&mut self) {
        kill(self.pid(), Signal::SIGTERM).unwrap();
        self.child.wait().unwrap();
    }

    pub(crate) fn begin(&mut self) {
        self.child = spawn(&self.directory, self.live_restore);
        self.wait();
    }

    /// It takes requests and answers none.
    pub(crate) fn freeze(&self) {
        kill(self.pid(), Signal::SIGSTOP).unwrap();
    }

    pub(crate) fn thaw(&self) {
        kill(self.pid(), Signal::SIGCONT).unwrap();
    }
}

fn spawn(directory: &tempfile::TempDir, live_restore: bool) -> Child {
    let at = |name: &str| directory.path().join(name);
    let log = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(at("log"))
        .unwrap();
    let path = format!(
        "{}:/usr/sbin:/sbin",
        std::env::var("PATH").unwrap_or_default()
    );
    let mut command = Command::new("dockerd");
    command
        .arg("--data-root")
        .arg(at("data"))
        .arg("--exec-root")
        .arg(at("exec"))
        .arg("--pidfile")
        .arg(at("pid"))
        .args([
            "-H",
            &format!("unix://{}", at("docker.sock").display()),
            "--bridge=none",
        ])
        .env("PATH", path)
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .process_group(0);
    if live_restore {
        command.arg("--live-restore");
    }
    command.spawn().unwrap()
}

impl Drop for Engine {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.log();
            let end = log.lines().rev().take(30).collect::<Vec<_>>();
            eprintln!("--- engine, last first ---\n{}", end.join("\n"));
        }
        // Containers of a failed test live on otherwise.
        let _ = kill(self.pid(), Signal::SIGCONT);
        let ids = Command::new("docker")
            .args(["-H", &self.host(), "ps", "-aq"])
            .output();
        for id in String::from_utf8_lossy(&ids.map(|o| o.stdout).unwrap_or_default()).lines() {
            let _ = Command::new("docker")
                .args(["-H", &self.host(), "rm", "-f", id])
                .output();
        }
        let _ = kill(self.pid(), Signal::SIGTERM);
        let _ = self.child.wait();
    }
}
