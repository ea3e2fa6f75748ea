use std::ffi::OsStr;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

/// The Python that runs functions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Python {
    /// The interpreter itself, no wrapper.
    pub program: PathBuf,
    /// Such as `3.11.2`.
    pub version: String,
}

/// No Python fits.
#[derive(Debug, thiserror::Error)]
#[error(
    "find Python 3.9 or later that user {user} can run: tried {tried}; install python3, or set process.python"
)]
pub struct PythonError {
    user: String,
    tried: String,
}

const OLDEST: (u32, u32) = (3, 9);
const LOOK: &str = "import sys; print(*sys.version_info[:3], sys.executable)";
const TIMEOUT: Duration = Duration::from_secs(20);

impl Python {
    /// Such as `3.11`: what packages with machine code are built for.
    #[must_use]
    pub fn release(&self) -> String {
        self.version
            .splitn(3, '.')
            .take(2)
            .collect::<Vec<_>>()
            .join(".")
    }

    /// The one that is set, or the first that fits: pods run it, so it must be one that a pod's
    /// user can execute. One in root's home, for instance, is not.
    ///
    /// # Errors
    /// Tells what was tried and what was wrong with it.
    pub async fn find(set: &Path, user: Option<u32>) -> Result<Self, PythonError> {
        let mut tried = Vec::new();
        for candidate in candidates(set) {
            match look(&candidate, user).await {
                Ok(python) => return Ok(python),
                Err(problem) => tried.push(format!("{} ({problem})", candidate.display())),
            }
        }
        let user = user.map_or_else(|| "this".to_owned(), |uid| uid.to_string());
        Err(PythonError {
            user,
            tried: tried.join(", "),
        })
    }
}

fn candidates(set: &Path) -> Vec<PathBuf> {
    if !set.as_os_str().is_empty() {
        return vec![set.to_owned()];
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut all: Vec<PathBuf> = std::env::split_paths(&path)
        .filter(|directory| directory.is_absolute())
        .map(|directory| directory.join("python3"))
        .chain(["/usr/local/bin/python3", "/usr/bin/python3"].map(PathBuf::from))
        .chain(
            (OLDEST.1..=20)
                .rev()
                .map(|minor| format!("/usr/bin/python3.{minor}").into()),
        )
        .filter(|path| path.exists())
        .collect();
    let mut seen = std::collections::HashSet::new();
    all.retain(|path| seen.insert(path.clone()));
    all
}

async fn look(program: &Path, user: Option<u32>) -> Result<Python, String> {
    // The first question goes as ourselves: a wrapper in root's home leads to the real one.
    let (_, real) = ask(program, None).await?;
    let (version, real) = ask(&real, user).await?;
    if (version[0], version[1]) < OLDEST {
        return Err(format!("found {}.{}", version[0], version[1]));
    }
    let version = version.map(|part| part.to_string()).join(".");
    Ok(Python {
        program: real,
        version,
    })
}

async fn ask(program: &Path, user: Option<u32>) -> Result<([u32; 3], PathBuf), String> {
    let mut command = std::process::Command::new(program);
    command
        .args([OsStr::new("-I"), OsStr::new("-c"), OsStr::new(LOOK)])
        .current_dir("/");
    if let Some(uid) = user {
        command.uid(uid).gid(uid).env_clear();
    }
    command.stdin(Stdio::null()).stderr(Stdio::null());
    let mut command = Command::from(command);
    let output = tokio::time::timeout(TIMEOUT, command.kill_on_drop(true).output());
    let output = output.await.map_err(|_| "it does not answer")?;
    let output = output.map_err(|error| error.to_string())?;
    let text = String::from_utf8_lossy(&output.stdout);
    let parts: Vec<&str> = text.trim().splitn(4, ' ').collect();
    let number = |index: usize| parts.get(index).and_then(|part| part.parse().ok());
    match (number(0), number(1), number(2), parts.get(3)) {
        (Some(major), Some(minor), Some(patch), Some(path)) => {
            Ok(([major, minor, patch], PathBuf::from(path)))
        }
        _ => Err(format!("it does not run, {}", output.status)),
    }
}
