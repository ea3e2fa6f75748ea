//! The data plane: a call to a pod that is there is answered with the pod's node and uid.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use common::trust::{MASTERS, Peer};
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use node_agent::link::Credentials;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::node::Node;

/// Wait after a connection could not be taken: out of descriptors, mostly.
const AGAIN: Duration = Duration::from_millis(100);

/// Serves for as long as it is polled.
pub(crate) async fn serve(
    credentials: Arc<Credentials>,
    listener: TcpListener,
    node: Arc<Node>,
) -> Infallible {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    let (credentials, node) = (Arc::clone(&credentials), Arc::clone(&node));
                    connections.spawn(connection(credentials, stream, node));
                }
                Err(_) => tokio::time::sleep(AGAIN).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn connection(credentials: Arc<Credentials>, stream: TcpStream, node: Arc<Node>) {
    // Where it fails, calls are slower.
    let _ = stream.set_nodelay(true);
    let Ok(stream) = TlsAcceptor::from(credentials.server()).accept(stream).await else {
        return;
    };
    let shown = stream.get_ref().1.peer_certificates();
    let peer = shown.and_then(|chain| chain.first());
    let peer = peer.and_then(|der| Peer::from_der(der).ok());
    if !peer.is_some_and(|peer| peer.is_in(MASTERS)) {
        return;
    }
    let service = service_fn(move |request| answer(request, Arc::clone(&node)));
    // A master that goes away is no trouble of this side.
    let _ = Builder::new(TokioExecutor::new())
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

async fn answer(
    request: Request<Incoming>,
    node: Arc<Node>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let pod = called(request.uri().path()).map(str::to_owned);
    let code = match request.into_body().collect().await {
        Ok(_) => StatusCode::OK,
        Err(_) => StatusCode::BAD_REQUEST,
    };
    let mut response = Response::new(Full::default());
    *response.status_mut() = code;
    let headers = response.headers_mut();
    match pod {
        Some(pod) if node.pods().takes_calls(&pod) => {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            let body = serde_json::json!({ "node": node.name, "pod": pod });
            *response.body_mut() = Full::new(Bytes::from(body.to_string()));
        }
        Some(_) => {
            let gone = HeaderValue::from_static("PodGone");
            headers.insert("x-troupe-proxy-error", gone);
            *response.status_mut() = StatusCode::BAD_GATEWAY;
        }
        None => *response.status_mut() = StatusCode::NOT_FOUND,
    }
    Ok(response)
}

/// The pod that a path calls.
fn called(path: &str) -> Option<&str> {
    let (pod, rest) = path.strip_prefix("/pods/")?.split_once('/')?;
    (rest == "call" || rest.starts_with("call/")).then_some(pod)
}
