use std::path::Path;
use std::time::Duration;

use common::link::{Exit, PodAssignment};
use common::pod_protocol::env;

/// One command of a build.
#[derive(Clone, Copy, Debug)]
pub struct Step<'a> {
    /// Names the step among all of the node.
    pub id: &'a str,
    /// The build's directory; the command sees it under its path, writable.
    pub build: &'a Path,
    /// Where in it the command starts.
    pub working: &'a Path,
    /// A directory of the step's own, for log and exit.
    pub directory: &'a Path,
    /// Python's arguments. `{server}` and `{build}` stand for the Python server's and the build's
    /// directory as the command sees them.
    pub arguments: &'a [String],
    /// The environment; the same two words stand for the same.
    pub environment: &'a [(String, String)],
    /// The user id it runs as.
    pub user: Option<u32>,
    /// Its memory, in bytes.
    pub memory_bytes: u64,
    /// Largest file it may write, in bytes.
    pub max_file_bytes: u64,
    /// Whether it reaches the network.
    pub network: bool,
    /// After so long it is ended.
    pub timeout: Duration,
}

impl Step<'_> {
    /// Certificates and packages of this machine that its environment names.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        let named = |key: &str| matches!(key, "PIP_CERT" | "SSL_CERT_FILE" | "PIP_FIND_LINKS");
        let files = self.environment.iter();
        let files = files.filter_map(move |(key, value)| named(key).then_some(Path::new(value)));
        files.filter(|path| path.is_absolute() && path.exists())
    }
}

/// How a step ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepEnd {
    /// By itself.
    Exit(Exit),
    /// It was still running.
    TimedOut,
}

/// Which part of a log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogOptions {
    /// Go on with what comes.
    pub follow: bool,
    /// Only so many of the last lines.
    pub tail_lines: Option<u64>,
    /// Only what was printed in the last so many seconds.
    pub since_seconds: Option<u64>,
}

/// Whether users may not set an environment variable.
fn reserved(name: &str) -> bool {
    name.starts_with("TROUPE_") || name.is_empty() || name.contains(['=', '\0'])
}

/// What every pod has in its environment. `home` is a directory it may write.
pub(crate) fn plain_environment(home: &str) -> Vec<(String, String)> {
    [
        ("PATH", "/usr/local/bin:/usr/bin:/bin"),
        ("LANG", "C.UTF-8"),
        ("HOME", home),
        ("TMPDIR", home),
    ]
    .map(|(key, value)| (key.to_owned(), value.to_owned()))
    .to_vec()
}

/// The whole environment of a function's process. `home` is a directory it may write.
pub(crate) fn function_environment(
    pod: &PodAssignment,
    socket: &str,
    function: &str,
    home: &str,
) -> Vec<(String, String)> {
    let mut all = plain_environment(home);
    for (key, value) in &pod.env {
        if !reserved(key) && !value.contains('\0') {
            all.retain(|(other, _)| other != key);
            all.push((key.clone(), value.clone()));
        }
    }
    let drain = pod.grace_seconds.saturating_sub(1).max(1);
    let own = [
        (env::SOCKET, socket.to_owned()),
        (env::FUNCTION_DIR, function.to_owned()),
        (env::HANDLER, pod.handler.clone().unwrap_or_default()),
        (
            env::STYLE,
            pod.style
                .map(|style| style.as_str().to_owned())
                .unwrap_or_default(),
        ),
        (env::CONCURRENCY, pod.concurrency.max(1).to_string()),
        (env::TIMEOUT_SECONDS, pod.timeout_seconds.to_string()),
        (env::MAX_BODY_BYTES, pod.max_body_bytes.max(1).to_string()),
        (env::DRAIN_SECONDS, drain.to_string()),
        (env::FUNCTION_NAME, pod.function.clone()),
        (env::FUNCTION_NAMESPACE, pod.namespace.clone()),
        (env::FUNCTION_VERSION, pod.revision.clone()),
        (
            "TROUPE_MEMORY_MB",
            (pod.memory_bytes >> 20).max(1).to_string(),
        ),
    ];
    all.extend(
        own.into_iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(k, v)| (k.into(), v)),
    );
    all
}
