//! Asking the server inside a pod whether it is ready.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use common::pod_protocol::{READY_PATH, SOCKET_NAME};
use common::socket;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

/// Between two looks for the socket, at first and at most.
const FIRST_LOOK: Duration = Duration::from_millis(2);
const LAST_LOOK: Duration = Duration::from_millis(20);
/// How long one question waits for its answer.
const WAIT_SECONDS: u32 = 30;
const MAX_ANSWER: usize = 1 << 20;

/// What the server says of itself.
#[derive(Debug, PartialEq)]
pub(super) enum Readiness {
    /// It takes calls.
    Ready { import_ms: f64 },
    /// It never will.
    Failed { message: String },
    /// Not yet.
    Importing,
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
    error_message: String,
    #[serde(default)]
    stack_trace: Vec<String>,
}

/// Waits until the pod's socket takes connections. The caller bounds the time.
pub(super) async fn connect(run: &Path, owner: u32) -> UnixStream {
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

type Problem = Box<dyn std::error::Error + Send + Sync>;

/// Asks once, waiting for the import.
pub(super) async fn ask(stream: UnixStream) -> Result<Readiness, Problem> {
    let path = format!("{READY_PATH}?wait={WAIT_SECONDS}");
    let (_, body) = request(stream, Method::GET, &path).await?;
    Ok(read(&serde_json::from_slice::<Answer>(&body)?))
}

/// Asks once a server that knows nothing of this platform: it takes calls when it answers HTTP and
/// does not say that it cannot.
pub(super) async fn ask_any(stream: TcpStream) -> Result<Readiness, Problem> {
    let (status, _) = request(stream, Method::HEAD, "/").await?;
    if status == StatusCode::SERVICE_UNAVAILABLE {
        return Ok(Readiness::Importing);
    }
    Ok(Readiness::Ready { import_ms: 0.0 })
}

async fn request<S>(stream: S, method: Method, path: &str) -> Result<(StatusCode, Bytes), Problem>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let driver = tokio::spawn(connection);
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", "pod")
        .header("connection", "close")
        .body(Empty::<Bytes>::new())?;
    let answer = sender.send_request(request).await?;
    let status = answer.status();
    let body = Limited::new(answer.into_body(), MAX_ANSWER)
        .collect()
        .await?
        .to_bytes();
    driver.abort();
    Ok((status, body))
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
        let failed = r#"{"ready": false, "errorType": "ImportError", "errorMessage": "no x", "stackTrace": ["  at\n"]}"#;
        assert_eq!(
            parse(failed),
            Readiness::Failed {
                message: "ImportError: no x\n  at".into()
            }
        );
    }
}
