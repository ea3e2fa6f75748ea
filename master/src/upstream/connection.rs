use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::{TrySendError, http1};
use hyper_util::rt::TokioIo;
use lane::PodSocket;

type Request = http::Request<Full<Bytes>>;

/// A connection to a pod's socket. Whoever has a call on it moves its bytes, too: a task of its own for that would
/// cost each call two wake-ups more.
pub(super) struct Connection {
    sender: http1::SendRequest<Full<Bytes>>,
    wire: Wire,
}

/// The half that reads and writes; nothing when it has ended.
struct Wire(Option<Box<http1::Connection<TokioIo<PodSocket>, Full<Bytes>>>>);

impl Connection {
    /// Speaks HTTP/1.1 over this socket.
    ///
    /// # Errors
    /// When the socket fails at once.
    pub(super) async fn begin(socket: PodSocket) -> hyper::Result<Self> {
        let (sender, wire) = http1::handshake(TokioIo::new(socket)).await?;
        let wire = Wire(Some(Box::new(wire)));
        Ok(Self { sender, wire })
    }

    /// Whether the pod has not closed it, as far as is known.
    pub(super) fn is_open(&self) -> bool {
        self.wire.0.is_some() && !self.sender.is_closed()
    }

    /// Waits until it takes a request; `false` when it never will.
    pub(super) async fn is_ready(&mut self) -> bool {
        // What came while nobody looked comes first: most likely its end.
        poll_fn(|cx| {
            self.wire.move_bytes(cx);
            Poll::Ready(())
        })
        .await;
        self.is_open() && self.wire.carry(self.sender.ready()).await.is_ok()
    }

    /// Sends a request and waits for the answer's head.
    ///
    /// # Errors
    /// With the request when no byte of it was sent.
    pub(super) async fn send(
        &mut self,
        request: Request,
    ) -> Result<http::Response<Incoming>, TrySendError<Request>> {
        self.wire.carry(self.sender.try_send_request(request)).await
    }

    /// Moves bytes until `work` is done, which waits for an answer on this connection and nothing else.
    pub(super) async fn carry<T>(&mut self, work: impl Future<Output = T>) -> T {
        self.wire.carry(work).await
    }
}

impl Wire {
    async fn carry<T>(&mut self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        poll_fn(|cx| {
            // Only what the wire moves can bring the work on, and it is asked again after each move: to be woken
            // for it as well would poll the whole call once more for nothing.
            let mut unwoken = Context::from_waker(Waker::noop());
            if let Poll::Ready(done) = work.as_mut().poll(&mut unwoken) {
                return Poll::Ready(done);
            }
            if self.move_bytes(cx) {
                work.as_mut().poll(&mut unwoken)
            } else {
                work.as_mut().poll(cx)
            }
        })
        .await
    }

    /// Reads and writes what can be; whether there may be more later. Errors reach the call through its answer.
    fn move_bytes(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(wire) = &mut self.0 else {
            return false;
        };
        if Pin::new(wire).poll(cx).is_ready() {
            self.0 = None;
        }
        self.0.is_some()
    }
}
