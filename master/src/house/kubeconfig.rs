//! Kubeconfigs: the administrators' is written for every kubectl and read by the master's own commands.

use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use common::trust::{ADMINS, Authority, Identity, write_atomic};
use jiff::Timestamp;
use serde::Deserialize;

/// The file's name in the data directory.
const FILE: &str = "admin.kubeconfig";
/// Life of the certificate in it; it is made anew at each start of the master.
const VALIDITY: Duration = Duration::from_secs(366 * 24 * 3600);

/// How administrators reach the API.
pub struct Admin {
    /// The API's URL.
    pub server: String,
    /// The authority's certificate.
    pub ca_pem: String,
    /// Who they are.
    pub identity: Identity,
}

/// The file cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// The file system.
    #[error("{action} {path}")]
    File {
        /// What was attempted.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is not what this program writes.
    #[error("read {path}: {problem}; start the master, which writes it anew")]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// Certificates.
    #[error("make the administrators' certificate")]
    Trust(#[from] common::trust::Error),
}

/// What a user shows.
pub enum Credential {
    /// A client certificate and its key.
    Certificate(Identity),
    /// A bearer token.
    Token(String),
}

/// A kubeconfig for one user; `namespace` is the one of commands that name none.
#[must_use]
pub fn kubeconfig(
    server: &str,
    ca_pem: &str,
    user: &str,
    credential: &Credential,
    namespace: Option<&str>,
) -> String {
    let shown = match credential {
        Credential::Certificate(identity) => format!(
            "client-certificate-data: {}\n    client-key-data: {}",
            STANDARD.encode(&identity.cert_pem),
            STANDARD.encode(&identity.key_pem),
        ),
        Credential::Token(token) => format!("token: {token}"),
    };
    let namespace = namespace.map_or_else(String::new, |name| format!("    namespace: {name}\n"));
    format!(
        "apiVersion: v1\nkind: Config\n\
         clusters:\n- name: troupe\n  cluster:\n    server: {server}\n    certificate-authority-data: {}\n\
         users:\n- name: {user}\n  user:\n    {shown}\n\
         contexts:\n- name: troupe\n  context:\n    cluster: troupe\n    user: {user}\n{namespace}\
         current-context: troupe\n",
        STANDARD.encode(ca_pem),
    )
}

impl Admin {
    /// A new certificate for the administrators of a cluster.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn issue(authority: &Authority, server: &str, now: Timestamp) -> Result<Self, AdminError> {
        Ok(Self {
            server: server.to_owned(),
            ca_pem: authority.ca_pem().to_owned(),
            identity: authority.issue_client("admin", &[ADMINS], VALIDITY, now)?,
        })
    }

    /// Writes `admin.kubeconfig` into the data directory: readable by its owner only, whole or not
    /// at all.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, data_dir: &Path) -> Result<(), AdminError> {
        let path = data_dir.join(FILE);
        let fail = |source| AdminError::File {
            action: "write",
            path: path.clone(),
            source,
        };
        write_atomic(&path, self.text().as_bytes(), 0o600).map_err(fail)
    }

    fn text(&self) -> String {
        let credential = Credential::Certificate(self.identity.clone());
        kubeconfig(&self.server, &self.ca_pem, "admin", &credential, None)
    }

    /// Reads what [`Admin::write`] wrote.
    ///
    /// # Errors
    /// When the file is missing or damaged.
    pub fn read(data_dir: &Path) -> Result<Self, AdminError> {
        let path = data_dir.join(FILE);
        let fail = |source| AdminError::File {
            action: "read",
            path: path.clone(),
            source,
        };
        let text = std::fs::read_to_string(&path).map_err(fail)?;
        let format = |problem: String| AdminError::Format {
            path: path.clone(),
            problem,
        };
        let config: Config = serde_saphyr::from_str(&text).map_err(|e| format(e.to_string()))?;
        let cluster = config.clusters.into_iter().next();
        let user = config.users.into_iter().next();
        let (Some(cluster), Some(user)) = (cluster, user) else {
            return Err(format("it names no cluster or no user".to_owned()));
        };
        let decode = |data: &str| {
            let bytes = STANDARD.decode(data).map_err(|e| format(e.to_string()))?;
            String::from_utf8(bytes).map_err(|e| format(e.to_string()))
        };
        Ok(Self {
            server: cluster.cluster.server,
            ca_pem: decode(&cluster.cluster.certificate_authority_data)?,
            identity: Identity {
                cert_pem: decode(&user.user.client_certificate_data)?,
                key_pem: decode(&user.user.client_key_data)?,
            },
        })
    }
}

#[derive(Deserialize)]
struct Config {
    clusters: Vec<NamedCluster>,
    users: Vec<NamedUser>,
}

#[derive(Deserialize)]
struct NamedCluster {
    cluster: Cluster,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Cluster {
    server: String,
    certificate_authority_data: String,
}

#[derive(Deserialize)]
struct NamedUser {
    user: User,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct User {
    client_certificate_data: String,
    client_key_data: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_back() {
        let directory = tempfile::tempdir().unwrap();
        let now = Timestamp::now();
        let authority = Authority::load_or_create(directory.path(), now).unwrap();
        let admin = Admin::issue(&authority, "https://127.0.0.1:6443", now).unwrap();
        admin.write(directory.path()).unwrap();
        let read = Admin::read(directory.path()).unwrap();
        assert_eq!(read.server, admin.server);
        assert_eq!(read.identity.key_pem, admin.identity.key_pem);
    }
}
