//! The process that watches over one pod's processes, or over one step of a build.
//!
//! The agent starts itself again as `node-agent pod-supervisor` and tells it a [`Task`] on its
//! standard input. The supervisor is a session of its own and the subreaper of all it starts, so
//! that whatever forks, twice or more, stays its descendant. It lives on when the agent dies; the
//! next agent finds it by its control socket. When none comes, or the main process ends, or it is
//! told to, it ends every descendant, writes `exit.json` and goes.
//!
//! It is one thread that waits in `poll`; everything it does is in this folder.

mod control;
mod log;
mod private;
mod processes;
mod sandbox;
mod watch;

use std::io::{self, Read as _, Write as _};
use std::path::PathBuf;

use common::link::Exit;
use serde::{Deserialize, Serialize};

pub use control::{CONTROL_SOCKET, Command, News};
pub use private::{Private, may_be_private};
pub use processes::{kill_all_of, kill_everything, resident_bytes};

/// Where the way the main process ended is written.
pub const EXIT_FILE: &str = "exit.json";
/// What the processes print; the older half is [`OLD_LOG_FILE`].
pub const LOG_FILE: &str = "log";
/// The log before it was turned over.
pub const OLD_LOG_FILE: &str = "log.1";

/// What to start and within which bounds.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Task {
    /// Where the control socket, the log and the exit are; the supervisor's alone to write.
    pub directory: PathBuf,
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// Its whole environment.
    pub environment: Vec<(String, String)>,
    /// Where it starts.
    pub working_directory: PathBuf,
    /// The user and group it runs as; the supervisor's own when not root.
    pub uid: Option<u32>,
    /// Temporary directories of its own; `None`: the machine's.
    pub private: Option<Private>,
    /// Groups of processes with limits, made by the agent.
    pub cgroups: Vec<PathBuf>,
    /// Memory of all processes together, in bytes.
    pub memory_bytes: u64,
    /// Whether one of the cgroups limits memory; otherwise the supervisor counts.
    pub memory_by_cgroup: bool,
    /// Most processes and threads.
    pub max_tasks: u64,
    /// Largest file it may write, in bytes.
    pub max_file_bytes: u64,
    /// Size at which the log is turned over.
    pub log_bytes: u64,
    /// How long it stays without an agent, in milliseconds.
    pub orphan_ms: u64,
    /// Between SIGTERM and SIGKILL when no agent came, in milliseconds.
    pub orphan_grace_ms: u64,
}

/// The supervisor's first and only line on its standard output.
#[derive(Debug, Serialize, Deserialize)]
pub enum Start {
    /// It runs; the control socket listens.
    Started {
        /// The main process.
        pid: i32,
    },
    /// It does not.
    Failed {
        /// Why.
        message: String,
    },
}

/// The whole life of a supervisor. Returns the exit code.
pub fn run() -> u8 {
    match start() {
        Ok(watch) => {
            say(&Start::Started {
                pid: watch.main_pid(),
            });
            watch.run();
            0
        }
        Err(error) => {
            say(&Start::Failed {
                message: crate::chain::chain(&error),
            });
            1
        }
    }
}

fn start() -> Result<watch::Watch, StartError> {
    let mut text = String::new();
    io::stdin()
        .read_to_string(&mut text)
        .map_err(|error| StartError::io("read task", error))?;
    let task: Task = serde_json::from_str(&text).map_err(StartError::Task)?;
    watch::Watch::start(task)
}

fn say(start: &Start) {
    // Nobody may be there to hear it; exit.json tells later.
    if let Ok(text) = serde_json::to_string(start) {
        let mut out = io::stdout();
        let _ = writeln!(out, "{text}").and_then(|()| out.flush());
    }
}

/// The task was not started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The task is not one.
    #[error("read task")]
    Task(#[source] serde_json::Error),
    /// The system refused a step.
    #[error("{action}")]
    Io {
        /// Which.
        action: String,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl StartError {
    fn io(action: impl Into<String>, source: impl Into<io::Error>) -> Self {
        Self::Io {
            action: action.into(),
            source: source.into(),
        }
    }
}

/// Reads how a task of this directory ended, if it did.
#[must_use]
pub fn read_exit(directory: &std::path::Path) -> Option<Exit> {
    serde_json::from_slice(&std::fs::read(directory.join(EXIT_FILE)).ok()?).ok()
}
