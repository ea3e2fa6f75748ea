use std::io::{self, IoSlice, Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};

/// A pod's socket that is watched for what comes out of it and, only once it was full, for room to write.
///
/// tokio's own would be watched for both from the beginning: whenever the pod reads a request the sender would be
/// woken to hear that there is room again, once more for each call.
pub struct PodSocket {
    readable: AsyncFd<UnixStream>,
    writable: Option<AsyncFd<UnixStream>>,
}

impl PodSocket {
    /// Takes a connected socket over.
    ///
    /// # Errors
    /// When it cannot be watched.
    pub fn new(stream: tokio::net::UnixStream) -> io::Result<Self> {
        let stream = stream.into_std()?;
        Ok(Self {
            readable: watched(stream, Interest::READABLE)?,
            writable: None,
        })
    }

    /// Reads what there is, whether or not the system has said so.
    ///
    /// # Errors
    /// `WouldBlock` when there is nothing.
    pub(crate) fn read_now(&self, room: &mut [u8]) -> io::Result<usize> {
        self.readable.get_ref().read(room)
    }

    /// Writes what there is room for.
    ///
    /// # Errors
    /// `WouldBlock` when there is none.
    pub(crate) fn write_now(&self, bytes: &[u8]) -> io::Result<usize> {
        self.readable.get_ref().write(bytes)
    }

    /// Writes, or waits for room.
    fn poll_written(
        &mut self,
        cx: &mut Context<'_>,
        mut write: impl FnMut(&UnixStream) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        loop {
            match write(self.readable.get_ref()) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                written => return Poll::Ready(written),
            }
            let writable = match &mut self.writable {
                Some(writable) => writable,
                none => {
                    let stream = self.readable.get_ref().try_clone()?;
                    none.insert(watched(stream, Interest::WRITABLE)?)
                }
            };
            ready!(writable.poll_write_ready(cx))?.clear_ready();
        }
    }
}

#[expect(
    deprecated,
    reason = "the other way is unsafe for the sake of types that do not own their descriptor, as this one does"
)]
fn watched(stream: UnixStream, interest: Interest) -> io::Result<AsyncFd<UnixStream>> {
    AsyncFd::with_interest(stream, interest)
}

impl AsyncRead for PodSocket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            let mut ready = ready!(this.readable.poll_read_ready(cx))?;
            let room = buffer.initialize_unfilled();
            let size = room.len();
            let Ok(read) = ready.try_io(|stream| stream.get_ref().read(room)) else {
                continue;
            };
            let read = match read {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                read => read?,
            };
            // It is empty now: to ask again would cost a call of the system that says so.
            if (1..size).contains(&read) {
                ready.clear_ready();
            }
            buffer.advance(read);
            return Poll::Ready(Ok(()));
        }
    }
}

impl AsyncWrite for PodSocket {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.get_mut()
            .poll_written(cx, |mut stream| stream.write(bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.get_mut()
            .poll_written(cx, |mut stream| stream.write_vectored(pieces))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.readable.get_ref().shutdown(Shutdown::Write))
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    #[tokio::test]
    async fn more_than_the_socket_holds_goes_through_while_the_other_side_is_slow() {
        let (ours, mut theirs) = tokio::net::UnixStream::pair().unwrap();
        let mut ours = PodSocket::new(ours).unwrap();
        let sent: Vec<u8> = (0..4_000_000_u32).map(|n| n.to_le_bytes()[0]).collect();
        let expected = sent.clone();
        let echo = tokio::spawn(async move {
            let mut seen = vec![0; expected.len()];
            for piece in seen.chunks_mut(100_000) {
                theirs.read_exact(piece).await.unwrap();
                tokio::task::yield_now().await;
            }
            assert_eq!(seen, expected);
            theirs.write_all(b"all of it").await.unwrap();
        });
        ours.write_all(&sent).await.unwrap();
        assert!(ours.writable.is_some(), "it was full");
        let mut answer = String::new();
        ours.read_to_string(&mut answer).await.unwrap();
        assert_eq!(answer, "all of it");
        echo.await.unwrap();
    }

    #[tokio::test]
    async fn what_comes_in_pieces_and_the_end_are_seen() {
        let (ours, mut theirs) = tokio::net::UnixStream::pair().unwrap();
        let mut ours = PodSocket::new(ours).unwrap();
        let mut buffer = [0; 64];
        for piece in ["a", "bc", "def"] {
            theirs.write_all(piece.as_bytes()).await.unwrap();
            let read = ours.read(&mut buffer).await.unwrap();
            assert_eq!(&buffer[..read], piece.as_bytes());
        }
        drop(theirs);
        assert_eq!(ours.read(&mut buffer).await.unwrap(), 0);
    }
}
