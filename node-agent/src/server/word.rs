//! The word that turns a generic pod into one of a function.

use std::collections::BTreeMap;

use bytes::Bytes;
use common::pod_protocol::SPECIALIZE_PATH;
use http::{Method, StatusCode};
use serde::Serialize;
use tokio::net::UnixStream;

use super::request::{Problem, Talk};

#[derive(Serialize)]
struct Word<'a> {
    env: BTreeMap<&'a str, &'a str>,
}

/// Gives a waiting server its function: the environment that a plain start would have had. Once only;
/// the import has begun when this returns. How it stands can be asked over the same connection.
///
/// # Errors
/// When it does not take it.
pub async fn tell(stream: UnixStream, environment: &[(String, String)]) -> Result<Talk, Problem> {
    let env = environment
        .iter()
        .map(|(key, value)| (key.as_str(), value.as_str()))
        .collect();
    let body = Bytes::from(serde_json::to_vec(&Word { env })?);
    let mut talk = Talk::begin(stream).await?;
    let (status, answer) = talk.request(Method::POST, SPECIALIZE_PATH, body).await?;
    if status == StatusCode::ACCEPTED {
        return Ok(talk);
    }
    // What it was told may be secret, what it says to that is not.
    let said: String = String::from_utf8_lossy(&answer).chars().take(200).collect();
    Err(format!("it answers {status}: {said}").into())
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
