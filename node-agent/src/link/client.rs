//! Plain requests to the master: one connection each, which is rare enough.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use common::digest::{Digest, Digester};
use futures_util::TryStreamExt as _;
use http::{Request, Response, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, Limited, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use tokio::fs::File;
use tokio::io::AsyncWriteExt as _;
use tokio_util::io::ReaderStream;

use super::credentials::Credentials;
use super::dial::Masters;
use crate::chain::chain;
use crate::clock::Chance;
use crate::layers::{BlobError, Blobs};

pub(super) type Body = BoxBody<Bytes, std::io::Error>;

/// Longest wait for the head of an answer.
const ANSWER: Duration = Duration::from_secs(60);
/// Longest pause within a body.
const STALL: Duration = Duration::from_secs(30);
const MAX_TEXT: usize = 1 << 20;
const TRIES: u32 = 4;

/// A request was not answered. The text is for people.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct RequestError(pub(super) String);

pub(super) fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into())
        .map_err(|never| match never {})
        .boxed()
}

/// Sends one request to the current master.
pub(super) async fn send(
    masters: &Masters,
    tls: Arc<ClientConfig>,
    mut request: Request<Body>,
) -> Result<Response<Incoming>, RequestError> {
    let fail = |error: &(dyn std::error::Error + 'static)| RequestError(chain(error));
    let stream = masters.dial(tls).await.map_err(|error| fail(&error))?;
    let (host, port) = masters.current();
    let host = format!("{host}:{port}")
        .parse()
        .map_err(|error| fail(&error))?;
    request.headers_mut().insert(http::header::HOST, host);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|e| fail(&e))?;
    tokio::spawn(connection);
    let answer = tokio::time::timeout(ANSWER, sender.send_request(request)).await;
    let answer = answer.map_err(|_| RequestError("the master does not answer".into()))?;
    answer.map_err(|error| fail(&error))
}

/// The text of an answer, for messages.
pub(super) async fn text(answer: Response<Incoming>) -> String {
    let body = Limited::new(answer.into_body(), MAX_TEXT).collect();
    match tokio::time::timeout(STALL, body).await {
        Ok(Ok(body)) => String::from_utf8_lossy(&body.to_bytes()).into_owned(),
        _ => String::new(),
    }
}

/// The master's content store, as [`Blobs`].
pub struct MasterBlobs {
    masters: Arc<Masters>,
    credentials: Arc<Credentials>,
    chance: Chance,
}

impl MasterBlobs {
    /// Reaches the store with the node's certificate.
    #[must_use]
    pub fn new(masters: Arc<Masters>, credentials: Arc<Credentials>, chance: Chance) -> Self {
        Self {
            masters,
            credentials,
            chance,
        }
    }

    /// Asks the current master for something to be read; its answer as it comes, whatever it says.
    ///
    /// # Errors
    /// When there is no answer.
    pub(crate) async fn ask(
        &self,
        request: http::request::Builder,
    ) -> Result<Response<Incoming>, BlobError> {
        let request = request
            .body(full(Bytes::new()))
            .map_err(|error| BlobError::lasting(error.to_string()))?;
        self.send(request).await
    }

    async fn get_once(&self, digest: Digest, path: &Path, most: u64) -> Result<u64, BlobError> {
        let request = Request::get(format!("/blobs/{digest}"))
            .body(full(Bytes::new()))
            .map_err(|error| BlobError::lasting(error.to_string()))?;
        let answer = self.send(request).await?;
        if answer.status() != StatusCode::OK {
            return Err(refusal("get", digest, answer).await);
        }
        let disk = |error: std::io::Error| BlobError::transient(format!("write blob: {error}"));
        let mut file = File::create(path).await.map_err(disk)?;
        let mut digester = Digester::default();
        let mut size = 0;
        let mut body = answer.into_body();
        while let Some(frame) = tokio::time::timeout(STALL, body.frame())
            .await
            .map_err(|_| BlobError::transient(format!("get blob {digest}: it stopped coming")))?
        {
            let frame = frame.map_err(|error| BlobError::transient(chain(&error)))?;
            let Ok(data) = frame.into_data() else {
                continue;
            };
            size += data.len() as u64;
            if size > most {
                let text = format!("blob {digest} is larger than the {most} bytes it should have");
                return Err(BlobError::lasting(text));
            }
            digester.update(&data);
            file.write_all(&data).await.map_err(disk)?;
        }
        file.flush().await.map_err(disk)?;
        let found = digester.finish();
        if found != digest {
            return Err(BlobError::transient(format!(
                "blob {digest} came as {found}"
            )));
        }
        Ok(size)
    }

    async fn has_once(&self, digest: Digest) -> Result<bool, BlobError> {
        let request = Request::head(format!("/blobs/{digest}"));
        let answer = self.ask(request).await?;
        match answer.status() {
            StatusCode::OK => Ok(true),
            StatusCode::NOT_FOUND => Ok(false),
            _ => Err(refusal("look for", digest, answer).await),
        }
    }

    async fn put_once(&self, digest: Digest, path: &Path) -> Result<(), BlobError> {
        let disk = |error: std::io::Error| BlobError::transient(format!("read blob: {error}"));
        let file = File::open(path).await.map_err(disk)?;
        let length = file.metadata().await.map_err(disk)?.len();
        let frames = ReaderStream::with_capacity(file, 64 << 10).map_ok(Frame::data);
        let request = Request::put(format!("/blobs/{digest}"))
            .header(http::header::CONTENT_LENGTH, length)
            .header(http::header::CONTENT_TYPE, "application/octet-stream")
            .body(BodyExt::boxed(StreamBody::new(frames)))
            .map_err(|error| BlobError::lasting(error.to_string()))?;
        let answer = self.send(request).await?;
        if answer.status().is_success() {
            return Ok(());
        }
        Err(refusal("put", digest, answer).await)
    }

    async fn send(&self, request: Request<Body>) -> Result<Response<Incoming>, BlobError> {
        let sent = send(&self.masters, self.credentials.client(), request).await;
        sent.map_err(|error| BlobError::transient(chain(&error)))
    }

    /// Waits before the next try; false when there was enough of them.
    async fn again(&self, error: &BlobError, attempt: u32) -> bool {
        if !error.transient || attempt >= TRIES {
            return false;
        }
        tracing::debug!(%error, attempt, "blob");
        tokio::time::sleep(
            self.chance
                .jitter(Duration::from_millis(300) * attempt * attempt),
        )
        .await;
        true
    }
}

async fn refusal(what: &str, digest: Digest, answer: Response<Incoming>) -> BlobError {
    let status = answer.status();
    let text = text(answer).await;
    let message = format!(
        "{what} blob {digest}: the master says {status}: {}",
        text.trim()
    );
    // A master that has just begun forbids until it has told this node anew what it works on.
    let busy = status.is_server_error()
        || matches!(
            status,
            StatusCode::TOO_MANY_REQUESTS | StatusCode::FORBIDDEN
        );
    BlobError {
        message,
        transient: busy,
    }
}

#[async_trait]
impl Blobs for MasterBlobs {
    async fn get(&self, digest: Digest, file: &Path, max_bytes: u64) -> Result<u64, BlobError> {
        for attempt in 1.. {
            match self.get_once(digest, file, max_bytes).await {
                Err(error) if self.again(&error, attempt).await => {}
                result => return result,
            }
        }
        Err(BlobError::transient("no try was made"))
    }

    async fn has(&self, digest: Digest) -> Result<bool, BlobError> {
        for attempt in 1.. {
            match self.has_once(digest).await {
                Err(error) if self.again(&error, attempt).await => {}
                result => return result,
            }
        }
        Err(BlobError::transient("no try was made"))
    }

    async fn put(&self, digest: Digest, file: &Path) -> Result<(), BlobError> {
        for attempt in 1.. {
            match self.put_once(digest, file).await {
                Err(error) if self.again(&error, attempt).await => {}
                result => return result,
            }
        }
        Err(BlobError::transient("no try was made"))
    }
}
