use std::sync::Arc;
use std::time::Duration;

use common::link::{LINK_PATH, MAX_FRAME_BYTES};
use rustls::ClientConfig;
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, ClientRequestBuilder};

use super::dial::{DialError, Masters};

/// A link's WebSocket.
pub type LinkSocket = WebSocketStream<TlsStream<TcpStream>>;

const UPGRADE: Duration = Duration::from_secs(10);
/// Bytes taken from the connection at once; frames are mostly smaller.
const READ_BYTES: usize = 16 << 10;
const UNAUTHORIZED: u16 = 401;
const REDIRECT: u16 = 307;

/// A master gives no link.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It cannot be reached.
    #[error(transparent)]
    Dial(#[from] DialError),
    /// The connection does not become a link.
    #[error("open link")]
    Upgrade(#[source] Box<tungstenite::Error>),
    /// Another one leads.
    #[error("the master at {0} leads")]
    Elsewhere(String),
    /// The certificate is not taken.
    #[error("the cluster does not know this node (any more)")]
    NotAMember,
    /// It does not answer.
    #[error("the master does not answer")]
    Silence,
}

/// Opens a link to the current master. Nothing is said on it yet.
///
/// # Errors
/// When the master cannot be reached, or gives none.
pub async fn open(masters: &Masters, tls: Arc<ClientConfig>) -> Result<LinkSocket, OpenError> {
    let (host, port) = masters.current();
    let host = if host.contains(':') {
        format!("[{host}]")
    } else {
        host
    };
    let failed = |error| OpenError::Upgrade(Box::new(error));
    let uri = format!("wss://{host}:{port}{LINK_PATH}")
        .parse()
        .map_err(|error: http::uri::InvalidUri| failed(error.into()))?;
    let stream = masters.dial(tls).await?;
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BYTES)
        .max_message_size(Some(MAX_FRAME_BYTES))
        .max_frame_size(Some(MAX_FRAME_BYTES));
    let request = ClientRequestBuilder::new(uri);
    let upgrade = tokio_tungstenite::client_async_with_config(request, stream, Some(config));
    let (socket, _) = tokio::time::timeout(UPGRADE, upgrade)
        .await
        .map_err(|_| OpenError::Silence)?
        .map_err(|error| match error {
            tungstenite::Error::Http(answer) if answer.status() == UNAUTHORIZED => {
                OpenError::NotAMember
            }
            tungstenite::Error::Http(answer) if answer.status() == REDIRECT => {
                let target = answer.headers().get(http::header::LOCATION);
                let target = target.and_then(|target| target.to_str().ok());
                let target = target.unwrap_or_default().trim_end_matches(LINK_PATH);
                OpenError::Elsewhere(target.to_owned())
            }
            error => failed(error),
        })?;
    Ok(socket)
}
