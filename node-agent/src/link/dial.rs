use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use common::link::SILENCE;
use parking_lot::Mutex;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::settings::{Settings, SettingsError};

/// Longest wait for a connection to the only master, and to one of several.
const CONNECT: Duration = Duration::from_secs(10);
const CONNECT_ONE_OF: Duration = Duration::from_secs(3);
/// After so long without a frame one of several masters counts as gone: it says something every five seconds, and
/// another one leads by then.
const SILENCE_OF_ONE: Duration = Duration::from_secs(8);

/// The masters' addresses. Starts with the one that answered last.
pub struct Masters {
    addresses: Vec<(String, u16)>,
    current: AtomicUsize,
    /// The one that leads, as another one said: it may be none of those that the settings name.
    leader: Mutex<Option<(String, u16)>>,
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
            leader: Mutex::new(None),
        })
    }

    /// Whether there may be another master when one is gone.
    #[must_use]
    pub fn are_several(&self) -> bool {
        self.addresses.len() > 1 || self.leader.lock().is_some()
    }

    /// After so long without a frame the master counts as gone.
    #[must_use]
    pub fn patience(&self) -> Duration {
        if self.are_several() {
            SILENCE_OF_ONE
        } else {
            SILENCE
        }
    }

    /// Host and port of the master that is dialled now.
    #[must_use]
    pub fn current(&self) -> (String, u16) {
        if let Some(leader) = &*self.leader.lock() {
            return leader.clone();
        }
        let index = self.current.load(Ordering::Relaxed) % self.addresses.len().max(1);
        self.addresses[index].clone()
    }

    /// The next dial goes to the next master.
    pub fn turn(&self) {
        // Those that the settings name know who leads now.
        if self.leader.lock().take().is_none() {
            self.current.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The next dials go to the master at a URL, which leads; false when it is no URL of a master.
    pub fn follow(&self, url: &str) -> bool {
        let Ok(leader) = crate::settings::master_address(url) else {
            return false;
        };
        *self.leader.lock() = Some(leader);
        true
    }

    /// A verified connection to the current master.
    ///
    /// # Errors
    /// When there is none; then it is the next one's turn.
    pub async fn dial(&self, tls: Arc<ClientConfig>) -> Result<TlsStream<TcpStream>, DialError> {
        let (host, port) = self.current();
        let address = format!("{host}:{port}");
        let patience = if self.are_several() {
            CONNECT_ONE_OF
        } else {
            CONNECT
        };
        let dialled = tokio::time::timeout(patience, connect(&host, port, tls)).await;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leader_that_was_named_is_dialled_until_it_fails() {
        let settings = Settings {
            master: ["https://a:1", "https://b:2"].map(str::to_owned).to_vec(),
            ..Settings::default()
        };
        let masters = Masters::new(&settings).unwrap();
        let at = |host: &str, port| (host.to_owned(), port);
        assert_eq!(masters.current(), at("a", 1));
        assert!(!masters.follow("nonsense"));
        assert!(masters.follow("https://c:3"));
        assert_eq!(masters.current(), at("c", 3));
        masters.turn();
        assert_eq!(masters.current(), at("a", 1));
        masters.turn();
        assert_eq!(masters.current(), at("b", 2));
        masters.turn();
        assert_eq!(masters.current(), at("a", 1));
    }
}
