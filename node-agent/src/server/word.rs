//! The word that turns a generic pod into one of a function.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use common::pod_protocol::SPECIALIZE_PATH;
use http::{Method, StatusCode};
use serde::Serialize;
use tokio::net::UnixStream;

use super::ready::{Readiness, read_body};
use super::request::{Problem, request};

#[derive(Serialize)]
struct Word<'a> {
    env: BTreeMap<&'a str, &'a str>,
}

/// Gives a waiting server its function: the environment that a plain start would have had. Once only. Waits so long
/// for the import, and says how it stands then.
///
/// # Errors
/// When it does not take it.
pub async fn tell(
    stream: UnixStream,
    environment: &[(String, String)],
    wait: Duration,
) -> Result<Readiness, Problem> {
    let env = environment
        .iter()
        .map(|(key, value)| (key.as_str(), value.as_str()))
        .collect();
    let body = Bytes::from(serde_json::to_vec(&Word { env })?);
    let path = format!("{SPECIALIZE_PATH}?wait={}", wait.as_secs_f64());
    let (status, answer) = request(stream, Method::POST, &path, body).await?;
    match status {
        StatusCode::OK | StatusCode::SERVICE_UNAVAILABLE => read_body(&answer),
        // A function base from before it could wait.
        StatusCode::ACCEPTED => Ok(Readiness::Importing),
        status => {
            // What it was told may be secret, what it says to that is not.
            let said: String = String::from_utf8_lossy(&answer).chars().take(200).collect();
            Err(format!("it answers {status}: {said}").into())
        }
    }
}

/// Whether what an environment says only counts when a process begins, so that a server that runs
/// already cannot take it: the loader, the C library, the locale.
#[must_use]
pub fn needs_a_fresh_process(environment: &[(String, String)]) -> bool {
    environment.iter().any(|(key, _)| {
        ["LD_", "LC_", "LANG", "GLIBC_", "MALLOC_"]
            .iter()
            .any(|prefix| key.starts_with(prefix))
    })
}
