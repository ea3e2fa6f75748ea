use std::io::{self, ErrorKind};
use std::ops::RangeInclusive;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::{Buf as _, Bytes, BytesMut};
use common::pod_protocol as pod;
use parking_lot::Mutex;
use tokio::io::AsyncWrite as _;
use tokio_util::io::poll_read_buf;

use crate::Answered;
use crate::PodSocket;
use crate::clock::Monotonic;
use crate::encode::encode;
use crate::queue::{Outcome, Piece, Queue};
use crate::ticket::Ticket;

/// Calls on a lane at once, the one that runs included.
const MOST: usize = 16;
/// How long a call waits for its turn behind others; as long as the interpreter lets one thread wait for another.
pub(crate) const BEGIN_WITHIN: Duration = Duration::from_millis(5);
/// Room for one read, in bytes.
const ROOM: usize = 8 << 10;
/// Most bytes that are read at once; several times of what the system keeps for a socket.
const MOST_READ: usize = 4 << 20;

/// A connection on which calls wait for their turn.
pub(crate) struct Lane(Mutex<Inner>);

struct Inner {
    /// `None` when it is closed.
    socket: Option<PodSocket>,
    /// What the socket had no room for.
    outgoing: BytesMut,
    queue: Queue,
    /// A call waited in vain for its turn: none is sent before the one ahead of it has its answer.
    stalled: bool,
    /// A call was given up: it ends with the connection, as soon as nobody else waits on that.
    retired: bool,
}

impl Lane {
    /// Opens one to a pod's socket; `None` when the pod's server knows no turns, or goes by another clock.
    ///
    /// # Errors
    /// When no connection stands, or the pod does not say the time on it.
    pub(crate) async fn open(
        directory: &Path,
        owners: &[RangeInclusive<u32>],
    ) -> io::Result<Option<Arc<Self>>> {
        let stream = common::socket::connect(directory, pod::SOCKET_NAME, owners).await;
        let stream = stream.map_err(io::Error::other)?;
        let lane = Arc::new(Self::on(PodSocket::new(stream)?));
        match lane.has_our_clock().await {
            Some(has) => Ok(has.then_some(lane)),
            None => Err(io::Error::other("the pod does not say what time it is")),
        }
    }

    pub(crate) fn on(socket: PodSocket) -> Self {
        Self(Mutex::new(Inner {
            socket: Some(socket),
            outgoing: BytesMut::new(),
            queue: Queue::default(),
            stalled: false,
            retired: false,
        }))
    }

    /// Sends a call; `None` when nothing was sent because the lane takes none at present.
    pub(crate) fn send(self: &Arc<Self>, request: &http::Request<Bytes>) -> Option<Ticket> {
        let mut inner = self.0.lock();
        if !inner.takes_calls() {
            return None;
        }
        let begin_by = if inner.queue.under_way() == 0 {
            None
        } else {
            Some(Monotonic::now().ok()? + BEGIN_WITHIN)
        };
        if !inner.send(request, begin_by) {
            return None;
        }
        let number = inner.queue.push(request.method() == http::Method::HEAD);
        if !inner.outgoing.is_empty() {
            inner.queue.wake_mover();
        }
        Some(Ticket::new(Arc::clone(self), number, begin_by))
    }

    /// Whether it will take calls some time.
    pub(crate) fn is_open(&self) -> bool {
        let inner = self.0.lock();
        !inner.retired && !inner.queue.is_closing()
    }

    /// Waits for what comes of a call.
    pub(crate) fn poll_outcome(&self, number: u64, cx: &mut Context<'_>) -> Poll<Outcome> {
        let mut inner = self.0.lock();
        loop {
            if let Some(outcome) = inner.queue.take(number) {
                inner.hand_over();
                return Poll::Ready(outcome);
            }
            if !inner.queue.is_mover(number, cx.waker()) {
                return Poll::Pending;
            }
            ready!(inner.poll_moved(cx));
        }
    }

    /// Waits for a piece of a long answer.
    pub(crate) fn poll_piece(&self, cx: &mut Context<'_>) -> Poll<Piece> {
        let mut inner = self.0.lock();
        loop {
            match inner.queue.piece() {
                None => ready!(inner.poll_moved(cx)),
                Some(Piece::End) => {
                    inner.hand_over();
                    return Poll::Ready(Piece::End);
                }
                Some(piece) => return Poll::Ready(piece),
            }
        }
    }

    /// The time by which a call was to begin is over: whether the pod has not begun it, and never will.
    pub(crate) fn is_too_late(&self, number: u64) -> bool {
        let mut inner = self.0.lock();
        if inner.queue.may_have_begun(number) || !inner.read_now() || !inner.queue.give_up(number) {
            return false;
        }
        inner.stalled = true;
        inner.hand_over();
        true
    }

    /// Nobody waits for a call any more, or for what is left of its answer.
    pub(crate) fn leave(&self, number: u64) {
        let mut inner = self.0.lock();
        inner.retired = true;
        inner.queue.leave(number);
        inner.hand_over();
    }

    /// Whether the pod's server knows turns and goes by our clock; `None` when it does not say, this time.
    async fn has_our_clock(self: &Arc<Self>) -> Option<bool> {
        #[derive(serde::Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Clock {
            monotonic_ns: u64,
        }
        let mut request = http::Request::new(Bytes::new());
        *request.uri_mut() = http::Uri::from_static(pod::CLOCK_PATH);
        let before = Monotonic::now().ok()?;
        let answer = self.send(&request)?.answer().await?;
        let after = Monotonic::now().ok()?;
        let Answered::Whole(head, body) = answer else {
            return None;
        };
        if head.status == http::StatusCode::SERVICE_UNAVAILABLE {
            return None;
        }
        let clock = serde_json::from_slice::<Clock>(&body);
        Some(clock.is_ok_and(|clock| {
            let theirs = Monotonic::new(clock.monotonic_ns);
            before <= theirs && theirs <= after
        }))
    }
}

impl Inner {
    fn takes_calls(&mut self) -> bool {
        if !self.queue.is_awaited() {
            // Its end, or refusals that nobody waits for, may have come while nobody looked.
            let mut unwoken = Context::from_waker(Waker::noop());
            while self.poll_moved(&mut unwoken).is_ready() && !self.queue.is_closing() {}
        }
        let under_way = self.queue.under_way();
        self.stalled &= under_way > 0;
        !self.stalled && !self.retired && !self.queue.is_closing() && under_way < MOST
    }

    /// Whether the request is on its way.
    fn send(&mut self, request: &http::Request<Bytes>, begin_by: Option<Monotonic>) -> bool {
        let is_full = !self.outgoing.is_empty();
        encode(request, begin_by, &mut self.outgoing);
        let Some(socket) = &self.socket else {
            return false;
        };
        if is_full {
            return true;
        }
        match socket.write_now(&self.outgoing) {
            Ok(sent) => self.outgoing.advance(sent),
            Err(error) if is_passing(error.kind()) => {}
            Err(error) => {
                self.fail(&error);
                return false;
            }
        }
        true
    }

    /// Moves bytes, as many as can be without waiting.
    fn poll_moved(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(socket) = &mut self.socket else {
            self.queue.end("the connection is closed");
            return Poll::Ready(());
        };
        while !self.outgoing.is_empty()
            && let Poll::Ready(sent) = Pin::new(&mut *socket).poll_write(cx, &self.outgoing)
        {
            match sent {
                Ok(sent) => self.outgoing.advance(sent),
                Err(error) => {
                    self.fail(&error);
                    return Poll::Ready(());
                }
            }
        }
        let incoming = self.queue.incoming();
        incoming.reserve(ROOM);
        match ready!(poll_read_buf(Pin::new(socket), cx, incoming)) {
            Ok(0) => self.end("the pod closed the connection"),
            Ok(_) => self.queue.advance(),
            Err(error) => self.fail(&error),
        }
        Poll::Ready(())
    }

    /// Reads what the pod has sent until now, which may be in the socket without anybody having been told; `false` when
    /// that has no end.
    fn read_now(&mut self) -> bool {
        let mut room = [0; ROOM];
        for _ in 0..MOST_READ / ROOM {
            // What comes after the last answer matters to its reader only.
            let Some(socket) = self.socket.as_ref().filter(|_| !self.queue.is_closing()) else {
                return true;
            };
            match socket.read_now(&mut room) {
                Ok(0) => self.end("the pod closed the connection"),
                Ok(read) => {
                    self.queue.incoming().extend_from_slice(&room[..read]);
                    self.queue.advance();
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return true,
                Err(error) => self.end(&error.to_string()),
            }
        }
        false
    }

    /// The connection cannot be used, for a reason that may be our own: what the pod has sent tells what it has begun,
    /// and of the rest nobody knows.
    fn fail(&mut self, error: &io::Error) {
        self.read_now();
        self.queue.abort(&error.to_string());
        self.socket = None;
        self.outgoing.clear();
    }

    fn end(&mut self, why: &str) {
        self.queue.end(why);
        self.socket = None;
        self.outgoing.clear();
    }

    /// After a call is over: another one moves the bytes now. When nobody does, a connection of no more use is closed,
    /// by which the pod knows that what it works on is not wanted.
    fn hand_over(&mut self) {
        if self.queue.is_awaited() {
            self.queue.wake_mover();
        } else if self.retired || self.queue.is_closing() {
            self.end("nobody waits any more");
        }
    }
}

fn is_passing(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::WouldBlock | ErrorKind::Interrupted)
}
