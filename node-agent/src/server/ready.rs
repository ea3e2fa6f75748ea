//! Whether the server takes calls.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use common::pod_protocol::{READY_PATH, SOCKET_NAME};
use common::socket;
use http::{Method, StatusCode};
use serde::Deserialize;
use tokio::net::{TcpStream, UnixStream};

use super::request::{Problem, request};

/// Between two looks for the socket, at first and at most.
const FIRST_LOOK: Duration = Duration::from_millis(2);
const LAST_LOOK: Duration = Duration::from_millis(20);
/// How long one question waits for its answer.
const WAIT_SECONDS: u32 = 30;

/// What the server says of itself.
#[derive(Debug, PartialEq)]
pub enum Readiness {
    /// It takes calls.
    Ready {
        /// How long the import took, in milliseconds.
        import_ms: f64,
    },
    /// It never will.
    Failed {
        /// The exception and its stack.
        message: String,
    },
    /// Not yet.
    Importing,
    /// It is a generic pod that was not told its function.
    Waiting,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    #[serde(default)]
    ready: bool,
    #[serde(default)]
    cold_ms: f64,
    error_type: Option<String>,
    #[serde(default)]
    reason: String,
    #[serde(default)]
    error_message: String,
    #[serde(default)]
    stack_trace: Vec<String>,
}

/// Waits until the pod's socket takes connections. The caller bounds the time.
pub async fn connect(run: &Path, owner: u32) -> UnixStream {
    let mut pause = FIRST_LOOK;
    loop {
        match socket::connect(run, SOCKET_NAME, &[owner..=owner]).await {
            Ok(stream) => return stream,
            Err(error @ socket::Error::Refused { .. }) => {
                tracing::warn!(error = crate::chain::chain(&error), "pod's socket");
            }
            Err(socket::Error::Absent { .. }) => {}
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 5 / 4).min(LAST_LOOK);
    }
}

/// Asks once, waiting for the import.
///
/// # Errors
/// When there is no answer, or none of func-base's.
pub async fn ask(stream: UnixStream) -> Result<Readiness, Problem> {
    ask_for(stream, WAIT_SECONDS).await
}

/// Asks once, waiting for nothing.
///
/// # Errors
/// When there is no answer, or none of func-base's.
pub async fn ask_now(stream: UnixStream) -> Result<Readiness, Problem> {
    ask_for(stream, 0).await
}

async fn ask_for(stream: UnixStream, seconds: u32) -> Result<Readiness, Problem> {
    let path = format!("{READY_PATH}?wait={seconds}");
    let (_, body) = request(stream, Method::GET, &path, Bytes::new()).await?;
    read_body(&body)
}

/// What a server says of itself in an answer's body.
pub(super) fn read_body(body: &[u8]) -> Result<Readiness, Problem> {
    Ok(read(&serde_json::from_slice::<Answer>(body)?))
}

/// Asks once a server that knows nothing of this platform: it takes calls when it answers HTTP and
/// does not say that it cannot.
///
/// # Errors
/// When there is no answer.
pub async fn ask_any(stream: TcpStream) -> Result<Readiness, Problem> {
    let (status, _) = request(stream, Method::HEAD, "/", Bytes::new()).await?;
    if status == StatusCode::SERVICE_UNAVAILABLE {
        return Ok(Readiness::Importing);
    }
    Ok(Readiness::Ready { import_ms: 0.0 })
}

fn read(answer: &Answer) -> Readiness {
    match (&answer.error_type, answer.ready) {
        (_, true) => Readiness::Ready {
            import_ms: answer.cold_ms,
        },
        (Some(kind), false) => {
            let stack = answer.stack_trace.concat();
            let message = format!("{kind}: {}\n{stack}", answer.error_message);
            Readiness::Failed {
                message: message.trim_end().chars().take(8192).collect(),
            }
        }
        (None, false) if answer.reason == "waiting" => Readiness::Waiting,
        (None, false) => Readiness::Importing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_of_the_server_are_understood() {
        let parse = |text: &str| read(&serde_json::from_str(text).unwrap());
        let ready = r#"{"ready": true, "handler": "func.main", "pid": 3, "coldMs": 12.5}"#;
        assert_eq!(parse(ready), Readiness::Ready { import_ms: 12.5 });
        assert_eq!(
            parse(r#"{"ready": false, "reason": "importing"}"#),
            Readiness::Importing
        );
        assert_eq!(
            parse(r#"{"ready": false, "reason": "waiting"}"#),
            Readiness::Waiting
        );
        let failed = r#"{"ready": false, "errorType": "ImportError", "errorMessage": "no x", "stackTrace": ["  at\n"]}"#;
        assert_eq!(
            parse(failed),
            Readiness::Failed {
                message: "ImportError: no x\n  at".into()
            }
        );
    }
}
