use std::fs;
use std::io;
use std::os::fd::AsFd as _;
use std::path::PathBuf;
use std::process::Child;
use std::time::{Duration, Instant};

use common::link::Exit;
use common::trust::write_atomic;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::unistd::{Pid, setsid};

use super::control::{CONTROL_SOCKET, Command, Control, News};
use super::log::Log;
use super::{EXIT_FILE, StartError, Task, processes, sandbox};

/// How often memory is counted where no cgroup does.
const MEMORY_CHECK: Duration = Duration::from_millis(250);
const FOREVER: Duration = Duration::from_secs(60);

/// A started task and what is known of it.
pub(super) struct Watch {
    task: Task,
    main: Child,
    signals: SignalFd,
    control: Control,
    log: Log,
    /// When everything is ended, when a stop is under way.
    kill_at: Option<Instant>,
    /// Since when no agent is connected.
    alone_since: Option<Instant>,
    oom: bool,
}

impl Watch {
    pub(super) fn start(task: Task) -> Result<Self, StartError> {
        let step = |action: &'static str| move |error: nix::Error| StartError::io(action, error);
        // Fails when it is a session already, which is as good.
        let _ = setsid();
        let mut set = SigSet::empty();
        for signal in [
            Signal::SIGCHLD,
            Signal::SIGTERM,
            Signal::SIGINT,
            Signal::SIGHUP,
        ] {
            set.add(signal);
        }
        set.thread_block().map_err(step("block signals"))?;
        let flags = SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC;
        let signals = SignalFd::with_flags(&set, flags).map_err(step("listen to signals"))?;
        // Found by where it is from here on: it may be renamed.
        std::env::set_current_dir(&task.directory)
            .map_err(|error| StartError::io("enter directory", error))?;
        let task = Task {
            directory: PathBuf::from("."),
            ..task
        };
        let control = Control::listen(&task.directory)
            .map_err(|error| StartError::io("listen on control socket", error))?;
        let (log, output) = Log::open(&task.directory, task.log_bytes)
            .map_err(|error| StartError::io("open log", error))?;
        let main = sandbox::spawn(&task, output)?;
        let alone_since = Some(Instant::now());
        Ok(Self {
            task,
            main,
            signals,
            control,
            log,
            kill_at: None,
            alone_since,
            oom: false,
        })
    }

    pub(super) fn main_pid(&self) -> i32 {
        // Linux's process numbers fit.
        i32::try_from(self.main.id()).unwrap_or(i32::MAX)
    }

    /// Watches until nothing of the task is left.
    pub(super) fn run(mut self) {
        let code = loop {
            let now = Instant::now();
            if self.kill_at.is_some_and(|at| at <= now) {
                break None;
            }
            self.wait(now);
            self.log.take();
            if let Some(code) = self.take_signals() {
                break Some(code);
            }
            self.take_commands();
            self.check_alone();
            if self.is_over_memory() {
                self.oom = true;
                break None;
            }
        };
        self.end(code);
    }

    fn wait(&self, now: Instant) {
        let mut wait = FOREVER;
        let orphan_at = self.alone_since.map(|since| since + self.orphan_after());
        for at in [self.kill_at, orphan_at.filter(|_| self.kill_at.is_none())]
            .into_iter()
            .flatten()
        {
            wait = wait.min(at.saturating_duration_since(now));
        }
        if !self.task.memory_by_cgroup {
            wait = wait.min(MEMORY_CHECK);
        }
        let descriptors = std::iter::once(self.signals.as_fd())
            .chain(self.control.descriptors())
            .chain(self.log.descriptor());
        let mut polled: Vec<_> = descriptors
            .map(|descriptor| PollFd::new(descriptor, PollFlags::POLLIN))
            .collect();
        // Rounded up, so that a deadline has passed when the wait ends by itself.
        let timeout =
            PollTimeout::try_from(wait + Duration::from_millis(1)).unwrap_or(PollTimeout::MAX);
        // Interrupted or not: the loop looks at everything.
        let _ = poll(&mut polled, timeout);
    }

    /// How the main process ended, once it did.
    fn take_signals(&mut self) -> Option<i32> {
        while let Ok(Some(signal)) = self.signals.read_signal() {
            let number = i32::try_from(signal.ssi_signo).unwrap_or_default();
            if number == Signal::SIGTERM as i32 {
                self.stop(Duration::from_millis(self.task.orphan_grace_ms));
            }
        }
        processes::reap(self.main_pid())
    }

    fn take_commands(&mut self) {
        let greeting = News::Running {
            pid: self.main_pid(),
        };
        for Command::Stop { grace_ms } in self.control.take(greeting) {
            self.stop(Duration::from_millis(grace_ms));
        }
    }

    fn check_alone(&mut self) {
        let now = Instant::now();
        if self.control.is_connected() {
            self.alone_since = None;
            return;
        }
        let since = *self.alone_since.get_or_insert(now);
        if self.kill_at.is_none() && now >= since + self.orphan_after() {
            self.stop(Duration::from_millis(self.task.orphan_grace_ms));
        }
    }

    fn orphan_after(&self) -> Duration {
        Duration::from_millis(self.task.orphan_ms)
    }

    fn is_over_memory(&self) -> bool {
        !self.task.memory_by_cgroup && processes::descendants_bytes() > self.task.memory_bytes
    }

    /// A second stop may only hasten the end.
    fn stop(&mut self, grace: Duration) {
        let at = Instant::now() + grace;
        if self.kill_at.is_none() {
            let _ = kill(Pid::from_raw(self.main_pid()), Signal::SIGTERM);
        }
        self.kill_at = Some(self.kill_at.map_or(at, |earlier| earlier.min(at)));
    }

    fn end(mut self, code: Option<i32>) {
        let found = processes::end_all(self.main_pid(), self.task.uid);
        self.log.take();
        let code = code.or(found).unwrap_or(137);
        let oom = self.oom || code == 137 && sandbox::oom_killed(&self.task.cgroups);
        let exit = Exit { code, oom };
        if let Ok(text) = serde_json::to_vec(&exit) {
            // Without it the agent reports a lost pod, which is still an end.
            let _ = write_atomic(&self.task.directory.join(EXIT_FILE), &text, 0o600);
        }
        self.control.say(News::Ended(exit));
        let _ = fs::remove_file(self.task.directory.join(CONTROL_SOCKET));
        for cgroup in &self.task.cgroups {
            remove_cgroup(cgroup);
            // Without an agent, the last pod takes the agent's own group with it.
            if let Some(base) = cgroup.parent().filter(|_| !self.control.is_connected()) {
                let _ = fs::remove_dir(base);
            }
        }
    }
}

/// A cgroup can be removed a moment after its last process has gone.
fn remove_cgroup(path: &std::path::Path) {
    for _ in 0..50 {
        match fs::remove_dir(path) {
            Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {
                std::thread::sleep(Duration::from_millis(10));
            }
            _ => return,
        }
    }
}
