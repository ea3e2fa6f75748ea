use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use common::pod_protocol::{RESERVED_PREFIX, SOCKET_NAME};
use common::socket;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use lane::{Answered, LaneSlot, Pace};
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite};

use super::status::Body;
use crate::chain::chain;
use crate::pods::Target;
use crate::runtime::netns;

/// Idle connections kept per pod.
const KEPT: usize = 32;

/// Kept connections to pods.
#[derive(Default)]
pub struct Connections(Mutex<HashMap<String, Arc<Way>>>);

/// Those to one pod.
#[derive(Default)]
pub(super) struct Way {
    idle: Mutex<Vec<SendRequest<Body>>>,
    lane: LaneSlot,
    pace: Pace,
}

/// A call got no answer.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// No byte was sent.
    #[error("the pod is not there: {0}")]
    Gone(String),
    /// It broke in the middle.
    #[error("the pod broke off: {0}")]
    Died(String),
}

impl Connections {
    /// The way to a pod.
    pub(super) fn to(&self, uid: &str) -> Arc<Way> {
        let mut ways = self.0.lock();
        if let Some(way) = ways.get(uid) {
            return Arc::clone(way);
        }
        Arc::clone(ways.entry(uid.to_owned()).or_default())
    }

    /// Forgets pods that are not there any more.
    pub fn retain(&self, known: impl Fn(&str) -> bool) {
        self.0.lock().retain(|uid, way| {
            way.idle.lock().retain(|sender| !sender.is_closed());
            known(uid)
        });
    }
}

impl Way {
    /// Makes a call on a lane, if the pod's calls are short. `None`: it was not made.
    pub(super) async fn call(&self, target: &Target, request: &Request<Bytes>) -> Option<Answered> {
        let Target::Socket { run, owner } = target else {
            return None;
        };
        let owners = [*owner..=*owner];
        self.lane.call(&self.pace, run, &owners, request).await
    }

    /// Sends a request on a connection of its own. The answer's body carries the connection back.
    pub(super) async fn send(
        &self,
        target: &Target,
        mut request: Request<Body>,
    ) -> Result<(Response<Incoming>, SendRequest<Body>), CallError> {
        let control = request.uri().path().starts_with(RESERVED_PREFIX);
        let sent = loop {
            // A kept connection may have been closed by the pod meanwhile; then nothing was sent.
            let (mut sender, kept) = match self.take() {
                Some(sender) => (sender, true),
                None => (connect(target).await?, false),
            };
            match sender.try_send_request(request).await {
                Ok(response) => break (response, sender),
                Err(mut error) => match error.take_message() {
                    Some(unsent) if kept => request = unsent,
                    Some(_) => return Err(CallError::Gone(error.into_error().to_string())),
                    None => return Err(CallError::Died(error.into_error().to_string())),
                },
            }
        };
        if !control {
            self.pace.note(sent.0.headers());
        }
        Ok(sent)
    }

    /// Keeps a connection whose answer was read to its end.
    pub(super) fn keep(&self, sender: SendRequest<Body>) {
        let mut kept = self.idle.lock();
        if kept.len() < KEPT && !sender.is_closed() {
            kept.push(sender);
        }
    }

    fn take(&self) -> Option<SendRequest<Body>> {
        let mut kept = self.idle.lock();
        loop {
            let sender = kept.pop()?;
            if sender.is_ready() {
                return Some(sender);
            }
        }
    }
}

async fn connect(target: &Target) -> Result<SendRequest<Body>, CallError> {
    match target {
        Target::Socket { run, owner } => {
            let stream = socket::connect(run, SOCKET_NAME, &[*owner..=*owner]).await;
            begin(stream.map_err(|error| CallError::Gone(chain(&error)))?).await
        }
        Target::Port { network, port } => {
            let stream = netns::connect(Arc::clone(network), *port).await;
            begin(stream.map_err(|error| CallError::Gone(format!("port {port}: {error}")))?).await
        }
    }
}

async fn begin<S>(stream: S) -> Result<SendRequest<Body>, CallError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let shaken = handshake(TokioIo::new(stream)).await;
    let (sender, connection) = shaken.map_err(|error| CallError::Gone(error.to_string()))?;
    // Ends when the sender is dropped or the pod closes.
    tokio::spawn(connection);
    Ok(sender)
}
