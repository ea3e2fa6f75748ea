//! What is said over a pod's socket: HTTP/1.1 with these paths and headers. The other side is
//! `func-base`; its README holds the same table.

/// `GET`: answers 200 once the function is imported, 503 with the reason when the import failed.
/// Takes `?wait=SECONDS`.
pub const READY_PATH: &str = "/_troupe/ready";
/// `GET {CALLS_PATH}{invocation}?wait=MS`: whether a timed-out call's thread has ended.
pub const CALLS_PATH: &str = "/_troupe/calls/";
/// `POST`: gives a server that was started generic its function, once: 202. With `?wait=SECONDS` it answers as
/// [`READY_PATH`] does.
pub const SPECIALIZE_PATH: &str = "/_troupe/specialize";
/// `GET`: `{"monotonicNs"}`, the time by the pod's `CLOCK_MONOTONIC`.
pub const CLOCK_PATH: &str = "/_troupe/clock";
/// Everything the platform itself says on the socket lives beneath this path.
pub const RESERVED_PREFIX: &str = "/_troupe/";

/// Largest head of a call, as [`head_bytes`] counts. What is larger is refused where it comes in: on a connection that
/// calls share it would end the others' calls.
pub const LARGEST_CALL_HEAD: usize = 64 << 10;
/// Largest head of an answer; func-base lets functions have half of it.
pub const LARGEST_ANSWER_HEAD: usize = 128 << 10;
/// Largest head that the connections between master and agent take: the platform's own headers come on top.
pub const LARGEST_CARRIED_HEAD: u32 = 256 << 10;

/// The size of a head in bytes: the target's length, and of each header name, value and 32 bytes more (RFC 9113, 6.5.2).
#[must_use]
pub fn head_bytes<'a>(target: &str, headers: impl Iterator<Item = (&'a str, &'a [u8])>) -> usize {
    headers.fold(target.len(), |sum, (name, value)| {
        sum + name.len() + value.len() + 32
    })
}

/// One id per call, in answers and in log lines.
pub const INVOCATION_ID: &str = "x-invocation-id";
/// Milliseconds the caller still waits.
pub const DEADLINE_MS: &str = "x-troupe-deadline-ms";
/// The time by `CLOCK_MONOTONIC`, in nanoseconds, after which the pod must not begin the call any more: it answers
/// [`OUTCOME_LATE`] then.
pub const BEGIN_BY: &str = "x-troupe-begin-by";
/// [`CALL_HTTP`] or [`CALL_EVENT`].
pub const CALL_KIND: &str = "x-troupe-call";
/// An HTTP request from the gateway.
pub const CALL_HTTP: &str = "http";
/// The plain input of a run's task.
pub const CALL_EVENT: &str = "event";
/// The path below the function's name, as `env.path` shows it.
pub const PATH: &str = "x-troupe-path";
/// How a call ended: see the `OUTCOME_*` values.
pub const OUTCOME: &str = "x-troupe-outcome";
/// Milliseconds the user's code ran.
pub const RUN_MS: &str = "x-troupe-run-ms";
/// `running` on a timeout's answer while the user's thread has not ended.
pub const THREAD: &str = "x-troupe-thread";
/// To a node's agent, with each call: the epoch of the master that sends it. One from the past is refused.
pub const EPOCH: &str = "x-troupe-epoch";
/// Headers with this prefix never pass between clients and functions.
pub const RESERVED_HEADER_PREFIX: &str = "x-troupe-";

/// The function returned.
pub const OUTCOME_OK: &str = "ok";
/// The function raised.
pub const OUTCOME_ERROR: &str = "error";
/// The function ran past its deadline.
pub const OUTCOME_TIMEOUT: &str = "timeout";
/// The call's turn came after [`BEGIN_BY`]: it was not begun.
pub const OUTCOME_LATE: &str = "late";

/// File name of the pod's socket inside its run directory.
pub const SOCKET_NAME: &str = "http.sock";

/// Environment variables that configure the server; it hides them from user code.
pub mod env {
    /// Path of the Unix socket to listen on.
    pub const SOCKET: &str = "TROUPE_SOCKET";
    /// Directory with the user's files.
    pub const FUNCTION_DIR: &str = "TROUPE_FUNCTION_DIR";
    /// Directory with more packages.
    pub const PACKAGES: &str = "TROUPE_PACKAGES";
    /// `module.function`, when not found by itself.
    pub const HANDLER: &str = "TROUPE_HANDLER";
    /// `params`, `env` or `lambda`, when not found by itself.
    pub const STYLE: &str = "TROUPE_STYLE";
    /// Calls at once.
    pub const CONCURRENCY: &str = "TROUPE_CONCURRENCY";
    /// Longest call, in seconds.
    pub const TIMEOUT_SECONDS: &str = "TROUPE_TIMEOUT_SECONDS";
    /// Largest request body, in bytes.
    pub const MAX_BODY_BYTES: &str = "TROUPE_MAX_BODY_BYTES";
    /// Longest drain after SIGTERM, in seconds.
    pub const DRAIN_SECONDS: &str = "TROUPE_DRAIN_SECONDS";
    /// `1`: wait for [`SPECIALIZE_PATH`](super::SPECIALIZE_PATH).
    pub const GENERIC: &str = "TROUPE_GENERIC";
    /// The function's name, for AWS Lambda's context.
    pub const FUNCTION_NAME: &str = "TROUPE_FUNCTION_NAME";
    /// The function's namespace.
    pub const FUNCTION_NAMESPACE: &str = "TROUPE_FUNCTION_NAMESPACE";
    /// The function's revision.
    pub const FUNCTION_VERSION: &str = "TROUPE_FUNCTION_VERSION";
}
