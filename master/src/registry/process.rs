//! A process that ends with this one, however this one ends.

use std::io;
use std::path::Path;
use std::process::{Command, ExitStatus};
use std::time::Duration;

use nix::sys::prctl;
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, getppid};
use std::os::unix::process::CommandExt as _;
use tokio::sync::watch;

/// The hidden word by which the master starts itself to become another program: see [`become_tethered`].
pub const TETHER: &str = "tether";
/// Between SIGTERM and SIGKILL.
const STOP: Duration = Duration::from_secs(5);

/// Becomes `program`, which gets SIGKILL when the process `parent`, that started this one, is gone.
/// Returns only when that fails.
#[must_use]
pub fn become_tethered(parent: i32, program: &Path, arguments: &[String]) -> io::Error {
    // The bond outlives exec. It is made here and not between fork and exec, where no code of ours may run.
    if let Err(error) = prctl::set_pdeathsig(Signal::SIGKILL) {
        return error.into();
    }
    // It may have gone before the bond was there.
    if getppid().as_raw() != parent {
        return io::Error::other("the master has ended");
    }
    Command::new(program).args(arguments).exec()
}

/// A running process of that kind.
pub(super) struct Process {
    pid: Pid,
    ended: watch::Receiver<Option<ExitStatus>>,
}

impl Process {
    /// Starts it. The kernel's bond is to the thread that starts a process: here one that lives as long as
    /// the process does.
    pub(super) fn start(mut command: Command) -> io::Result<Self> {
        let (end, ended) = watch::channel(None);
        let (tell, told) = std::sync::mpsc::sync_channel(1);
        let watch_over = move || {
            let child = command.spawn();
            let mut child = match child {
                Ok(child) => child,
                Err(error) => return drop(tell.send(Err(error))),
            };
            let _ = tell.send(Ok(child.id()));
            // Waiting for one's own child fails only when somebody else has reaped it.
            let _ = end.send(child.wait().ok());
        };
        std::thread::Builder::new()
            .name("registry".to_owned())
            .spawn(watch_over)?;
        let pid = told
            .recv()
            .map_err(|_| io::Error::other("the thread that starts it ended"))??;
        let pid = i32::try_from(pid).map_err(io::Error::other)?;
        Ok(Self {
            pid: Pid::from_raw(pid),
            ended,
        })
    }

    pub(super) fn id(&self) -> i32 {
        self.pid.as_raw()
    }

    /// How it ended, once it has.
    pub(super) fn end(&self) -> Option<String> {
        match *self.ended.borrow() {
            Some(status) => Some(status.to_string()),
            None => self
                .ended
                .has_changed()
                .is_err()
                .then(|| "unknown".to_owned()),
        }
    }

    /// Asks it to end, makes it, and waits until it has.
    pub(super) async fn stop(&self) {
        for signal in [Signal::SIGTERM, Signal::SIGKILL] {
            if self.end().is_some() {
                return;
            }
            let _ = kill(self.pid, signal);
            let mut ended = self.ended.clone();
            let _ = tokio::time::timeout(STOP, ended.wait_for(Option::is_some)).await;
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.end().is_none() {
            let _ = kill(self.pid, Signal::SIGKILL);
        }
    }
}
