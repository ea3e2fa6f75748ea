//! How agent and supervisor speak: a Unix socket, one JSON text a line.

use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use common::link::Exit;
use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;
use serde::{Deserialize, Serialize};

/// Name of the socket in the task's directory.
pub const CONTROL_SOCKET: &str = "control.sock";
const MAX_CONNECTIONS: usize = 8;
const MAX_LINE: usize = 4096;

/// From the agent.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub enum Command {
    /// SIGTERM now, SIGKILL after the grace.
    Stop {
        /// In milliseconds.
        grace_ms: u64,
    },
}

/// From the supervisor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum News {
    /// Said to each who connects.
    Running {
        /// The main process.
        pid: i32,
    },
    /// Nothing is left of the task. Said before the supervisor goes.
    Ended(Exit),
}

/// The listening socket and the agents that are connected.
pub(super) struct Control {
    listener: UnixListener,
    connections: Vec<Connection>,
}

struct Connection {
    stream: UnixStream,
    line: Vec<u8>,
}

impl Control {
    /// Listens in `directory`, however long its path is.
    pub(super) fn listen(directory: &Path) -> io::Result<Self> {
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let parent = open(directory, flags, Mode::empty())?;
        let path = format!("/proc/self/fd/{}/{CONTROL_SOCKET}", parent.as_raw_fd());
        let listener = UnixListener::bind(&path)?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
        listener.set_nonblocking(true)?;
        Ok(Self {
            listener,
            connections: Vec::new(),
        })
    }

    pub(super) fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        let connections = self
            .connections
            .iter()
            .map(|connection| connection.stream.as_fd());
        std::iter::once(self.listener.as_fd()).chain(connections)
    }

    pub(super) fn is_connected(&self) -> bool {
        !self.connections.is_empty()
    }

    /// Takes whatever has come: connections, commands, goodbyes.
    pub(super) fn take(&mut self, greeting: News) -> Vec<Command> {
        while let Ok((stream, _)) = self.listener.accept() {
            if self.connections.len() < MAX_CONNECTIONS && stream.set_nonblocking(true).is_ok() {
                let mut connection = Connection {
                    stream,
                    line: Vec::new(),
                };
                connection.say(greeting);
                self.connections.push(connection);
            }
        }
        let mut commands = Vec::new();
        self.connections
            .retain_mut(|connection| connection.read(&mut commands));
        commands
    }

    pub(super) fn say(&mut self, news: News) {
        for connection in &mut self.connections {
            connection.say(news);
        }
    }
}

impl Connection {
    /// A line is far smaller than a socket's buffer; who does not read it misses it.
    fn say(&mut self, news: News) {
        if let Ok(mut text) = serde_json::to_vec(&news) {
            text.push(b'\n');
            let _ = self.stream.write_all(&text);
        }
    }

    /// Whether the connection still stands.
    fn read(&mut self, commands: &mut Vec<Command>) -> bool {
        let mut buffer = [0; 1024];
        loop {
            match self.stream.read(&mut buffer) {
                Ok(0) => return false,
                Ok(count) => self.line.extend_from_slice(&buffer[..count]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return true,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return false,
            }
            while let Some(end) = self.line.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.line.drain(..=end).collect();
                commands.extend(serde_json::from_slice::<Command>(&line).ok());
            }
            if self.line.len() > MAX_LINE {
                return false;
            }
        }
    }
}
