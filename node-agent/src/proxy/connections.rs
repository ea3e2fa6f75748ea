use std::collections::HashMap;
use std::sync::Arc;

use common::pod_protocol::SOCKET_NAME;
use common::socket;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite};

use super::status::Body;
use crate::chain::chain;
use crate::pods::Target;
use crate::runtime::netns;

/// Idle connections kept per pod.
const KEPT: usize = 32;

/// Kept connections to pods' sockets.
#[derive(Default)]
pub struct Connections {
    idle: Mutex<HashMap<String, Vec<SendRequest<Body>>>>,
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
    /// Sends a request to a pod. The answer's body carries the connection back.
    pub(super) async fn send(
        self: &Arc<Self>,
        uid: &str,
        target: &Target,
        mut request: Request<Body>,
    ) -> Result<(Response<Incoming>, SendRequest<Body>), CallError> {
        // A kept connection may have been closed by the pod meanwhile; then nothing was sent.
        while let Some(mut kept) = self.take(uid) {
            match kept.try_send_request(request).await {
                Ok(response) => return Ok((response, kept)),
                Err(mut error) => match error.take_message() {
                    Some(unsent) => request = unsent,
                    None => return Err(CallError::Died(error.into_error().to_string())),
                },
            }
        }
        let mut sender = connect(target).await?;
        match sender.try_send_request(request).await {
            Ok(response) => Ok((response, sender)),
            Err(mut error) => {
                let unsent = error.take_message().is_some();
                let text = error.into_error().to_string();
                Err(if unsent {
                    CallError::Gone(text)
                } else {
                    CallError::Died(text)
                })
            }
        }
    }

    fn take(&self, uid: &str) -> Option<SendRequest<Body>> {
        let mut idle = self.idle.lock();
        let kept = idle.get_mut(uid)?;
        loop {
            let sender = kept.pop()?;
            if sender.is_ready() {
                return Some(sender);
            }
        }
    }

    /// Keeps a connection whose answer was read to its end.
    pub(super) fn keep(&self, uid: &str, sender: SendRequest<Body>) {
        let mut idle = self.idle.lock();
        let kept = idle.entry(uid.to_owned()).or_default();
        if kept.len() < KEPT && !sender.is_closed() {
            kept.push(sender);
        }
    }

    /// Forgets pods that are not there any more.
    pub fn retain(&self, known: impl Fn(&str) -> bool) {
        self.idle.lock().retain(|uid, kept| {
            kept.retain(|sender| !sender.is_closed());
            known(uid) && !kept.is_empty()
        });
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
