use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use common::pod_protocol::SOCKET_NAME;
use http_body_util::Full;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// Longest time a connection may take to stand.
const CONNECT_DEADLINE: Duration = Duration::from_secs(5);

/// A kept connection to a pod.
pub(super) type Connection = http1::SendRequest<Full<Bytes>>;

/// How a pod is reached.
#[derive(Clone)]
pub enum Reach {
    /// Its socket on this machine.
    Local {
        /// The directory the socket stands in.
        directory: PathBuf,
        /// Users a pod's server may run as; the socket must belong to one of them.
        owners: Vec<RangeInclusive<u32>>,
    },
    /// Through its node's agent.
    Node(Arc<NodeLink>),
}

/// The data plane of a node's agent.
pub struct NodeLink {
    /// `host:port`, the newest that is known.
    pub address: ArcSwap<String>,
    /// The name in the agent's certificate.
    pub server_name: ServerName<'static>,
    /// Trust and the master's own certificate.
    pub tls: Arc<rustls::ClientConfig>,
}

/// No connection stands.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The pod's socket cannot be used.
    #[error("connect to the pod's socket")]
    Socket(#[from] common::socket::Error),
    /// The agent cannot be reached.
    #[error("connect to the node at {address}")]
    Node {
        /// The agent's address.
        address: String,
        /// Why.
        source: std::io::Error,
    },
    /// The other side does not speak HTTP.
    #[error("begin HTTP with the pod")]
    Http(#[from] hyper::Error),
    /// The node has no such pod.
    #[error("the node has no such pod any more")]
    Gone,
    /// It took too long.
    #[error("connect to the pod: no answer within {} s", CONNECT_DEADLINE.as_secs())]
    Deadline,
}

pub(super) async fn connect(reach: &Reach) -> Result<Connection, ConnectError> {
    tokio::time::timeout(CONNECT_DEADLINE, open(reach))
        .await
        .unwrap_or(Err(ConnectError::Deadline))
}

async fn open(reach: &Reach) -> Result<Connection, ConnectError> {
    match reach {
        Reach::Local { directory, owners } => {
            let stream = common::socket::connect(directory, SOCKET_NAME, owners).await?;
            begin(stream).await
        }
        Reach::Node(node) => {
            let address = node.address.load_full();
            let fail = |source| ConnectError::Node {
                address: address.to_string(),
                source,
            };
            let stream = TcpStream::connect(address.as_str()).await.map_err(fail)?;
            stream.set_nodelay(true).map_err(fail)?;
            let connector = TlsConnector::from(Arc::clone(&node.tls));
            let stream = connector
                .connect(node.server_name.clone(), stream)
                .await
                .map_err(fail)?;
            begin(stream).await
        }
    }
}

async fn begin<S>(stream: S) -> Result<Connection, ConnectError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // Ends when the sender is dropped or the pod closes; errors reach the caller through the sender.
    tokio::spawn(async move {
        let _ = connection.await;
    });
    Ok(sender)
}
