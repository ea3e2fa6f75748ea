//! Finding and ending processes.

use std::collections::HashMap;
use std::fs;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Gid, Pid, Uid, setgroups, setresgid, setresuid};

/// Rounds after which ending gives up; with pauses between, ten seconds.
const ROUNDS: u32 = 1000;
const PAUSE: Duration = Duration::from_millis(10);
/// Rounds after which everything of the user is ended at one blow.
const PATIENCE: u32 = 2;

/// This program, also when its file was replaced since.
const OWN_PROGRAM: &str = "/proc/self/exe";
/// How long the helper that ends a user's processes may take.
const HELPER_DEADLINE: Duration = Duration::from_secs(2);
const LOOK_AT_HELPER: Duration = Duration::from_millis(1);

/// All descendants of a process, with what each occupies in memory (pages).
pub(super) fn descendants(root: i32) -> Vec<(i32, u64)> {
    let mut children: HashMap<i32, Vec<(i32, u64)>> = HashMap::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
        else {
            continue;
        };
        if let Some((parent, pages)) = parent_and_pages(pid) {
            children.entry(parent).or_default().push((pid, pages));
        }
    }
    let mut found = Vec::new();
    let mut open = vec![root];
    while let Some(pid) = open.pop() {
        for child in children.remove(&pid).unwrap_or_default() {
            open.push(child.0);
            found.push(child);
        }
    }
    found
}

fn parent_and_pages(pid: i32) -> Option<(i32, u64)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name stands in parentheses and may hold anything, parentheses too.
    let rest = stat.get(stat.rfind(')')? + 2..)?;
    let mut fields = rest.split(' ');
    let parent = fields.nth(1)?.parse().ok()?;
    let pages = fields.nth(19)?.parse().ok()?;
    Some((parent, pages))
}

/// Memory of all descendants of this process, in bytes.
pub(super) fn descendants_bytes() -> u64 {
    let pages: u64 = descendants(this()).iter().map(|(_, pages)| pages).sum();
    pages * page_size()
}

/// Memory of one process, in bytes.
#[must_use]
pub fn resident_bytes(pid: i32) -> Option<u64> {
    Some(parent_and_pages(pid)?.1 * page_size())
}

fn page_size() -> u64 {
    let size = nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE)
        .ok()
        .flatten();
    size.and_then(|size| u64::try_from(size).ok())
        .unwrap_or(4096)
}

fn this() -> i32 {
    Pid::this().as_raw()
}

/// Takes the exits of all children that ended; tells how `main` ended when it is among them.
pub(super) fn reap(main: i32) -> Option<i32> {
    let mut code = None;
    loop {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::Exited(pid, status)) if pid.as_raw() == main => code = Some(status),
            Ok(WaitStatus::Signaled(pid, signal, _)) if pid.as_raw() == main => {
                code = Some(128 + signal as i32);
            }
            Ok(WaitStatus::StillAlive) | Err(Errno::ECHILD) => return code,
            Ok(_) | Err(Errno::EINTR) => {}
            Err(_) => return code,
        }
    }
}

/// Ends all descendants of this process. Returns how `main` ended, when that is seen here.
pub(super) fn end_all(main: i32, uid: Option<u32>) -> Option<i32> {
    let mut code = None;
    for round in 0..ROUNDS {
        let found = descendants(this());
        if found.is_empty() {
            break;
        }
        for (pid, _) in found {
            // It may have gone by itself.
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
        if round >= PATIENCE
            && let Some(uid) = uid
        {
            // They fork faster than we look; the kernel ends all of a user at once.
            kill_everything(uid);
        }
        code = reap(main).or(code);
        if round > 0 {
            thread::sleep(PAUSE);
        }
    }
    reap(main).or(code)
}

/// Ends every process of a user, at once. Needs root; the user is a pod's own.
pub fn kill_everything(uid: u32) {
    let mut command = Command::new(OWN_PROGRAM);
    command
        .args(["pod-kill", &uid.to_string()])
        .current_dir("/")
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    // Where it cannot be started the caller's own rounds must do, and whoever gives the id away looks again.
    let Ok(mut helper) = command.spawn() else {
        return;
    };
    let until = Instant::now() + HELPER_DEADLINE;
    while matches!(helper.try_wait(), Ok(None)) {
        if Instant::now() > until {
            // The user's processes may stop it, as it is one of theirs for a moment; it cannot be kept from being killed.
            let _ = helper.kill();
            let _ = helper.wait();
            return;
        }
        thread::sleep(LOOK_AT_HELPER);
    }
}

/// The helper of [`kill_everything`]: becames the user, and ends all but itself. It changes late, so that the user's processes
/// have no time to do anything to it, and their number is no reason not to start it.
#[must_use]
pub fn kill_all_of(uid: u32) -> u8 {
    if uid == 0 {
        return 1;
    }
    let gid = Gid::from_raw(uid);
    let uid = Uid::from_raw(uid);
    let became = setgroups(&[])
        .and_then(|()| setresgid(gid, gid, gid))
        .and_then(|()| setresuid(uid, uid, uid));
    if became.is_err() {
        return 1;
    }
    u8::from(!matches!(
        kill(Pid::from_raw(-1), Signal::SIGKILL),
        Ok(()) | Err(Errno::ESRCH)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn children_of_children_are_descendants() {
        let mut shell = Command::new("sh")
            .args(["-c", "sleep 60 & sleep 60; true"])
            .spawn()
            .unwrap();
        let root = i32::try_from(shell.id()).unwrap();
        while descendants(root).len() < 2 {
            thread::yield_now();
        }
        assert!(descendants(this()).iter().any(|(pid, _)| *pid == root));
        assert!(resident_bytes(root).unwrap() > 0);
        for (pid, _) in descendants(root) {
            kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
        }
        let _ = shell.kill();
        shell.wait().unwrap();
    }
}
