//! What integration tests work with: a fake master that speaks the link over real TLS, and the
//! real agent as a process. No test asserts a time; each waits for a condition, with an end.
#![allow(
    unreachable_pub,
    dead_code,
    reason = "each test program uses a part of it"
)]

pub mod agent;
pub mod functions;
pub mod index;
pub mod master;
pub mod node;

use std::time::Duration;

/// Longest wait for anything; only ever reached by a failure.
pub const LONG: Duration = Duration::from_secs(180);

/// Waits until a condition holds.
pub async fn until<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let looked = async {
        loop {
            if let Some(value) = condition() {
                return value;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(LONG, looked)
        .await
        .unwrap_or_else(|_| panic!("waited in vain: {what}"))
}

/// Whether the tests run as root, which isolation needs.
pub fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// Processes whose command line holds a text.
pub fn processes_with(text: &str) -> Vec<i32> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
        else {
            continue;
        };
        let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        if String::from_utf8_lossy(&line).contains(text) {
            found.push(pid);
        }
    }
    found
}
