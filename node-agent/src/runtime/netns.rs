//! Reaching into a pod's own network, where its server listens and nobody else gets.

use std::fs::File;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpStream as StdStream};
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use nix::sched::{CloneFlags, setns};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

use super::RuntimeError;

/// Threads that connect at once; each lives for one connection.
static TURNS: Semaphore = Semaphore::const_new(64);
const CONNECT: Duration = Duration::from_secs(3);

/// The network of a process.
pub(super) fn open(pid: i32) -> Result<OwnedFd, RuntimeError> {
    let path = format!("/proc/{pid}/ns/net");
    match File::open(&path) {
        Ok(file) => Ok(file.into()),
        Err(error) => Err(RuntimeError::io(format!("open {path}"), error)),
    }
}

/// A connection to a port on loopback in a pod's network. Needs the right to enter it: root.
///
/// # Errors
/// When nobody listens there, or the network cannot be entered.
pub async fn connect(network: Arc<OwnedFd>, port: u16) -> io::Result<TcpStream> {
    let _turn = TURNS.acquire().await.map_err(io::Error::other)?;
    let (tell, told) = tokio::sync::oneshot::channel();
    // A thread of its own: it never comes back from where it goes.
    let thread = std::thread::Builder::new().name("pod-network".to_owned());
    thread.spawn(move || {
        // Who asked may be gone.
        let _ = tell.send(connect_there(&network, port));
    })?;
    let stream = told.await.map_err(io::Error::other)??;
    TcpStream::from_std(stream)
}

fn connect_there(network: &OwnedFd, port: u16) -> io::Result<StdStream> {
    setns(network.as_fd(), CloneFlags::CLONE_NEWNET)?;
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let stream = StdStream::connect_timeout(&address, CONNECT)?;
    stream.set_nodelay(true)?;
    stream.set_nonblocking(true)?;
    Ok(stream)
}
