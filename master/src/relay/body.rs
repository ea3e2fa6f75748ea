use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::web;
use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::{self, LocalBoxStream};
use hyper::body::{Frame, SizeHint};

/// Bodies up to this size are read before they are sent, so that they can be sent again.
const WHOLE: usize = 64 << 10;

/// A request's body.
pub(super) enum Body {
    /// All of it.
    Whole(Option<Bytes>),
    /// As it comes.
    Coming(LocalBoxStream<'static, io::Result<Bytes>>),
}

/// A body before it is sent.
pub(super) enum Received {
    /// It can be sent again.
    Whole(Bytes),
    /// It can be sent once.
    Coming(Body),
}

impl Received {
    /// Reads a body as far as it is small.
    pub(super) async fn read(mut payload: web::Payload) -> io::Result<Self> {
        let mut start = Vec::new();
        while let Some(piece) = payload.next().await {
            start.extend_from_slice(&piece.map_err(io::Error::other)?);
            if start.len() > WHOLE {
                let start = stream::once(std::future::ready(Ok(Bytes::from(start))));
                let rest = payload.map(|piece| piece.map_err(io::Error::other));
                return Ok(Self::Coming(Body::Coming(start.chain(rest).boxed_local())));
            }
        }
        Ok(Self::Whole(start.into()))
    }
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match &mut *self {
            Self::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Coming(pieces) => {
                let piece = std::task::ready!(pieces.as_mut().poll_next(cx));
                Poll::Ready(piece.map(|piece| piece.map(Frame::data)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(bytes) => bytes.as_ref().is_none_or(Bytes::is_empty),
            Self::Coming(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
            }
            Self::Coming(_) => SizeHint::default(),
        }
    }
}
