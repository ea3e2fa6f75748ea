use bytes::Bytes;
use common::digest::{Digest, Digester};
use futures_util::{Stream, StreamExt as _};

use super::BlobError;

struct State<S> {
    wanted: Digest,
    pieces: S,
    digester: Digester,
    held: Option<Bytes>,
    ended: bool,
}

/// The same pieces, but the last one comes only when all of them have the digest; else an error.
pub(super) fn verified(
    wanted: Digest,
    pieces: impl Stream<Item = Result<Bytes, BlobError>> + Send + Unpin + 'static,
) -> impl Stream<Item = Result<Bytes, BlobError>> + Send + 'static {
    let state = State {
        wanted,
        pieces,
        digester: Digester::default(),
        held: None,
        ended: false,
    };
    futures_util::stream::try_unfold(state, |mut state| async move {
        while !state.ended {
            let Some(piece) = state.pieces.next().await else {
                state.ended = true;
                let found = std::mem::take(&mut state.digester).finish();
                if found != state.wanted {
                    let wanted = state.wanted;
                    return Err(BlobError::Spoilt { wanted, found });
                }
                return Ok(state.held.take().map(|last| (last, state)));
            };
            let piece = piece?;
            state.digester.update(&piece);
            if let Some(earlier) = state.held.replace(piece) {
                return Ok(Some((earlier, state)));
            }
        }
        Ok(None)
    })
}
