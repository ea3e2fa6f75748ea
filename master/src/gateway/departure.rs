//! Clients that go away.
//!
//! actix-web goes on with a handler whose client has closed the connection. A call that nobody waits
//! for should free its slot, so the gateway watches the connection itself.

use std::any::Any;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use actix_tls::accept::rustls_0_23::TlsStream;
use actix_web::HttpRequest;
use actix_web::dev::Extensions;
use tokio::io::Interest;
use tokio::net::TcpStream;

/// Calls that end sooner are not watched.
const WATCH_AFTER: Duration = Duration::from_millis(50);

/// A client's connection: a second handle of its socket, so that watching it cannot meet a number that
/// was given to somebody else.
#[derive(Clone, Debug)]
pub struct Connection(Arc<OwnedFd>);

/// For `HttpServer::on_connect`: lets handlers watch their connection.
pub fn note_connection(io: &dyn Any, extensions: &mut Extensions) {
    let tcp = io.downcast_ref::<TcpStream>().or_else(|| {
        io.downcast_ref::<TlsStream<TcpStream>>()
            .map(|tls| tls.get_ref().0)
    });
    if let Some(handle) = tcp.and_then(|tcp| tcp.as_fd().try_clone_to_owned().ok()) {
        extensions.insert(Connection(Arc::new(handle)));
    }
}

/// Ends when the client has closed its side. Never ends when that cannot be told: for a connection
/// that was not noted, or HTTP/2, whose streams share one.
pub(crate) async fn departure(request: &HttpRequest) {
    tokio::time::sleep(WATCH_AFTER).await;
    let watchable = request.version() < actix_web::http::Version::HTTP_2;
    let connection = request
        .conn_data::<Connection>()
        .filter(|_| watchable)
        .cloned();
    if let Some(connection) = connection
        && let Ok(handle) = connection.0.try_clone()
        && let Ok(watched) = TcpStream::from_std(std::net::TcpStream::from(handle))
    {
        while let Ok(ready) = watched.ready(Interest::READABLE).await {
            if ready.is_read_closed() {
                return;
            }
            // Bytes of a next request, not to be read here: look again when more comes.
            let nothing = || Err::<(), _>(io::Error::from(io::ErrorKind::WouldBlock));
            let _ = watched.try_io(Interest::READABLE, nothing);
        }
    }
    std::future::pending().await
}
