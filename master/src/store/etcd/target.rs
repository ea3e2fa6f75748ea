//! Which etcd, and how to be let in.

use std::path::{Path, PathBuf};
use std::time::Duration;

use etcd_client::{Certificate, ConnectOptions, Identity, TlsOptions};

use crate::store::StoreError;

/// Signs of life while nothing is said, and how long one may take.
const KEEP_ALIVE: (Duration, Duration) = (Duration::from_secs(3), Duration::from_secs(3));
const CONNECT: Duration = Duration::from_secs(2);

/// An etcd, and what this cluster has of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Target {
    /// Its members, as HOST:PORT.
    pub members: Vec<String>,
    /// What the cluster's keys begin with.
    pub prefix: String,
    /// PEM file of the authority that its members' certificates come from; without one there is no TLS.
    pub ca_file: Option<PathBuf>,
    /// PEM files of our certificate and its key, for an etcd that wants one.
    pub identity_files: Option<(PathBuf, PathBuf)>,
    /// User, and the file with the password, for an etcd with authentication.
    pub user: Option<(String, PathBuf)>,
    /// How long a call is tried again while etcd is away.
    pub patience: Duration,
}

impl Target {
    pub(super) fn urls(&self) -> Vec<String> {
        let scheme = if self.ca_file.is_some() {
            "https"
        } else {
            "http"
        };
        let url = |member: &String| format!("{scheme}://{member}");
        self.members.iter().map(url).collect()
    }

    /// Reads the files that are named.
    pub(super) fn options(&self) -> Result<ConnectOptions, StoreError> {
        let mut options = ConnectOptions::new()
            .with_keep_alive(KEEP_ALIVE.0, KEEP_ALIVE.1)
            .with_connect_timeout(CONNECT)
            // A member that lost the others must say so, not fall silent.
            .with_require_leader(true)
            .with_auto_token_refresh(true);
        if let Some(file) = &self.ca_file {
            let mut tls = TlsOptions::new().ca_certificate(Certificate::from_pem(read(file)?));
            if let Some((certificate, key)) = &self.identity_files {
                tls = tls.identity(Identity::from_pem(read(certificate)?, read(key)?));
            }
            options = options.with_tls(tls);
        }
        if let Some((name, file)) = &self.user {
            let password = String::from_utf8(read(file)?).map_err(|_| {
                let attempt = format!("read the password in {}", file.display());
                StoreError::failed(attempt, "it is not UTF-8")
            })?;
            options = options.with_user(name, password.trim_end_matches(['\r', '\n']));
        }
        Ok(options)
    }
}

fn read(file: &Path) -> Result<Vec<u8>, StoreError> {
    let attempt = || format!("read {}, which the settings of etcd name", file.display());
    std::fs::read(file).map_err(|error| StoreError::failed(attempt(), error))
}
