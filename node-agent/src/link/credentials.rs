use std::fs;
use std::sync::Arc;

use arc_swap::ArcSwap;
use common::trust::{
    self, ClientAuth, Identity, master_client_config, server_config, write_atomic,
};
use rustls::{ClientConfig, ServerConfig};

use crate::layout::Layout;

/// The node's certificate and whom it trusts, ready for use. Replaced as a whole at renewal.
pub struct Credentials {
    layout: Layout,
    now: ArcSwap<Current>,
}

struct Current {
    identity: Identity,
    client: Arc<ClientConfig>,
    server: Arc<ServerConfig>,
}

/// The node's certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    /// It, or its file.
    #[error(transparent)]
    Trust(#[from] trust::Error),
    /// The authority's file.
    #[error("{action} {path}")]
    File {
        /// What was attempted.
        action: &'static str,
        /// With which file.
        path: String,
        /// Why it failed.
        #[source]
        source: std::io::Error,
    },
}

impl Credentials {
    /// Reads what an earlier join has left.
    ///
    /// # Errors
    /// When it is not there or unusable.
    pub fn load(layout: &Layout) -> Result<Self, CredentialsError> {
        let path = layout.authority();
        let ca = fs::read_to_string(&path).map_err(|source| CredentialsError::File {
            action: "read",
            path: path.display().to_string(),
            source,
        })?;
        let identity = Identity::load(&layout.identity())?;
        let now = ArcSwap::from_pointee(Current::new(identity, &ca)?);
        Ok(Self {
            layout: layout.clone(),
            now,
        })
    }

    /// Keeps what a join or a renewal has brought. The certificate goes last: it is what says that
    /// the node has joined.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn save(layout: &Layout, identity: &Identity, ca: &str) -> Result<(), CredentialsError> {
        let path = layout.authority();
        write_atomic(&path, ca.as_bytes(), 0o644).map_err(|source| CredentialsError::File {
            action: "write",
            path: path.display().to_string(),
            source,
        })?;
        Ok(identity.save(&layout.identity())?)
    }

    /// Replaces the certificate.
    ///
    /// # Errors
    /// When it is unusable or cannot be kept; then the old one stays.
    pub fn replace(&self, identity: Identity, ca: &str) -> Result<(), CredentialsError> {
        let next = Current::new(identity, ca)?;
        Self::save(&self.layout, &next.identity, ca)?;
        self.now.store(Arc::new(next));
        Ok(())
    }

    /// TLS towards the master.
    #[must_use]
    pub fn client(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.now.load().client)
    }

    /// TLS of the data plane.
    #[must_use]
    pub fn server(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.now.load().server)
    }

    /// The certificate itself.
    #[must_use]
    pub fn identity(&self) -> Identity {
        self.now.load().identity.clone()
    }
}

impl Current {
    fn new(identity: Identity, ca: &str) -> Result<Self, CredentialsError> {
        let mut client = master_client_config(ca, &identity)?;
        client.alpn_protocols = vec![b"http/1.1".to_vec()];
        let server = server_config(&identity, ca, ClientAuth::Required)?;
        Ok(Self {
            identity,
            client: Arc::new(client),
            server: Arc::new(server),
        })
    }
}
