use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

const MAX_ANSWER: usize = 1 << 20;

/// There was no answer.
pub type Problem = Box<dyn std::error::Error + Send + Sync>;

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
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", "pod")
        .body(Full::new(body))?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    // The connection ends when its sender is gone.
    let exchange = async move {
        let answer = sender.send_request(request).await?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), MAX_ANSWER).collect();
        Ok((status, body.await?.to_bytes()))
    };
    let (answer, _) = tokio::join!(exchange, connection);
    answer
}
