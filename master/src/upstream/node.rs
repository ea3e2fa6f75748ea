use std::io;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use common::pod_protocol::{EPOCH, LARGEST_CARRIED_HEAD};
use http::HeaderValue;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio_rustls::TlsConnector;

use super::shard::{SHARDS, shard};
use super::{ConnectError, UpstreamError};

/// Longest time a connection may take to stand.
const CONNECT_DEADLINE: Duration = Duration::from_secs(5);
/// An agent from which nothing came for so long is asked for a sign of life.
const PING_AFTER: Duration = Duration::from_secs(2);
/// An agent that gives none within this time has vanished, and all calls on the connection with it.
const PING_DEADLINE: Duration = Duration::from_secs(4);
/// How long an agent may take to say that it is there.
const HEALTH_DEADLINE: Duration = Duration::from_secs(2);
/// Bytes of one answer that may be under way before its reader has taken them.
const STREAM_WINDOW: u32 = 256 << 10;
/// The same for all answers of a connection. As large as the protocol allows: readers that stall must not use up
/// what the others need.
const CONNECTION_WINDOW: u32 = (1 << 31) - 1;
/// Sends of one request, each because its connection was found closed before a byte of it was sent.
const MOST_SENDS: u32 = 3;

type Sender = http2::SendRequest<Full<Bytes>>;

/// The data plane of a node's agent: a few kept connections over mutual TLS with HTTP/2, which all calls to pods of
/// the node share.
pub struct NodeLink {
    address: ArcSwap<String>,
    server_name: ServerName<'static>,
    tls: Arc<rustls::ClientConfig>,
    epoch: HeaderValue,
    kept: [Mutex<Option<Kept>>; SHARDS],
}

#[derive(Clone)]
struct Kept {
    address: Arc<String>,
    sender: Sender,
}

impl NodeLink {
    /// A node at `host:port`, whose agent has this name in its certificate. `tls` offers HTTP/2. `epoch` is that of this
    /// master's lead, by which an agent that follows a later one refuses its calls.
    #[must_use]
    pub fn new(
        address: String,
        server_name: ServerName<'static>,
        tls: Arc<rustls::ClientConfig>,
        epoch: u64,
    ) -> Self {
        Self {
            address: ArcSwap::from_pointee(address),
            server_name,
            tls,
            epoch: epoch.into(),
            kept: Default::default(),
        }
    }

    /// The agent is at this `host:port` now.
    pub fn move_to(&self, address: &str) {
        if self.address.load().as_str() != address {
            self.address.store(Arc::new(address.to_owned()));
        }
    }

    /// Sends a request to an absolute path of the agent's, whatever its URI; the answer's body comes later. Dropping
    /// the future, or the body, resets the request's stream, by which the agent knows that nobody waits any more.
    pub(super) async fn send(
        &self,
        path: &str,
        mut request: http::Request<Full<Bytes>>,
    ) -> Result<http::Response<Incoming>, UpstreamError> {
        let uri = http::Uri::builder().scheme("https").authority("node");
        *request.uri_mut() = uri.path_and_query(path).build().unwrap_or_default();
        request.headers_mut().insert(EPOCH, self.epoch.clone());
        let mut sends = 0;
        loop {
            sends += 1;
            let mut sender = self.sender().await?;
            match sender.try_send_request(request).await {
                Ok(response) => return Ok(response),
                Err(mut error) => match error.take_message() {
                    Some(unsent) if sends < MOST_SENDS => request = unsent,
                    Some(_) => return Err(ConnectError::Http(error.into_error()).into()),
                    None => return Err(broken(error.into_error())),
                },
            }
        }
    }

    /// Whether the agent says that it is there.
    pub(super) async fn is_heard_of(&self) -> bool {
        let request = http::Request::new(Full::default());
        let asked = tokio::time::timeout(HEALTH_DEADLINE, self.send("/healthz", request)).await;
        asked.is_ok_and(|answer| answer.is_ok())
    }

    /// The connection of this thread; a new one where there is none.
    async fn sender(&self) -> Result<Sender, ConnectError> {
        let address = self.address.load_full();
        let opened = async {
            let mut kept = self.kept[shard()].lock().await;
            if let Some(kept) = &*kept
                && kept.address == address
                && !kept.sender.is_closed()
            {
                return Ok(kept.sender.clone());
            }
            let sender = self.open(&address).await?;
            *kept = Some(Kept {
                address: Arc::clone(&address),
                sender: sender.clone(),
            });
            Ok(sender)
        };
        // Whoever waits for another's attempt waits no longer than for one of its own.
        let opened = tokio::time::timeout(CONNECT_DEADLINE, opened).await;
        opened.unwrap_or_else(|_| {
            let source = io::Error::from(io::ErrorKind::TimedOut);
            Err(unreachable(&address, source))
        })
    }

    async fn open(&self, address: &str) -> Result<Sender, ConnectError> {
        let fail = |source| unreachable(address, source);
        let stream = TcpStream::connect(address).await.map_err(fail)?;
        stream.set_nodelay(true).map_err(fail)?;
        let connector = TlsConnector::from(Arc::clone(&self.tls));
        let stream = connector.connect(self.server_name.clone(), stream).await;
        let stream = stream.map_err(fail)?;
        let (sender, connection) = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .keep_alive_interval(PING_AFTER)
            .keep_alive_timeout(PING_DEADLINE)
            .keep_alive_while_idle(true)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_header_list_size(LARGEST_CARRIED_HEAD)
            .handshake(TokioIo::new(stream))
            .await?;
        // Ends when the last sender is dropped or the agent closes; errors reach the callers through their requests.
        tokio::spawn(async move {
            let _ = connection.await;
        });
        Ok(sender)
    }
}

fn unreachable(address: &str, source: io::Error) -> ConnectError {
    ConnectError::Node {
        address: address.to_owned(),
        source,
    }
}

/// An agent that ends takes no new request and says so (RFC 9113, 8.7): such a one was not worked on.
fn broken(error: hyper::Error) -> UpstreamError {
    let cause =
        std::error::Error::source(&error).and_then(|cause| cause.downcast_ref::<h2::Error>());
    let refused = cause.is_some_and(|cause| {
        let refused = cause.reason() == Some(h2::Reason::REFUSED_STREAM);
        let going = cause.is_go_away() && cause.reason() == Some(h2::Reason::NO_ERROR);
        cause.is_remote() && (refused || going)
    });
    if refused {
        ConnectError::Http(error).into()
    } else {
        UpstreamError::Broken(error.into())
    }
}
