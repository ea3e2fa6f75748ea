use std::collections::HashMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use common::digest::Digest;
use common::link::{
    BuildOutcome, BuildReport, Frame, Hello, PodAssignment, PodReport, PodState, ToAgent, ToMaster,
    Welcome,
};
use common::trust::{
    Authority, ClientAuth, JoinToken, MASTERS, NODES, Peer, client_config, server_config,
};
use futures_util::{SinkExt as _, StreamExt as _};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use jiff::Timestamp;
use parking_lot::Mutex;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_rustls::{TlsAcceptor, TlsConnector};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;

use super::LONG;

const DAY: Duration = Duration::from_secs(86400);

/// A master that does what tests tell it.
pub struct FakeMaster {
    shared: Arc<Shared>,
    address: SocketAddr,
    inbox: tokio::sync::Mutex<mpsc::UnboundedReceiver<ToMaster>>,
    _directory: tempfile::TempDir,
}

pub struct Shared {
    pub authority: Authority,
    token: JoinToken,
    blobs: Mutex<HashMap<Digest, Bytes>>,
    desired: Mutex<Vec<PodAssignment>>,
    outbox: Mutex<Option<mpsc::UnboundedSender<ToAgent>>>,
    heard: mpsc::UnboundedSender<ToMaster>,
    /// Life of certificates that are given out.
    pub validity: Mutex<Duration>,
    pub joins: AtomicU64,
    pub renewals: AtomicU64,
    pub sessions: AtomicU64,
    /// Whether frames are acknowledged.
    pub acks: AtomicBool,
    pub blob_gets: AtomicU64,
    /// Whether nodes are told of a registry.
    pub registry: AtomicBool,
    /// Parts of images that were asked for, and how many of the first are refused.
    pub part_gets: AtomicU64,
    pub part_refusals: AtomicU64,
}

impl FakeMaster {
    pub async fn start() -> Self {
        common::trust::install_crypto();
        let directory = tempfile::tempdir().unwrap();
        let authority = Authority::load_or_create(directory.path(), Timestamp::now()).unwrap();
        let token = JoinToken::random(authority.ca_digest(), &mut rand::rng());
        let names = ["127.0.0.1".to_owned()];
        let identity = authority.issue_server(&names, Timestamp::now()).unwrap();
        let tls = server_config(&identity, authority.ca_pem(), ClientAuth::Optional).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (heard, inbox) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared {
            authority,
            token,
            blobs: Mutex::default(),
            desired: Mutex::default(),
            outbox: Mutex::default(),
            heard,
            validity: Mutex::new(DAY),
            joins: AtomicU64::new(0),
            renewals: AtomicU64::new(0),
            sessions: AtomicU64::new(0),
            acks: AtomicBool::new(true),
            blob_gets: AtomicU64::new(0),
            registry: AtomicBool::new(false),
            part_gets: AtomicU64::new(0),
            part_refusals: AtomicU64::new(0),
        });
        let acceptor = TlsAcceptor::from(Arc::new(tls));
        tokio::spawn(accept(listener, acceptor, Arc::clone(&shared)));
        let inbox = tokio::sync::Mutex::new(inbox);
        Self {
            shared,
            address,
            inbox,
            _directory: directory,
        }
    }

    pub fn shared(&self) -> &Shared {
        &self.shared
    }

    pub fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    pub fn token(&self) -> String {
        self.shared.token.to_string()
    }

    pub fn store(&self, bytes: impl Into<Bytes>) -> Digest {
        let bytes = bytes.into();
        let digest = Digest::of(&bytes);
        self.shared.blobs.lock().insert(digest, bytes);
        digest
    }

    pub fn blob(&self, digest: Digest) -> Option<Bytes> {
        self.shared.blobs.lock().get(&digest).cloned()
    }

    /// What the next session says first.
    pub fn desire(&self, pods: Vec<PodAssignment>) {
        *self.shared.desired.lock() = pods;
    }

    /// Says something now.
    pub fn say(&self, message: ToAgent) {
        self.shared
            .outbox
            .lock()
            .as_ref()
            .unwrap()
            .send(message)
            .unwrap();
    }

    /// Breaks the link.
    pub fn hang_up(&self) {
        *self.shared.outbox.lock() = None;
    }

    /// Waits for a message that fits.
    pub async fn hear<T>(&self, what: &str, mut fits: impl FnMut(&ToMaster) -> Option<T>) -> T {
        let mut inbox = self.inbox.lock().await;
        let heard = async {
            loop {
                if let Some(value) = fits(&inbox.recv().await.unwrap()) {
                    return value;
                }
            }
        };
        tokio::time::timeout(LONG, heard)
            .await
            .unwrap_or_else(|_| panic!("not heard: {what}"))
    }

    pub async fn hello(&self) -> Hello {
        self.hear("hello", |message| match message {
            ToMaster::Hello(hello) => Some((**hello).clone()),
            _ => None,
        })
        .await
    }

    pub async fn inventory(&self) -> Vec<PodReport> {
        self.hear("inventory", |message| match message {
            ToMaster::Inventory(pods) => Some(pods.clone()),
            _ => None,
        })
        .await
    }

    /// Waits until a pod is in a state.
    pub async fn pod(&self, uid: &str, state: PodState) -> PodReport {
        self.hear(&format!("pod {uid} {state:?}"), |message| {
            let of = |report: &PodReport| report.uid == uid && report.state == state;
            match message {
                ToMaster::Pod(report) if of(report) => Some((**report).clone()),
                ToMaster::Inventory(pods) => pods.iter().find(|pod| of(pod)).cloned(),
                _ => None,
            }
        })
        .await
    }

    /// Waits until a build has ended; returns its log too.
    pub async fn built(&self, id: &str) -> (Vec<String>, BuildOutcome) {
        let mut log = Vec::new();
        let outcome = self
            .hear(&format!("end of build {id}"), |message| match message {
                ToMaster::Build(report) if report.id == id => {
                    let BuildReport {
                        log: lines,
                        outcome,
                        ..
                    } = (**report).clone();
                    log.extend(lines);
                    outcome
                }
                _ => None,
            })
            .await;
        (log, outcome)
    }

    /// A request to an agent's data plane, as a master or as the one who is named.
    pub async fn call(
        &self,
        data_addr: &str,
        org: &str,
        method: Method,
        path: &str,
        body: &str,
    ) -> Result<(StatusCode, Bytes), String> {
        let mut sender = self.connect(data_addr, org).await?;
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "node")
            .body(Full::new(Bytes::from(body.to_owned())))
            .unwrap();
        let answer = tokio::time::timeout(LONG, sender.send_request(request))
            .await
            .unwrap();
        let answer = answer.map_err(|error| error.to_string())?;
        let status = answer.status();
        let body = answer
            .into_body()
            .collect()
            .await
            .map_err(|error| error.to_string())?;
        Ok((status, body.to_bytes()))
    }

    pub async fn connect(
        &self,
        data_addr: &str,
        org: &str,
    ) -> Result<hyper::client::conn::http1::SendRequest<Full<Bytes>>, String> {
        self.connect_to(data_addr, org, "node-1").await
    }

    pub async fn connect_to(
        &self,
        data_addr: &str,
        org: &str,
        node: &str,
    ) -> Result<hyper::client::conn::http1::SendRequest<Full<Bytes>>, String> {
        let authority = &self.shared.authority;
        let identity = authority
            .issue_client("tester", &[org], DAY, Timestamp::now())
            .unwrap();
        let tls = client_config(authority.ca_pem(), Some(&identity)).unwrap();
        let stream = TcpStream::connect(data_addr)
            .await
            .map_err(|error| error.to_string())?;
        let name = rustls_pki_types::ServerName::try_from(node.to_owned()).unwrap();
        let stream = TlsConnector::from(Arc::new(tls))
            .connect(name, stream)
            .await;
        let stream = stream.map_err(|error| error.to_string())?;
        let shaken = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
        let (sender, connection) = shaken.map_err(|error| error.to_string())?;
        tokio::spawn(connection);
        Ok(sender)
    }

    /// Calls a pod's function as the gateway does.
    pub async fn execute(&self, data_addr: &str, uid: &str, body: &str) -> (StatusCode, String) {
        let path = format!("/pods/{uid}/call/");
        let called = self
            .call(data_addr, MASTERS, Method::POST, &path, body)
            .await
            .unwrap();
        (called.0, String::from_utf8_lossy(&called.1).into_owned())
    }

    /// A pod's log.
    pub async fn log(&self, data_addr: &str, uid: &str, query: &str) -> String {
        let path = format!("/pods/{uid}/log?{query}");
        let read = self
            .call(data_addr, MASTERS, Method::GET, &path, "")
            .await
            .unwrap();
        String::from_utf8_lossy(&read.1).into_owned()
    }
}

async fn accept(listener: TcpListener, acceptor: TlsAcceptor, shared: Arc<Shared>) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let (acceptor, shared) = (acceptor.clone(), Arc::clone(&shared));
        tokio::spawn(async move {
            let Ok(stream) = acceptor.accept(stream).await else {
                return;
            };
            let peer = stream
                .get_ref()
                .1
                .peer_certificates()
                .map(|chain| chain[0].clone());
            let peer = peer.map(|der| Peer::from_der(&der).unwrap());
            let service = service_fn(move |request| {
                let (shared, peer) = (Arc::clone(&shared), peer.clone());
                async move { Ok::<_, Infallible>(answer(&shared, peer, request).await) }
            });
            let builder = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
            let _ = builder
                .serve_connection_with_upgrades(TokioIo::new(stream), service)
                .await;
        });
    }
}

fn plain(status: StatusCode, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response
}

async fn answer(
    shared: &Arc<Shared>,
    peer: Option<Peer>,
    request: Request<Incoming>,
) -> Response<Full<Bytes>> {
    let path = request.uri().path().to_owned();
    let node = peer.as_ref().and_then(Peer::node).map(ToOwned::to_owned);
    match (request.method().as_str(), path.as_str()) {
        ("POST", "/join") => {
            let bearer = format!("Bearer {}", shared.token);
            let given = request.headers().get("authorization").cloned();
            if given.is_none_or(|given| given != bearer.as_str()) {
                return plain(StatusCode::UNAUTHORIZED, "bad token");
            }
            shared.joins.fetch_add(1, Ordering::SeqCst);
            sign(shared, None, request).await
        }
        ("POST", "/join/renew") if node.is_some() => {
            shared.renewals.fetch_add(1, Ordering::SeqCst);
            sign(shared, node, request).await
        }
        ("GET", "/link") if node.is_some() => {
            let key = request.headers().get("sec-websocket-key").unwrap().clone();
            tokio::spawn(link(Arc::clone(shared), request));
            let mut response = plain(StatusCode::SWITCHING_PROTOCOLS, "");
            let headers = response.headers_mut();
            headers.insert("connection", "upgrade".parse().unwrap());
            headers.insert("upgrade", "websocket".parse().unwrap());
            let accept = derive_accept_key(key.as_bytes());
            headers.insert("sec-websocket-accept", accept.parse().unwrap());
            response
        }
        ("GET", path) if path.starts_with("/blobs/") && node.is_some() => {
            shared.blob_gets.fetch_add(1, Ordering::SeqCst);
            let digest: Digest = path["/blobs/".len()..].parse().unwrap();
            let found = shared.blobs.lock().get(&digest).cloned();
            found.map_or_else(
                || plain(StatusCode::NOT_FOUND, "no"),
                |b| plain(StatusCode::OK, b),
            )
        }
        ("HEAD", path) if path.starts_with("/blobs/") && node.is_some() => {
            let digest: Digest = path["/blobs/".len()..].parse().unwrap();
            let there = shared.blobs.lock().contains_key(&digest);
            let status = if there {
                StatusCode::OK
            } else {
                StatusCode::NOT_FOUND
            };
            plain(status, "")
        }
        ("GET" | "HEAD", path) if path.starts_with("/v2/") && node.is_some() => part(shared, path),
        ("PUT", path) if path.starts_with("/blobs/") && node.is_some() => {
            let digest: Digest = path["/blobs/".len()..].parse().unwrap();
            let body = request.into_body().collect().await.unwrap().to_bytes();
            if Digest::of(&body) != digest {
                return plain(StatusCode::BAD_REQUEST, "digest");
            }
            shared.blobs.lock().insert(digest, body);
            plain(StatusCode::CREATED, "")
        }
        _ => plain(StatusCode::FORBIDDEN, "forbidden"),
    }
}

/// A manifest or a blob of an image, as a registry serves it.
fn part(shared: &Shared, path: &str) -> Response<Full<Bytes>> {
    let asked = shared.part_gets.fetch_add(1, Ordering::SeqCst);
    if asked < shared.part_refusals.load(Ordering::SeqCst) {
        return plain(StatusCode::SERVICE_UNAVAILABLE, "not now");
    }
    let (_, digest) = path.rsplit_once('/').unwrap();
    let found = shared.blobs.lock().get(&digest.parse().unwrap()).cloned();
    let Some(bytes) = found else {
        let text = r#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}"#;
        return plain(StatusCode::NOT_FOUND, text);
    };
    let kind = if path.contains("/manifests/") {
        let manifest: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        manifest["mediaType"].as_str().unwrap().to_owned()
    } else {
        "application/octet-stream".to_owned()
    };
    let mut response = plain(StatusCode::OK, bytes);
    let headers = response.headers_mut();
    headers.insert("content-type", kind.parse().unwrap());
    headers.insert("docker-content-digest", digest.parse().unwrap());
    response
}

async fn sign(
    shared: &Shared,
    node: Option<String>,
    request: Request<Incoming>,
) -> Response<Full<Bytes>> {
    let body = request.into_body().collect().await.unwrap().to_bytes();
    let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
    let node = node.unwrap_or_else(|| body["node"].as_str().unwrap().to_owned());
    let csr = body["csr"].as_str().unwrap();
    let cn = format!("system:node:{node}");
    let sans = [node, "127.0.0.1".to_owned()];
    let validity = *shared.validity.lock();
    let signed = shared
        .authority
        .sign_csr(csr, &cn, &[NODES], &sans, validity, Timestamp::now())
        .unwrap();
    let answer = serde_json::json!({ "certificate": signed, "ca": shared.authority.ca_pem() });
    plain(StatusCode::OK, answer.to_string())
}

async fn link(shared: Arc<Shared>, request: Request<Incoming>) {
    let upgraded = hyper::upgrade::on(request).await.unwrap();
    let mut socket =
        WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, None).await;
    let (outbox, mut queue) = mpsc::unbounded_channel();
    let epoch = shared.sessions.fetch_add(1, Ordering::SeqCst) + 1;
    let welcome = Welcome {
        version: "test".into(),
        epoch: 1,
        registry: shared.registry.load(Ordering::SeqCst),
    };
    outbox.send(ToAgent::Welcome(welcome)).unwrap();
    outbox
        .send(ToAgent::Desired(shared.desired.lock().clone()))
        .unwrap();
    *shared.outbox.lock() = Some(outbox);
    let (mut sent, mut received) = (0, 0);
    loop {
        tokio::select! {
            message = socket.next() => {
                let Some(Ok(Message::Text(text))) = message else { return };
                let frame = Frame::<ToMaster>::decode(&text).unwrap();
                if frame.body == ToMaster::Ack {
                    continue;
                }
                received += 1;
                assert_eq!(frame.seq, received, "session {epoch}");
                let leaves = frame.body == ToMaster::Leaving;
                let acks = shared.acks.load(Ordering::SeqCst);
                shared.heard.send(frame.body).unwrap();
                if leaves {
                    // Nothing takes their place here.
                    sent += 1;
                    let none = Frame::new(sent, received, ToAgent::Desired(Vec::new()));
                    socket.send(Message::text(none.encode().unwrap())).await.unwrap();
                }
                if acks {
                    let ack = Frame::new(sent, received, ToAgent::Ack).encode().unwrap();
                    socket.send(Message::text(ack)).await.unwrap();
                }
            }
            message = queue.recv() => {
                let Some(message) = message else { return };
                sent += 1;
                let acked = if shared.acks.load(Ordering::SeqCst) { received } else { 0 };
                let frame = Frame::new(sent, acked, message).encode().unwrap();
                socket.send(Message::text(frame)).await.unwrap();
            }
        }
    }
}
