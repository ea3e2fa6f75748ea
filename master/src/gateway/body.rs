use std::sync::Arc;
use std::time::Duration;

use actix_web::http::header::CONTENT_LENGTH;
use actix_web::{HttpRequest, web};
use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt as _};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Limits;

/// A body cannot be taken.
#[derive(Debug, thiserror::Error)]
pub(super) enum BodyError {
    /// Too many bytes.
    #[error("the request body is larger than {0} bytes")]
    TooLarge(usize),
    /// All that others sent is in memory already.
    #[error("the bodies of all requests under way are as large as they may be together; try again")]
    NoRoom,
    /// Too slow.
    #[error("the request body did not arrive within {} s", .0.as_secs())]
    TooSlow(Duration),
    /// The connection broke.
    #[error("read the request body: {0}")]
    Broken(String),
}

impl BodyError {
    /// HTTP status and the reason for a `Status` answer.
    pub(super) fn status(&self) -> (u16, &'static str) {
        match self {
            Self::TooLarge(_) => (413, "RequestEntityTooLarge"),
            Self::NoRoom => (503, "Busy"),
            Self::TooSlow(_) => (408, "RequestTimeout"),
            Self::Broken(_) => (400, "BadRequest"),
        }
    }
}

/// Room for the bodies of all requests that this master has in hand, in bytes. Cheap to clone.
#[derive(Clone)]
pub struct BodyRoom(Arc<Semaphore>);

impl BodyRoom {
    /// So many bytes.
    #[must_use]
    pub fn new(bytes: u64) -> Self {
        let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
        Self(Arc::new(Semaphore::new(bytes.min(Semaphore::MAX_PERMITS))))
    }
}

/// A body, and its room for as long as this is held.
#[derive(Default)]
pub(super) struct Body {
    pub(super) bytes: Bytes,
    pub(super) room: Option<OwnedSemaphorePermit>,
}

/// Reads a whole body within the limits.
pub(super) async fn read(
    request: &HttpRequest,
    payload: web::Payload,
    limits: &Limits,
    room: &BodyRoom,
) -> Result<Body, BodyError> {
    let announced = request
        .headers()
        .get(CONTENT_LENGTH)
        .and_then(|v| v.to_str().ok());
    let announced = announced.and_then(|text| text.parse::<usize>().ok());
    if announced == Some(0) {
        return Ok(Body::default());
    }
    if announced.is_some_and(|length| length > limits.body_bytes) {
        return Err(BodyError::TooLarge(limits.body_bytes));
    }
    let collected = collect(payload, limits.body_bytes, room);
    tokio::time::timeout(limits.body_time, collected)
        .await
        .unwrap_or(Err(BodyError::TooSlow(limits.body_time)))
}

async fn collect<E: std::fmt::Display>(
    mut payload: impl Stream<Item = Result<Bytes, E>> + Unpin,
    limit: usize,
    room: &BodyRoom,
) -> Result<Body, BodyError> {
    let mut whole = BytesMut::new();
    let mut taken: Option<OwnedSemaphorePermit> = None;
    while let Some(piece) = payload.next().await {
        let piece = piece.map_err(|error| BodyError::Broken(error.to_string()))?;
        if whole.len() + piece.len() > limit {
            return Err(BodyError::TooLarge(limit));
        }
        // Room is for what came: what is only announced takes none from others.
        let size = u32::try_from(piece.len()).unwrap_or(u32::MAX);
        let more = Arc::clone(&room.0).try_acquire_many_owned(size);
        let more = more.map_err(|_| BodyError::NoRoom)?;
        match &mut taken {
            Some(taken) => taken.merge(more),
            None => taken = Some(more),
        }
        whole.extend_from_slice(&piece);
    }
    Ok(Body {
        bytes: whole.freeze(),
        room: taken,
    })
}

#[cfg(test)]
mod tests {
    use futures_util::stream;

    use super::*;

    /// A body of pieces of these sizes.
    fn pieces(sizes: &[usize]) -> impl Stream<Item = Result<Bytes, String>> + Unpin {
        let pieces = sizes.iter().map(|size| Ok(Bytes::from(vec![0; *size])));
        stream::iter(pieces.collect::<Vec<_>>())
    }

    #[tokio::test]
    async fn bodies_take_room_while_they_are_held_and_no_longer() {
        let room = BodyRoom::new(100);
        let first = collect(pieces(&[30, 30]), 80, &room).await.unwrap();
        assert_eq!(first.bytes.len(), 60);
        let second = collect(pieces(&[30, 30]), 80, &room).await;
        assert!(matches!(second, Err(BodyError::NoRoom)));
        let third = collect(pieces(&[40]), 80, &room).await.unwrap();
        drop(first);
        collect(pieces(&[20, 20, 20]), 80, &room).await.unwrap();
        drop(third);
        let all = collect(pieces(&[80]), 80, &room).await.unwrap();
        assert!(matches!(
            collect(pieces(&[50, 50]), 80, &room).await,
            Err(BodyError::NoRoom)
        ));
        drop(all);
        assert!(matches!(
            collect(pieces(&[50, 50]), 80, &room).await,
            Err(BodyError::TooLarge(80))
        ));
        assert_eq!(room.0.available_permits(), 100, "all of it is free again");
    }
}
