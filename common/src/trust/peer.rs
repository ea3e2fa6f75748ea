use rustls_pki_types::CertificateDer;
use x509_parser::x509::AttributeTypeAndValue;

use super::{Error, NODE_PREFIX, NODES};
use crate::digest::Digest;

/// Who is at the other end, by its verified certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Common name.
    pub cn: String,
    /// Organizations.
    pub orgs: Vec<String>,
    /// Digest of its public key (the DER of SubjectPublicKeyInfo).
    pub key: Digest,
}

impl Peer {
    /// Reads the subject of a certificate that TLS has verified.
    ///
    /// # Errors
    /// When it is not a certificate, or its subject has not exactly one common name.
    pub fn from_der(der: &CertificateDer<'_>) -> Result<Self, Error> {
        let (_, certificate) = x509_parser::parse_x509_certificate(der)
            .map_err(|error| Error::read("certificate", error))?;
        let text = |attribute: &AttributeTypeAndValue<'_>| {
            attribute
                .as_str()
                .map(ToOwned::to_owned)
                .map_err(|error| Error::read("certificate's subject", error))
        };
        let subject = certificate.subject();
        let mut names = subject
            .iter_common_name()
            .map(text)
            .collect::<Result<Vec<_>, _>>()?;
        let orgs = subject
            .iter_organization()
            .map(text)
            .collect::<Result<Vec<_>, _>>()?;
        match (names.pop(), names.is_empty()) {
            (Some(cn), true) => Ok(Self {
                cn,
                orgs,
                key: Digest::of(certificate.public_key().raw),
            }),
            _ => Err(Error::read(
                "certificate's subject",
                "want exactly one common name",
            )),
        }
    }

    /// Whether the peer belongs to an organization.
    #[must_use]
    pub fn is_in(&self, org: &str) -> bool {
        self.orgs.iter().any(|own| own == org)
    }

    /// The node's name, when the peer is a node.
    #[must_use]
    pub fn node(&self) -> Option<&str> {
        self.is_in(NODES)
            .then(|| self.cn.strip_prefix(NODE_PREFIX))
            .flatten()
    }
}
