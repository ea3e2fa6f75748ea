use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use common::pod_protocol::SOCKET_NAME;
use lane::PodSocket;

use super::NodeLink;

/// Longest time a connection to a socket may take to stand.
const CONNECT_DEADLINE: Duration = Duration::from_secs(5);

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
    /// The system does not say what comes out of the socket.
    #[error("watch the pod's socket")]
    Watch(#[source] std::io::Error),
    /// The other side does not speak HTTP.
    #[error("begin HTTP with the pod")]
    Http(#[from] hyper::Error),
    /// The node has no such pod.
    #[error("the node has no such pod any more")]
    Gone,
    /// It took too long.
    #[error("connect to the pod's socket: no answer within {} s", CONNECT_DEADLINE.as_secs())]
    Deadline,
}

/// Opens a pod's socket on this machine.
pub(super) async fn open(
    directory: &Path,
    owners: &[RangeInclusive<u32>],
) -> Result<PodSocket, ConnectError> {
    let opened = common::socket::connect(directory, SOCKET_NAME, owners);
    let opened = tokio::time::timeout(CONNECT_DEADLINE, opened).await;
    let stream = opened.map_err(|_| ConnectError::Deadline)??;
    PodSocket::new(stream).map_err(ConnectError::Watch)
}
