use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::settings::{Settings, SettingsError};

const CONNECT: Duration = Duration::from_secs(10);

/// The masters' addresses. Starts with the one that answered last.
pub struct Masters {
    addresses: Vec<(String, u16)>,
    current: AtomicUsize,
}

/// No connection to a master.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// Nobody answers.
    #[error("connect to master {address}")]
    Connect {
        /// Where.
        address: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Somebody answers, but not the master; or the host's name is in no certificate of it.
    #[error("verify master {address}")]
    Tls {
        /// Where.
        address: String,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl Masters {
    /// As the settings say.
    ///
    /// # Errors
    /// When an address is not one.
    pub fn new(settings: &Settings) -> Result<Self, SettingsError> {
        let addresses = settings
            .master
            .iter()
            .map(|url| crate::settings::master_address(url));
        Ok(Self {
            addresses: addresses.collect::<Result<_, _>>()?,
            current: AtomicUsize::new(0),
        })
    }

    /// Host and port of the master that is dialled now.
    #[must_use]
    pub fn current(&self) -> (&str, u16) {
        let index = self.current.load(Ordering::Relaxed) % self.addresses.len().max(1);
        let (host, port) = &self.addresses[index];
        (host, *port)
    }

    /// The next dial goes to the next master.
    pub fn turn(&self) {
        self.current.fetch_add(1, Ordering::Relaxed);
    }

    /// A verified connection to the current master.
    ///
    /// # Errors
    /// When there is none; then it is the next one's turn.
    pub async fn dial(&self, tls: Arc<ClientConfig>) -> Result<TlsStream<TcpStream>, DialError> {
        let (host, port) = self.current();
        let address = format!("{host}:{port}");
        let dialled = tokio::time::timeout(CONNECT, connect(host, port, tls)).await;
        dialled
            .unwrap_or_else(|_| Err(Failure::Connect(io::ErrorKind::TimedOut.into())))
            .map_err(|failure| {
                self.turn();
                match failure {
                    Failure::Connect(source) => DialError::Connect { address, source },
                    Failure::Tls(source) => DialError::Tls { address, source },
                }
            })
    }
}

enum Failure {
    Connect(io::Error),
    Tls(io::Error),
}

async fn connect(
    host: &str,
    port: u16,
    tls: Arc<ClientConfig>,
) -> Result<TlsStream<TcpStream>, Failure> {
    let name = ServerName::try_from(host.to_owned())
        .map_err(|error| Failure::Connect(io::Error::new(io::ErrorKind::InvalidInput, error)))?;
    let stream = TcpStream::connect((host, port))
        .await
        .map_err(Failure::Connect)?;
    stream.set_nodelay(true).map_err(Failure::Connect)?;
    TlsConnector::from(tls)
        .connect(name, stream)
        .await
        .map_err(Failure::Tls)
}
