use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use common::pod_protocol::{CALLS_PATH, EPOCH, LARGEST_CARRIED_HEAD, RESERVED_PREFIX};
use common::trust::{MASTERS, Peer};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::call::forward;
use super::connections::Connections;
use super::log::log;
use super::metrics::{CallCounts, metrics};
use super::status::{Body, full, refuse, undeliverable};
use crate::chain::chain;
use crate::link::{Credentials, Standing};
use crate::pods::{Pods, Target};
use crate::pool::Pool;
use crate::runtime::Runtime;

/// Connections at once; a master needs a few.
const MAX_CONNECTIONS: usize = 4096;
const HANDSHAKE: Duration = Duration::from_secs(10);
const TIDY: Duration = Duration::from_secs(30);
/// Calls at once on one connection; all of a master's come over a few.
const MAX_CALLS: u32 = 10_000;
/// A master from which nothing came for so long is asked for a sign of life.
const PING_AFTER: Duration = Duration::from_secs(10);
/// One that gives none within this time has vanished: its calls are cancelled.
const PING_DEADLINE: Duration = Duration::from_secs(10);
/// Bytes of one request that may be under way before its pod has taken them.
const STREAM_WINDOW: u32 = 256 << 10;
/// The same for all requests of a connection: pods that stall must not use up what the others need.
const CONNECTION_WINDOW: u32 = (1 << 31) - 1;

/// What the data plane works with.
pub struct ProxyRoom {
    /// Who this node is and whom it trusts.
    pub credentials: Arc<Credentials>,
    /// Where calls go.
    pub pods: Pods,
    /// Where logs come from.
    pub runtime: Arc<dyn Runtime>,
    /// Kept connections.
    pub connections: Arc<Connections>,
    /// Which master leads.
    pub standing: Arc<Standing>,
    /// Counts calls.
    pub counts: CallCounts,
    /// Counts how pods were started.
    pub pool: Pool,
}

/// Serves until it is told to stop.
pub async fn serve(room: Arc<ProxyRoom>, listener: TcpListener, stop: CancellationToken) {
    let permits = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut tidy = tokio::time::interval(TIDY);
    loop {
        let permit = tokio::select! {
            () = stop.cancelled() => return,
            _ = tidy.tick() => {
                room.connections.retain(|uid| room.pods.directory(uid).is_some());
                continue;
            }
            permit = Arc::clone(&permits).acquire_owned() => permit,
        };
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                let (room, stop) = (Arc::clone(&room), stop.clone());
                tokio::spawn(async move {
                    let _permit = permit;
                    connection(room, stream, stop).await;
                });
            }
            Err(error) => {
                // Out of descriptors, mostly: others must end first.
                tracing::warn!(%error, "accept on the data plane");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn connection(room: Arc<ProxyRoom>, stream: TcpStream, stop: CancellationToken) {
    // Where it fails, calls are slower.
    let _ = stream.set_nodelay(true);
    let acceptor = TlsAcceptor::from(room.credentials.server());
    let stream = match tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return tracing::debug!(%error, "TLS on the data plane"),
        Err(_) => return tracing::debug!("TLS on the data plane: too slow"),
    };
    let peer = stream
        .get_ref()
        .1
        .peer_certificates()
        .and_then(|chain| chain.first());
    let peer = peer.and_then(|der| Peer::from_der(der).ok());
    let allowed = peer.as_ref().is_some_and(|peer| peer.is_in(MASTERS));
    if !allowed {
        let who = peer.map_or_else(String::new, |peer| peer.cn);
        tracing::warn!(who, "data plane: a certificate that is no master's");
    }
    let service = service_fn(move |request| {
        let room = Arc::clone(&room);
        async move { Ok::<_, Infallible>(answer(&room, allowed, request).await) }
    });
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(PING_AFTER)
        .keep_alive_timeout(PING_DEADLINE)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_header_list_size(LARGEST_CARRIED_HEAD)
        .max_concurrent_streams(MAX_CALLS)
        .max_pending_accept_reset_streams(MAX_CALLS as usize);
    let serving = builder.serve_connection(TokioIo::new(stream), service);
    tokio::pin!(serving);
    let served = tokio::select! {
        served = serving.as_mut() => served,
        () = stop.cancelled() => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = served {
        tracing::debug!(error = chain(error.as_ref()), "data plane connection");
    }
}

async fn answer(room: &ProxyRoom, allowed: bool, request: Request<Incoming>) -> Response<Body> {
    if !allowed {
        let text = "only masters may speak to a node's data plane";
        return refuse(StatusCode::FORBIDDEN, "Forbidden", text);
    }
    let uri = request.uri().clone();
    let path = uri.path();
    if path == "/healthz" {
        return Response::new(full("ok"));
    }
    if path == "/metrics" {
        return metrics(&room.counts, &room.pods, &room.pool);
    }
    let rest = path
        .strip_prefix("/pods/")
        .and_then(|rest| rest.split_once('/'));
    match rest {
        Some((uid, "log")) if request.method() == Method::GET => {
            log(room, uid, uri.query().unwrap_or_default()).await
        }
        Some((uid, rest)) if rest == "call" || rest.starts_with("call/") => {
            if is_from_the_past(room, request.headers()) {
                let text = "another master leads: this node takes no calls from the one before it";
                return undeliverable("PodGone", text);
            }
            let Some(target) = room.pods.target(uid) else {
                let text = "this node has no such pod, or it takes no calls";
                return undeliverable("PodGone", text);
            };
            let path = &rest["call".len()..];
            let path = if path.is_empty() { "/" } else { path };
            let full = match uri.query() {
                Some(query) => format!("{path}?{query}"),
                None => path.to_owned(),
            };
            if matches!(target, Target::Port { .. }) && path.starts_with(RESERVED_PREFIX) {
                return for_any(path);
            }
            forward(room, uid, &target, &full, request).await
        }
        _ => refuse(StatusCode::NOT_FOUND, "NotFound", "there is no such path"),
    }
}

/// Whether a master sent it that led before the last one that this agent heard of, by its link or by a call: it was paused,
/// and does not know yet.
fn is_from_the_past(room: &ProxyRoom, headers: &HeaderMap) -> bool {
    let epoch = headers.get(EPOCH).and_then(|epoch| epoch.to_str().ok());
    let epoch = epoch.and_then(|epoch| epoch.parse::<u64>().ok());
    // Without one it is an older release's.
    epoch.is_some_and(|epoch| !room.standing.follow(epoch))
}

/// What the platform asks a pod, answered for a server that knows nothing of it: it is cancelled by
/// the end of its connection, and has no thread that anybody could ask about.
fn for_any(path: &str) -> Response<Body> {
    if path.starts_with(CALLS_PATH) {
        return Response::new(full("{\"ended\":true}"));
    }
    let text = "the pod is an image of its own and does not answer this";
    refuse(StatusCode::NOT_FOUND, "NotFound", text)
}
