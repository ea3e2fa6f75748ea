use std::fs;
use std::path::Path;

use jiff::Timestamp;
use rcgen::{
    CertificateParams, CertificateSigningRequestParams, DistinguishedName, KeyPair,
    PublicKeyData as _,
};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::{Error, write_atomic};
use crate::digest::Digest;

/// A certificate and its key, as PEM.
#[derive(Clone)]
pub struct Identity {
    /// The certificate, then the authority's.
    pub cert_pem: String,
    /// The private key.
    pub key_pem: String,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Identity").finish_non_exhaustive()
    }
}

impl Identity {
    /// Reads what [`Identity::save`] wrote.
    ///
    /// # Errors
    /// When the file is missing or does not hold a certificate and a key.
    pub fn load(path: &Path) -> Result<Self, Error> {
        let text = fs::read_to_string(path).map_err(|error| Error::file("read", path, error))?;
        let start = text
            .find("-----BEGIN PRIVATE KEY-----")
            .ok_or_else(|| Error::read("identity", "found no private key"))?;
        let (cert_pem, key_pem) = text.split_at(start);
        let identity = Self {
            cert_pem: cert_pem.to_owned(),
            key_pem: key_pem.to_owned(),
        };
        identity.chain()?;
        identity.key()?;
        Ok(identity)
    }

    /// Writes both into one file, mode 0600, at once: they always belong together.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), Error> {
        let text = format!("{}{}", self.cert_pem, self.key_pem);
        write_atomic(path, text.as_bytes(), 0o600)
            .map_err(|error| Error::file("write", path, error))
    }

    /// The certificates, the leaf first.
    ///
    /// # Errors
    /// When there is none.
    pub fn chain(&self) -> Result<Vec<CertificateDer<'static>>, Error> {
        let chain = CertificateDer::pem_slice_iter(self.cert_pem.as_bytes())
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| Error::read("certificate", error))?;
        if chain.is_empty() {
            return Err(Error::read("certificate", "found none"));
        }
        Ok(chain)
    }

    pub(super) fn key(&self) -> Result<PrivateKeyDer<'static>, Error> {
        PrivateKeyDer::from_pem_slice(self.key_pem.as_bytes())
            .map_err(|error| Error::read("private key", error))
    }

    /// From when to when the certificate holds.
    ///
    /// # Errors
    /// When there is no certificate.
    pub fn validity(&self) -> Result<(Timestamp, Timestamp), Error> {
        let chain = self.chain()?;
        let (_, certificate) = x509_parser::parse_x509_certificate(&chain[0])
            .map_err(|error| Error::read("certificate", error))?;
        let validity = certificate.validity();
        let at = |time: x509_parser::time::ASN1Time| {
            Timestamp::from_second(time.timestamp()).map_err(|error| Error::read("time", error))
        };
        Ok((at(validity.not_before)?, at(validity.not_after)?))
    }
}

/// A new key and the request to certify it.
pub struct Csr {
    /// The request, for [`super::Authority::sign_csr`].
    pub csr_pem: String,
    /// The key, which stays where it was made.
    pub key_pem: String,
}

impl Csr {
    /// Makes a key. The request names no subject: who signs decides on it.
    ///
    /// # Errors
    /// When the system gives no random numbers.
    pub fn new() -> Result<Self, Error> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        let csr_pem = params.serialize_request(&key)?.pem()?;
        Ok(Self {
            csr_pem,
            key_pem: key.serialize_pem(),
        })
    }

    /// The identity, once the request was signed.
    #[must_use]
    pub fn signed(self, cert_pem: String) -> Identity {
        Identity {
            cert_pem,
            key_pem: self.key_pem,
        }
    }
}

/// Digest of the public key that a request wants certified, as [`super::Peer::key`] has it.
///
/// # Errors
/// When it is not a request, or not signed with its own key.
pub fn csr_key(csr_pem: &str) -> Result<Digest, Error> {
    let request = CertificateSigningRequestParams::from_pem(csr_pem)?;
    Ok(Digest::of(&request.public_key.subject_public_key_info()))
}
