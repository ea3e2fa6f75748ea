use bytes::Bytes;
use futures_util::stream::BoxStream;
use futures_util::{StreamExt as _, TryStreamExt as _};
use http_body_util::{BodyStream, Full};

use super::call::UpstreamError;
use super::node::NodeLink;

/// A body as it comes.
pub type ByteStream = BoxStream<'static, std::io::Result<Bytes>>;

/// Asks an agent's data plane and hands on the answer as it comes: its status and its body. Dropping
/// the body ends the request.
///
/// # Errors
/// When the agent cannot be reached or breaks off.
pub async fn stream(
    node: &NodeLink,
    path_and_query: &str,
) -> Result<(http::StatusCode, ByteStream), UpstreamError> {
    let request = http::Request::new(Full::default());
    let (head, body) = node.send(path_and_query, request).await?.into_parts();
    let pieces = BodyStream::new(body)
        .map_err(std::io::Error::other)
        .try_filter_map(|frame| std::future::ready(Ok(frame.into_data().ok())));
    Ok((head.status, pieces.boxed()))
}
