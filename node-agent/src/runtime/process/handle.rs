use std::io;
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use common::link::Exit;
use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::UnixStream;
use tokio::sync::{mpsc, watch};

use crate::supervisor::{CONTROL_SOCKET, Command, News, read_exit};

/// Commands waiting for a supervisor; there are never more than two or three.
const QUEUE: usize = 16;
const GREETING: Duration = Duration::from_secs(10);

/// The agent's end of a supervisor's control socket.
#[derive(Clone)]
pub(super) struct Handle {
    commands: mpsc::Sender<Command>,
    ended: watch::Receiver<Option<Exit>>,
}

impl Handle {
    /// Connects to the supervisor of a directory.
    pub(super) async fn connect(directory: &Path) -> io::Result<Self> {
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let parent = open(directory, flags, Mode::empty())?;
        let path = format!("/proc/self/fd/{}/{CONTROL_SOCKET}", parent.as_raw_fd());
        let mut stream = BufReader::new(UnixStream::connect(path).await?);
        // Only one who lives answers; a socket can be connected to while its owner dies.
        match tokio::time::timeout(GREETING, read_news(&mut stream)).await {
            Ok(Some(News::Running { .. })) => {}
            _ => return Err(io::ErrorKind::ConnectionReset.into()),
        }
        let (commands, inbox) = mpsc::channel(QUEUE);
        let (tell, ended) = watch::channel(None);
        // The directory may be renamed while the task lives.
        let directory = format!("/proc/self/fd/{}", parent.as_raw_fd());
        tokio::spawn(async move {
            converse(stream, inbox, tell, directory.into()).await;
            drop(parent);
        });
        Ok(Self { commands, ended })
    }

    /// For a task that ended before it could be connected to.
    pub(super) fn of_ended(directory: &Path) -> io::Result<Self> {
        let exit = read_exit(directory).ok_or(io::ErrorKind::ConnectionReset)?;
        let (commands, _) = mpsc::channel(1);
        let (_, ended) = watch::channel(Some(exit));
        Ok(Self { commands, ended })
    }

    /// Asks for the end.
    pub(super) fn stop(&self, grace: Duration) {
        let grace_ms = u64::try_from(grace.as_millis()).unwrap_or(u64::MAX);
        // A full queue holds stops already; a closed one has ended.
        let _ = self.commands.try_send(Command::Stop { grace_ms });
    }

    /// Waits for the end.
    pub(super) async fn ended(&self) -> Exit {
        let mut ended = self.ended.clone();
        let exit = ended
            .wait_for(Option::is_some)
            .await
            .ok()
            .and_then(|exit| *exit);
        exit.unwrap_or(Exit {
            code: 137,
            oom: false,
        })
    }
}

async fn read_news(stream: &mut BufReader<UnixStream>) -> Option<News> {
    let mut line = String::new();
    match stream.read_line(&mut line).await {
        Ok(count) if count > 0 => serde_json::from_str(&line).ok(),
        _ => None,
    }
}

async fn converse(
    mut stream: BufReader<UnixStream>,
    mut inbox: mpsc::Receiver<Command>,
    tell: watch::Sender<Option<Exit>>,
    directory: PathBuf,
) {
    let mut line = String::new();
    let exit = loop {
        tokio::select! {
            read = stream.read_line(&mut line) => {
                if !matches!(read, Ok(count) if count > 0) {
                    // It writes its file before it goes; without one it was ended itself.
                    break read_exit(&directory).unwrap_or(Exit { code: 137, oom: false });
                }
                if let Ok(News::Ended(exit)) = serde_json::from_str(&line) {
                    break exit;
                }
                line.clear();
            }
            // When all handles are gone the agent is on its way out: the pod stays.
            command = inbox.recv() => {
                let Some(command) = command else { return };
                if let Ok(mut text) = serde_json::to_vec(&command) {
                    text.push(b'\n');
                    // When it cannot be said, reading fails too.
                    let _ = stream.get_mut().write_all(&text).await;
                }
            }
        }
    };
    tell.send_replace(Some(exit));
}
