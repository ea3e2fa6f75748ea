use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
pub use common::trust::Identity;

use crate::Http;
use crate::http::tls_client;

/// The API's port, for requests that no kubectl makes.
pub struct Api {
    server: String,
    authority: String,
    admin: Identity,
}

impl Api {
    /// Whom and what an administrator's kubeconfig names.
    ///
    /// # Panics
    /// When it lacks something.
    #[must_use]
    pub fn of(kubeconfig: &Path) -> Self {
        let text = fs::read_to_string(kubeconfig).unwrap();
        let field = |name: &str| {
            let found = text
                .split_once(&format!("{name}:"))
                .and_then(|(_, rest)| rest.lines().next());
            found
                .unwrap_or_else(|| panic!("no {name} in {text}"))
                .trim()
                .trim_matches('"')
                .to_owned()
        };
        let pem = |name| String::from_utf8(STANDARD.decode(field(name)).unwrap()).unwrap();
        Self {
            server: field("server"),
            authority: pem("certificate-authority-data"),
            admin: Identity {
                cert_pem: pem("client-certificate-data"),
                key_pem: pem("client-key-data"),
            },
        }
    }

    /// The API's URL.
    #[must_use]
    pub fn server(&self) -> &str {
        &self.server
    }

    /// The certificate (PEM) of the cluster's authority.
    #[must_use]
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// The administrator's certificate and key.
    #[must_use]
    pub fn admin(&self) -> Identity {
        self.admin.clone()
    }

    /// With the administrator's certificate.
    #[must_use]
    pub fn as_admin(&self) -> Http {
        self.client(Some(&self.admin))
    }

    /// With no certificate.
    #[must_use]
    pub fn as_nobody(&self) -> Http {
        self.client(None)
    }

    /// With somebody's certificate.
    #[must_use]
    pub fn with(&self, identity: &Identity) -> Http {
        self.client(Some(identity))
    }

    fn client(&self, identity: Option<&Identity>) -> Http {
        let client = tls_client(&self.authority, identity);
        Http::with(&self.server, client.build().unwrap())
    }
}
