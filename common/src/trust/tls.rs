use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::crypto::{CryptoProvider, ring};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

use super::masters_only::MastersOnly;
use super::{Error, Identity};

/// What a server asks of those who connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientAuth {
    /// A certificate, when one is shown, is of the cluster's authority. Who shows none is nobody.
    Optional,
    /// Nobody gets in without a certificate of the cluster's authority.
    Required,
}

/// Makes ring the process's cryptography, for libraries that look it up. Call once at start.
pub fn install_crypto() {
    // Fails when it was installed before, which is as good.
    let _ = ring::default_provider().install_default();
}

pub(super) fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

fn roots(ca_pem: &str) -> Result<Arc<RootCertStore>, Error> {
    let mut store = RootCertStore::empty();
    for der in CertificateDer::pem_slice_iter(ca_pem.as_bytes()) {
        store.add(der.map_err(|error| Error::read("authority's certificate", error))?)?;
    }
    if store.is_empty() {
        return Err(Error::read("authority's certificate", "found none"));
    }
    Ok(Arc::new(store))
}

/// TLS of a server; speaks HTTP/2 and HTTP/1.1. It sends the authority's certificate too, so that a
/// joining node finds it by its hash.
///
/// # Errors
/// When the identity or the authority's certificate is unusable.
pub fn server_config(
    identity: &Identity,
    ca_pem: &str,
    clients: ClientAuth,
) -> Result<ServerConfig, Error> {
    let verifier = WebPkiClientVerifier::builder_with_provider(roots(ca_pem)?, provider());
    let verifier = match clients {
        ClientAuth::Optional => verifier.allow_unauthenticated(),
        ClientAuth::Required => verifier,
    };
    let verifier = verifier
        .build()
        .map_err(|error| Error::read("authority's certificate", error))?;
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_client_cert_verifier(verifier)
        .with_single_cert(identity.chain()?, identity.key()?)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

/// TLS of a client that trusts the cluster's authority only and shows `identity`. The caller sets
/// ALPN to what it speaks.
///
/// # Errors
/// When the identity or the authority's certificate is unusable.
pub fn client_config(ca_pem: &str, identity: Option<&Identity>) -> Result<ClientConfig, Error> {
    let builder = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots(ca_pem)?);
    match identity {
        Some(identity) => Ok(builder.with_client_auth_cert(identity.chain()?, identity.key()?)?),
        None => Ok(builder.with_no_client_auth()),
    }
}

/// As [`client_config`], of a client that speaks to masters only.
///
/// # Errors
/// When the identity or the authority's certificate is unusable.
pub fn master_client_config(ca_pem: &str, identity: &Identity) -> Result<ClientConfig, Error> {
    let verifier = WebPkiServerVerifier::builder_with_provider(roots(ca_pem)?, provider());
    let verifier = verifier
        .build()
        .map_err(|error| Error::read("authority's certificate", error))?;
    let builder = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(MastersOnly(verifier)));
    Ok(builder.with_client_auth_cert(identity.chain()?, identity.key()?)?)
}
