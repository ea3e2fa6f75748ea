use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use common::digest::Digest;
use http::header::{
    ACCEPT, ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, HeaderName, HeaderValue,
    RANGE,
};
use http::{Method, Request, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1::Builder;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::grants::Grants;
use super::path::{self, Kind, Place};
use crate::chain::chain;
use crate::link::MasterBlobs;

type Body = UnsyncBoxBody<Bytes, Box<dyn std::error::Error + Send + Sync>>;

/// Connections at once; an engine opens a few.
const MAX_CONNECTIONS: usize = 64;
/// Longest wait for a request's head.
const HEAD: Duration = Duration::from_secs(10);
/// Longest wait for a manifest.
const MANIFEST: Duration = Duration::from_secs(60);
const MAX_MANIFEST: usize = 4 << 20;
/// Manifests that are read to find out about one digest.
const MAX_READS: usize = 16;
const MANIFESTS: [&str; 4] = [
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.docker.distribution.manifest.v2+json",
];
const DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");
const VERSION: HeaderName = HeaderName::from_static("docker-distribution-api-version");
/// What is told the master, and what is told the engine.
const ASKED: [HeaderName; 2] = [ACCEPT, RANGE];
const ANSWERED: [HeaderName; 5] = [
    CONTENT_TYPE,
    CONTENT_LENGTH,
    CONTENT_RANGE,
    ACCEPT_RANGES,
    DIGEST,
];

/// What the registry works with.
pub struct Registry {
    /// What may be read.
    pub grants: Grants,
    /// Where it comes from.
    pub master: Arc<MasterBlobs>,
}

/// Listens on loopback, on the port of last time when it is free: engines know images by where they
/// came from.
///
/// # Errors
/// When there is no port.
pub async fn bind(file: &Path) -> std::io::Result<(TcpListener, SocketAddr)> {
    let last = std::fs::read_to_string(file).ok();
    let last = last.and_then(|text| text.trim().parse::<u16>().ok());
    let mut listener = None;
    if let Some(port) = last {
        listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.ok();
    }
    let listener = match listener {
        Some(listener) => listener,
        None => TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?,
    };
    let address = listener.local_addr()?;
    std::fs::write(file, address.port().to_string())?;
    Ok((listener, address))
}

/// Serves until it is told to stop.
pub async fn serve(registry: Arc<Registry>, listener: TcpListener, stop: CancellationToken) {
    let permits = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "accept on the registry's port");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        // One too many is closed at once; engines try again.
        let Ok(permit) = Arc::clone(&permits).try_acquire_owned() else {
            continue;
        };
        let (registry, stop) = (Arc::clone(&registry), stop.clone());
        tokio::spawn(async move {
            let _permit = permit;
            tokio::select! {
                () = stop.cancelled() => {}
                () = connection(registry, stream) => {}
            }
        });
    }
}

async fn connection(registry: Arc<Registry>, stream: TcpStream) {
    let service = service_fn(move |request| {
        let registry = Arc::clone(&registry);
        async move { Ok::<_, Infallible>(answer(&registry, request).await) }
    });
    let served = Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "registry connection");
    }
}

async fn answer(registry: &Registry, request: Request<Incoming>) -> Response<Body> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return refuse(
            StatusCode::METHOD_NOT_ALLOWED,
            "UNSUPPORTED",
            "this is for reading",
        );
    }
    let answer = match path::read(request.uri().path()) {
        None => refuse(
            StatusCode::NOT_FOUND,
            "UNSUPPORTED",
            "only digests are served",
        ),
        Some(Place::Version) => Response::new(full("{}")),
        Some(Place::Part { kind, name, digest }) if may_read(registry, name, digest).await => {
            forward(registry, kind, name, digest, &request).await
        }
        Some(Place::Part { kind, .. }) => {
            let code = match kind {
                Kind::Manifest => "MANIFEST_UNKNOWN",
                Kind::Blob => "BLOB_UNKNOWN",
            };
            refuse(
                StatusCode::NOT_FOUND,
                code,
                "no pod of this node is made of it",
            )
        }
    };
    with_version(answer)
}

/// Whether a digest is part of what is being pulled; manifests that the engine did not ask for are
/// read for that.
async fn may_read(registry: &Registry, name: &str, digest: Digest) -> bool {
    for _ in 0..MAX_READS {
        if registry.grants.allow(name, digest) {
            return true;
        }
        let Some(unread) = registry.grants.unread(name) else {
            break;
        };
        if let Err(problem) = look_into(registry, name, unread).await {
            tracing::warn!(problem, "look into an image");
            break;
        }
    }
    registry.grants.allow(name, digest)
}

async fn look_into(registry: &Registry, name: &str, digest: Digest) -> Result<(), String> {
    let mut request = Request::get(format!("/v2/{name}/manifests/{digest}"));
    for kind in MANIFESTS {
        request = request.header(ACCEPT, kind);
    }
    let answer = registry.master.ask(request).await;
    let answer = answer.map_err(|error| error.to_string())?;
    if answer.status() != StatusCode::OK {
        let status = answer.status();
        return Err(format!("manifest {digest}: the master says {status}"));
    }
    let read = manifest(registry, name, digest, &Method::GET, answer).await;
    read.map(|_| ())
}

fn with_version(mut answer: Response<Body>) -> Response<Body> {
    let version = HeaderValue::from_static("registry/2.0");
    answer.headers_mut().insert(VERSION, version);
    answer
}

async fn forward(
    registry: &Registry,
    kind: Kind,
    name: &str,
    digest: Digest,
    request: &Request<Incoming>,
) -> Response<Body> {
    let mut wanted = Request::builder()
        .method(request.method())
        .uri(request.uri().path());
    for header in &ASKED {
        for value in request.headers().get_all(header) {
            wanted = wanted.header(header, value);
        }
    }
    let answer = match registry.master.ask(wanted).await {
        Ok(answer) => answer,
        Err(error) => return refuse(StatusCode::BAD_GATEWAY, "UNKNOWN", &error.to_string()),
    };
    let status = answer.status();
    let mut response = Response::builder().status(status);
    for header in &ANSWERED {
        if let Some(value) = answer.headers().get(header) {
            response = response.header(header, value);
        }
    }
    let body = if kind == Kind::Manifest && status == StatusCode::OK {
        match manifest(registry, name, digest, request.method(), answer).await {
            Ok(bytes) => full(bytes),
            Err(problem) => return refuse(StatusCode::BAD_GATEWAY, "UNKNOWN", &problem),
        }
    } else {
        answer.into_body().map_err(Into::into).boxed_unsync()
    };
    response
        .body(body)
        .unwrap_or_else(|error| refuse(StatusCode::BAD_GATEWAY, "UNKNOWN", &error.to_string()))
}

/// Reads a manifest, so that what it names may be read after it.
async fn manifest(
    registry: &Registry,
    name: &str,
    digest: Digest,
    method: &Method,
    answer: Response<Incoming>,
) -> Result<Bytes, String> {
    let body = Limited::new(answer.into_body(), MAX_MANIFEST).collect();
    let body = tokio::time::timeout(MANIFEST, body)
        .await
        .map_err(|_| format!("manifest {digest} does not come"))?
        .map_err(|error| format!("manifest {digest}: {}", chain(error.as_ref())))?
        .to_bytes();
    if method == Method::GET {
        let found = Digest::of(&body);
        if found != digest {
            return Err(format!("manifest {digest} came as {found}"));
        }
        registry.grants.read(name, digest, &body);
    }
    Ok(body)
}

fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into())
        .map_err(|never| match never {})
        .boxed_unsync()
}

/// A refusal in the protocol's own form.
fn refuse(status: StatusCode, code: &str, message: &str) -> Response<Body> {
    let error = serde_json::json!({ "errors": [{ "code": code, "message": message }] });
    let mut response = Response::new(full(error.to_string()));
    *response.status_mut() = status;
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, json);
    response
}
