//! The bounds within which a task starts. Everything is set on the supervisor before it starts the
//! main process and inherited, so that no code has to run between fork and exec.

use std::fs;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use nix::sys::prctl;
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::SigSet;

use super::{StartError, Task};

const OPEN_FILES: u64 = 8192;
/// Private memory is bounded by this much more than the limit where no cgroup counts: stacks and
/// arenas are reserved but not used.
const SLACK: u64 = 512 << 20;

/// Starts the main process.
pub(super) fn spawn(task: &Task, output: io::PipeWriter) -> Result<Child, StartError> {
    let set = |what: &str| {
        let action = format!("limit {what}");
        move |errno: nix::Error| StartError::io(action, errno)
    };
    prctl::set_child_subreaper(true).map_err(set("orphans"))?;
    prctl::set_no_new_privs().map_err(set("privileges"))?;
    limit(Resource::RLIMIT_CORE, 0).map_err(set("core files"))?;
    limit(Resource::RLIMIT_NOFILE, OPEN_FILES).map_err(set("open files"))?;
    limit(Resource::RLIMIT_FSIZE, task.max_file_bytes).map_err(set("file size"))?;
    if task.uid.is_some() {
        limit(Resource::RLIMIT_NPROC, task.max_tasks).map_err(set("processes"))?;
    }
    if !task.memory_by_cgroup {
        let most = task.memory_bytes.saturating_add(SLACK);
        limit(Resource::RLIMIT_DATA, most).map_err(set("memory"))?;
    }
    let errors = output
        .try_clone()
        .map_err(|error| StartError::io("make log pipe", error))?;
    let mut command = Command::new(&task.program);
    command
        .args(&task.arguments)
        .env_clear()
        .envs(task.environment.iter().map(|(key, value)| (key, value)))
        .current_dir(&task.working_directory)
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(output)
        .stderr(errors);
    if let Some(uid) = task.uid {
        // Also gives up all supplementary groups.
        command.uid(uid).gid(uid);
    }
    let home = own_cgroups();
    for cgroup in &task.cgroups {
        join(cgroup)
            .map_err(|error| StartError::io(format!("join {}", cgroup.display()), error))?;
    }
    let start = || match &task.private {
        Some(private) => private.around(|| command.spawn()),
        None => command.spawn(),
    };
    let child = unmasked(start).map_err(set("signals"))?;
    // The supervisor itself neither counts nor can be ended for what the task uses.
    for cgroup in &home {
        let _ = join(cgroup);
    }
    child.map_err(|error| StartError::io(format!("start {}", task.program.display()), error))
}

/// Starts something with no signal blocked: children inherit the mask, and a main process that never
/// sees SIGTERM cannot drain.
fn unmasked<T>(start: impl FnOnce() -> T) -> nix::Result<T> {
    let blocked = SigSet::thread_get_mask()?;
    SigSet::empty().thread_set_mask()?;
    let started = start();
    blocked.thread_set_mask()?;
    Ok(started)
}

/// Lowers a limit; one that is lower already stays.
fn limit(resource: Resource, most: u64) -> nix::Result<()> {
    let (_, hard) = nix::sys::resource::getrlimit(resource)?;
    setrlimit(resource, most.min(hard), most.min(hard))
}

/// Moves this process.
fn join(cgroup: &Path) -> io::Result<()> {
    fs::write(cgroup.join("cgroup.procs"), "0")
}

/// Where this process is now, in every hierarchy that can be written.
fn own_cgroups() -> Vec<PathBuf> {
    let text = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let lines = text.lines().filter_map(|line| {
        let mut parts = line.splitn(3, ':');
        let (_, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
        let mount = Path::new("/sys/fs/cgroup");
        let mount = if controllers.is_empty() {
            mount.to_owned()
        } else {
            mount.join(controllers)
        };
        Some(mount.join(path.trim_start_matches('/')))
    });
    lines
        .filter(|path| path.join("cgroup.procs").exists())
        .collect()
}

/// Whether the kernel ended a process of these cgroups for using too much memory.
pub(super) fn oom_killed(cgroups: &[PathBuf]) -> bool {
    cgroups.iter().any(|cgroup| {
        ["memory.events", "memory.oom_control"].iter().any(|file| {
            let text = fs::read_to_string(cgroup.join(file)).unwrap_or_default();
            text.lines()
                .filter_map(|line| line.strip_prefix("oom_kill "))
                .any(|count| count.trim() != "0")
        })
    })
}
