use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::Command;

use super::handle::Handle;
use crate::runtime::{RuntimeError, claims};
use crate::supervisor::{self, Start, Task};

/// Longest time until a supervisor has started its task.
const START: Duration = Duration::from_secs(20);

/// Starts a supervisor with its task; returns the main process's number.
pub(super) async fn spawn(program: &Path, task: &Task) -> Result<(i32, Handle), RuntimeError> {
    let text = serde_json::to_vec(task)
        .map_err(|error| RuntimeError::io("write task", std::io::Error::other(error)))?;
    let mut child = Command::new(program)
        .arg("pod-supervisor")
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        // Ctrl-C in the agent's terminal is not for pods.
        .process_group(0)
        .spawn()
        .map_err(|error| RuntimeError::io(format!("start {}", program.display()), error))?;
    let input = child.stdin.take();
    let output = child.stdout.take();
    let (Some(mut input), Some(output)) = (input, output) else {
        return Err(RuntimeError::Refused("start supervisor: no pipes".into()));
    };
    // Takes its exit when it ends, so that none stays as a zombie.
    tokio::spawn(async move { child.wait().await });
    let start = async {
        input.write_all(&text).await?;
        input.shutdown().await?;
        drop(input);
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line).await?;
        std::io::Result::Ok(line)
    };
    let line = tokio::time::timeout(START, start)
        .await
        .map_err(|_| RuntimeError::Refused("start supervisor: it does not answer".into()))?
        .map_err(|error| RuntimeError::io("start supervisor", error))?;
    match serde_json::from_str(&line) {
        Ok(Start::Started { pid }) => {
            let handle = Handle::connect(&task.directory)
                .await
                .or_else(|_| Handle::of_ended(&task.directory))
                .map_err(|error| RuntimeError::io("connect to supervisor", error))?;
            Ok((pid, handle))
        }
        Ok(Start::Failed { message }) => Err(RuntimeError::Refused(message)),
        Err(_) => Err(RuntimeError::Refused(
            "start supervisor: it ended at once".into(),
        )),
    }
}

/// How often all of a user is killed before that is tried again later.
const KILLS: u32 = 5;

/// Ends what a dead supervisor left of a pod. Without a user id of its own there is nothing to tell
/// it by, and a supervisor dies only by force. Whether anything of it runs all the same.
pub(super) async fn end_leftovers(user: Option<u32>) -> bool {
    let Some(user) = user else { return false };
    let ended = tokio::task::spawn_blocking(move || {
        (0..KILLS).all(|_| {
            supervisor::kill_everything(user);
            claims::runs_anything(user)
        })
    });
    // Cannot fail: the closure does not panic.
    ended.await.unwrap_or(true)
}
