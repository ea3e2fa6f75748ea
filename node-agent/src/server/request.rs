use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::AbortHandle;

const MAX_ANSWER: usize = 1 << 20;

/// There was no answer.
pub type Problem = Box<dyn std::error::Error + Send + Sync>;

/// A connection to the server; dropping it closes it.
#[derive(Debug)]
pub struct Talk {
    sender: SendRequest<Full<Bytes>>,
    driver: AbortHandle,
}

impl Drop for Talk {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Talk {
    pub(super) async fn begin<S>(stream: S) -> Result<Self, Problem>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        let driver = tokio::spawn(connection).abort_handle();
        Ok(Self { sender, driver })
    }

    /// One request after the other. The caller bounds the time.
    pub(super) async fn request(
        &mut self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<(StatusCode, Bytes), Problem> {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "pod")
            .body(Full::new(body))?;
        self.sender.ready().await?;
        let answer = self.sender.send_request(request).await?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), MAX_ANSWER)
            .collect()
            .await?
            .to_bytes();
        Ok((status, body))
    }
}

/// One request over a connection of its own. The caller bounds the time.
pub(super) async fn request<S>(
    stream: S,
    method: Method,
    path: &str,
    body: Bytes,
) -> Result<(StatusCode, Bytes), Problem>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    Talk::begin(stream).await?.request(method, path, body).await
}
