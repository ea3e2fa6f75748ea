use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;

/// Where a pod's server listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Door {
    /// On the platform's socket, which must belong to this user.
    Socket { owner: u32 },
    /// On a port in the pod's own network.
    Port(u16),
}

impl Door {
    pub(super) fn of(port: Option<u16>, user: Option<u32>) -> Self {
        match port {
            Some(port) => Self::Port(port),
            None => Self::Socket {
                owner: user.unwrap_or_else(|| nix::unistd::geteuid().as_raw()),
            },
        }
    }
}

/// How to reach a pod.
#[derive(Clone, Debug)]
pub enum Target {
    /// By the platform's socket.
    Socket {
        /// The directory of the socket.
        run: PathBuf,
        /// Who must own the socket.
        owner: u32,
    },
    /// By a port in the pod's own network.
    Port {
        /// The network.
        network: Arc<OwnedFd>,
        /// The port on its loopback.
        port: u16,
    },
}
