//! Connections to the leader.

use std::sync::Arc;
use std::time::Duration;

use common::trust::{MASTERS, Peer};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::body::Body;

/// Longest time a connection may take to stand.
const CONNECT: Duration = Duration::from_secs(3);
/// The kernel asks so often for a sign of life of the leader's machine while nothing is said.
const PROBE: Duration = Duration::from_secs(3);
/// A machine that acknowledges nothing for so long is gone.
const GONE: Duration = Duration::from_secs(8);

pub(super) type Sender = http1::SendRequest<Body>;

/// There is no connection to the leader.
#[derive(Debug, thiserror::Error)]
pub(super) enum LineError {
    /// Its address is not one.
    #[error("the leader's address {0:?} is not https://HOST:PORT")]
    Address(String),
    /// It cannot be reached.
    #[error("connect to the leader")]
    Connect(#[source] std::io::Error),
    /// Somebody else answers.
    #[error("what answers at the leader's address is no master")]
    Stranger,
    /// It does not speak HTTP.
    #[error("begin HTTP with the leader")]
    Http(#[from] hyper::Error),
    /// It took too long.
    #[error("the leader does not answer")]
    Deadline,
}

/// Lets the kernel notice when nothing comes from the leader's machine any more, also while an answer is waited for.
fn watch(stream: &TcpStream) -> std::io::Result<()> {
    let socket = SockRef::from(stream);
    let probes = TcpKeepalive::new().with_time(PROBE).with_interval(PROBE);
    socket.set_tcp_keepalive(&probes)?;
    socket.set_tcp_user_timeout(Some(GONE))
}

/// A new connection to the master at a URL.
pub(super) async fn connect(url: &str, tls: &Arc<ClientConfig>) -> Result<Sender, LineError> {
    tokio::time::timeout(CONNECT, open(url, tls))
        .await
        .unwrap_or(Err(LineError::Deadline))
}

async fn open(url: &str, tls: &Arc<ClientConfig>) -> Result<Sender, LineError> {
    let no_address = || LineError::Address(url.to_owned());
    let uri: http::Uri = url.parse().map_err(|_| no_address())?;
    let (Some(host), Some(port)) = (uri.host(), uri.port_u16()) else {
        return Err(no_address());
    };
    let host = host.trim_matches(['[', ']']);
    let name = ServerName::try_from(host.to_owned()).map_err(|_| no_address())?;
    let stream = TcpStream::connect((host, port)).await;
    let stream = stream.map_err(LineError::Connect)?;
    stream.set_nodelay(true).map_err(LineError::Connect)?;
    watch(&stream).map_err(LineError::Connect)?;
    let stream = TlsConnector::from(Arc::clone(tls)).connect(name, stream);
    let stream = stream.await.map_err(LineError::Connect)?;
    // A node's certificate is of the same authority, and may be good for the same host.
    let shown = stream.get_ref().1.peer_certificates();
    let peer = shown.and_then(|chain| Peer::from_der(chain.first()?).ok());
    if !peer.is_some_and(|peer| peer.is_in(MASTERS)) {
        return Err(LineError::Stranger);
    }
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // Ends when the sender is dropped or the leader closes; errors reach the caller through the sender.
    actix_web::rt::spawn(async move {
        let _ = connection.await;
    });
    Ok(sender)
}
